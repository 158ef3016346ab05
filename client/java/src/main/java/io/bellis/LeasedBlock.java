package io.bellis;

/**
 * A block that a worker holds. Closing it hands it in: as completed, unless {@link #fail} or {@link
 * #giveBack} was called. In a {@code try} with resources a block is handed in as completed also
 * when an exception leaves it: catch the exception, and call {@link #fail}; or use {@link
 * Worker#work}.
 */
public final class LeasedBlock implements AutoCloseable {
  private final Worker worker;
  private final Block block;
  private Result result;
  private boolean isHandedIn;

  LeasedBlock(Worker worker, Block block) {
    this.worker = worker;
    this.block = block;
    result = Result.completed(block);
  }

  /**
   * What to work on.
   *
   * @return the block
   */
  public Block block() {
    return block;
  }

  /**
   * The block has failed; the broker tries it again, a few times.
   *
   * @param why a line or a stack trace; of more than 16 KiB the middle is lost
   */
  public void fail(String why) {
    result = Result.failed(block, why);
  }

  /** The block goes back as it was: it was not started, or broken off. No attempt is counted. */
  public void giveBack() {
    result = Result.returned(block);
  }

  /**
   * Whether the block is no longer this worker's: its job was cancelled, say. Its thread was
   * interrupted then; what is handed in is dropped.
   *
   * @return true once it is lost
   */
  public boolean isLost() {
    return worker.isLost(block);
  }

  /** Hands the block in. Does nothing the second time. */
  @Override
  public void close() {
    if (!isHandedIn) {
      isHandedIn = true;
      worker.finish(result);
    }
  }
}
