package io.bellis;

/** What a worker does with each block. */
@FunctionalInterface
public interface BlockFunction {
  /**
   * Works on a block. It should end soon when its thread is interrupted: then the block is no
   * longer this worker's.
   *
   * @param block what to read and to write
   * @throws Exception fails the block, with the stack trace as its error
   */
  void work(Block block) throws Exception;
}
