package io.bellis;

/**
 * A block to work on.
 *
 * @param task the task that it belongs to
 * @param id the id that users see; unique within the task
 * @param index its row-major rank in the task's grid
 * @param attempt 1 for the first
 * @param lease names this hand-out of the block. It only grows and is never used again, so a
 *     storage may use it as a fencing token
 * @param read what to read, in world units
 * @param write what to write, in world units
 */
public record Block(
    String task, long id, long index, long attempt, long lease, Roi read, Roi write) {}
