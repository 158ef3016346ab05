package io.bellis;

import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * A map of a received message, read by name. What is missing or of the wrong type is refused with
 * {@code bad_message}, by its path ({@code work.blocks[0].lease}). Keys that nobody asks for are
 * ignored: they may be anything, and stand twice.
 */
final class Fields {
  static final long UINT32_MAX = 0xFFFF_FFFFL;

  private final Map<String, Object> values = new LinkedHashMap<>();
  private final Set<String> twice = new HashSet<>();
  private boolean hasOtherKeys;
  private String path = "";

  /** As it is read from bytes; {@code key} is a String if the map is to be read by name. */
  void put(Object key, Object value) {
    if (!(key instanceof String)) {
      hasOtherKeys = true;
    } else if (values.containsKey(key)) {
      twice.add((String) key);
    } else {
      values.put((String) key, value);
    }
  }

  /** This map, as the one at {@code where}. */
  Fields at(String where) {
    path = where;
    if (hasOtherKeys) {
      throw refusedAt(path, "a map whose keys are not all texts");
    }
    return this;
  }

  long uint(String key) {
    return uint(required(key), Long.MAX_VALUE, key);
  }

  long uint(String key, long otherwise) {
    return has(key) ? uint(key) : otherwise;
  }

  long uint32(String key, long otherwise) {
    return has(key) ? uint(required(key), UINT32_MAX, key) : otherwise;
  }

  long integer(String key) {
    return integer(required(key), key);
  }

  long integer(String key, long otherwise) {
    return has(key) ? integer(key) : otherwise;
  }

  double real(String key, double otherwise) {
    if (!has(key)) {
      return otherwise;
    }
    Object value = required(key);
    boolean isNumber = value instanceof Long || value instanceof Double;
    double number = isNumber ? ((Number) value).doubleValue() : Double.NaN;
    if (!Double.isFinite(number)) {
      throw refused(key, "not a finite number");
    }
    return number;
  }

  boolean bool(String key) {
    if (!has(key)) {
      return false;
    }
    if (!(required(key) instanceof Boolean value)) {
      throw refused(key, "neither true nor false");
    }
    return value;
  }

  String text(String key) {
    return text(required(key), key);
  }

  String text(String key, String otherwise) {
    return has(key) ? text(key) : otherwise;
  }

  List<String> texts(String key) {
    List<String> texts = new ArrayList<>();
    for (Object value : array(key)) {
      texts.add(text(value, element(key, texts.size())));
    }
    return texts;
  }

  List<Long> uints(String key) {
    List<Long> numbers = new ArrayList<>();
    for (Object value : array(key)) {
      numbers.add(uint(value, Long.MAX_VALUE, element(key, numbers.size())));
    }
    return numbers;
  }

  Fields map(String key) {
    return map(required(key), key);
  }

  List<Fields> maps(String key) {
    List<Fields> maps = new ArrayList<>();
    for (Object value : array(key)) {
      maps.add(map(value, element(key, maps.size())));
    }
    return maps;
  }

  Roi roi(String key) {
    if (!(required(key) instanceof List<?> pair) || pair.size() != 2) {
      throw refused(key, "not [offset, shape]");
    }
    List<List<Long>> both = new ArrayList<>();
    for (Object one : pair) {
      if (!(one instanceof List<?> numbers)) {
        throw refused(key, "not [offset, shape]");
      }
      both.add(numbers.stream().map(number -> integer(number, key)).toList());
    }
    try {
      return new Roi(both.get(0), both.get(1));
    } catch (IllegalArgumentException error) {
      throw refused(key, error.getMessage());
    }
  }

  boolean has(String key) {
    return values.containsKey(key);
  }

  Object required(String key) {
    if (twice.contains(key)) {
      throw refused(key, "there twice");
    }
    if (!has(key)) {
      throw refused(key, "missing");
    }
    return values.get(key);
  }

  private List<?> array(String key) {
    if (!has(key)) {
      return List.of();
    }
    if (!(required(key) instanceof List<?> list)) {
      throw refused(key, "not an array");
    }
    return list;
  }

  private long uint(Object value, long max, String key) {
    if (!(value instanceof Long number) || number < 0 || number > max) {
      throw refused(key, "not a whole number from 0 to %d".formatted(max));
    }
    return number;
  }

  private long integer(Object value, String key) {
    if (!(value instanceof Long number)) {
      throw refused(key, "not a whole number of 64 bits");
    }
    return number;
  }

  private String text(Object value, String key) {
    if (!(value instanceof String text)) {
      throw refused(key, "not a text (UTF-8)");
    }
    return text;
  }

  private Fields map(Object value, String key) {
    if (!(value instanceof Fields fields)) {
      throw refused(key, "not a map");
    }
    return fields.at(path + "." + key);
  }

  private static String element(String key, int index) {
    return key + "[" + index + "]";
  }

  private BrokerException refused(String key, String what) {
    return refusedAt(path + "." + key, what);
  }

  private static BrokerException refusedAt(String path, String what) {
    return new BrokerException(BrokerException.BAD_MESSAGE, path + " is " + what);
  }
}
