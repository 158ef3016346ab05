package io.bellis;

import java.util.List;

/**
 * Why a block does not run, or why a worker is idle.
 *
 * @param summary one sentence
 * @param steps each waits for the next
 */
public record Explanation(String summary, List<Step> steps) {
  /**
   * A block that others wait for.
   *
   * @param task its task
   * @param block its id
   * @param index its row-major rank
   * @param state {@code pending}, {@code ready}, {@code leased} and so on
   * @param why what it waits for
   */
  public record Step(String task, long block, long index, String state, String why) {}

  static Explanation read(Fields fields) {
    return new Explanation(
        fields.text("summary", ""),
        fields.maps("steps").stream()
            .map(
                step ->
                    new Step(
                        step.text("task", ""),
                        step.integer("block", 0),
                        step.uint("index", 0),
                        step.text("state", ""),
                        step.text("why", "")))
            .toList());
  }
}
