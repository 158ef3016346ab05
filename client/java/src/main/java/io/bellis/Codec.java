package io.bellis;

import java.io.IOException;
import java.lang.reflect.Array;
import java.math.BigInteger;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import org.msgpack.core.MessageBufferPacker;
import org.msgpack.core.MessageFormat;
import org.msgpack.core.MessagePack;
import org.msgpack.core.MessagePackException;
import org.msgpack.core.MessageUnpacker;

/**
 * A message is {@code [kind, fields]} in msgpack (MESSAGES.md, "Encoding").
 *
 * <p>What is read becomes a Long, Double, Boolean, String, List, {@link Fields} or null. What no
 * field of ours may be becomes an {@link Object} of no use: integers beyond 2^63-1, bin, extension
 * types, and texts that are no UTF-8.
 */
final class Codec {
  /** Of one message, in bytes. */
  static final int MESSAGE_BYTES_MAX = 1 << 20;

  private static final int DEPTH_MAX = 16;
  private static final Object NOT_OURS = new Object();

  private Codec() {}

  /** A message whose fields have not been looked at. */
  record Received(String kind, Fields fields) {}

  /**
   * Reads a message of one frame.
   *
   * @throws BrokerException {@code bad_message} for what is no message
   */
  static Received decode(byte[] data) {
    try (MessageUnpacker unpacker = MessagePack.newDefaultUnpacker(data)) {
      Object message = read(unpacker, data.length, 1);
      if (unpacker.getTotalReadBytes() != data.length) {
        throw refused("there are bytes after the message");
      }
      if (!(message instanceof List<?> pair)
          || pair.size() != 2
          || !(pair.get(0) instanceof String kind)
          || !(pair.get(1) instanceof Fields fields)) {
        throw refused("not [kind, fields]");
      }
      return new Received(kind, fields.at(kind));
    } catch (IOException | MessagePackException error) {
      throw refused("not msgpack: " + error);
    }
  }

  /** Takes no more memory than the bytes that are there can fill. */
  private static Object read(MessageUnpacker in, int bytes, int depth) throws IOException {
    if (!in.hasNext()) {
      throw refused("the message is cut off");
    }
    return switch (in.getNextFormat().getValueType()) {
      case NIL -> {
        in.unpackNil();
        yield null;
      }
      case BOOLEAN -> in.unpackBoolean();
      case INTEGER -> integer(in);
      case FLOAT -> in.unpackDouble();
      case STRING -> text(payload(in, in.unpackRawStringHeader(), bytes));
      case BINARY -> {
        payload(in, in.unpackBinaryHeader(), bytes);
        yield NOT_OURS;
      }
      case EXTENSION -> {
        payload(in, in.unpackExtensionTypeHeader().getLength(), bytes);
        yield NOT_OURS;
      }
      case ARRAY -> {
        int size = in.unpackArrayHeader();
        List<Object> list = new ArrayList<>();
        for (int i = 0; i < size; ++i) {
          list.add(read(in, bytes, deeper(depth)));
        }
        yield list;
      }
      case MAP -> {
        int size = in.unpackMapHeader();
        Fields map = new Fields();
        for (int i = 0; i < size; ++i) {
          Object key = read(in, bytes, deeper(depth));
          map.put(key, read(in, bytes, deeper(depth)));
        }
        yield map;
      }
    };
  }

  private static Object integer(MessageUnpacker in) throws IOException {
    if (in.getNextFormat() != MessageFormat.UINT64) {
      return in.unpackLong();
    }
    BigInteger number = in.unpackBigInteger();
    return number.bitLength() < Long.SIZE ? (Object) number.longValue() : NOT_OURS;
  }

  private static int deeper(int depth) {
    if (depth > DEPTH_MAX) {
      throw refused("nested deeper than " + DEPTH_MAX);
    }
    return depth + 1;
  }

  private static byte[] payload(MessageUnpacker in, int length, int bytes) throws IOException {
    if (length > bytes - in.getTotalReadBytes()) {
      throw refused("the message is cut off");
    }
    return in.readPayload(length);
  }

  private static Object text(byte[] data) {
    try {
      return StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(data)).toString();
    } catch (CharacterCodingException notText) {
      return NOT_OURS;
    }
  }

  /**
   * The bytes of a message. Values are maps with keys of text, collections, arrays, texts, whole
   * numbers, floats, booleans, byte arrays (bin) and ROIs.
   *
   * @throws IllegalArgumentException for any other value, which is named by its path
   */
  static byte[] encode(String kind, Map<String, ?> fields) {
    try (MessageBufferPacker packer = MessagePack.newDefaultBufferPacker()) {
      packer.packArrayHeader(2);
      pack(packer, kind, kind);
      pack(packer, fields, kind);
      return packer.toByteArray();
    } catch (IOException error) {
      throw new IllegalStateException("a buffer in memory can be written", error);
    }
  }

  private static void pack(MessageBufferPacker out, Object value, String path) throws IOException {
    if (value instanceof String text) {
      byte[] data = text.getBytes(StandardCharsets.UTF_8);
      out.packRawStringHeader(data.length).writePayload(data);
    } else if (value instanceof Long
        || value instanceof Integer
        || value instanceof Short
        || value instanceof Byte) {
      out.packLong(((Number) value).longValue());
    } else if (value instanceof BigInteger number && number.bitLength() < Long.SIZE) {
      out.packLong(number.longValue());
    } else if (value instanceof Double || value instanceof Float) {
      out.packDouble(((Number) value).doubleValue());
    } else if (value instanceof Boolean truth) {
      out.packBoolean(truth);
    } else if (value instanceof byte[] data) {
      out.packBinaryHeader(data.length).writePayload(data);
    } else if (value instanceof Roi roi) {
      pack(out, List.of(roi.offset(), roi.shape()), path);
    } else {
      packSeveral(out, value, path);
    }
  }

  private static void packSeveral(MessageBufferPacker out, Object value, String path)
      throws IOException {
    if (value instanceof Map<?, ?> map) {
      out.packMapHeader(map.size());
      for (Map.Entry<?, ?> entry : map.entrySet()) {
        if (!(entry.getKey() instanceof String key)) {
          throw unfit(path, "the key " + entry.getKey());
        }
        pack(out, key, path);
        pack(out, entry.getValue(), path + "." + key);
      }
    } else if (value instanceof Collection<?> list) {
      out.packArrayHeader(list.size());
      int i = 0;
      for (Object element : list) {
        pack(out, element, path + "[" + i++ + "]");
      }
    } else if (value != null && value.getClass().isArray()) {
      int size = Array.getLength(value);
      out.packArrayHeader(size);
      for (int i = 0; i < size; ++i) {
        pack(out, Array.get(value, i), path + "[" + i + "]");
      }
    } else {
      throw unfit(path, value == null ? "null (leave the key out)" : value.getClass().getName());
    }
  }

  private static IllegalArgumentException unfit(String path, String what) {
    return new IllegalArgumentException(
        path
            + " is or has "
            + what
            + ": a map with keys of text, a collection or an array, a text, a number of at most 64"
            + " bits, a boolean, a byte[] or a Roi is expected");
  }

  private static BrokerException refused(String what) {
    return new BrokerException(BrokerException.BAD_MESSAGE, "what came is no message: " + what);
  }
}
