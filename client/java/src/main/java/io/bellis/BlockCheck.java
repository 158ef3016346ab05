package io.bellis;

/** What a checker (duty {@code check} or {@code post_check}) looks for in each block. */
@FunctionalInterface
public interface BlockCheck {
  /**
   * Looks at a block.
   *
   * @param block what to look at
   * @return {@code check}: whether its output is there already; {@code post_check}: whether what
   *     was done is right
   * @throws Exception it could not be found out, which counts as no
   */
  boolean check(Block block) throws Exception;
}
