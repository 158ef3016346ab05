package io.bellis;

import java.util.Locale;

/** What a worker does with blocks (WORKERS.md, "Checkers"). */
public enum Duty {
  /** It works on them. */
  WORK,
  /** It looks whether their output is there already. */
  CHECK,
  /** It looks whether what was just done is right. */
  POST_CHECK;

  String word() {
    return name().toLowerCase(Locale.ROOT);
  }
}
