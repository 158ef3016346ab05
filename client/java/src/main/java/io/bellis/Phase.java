package io.bellis;

/** How far a worker is. */
enum Phase {
  /** It takes blocks, or waits for them. */
  WORKING,
  /** No more blocks: finish what is in hand, and go. */
  DRAINING,
  /** Nothing is ours any more: stop, and go. */
  LEAVING,
  /** Nothing is ours any more: stop, and come as a new worker. */
  RENEWING
}
