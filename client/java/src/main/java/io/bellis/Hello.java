package io.bellis;

import java.util.LinkedHashMap;
import java.util.Map;

/** The fields that every hello has. */
final class Hello {
  private Hello() {}

  /** A new map, to which the sender may add its own fields. */
  static Map<String, Object> of(String role, Access access) {
    Map<String, Object> hello = new LinkedHashMap<>();
    hello.put("version", 1);
    hello.put("role", role);
    if (!access.token().isEmpty()) {
      hello.put("token", access.token());
    }
    return hello;
  }
}
