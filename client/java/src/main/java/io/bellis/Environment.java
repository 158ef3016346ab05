package io.bellis;

import java.util.Map;

/** Variables of the environment. One that is empty counts as not set. */
final class Environment {
  private final Map<String, String> variables;

  Environment(Map<String, String> variables) {
    this.variables = Map.copyOf(variables);
  }

  /** The value, or an empty text. */
  String text(String name) {
    return variables.getOrDefault(name, "");
  }

  String text(String name, String otherwise) {
    return text(name).isEmpty() ? otherwise : text(name);
  }

  /** A whole number from 0 to {@code max}. */
  long number(String name, long otherwise, long max) {
    String text = text(name);
    if (text.isEmpty()) {
      return otherwise;
    }
    long number = -1;
    try {
      number = Long.parseLong(text);
    } catch (NumberFormatException notOne) {
      // Said below.
    }
    if (number < 0 || number > max) {
      throw wrong(name, "a whole number from 0 to " + max);
    }
    return number;
  }

  /** Seconds, above 0 and at most a day, in milliseconds. */
  long secondsAsMs(String name, long otherwiseMs) {
    String text = text(name);
    if (text.isEmpty()) {
      return otherwiseMs;
    }
    double seconds = Double.NaN;
    try {
      seconds = Double.parseDouble(text);
    } catch (NumberFormatException notOne) {
      // Said below.
    }
    if (!(seconds > 0 && seconds <= 86_400)) {
      throw wrong(name, "seconds, above 0, at most 86400");
    }
    return Math.max(1, Math.round(seconds * 1000));
  }

  IllegalArgumentException wrong(String name, String expected) {
    return new IllegalArgumentException(name + " is '" + text(name) + "': expected " + expected);
  }
}
