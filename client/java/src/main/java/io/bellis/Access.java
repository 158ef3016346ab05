package io.bellis;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermission;
import java.util.HashMap;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.regex.MatchResult;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Where a broker is, and what each side proves itself by (TRANSPORT.md, "Keys"): three CURVE keys,
 * or a token where the broker does not encrypt, or nothing.
 *
 * @param endpoint {@code tcp://HOST:PORT}
 * @param token empty for none
 * @param serverKey the broker's public key: 40 characters of Z85, or empty as the other two
 * @param publicKey ours
 * @param secretKey ours
 */
public record Access(
    String endpoint, String token, String serverKey, String publicKey, String secretKey) {
  private static final int KEY_CHARS = 40;
  private static final int FILE_BYTES_MAX = 16 << 10;
  private static final Pattern TCP =
      Pattern.compile("tcp://(\\[[^\\]]+\\]|[^:;*@\\[\\]]+):(\\d{1,5})");
  private static final Pattern JSON_PAIR =
      Pattern.compile("\\s*\"(\\w+)\"\\s*:\\s*\"((?:[^\"\\\\]|\\\\.)*)\"\\s*(,|$)");
  private static final Pattern JSON_ESCAPE = Pattern.compile("\\\\(u([0-9a-fA-F]{4})|.)");

  /**
   * Checks all of it.
   *
   * @param endpoint {@code tcp://HOST:PORT}
   * @param token empty for none
   * @param serverKey the broker's public key: 40 characters of Z85, or empty as the other two
   * @param publicKey ours
   * @param secretKey ours
   * @throws IllegalArgumentException if the endpoint is not one that can be used, or a key is not
   *     one
   */
  public Access {
    checkEndpoint(endpoint);
    if (!(serverKey + publicKey + secretKey).isEmpty()) {
      checkKey("server key", serverKey);
      checkKey("public key", publicKey);
      checkKey("secret key", secretKey);
    }
  }

  /**
   * Access without keys: to a broker that was started with {@code --insecure}.
   *
   * @param endpoint {@code tcp://HOST:PORT}
   * @param token empty for none
   * @return what a worker or a client takes
   * @throws IllegalArgumentException if the endpoint is not one that can be used
   */
  public static Access insecure(String endpoint, String token) {
    return new Access(endpoint, token, "", "", "");
  }

  /**
   * What the environment says: BELLIS_ENDPOINT, and BELLIS_SERVER_KEY, BELLIS_PUBLIC_KEY and
   * BELLIS_SECRET_KEY, or BELLIS_TOKEN, or else BELLIS_ACCESS, the path of an access file.
   *
   * @return what a worker or a client takes
   * @throws IllegalArgumentException for a variable that is missing or wrong
   */
  public static Access fromEnvironment() {
    return from(new Environment(System.getenv()));
  }

  /**
   * Reads an access file, which a broker writes on tcp ({@code --access FILE}).
   *
   * @param file which only its owner may read (mode 0600)
   * @return what a worker or a client takes
   * @throws IllegalArgumentException if it cannot be used
   */
  public static Access fromFile(Path file) {
    Map<String, String> fields = readFile(file);
    return of(fields, fields.getOrDefault("endpoint", ""));
  }

  static Access from(Environment environment) {
    String endpoint = environment.text("BELLIS_ENDPOINT");
    Map<String, String> fields = new HashMap<>();
    for (String name : new String[] {"server_key", "public_key", "secret_key", "token"}) {
      fields.put(name, environment.text("BELLIS_" + name.toUpperCase(Locale.ROOT)));
    }
    String file = environment.text("BELLIS_ACCESS");
    if (String.join("", fields.values()).isEmpty() && !file.isEmpty()) {
      fields = readFile(Path.of(file));
    }
    return of(fields, endpoint.isEmpty() ? fields.getOrDefault("endpoint", "") : endpoint);
  }

  /** Does not show the keys. */
  @Override
  public String toString() {
    return "Access[" + endpoint + "]";
  }

  boolean isEncrypted() {
    return !serverKey.isEmpty();
  }

  private static Access of(Map<String, String> fields, String endpoint) {
    return new Access(
        endpoint,
        fields.getOrDefault("token", ""),
        fields.getOrDefault("server_key", ""),
        fields.getOrDefault("public_key", ""),
        fields.getOrDefault("secret_key", ""));
  }

  private static void checkKey(String name, String key) {
    if (key.length() != KEY_CHARS) {
      throw new IllegalArgumentException(
          "the %s has %d characters: all three keys are expected, each of 40 (Z85)"
              .formatted(name, key.length()));
    }
  }

  private static void checkEndpoint(String endpoint) {
    if (endpoint.isEmpty()) {
      throw new IllegalArgumentException(
          "no endpoint: set BELLIS_ENDPOINT to the broker's tcp://HOST:PORT, or BELLIS_ACCESS to its"
              + " access file");
    }
    if (endpoint.startsWith("ipc://")) {
      throw new IllegalArgumentException(
          "the endpoint is '"
              + endpoint
              + "', but JeroMQ, the ZeroMQ of this package, has no ipc: let the broker listen on tcp"
              + " (bellis run --bind tcp://127.0.0.1:0, or bellis-broker --endpoint"
              + " tcp://127.0.0.1:0 --access FILE)");
    }
    Matcher parts = TCP.matcher(endpoint);
    if (!parts.matches()
        || Integer.parseInt(parts.group(2)) < 1
        || Integer.parseInt(parts.group(2)) > 65535) {
      throw new IllegalArgumentException(
          "the endpoint is '"
              + endpoint
              + "': tcp://HOST:PORT is expected, with a port of 1 to 65535");
    }
  }

  private static Map<String, String> readFile(Path file) {
    try {
      Set<PosixFilePermission> permissions = Files.getPosixFilePermissions(file);
      permissions.removeAll(
          Set.of(PosixFilePermission.OWNER_READ, PosixFilePermission.OWNER_WRITE));
      if (!permissions.isEmpty()) {
        throw unusable(file, "others can use it; it is to have the mode 0600");
      }
      if (Files.size(file) > FILE_BYTES_MAX) {
        throw unusable(file, "it has more than 16 KiB");
      }
      return parse(file, Files.readString(file).strip());
    } catch (IOException error) {
      throw unusable(file, error.toString());
    }
  }

  /** A JSON object of texts, which is all that an access file is. */
  private static Map<String, String> parse(Path file, String text) {
    if (!text.startsWith("{") || !text.endsWith("}")) {
      throw unusable(file, "it is not a JSON object");
    }
    Matcher pair = JSON_PAIR.matcher(text.substring(1, text.length() - 1).strip());
    Map<String, String> fields = new HashMap<>();
    int end = 0;
    while (pair.find() && pair.start() == end) {
      fields.put(
          pair.group(1),
          JSON_ESCAPE
              .matcher(pair.group(2))
              .replaceAll(escape -> Matcher.quoteReplacement(unescaped(escape))));
      end = pair.end();
    }
    if (!fields.containsKey("server_key") && !fields.containsKey("token")) {
      throw unusable(file, "it has neither keys nor a token");
    }
    return fields;
  }

  private static String unescaped(MatchResult escape) {
    if (escape.group(2) != null) {
      return String.valueOf((char) Integer.parseInt(escape.group(2), 16));
    }
    return switch (escape.group(1)) {
      case "n" -> "\n";
      case "t" -> "\t";
      case "r" -> "\r";
      case "b" -> "\b";
      case "f" -> "\f";
      default -> escape.group(1);
    };
  }

  private static IllegalArgumentException unusable(Path file, String why) {
    return new IllegalArgumentException("access file '" + file + "' cannot be used: " + why);
  }
}
