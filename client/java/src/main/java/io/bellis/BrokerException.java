package io.bellis;

/**
 * The broker refuses something, or does not answer.
 *
 * <p>{@link #code()} is the broker's own (MESSAGES.md, "Errors"): {@code unknown_job}, {@code
 * limit}, {@code invalid_spec} and so on, and {@link #getMessage()} its sentence. Of this library's
 * own there is {@code no_broker}: nothing answers in time.
 */
public final class BrokerException extends RuntimeException {
  private static final long serialVersionUID = 1;

  /** Nothing answers in time. */
  static final String NO_BROKER = "no_broker";

  /** What came is no message of the protocol. */
  static final String BAD_MESSAGE = "bad_message";

  /** The code, which is stable. */
  private final String code;

  BrokerException(String code, String message) {
    super(message.isEmpty() ? "refused with " + code : message);
    this.code = code;
  }

  /**
   * The kind of trouble, in the protocol's words.
   *
   * @return the broker's code, or {@code no_broker}
   */
  public String code() {
    return code;
  }
}
