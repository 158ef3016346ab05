package io.bellis;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalLong;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The messages of tests/conformance/vectors. */
class VectorsTest {
  private static final Path VECTORS = Path.of("..", "..", "tests", "conformance", "vectors");

  private static JsonObject vectors(String kind) throws IOException {
    return JsonParser.parseString(Files.readString(VECTORS.resolve(kind + ".json")))
        .getAsJsonObject();
  }

  private static byte[] bytes(JsonElement one) {
    return HexFormat.of().parseHex(one.getAsJsonObject().get("hex").getAsString());
  }

  private static String how(JsonElement one) {
    return one.getAsJsonObject().get("how").getAsString();
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "welcome",
        "work",
        "recall",
        "committed",
        "pong",
        "drain",
        "leave",
        "error",
        "submitted",
        "jobs",
        "cancelled",
        "progress",
        "ended",
        "retried",
        "ok",
        "explained"
      })
  void readsEveryEncodingAsTheSameAndRefusesWhatIsRefused(String kind) throws IOException {
    JsonObject vectors = vectors(kind);
    JsonArray encodings = vectors.getAsJsonArray("encodings");
    assertTrue(encodings.size() > 4);
    Message first = Message.decode(bytes(encodings.get(0)), "smooth");
    assertTrue(!(first instanceof Message.Unknown), kind);
    for (JsonElement encoding : encodings) {
      assertEquals(first, Message.decode(bytes(encoding), "smooth"), how(encoding));
    }
    for (JsonElement wrong : vectors.getAsJsonArray("refused")) {
      if (how(wrong).matches(".*\\.(grid|runs)\\b.*")) {
        continue; // This worker does not announce runs: it knows of no such key.
      }
      BrokerException refusal =
          assertThrows(
              BrokerException.class, () -> Message.decode(bytes(wrong), "smooth"), how(wrong));
      assertEquals("bad_message", refusal.code(), how(wrong));
      String names = wrong.getAsJsonObject().get("names").getAsString();
      assertTrue(refusal.getMessage().contains(names + " "), refusal.getMessage() + names);
    }
  }

  @Test
  void refusesWhatIsNoMessage() throws IOException {
    for (JsonElement wrong : vectors("envelope").getAsJsonArray("refused")) {
      if (wrong.getAsJsonObject().get("code").getAsString().equals("unknown_kind")) {
        assertTrue(Message.decode(bytes(wrong), "") instanceof Message.Unknown, how(wrong));
      } else {
        BrokerException refusal =
            assertThrows(BrokerException.class, () -> Message.decode(bytes(wrong), ""), how(wrong));
        assertEquals("bad_message", refusal.code(), how(wrong));
      }
    }
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "hello",
        "ping",
        "bye",
        "acquire",
        "release",
        "submit",
        "status",
        "cancel",
        "watch",
        "retry_failed",
        "pause",
        "resume",
        "set_workers",
        "worker_gone",
        "explain"
      })
  void writesTheBytesOfThePage(String kind) throws IOException {
    JsonObject vectors = vectors(kind);
    Object message = tree(vectors.get("message"));
    assertTrue(message instanceof List<?> pair && kind.equals(pair.get(0)));
    byte[] written = Codec.encode(kind, fields(vectors.getAsJsonArray("message").get(1)));
    assertArrayEquals(bytes(vectors.getAsJsonArray("encodings").get(0)), written);
  }

  @Test
  void welcomeAndWorkAreReadWhole() throws IOException {
    JsonArray welcomes = vectors("welcome").getAsJsonArray("encodings");
    assertEquals(
        new Message.Welcome(
            1,
            "bellis 0.1.0",
            "smooth-1",
            "smooth",
            7,
            "work",
            3,
            20000,
            4000,
            true,
            OptionalLong.of(0),
            List.of(300L)),
        Message.decode(bytes(welcomes.get(0)), ""));
    JsonArray works = vectors("work").getAsJsonArray("encodings");
    Roi read = new Roi(List.of(-2L, 0L), List.of(14L, 10L));
    Roi write = new Roi(List.of(0L, 0L), List.of(10L, 10L));
    assertEquals(
        new Message.Work(List.of(new Block("smooth", 61, 41, 1, 300, read, write))),
        Message.decode(bytes(works.get(0)), "smooth"));
  }

  private static Map<String, Object> fields(JsonElement json) {
    Map<String, Object> fields = new LinkedHashMap<>();
    json.getAsJsonObject().asMap().forEach((key, value) -> fields.put(key, tree(value)));
    return fields;
  }

  private static Object tree(JsonElement json) {
    if (json.isJsonObject()) {
      return fields(json);
    }
    if (json.isJsonArray()) {
      List<Object> list = new ArrayList<>();
      json.getAsJsonArray().forEach(element -> list.add(tree(element)));
      return list;
    }
    if (json.getAsJsonPrimitive().isBoolean()) {
      return json.getAsBoolean();
    }
    if (json.getAsJsonPrimitive().isString()) {
      return json.getAsString();
    }
    return json.getAsString().contains(".") ? (Object) json.getAsDouble() : json.getAsLong();
  }
}
