package io.bellis;

import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.CharsetDecoder;
import java.nio.charset.CodingErrorAction;
import java.nio.charset.StandardCharsets;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * What has become of a block.
 *
 * @param block whose lease it is about
 * @param status what the broker is told
 * @param error why it failed; may be empty
 */
record Result(Block block, Status status, String error) {
  private static final int ERROR_BYTES_MAX = 16 << 10;

  /** As MESSAGES.md, "release". */
  enum Status {
    completed,
    failed,
    returned
  }

  static Result completed(Block block) {
    return new Result(block, Status.completed, "");
  }

  static Result failed(Block block, String why) {
    return new Result(block, Status.failed, cut(why));
  }

  static Result returned(Block block) {
    return new Result(block, Status.returned, "");
  }

  Map<String, Object> fields() {
    Map<String, Object> fields = new LinkedHashMap<>();
    fields.put("lease", block.lease());
    fields.put("status", status.name());
    if (!error.isEmpty()) {
      fields.put("error", error);
    }
    return fields;
  }

  /** A text that is too long loses its middle. */
  private static String cut(String text) {
    byte[] data = text.getBytes(StandardCharsets.UTF_8);
    if (data.length <= ERROR_BYTES_MAX) {
      return text;
    }
    int half = ERROR_BYTES_MAX / 2 - 8;
    return whole(data, 0, half) + "\n...\n" + whole(data, data.length - half, half);
  }

  /** The text of these bytes, without a character that is cut in two. */
  private static String whole(byte[] data, int from, int length) {
    CharsetDecoder decoder =
        StandardCharsets.UTF_8.newDecoder().onMalformedInput(CodingErrorAction.IGNORE);
    try {
      return decoder.decode(ByteBuffer.wrap(data, from, length)).toString();
    } catch (CharacterCodingException impossible) {
      throw new IllegalStateException("what is malformed is ignored", impossible);
    }
  }
}
