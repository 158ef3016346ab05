package io.bellis;

import java.util.List;

/**
 * A region of interest: a box in world units, with one number per dimension.
 *
 * @param offset where it begins
 * @param shape how long it is; 0 or more
 */
public record Roi(List<Long> offset, List<Long> shape) {
  static final int DIMENSIONS_MAX = 8;

  /**
   * Copies both.
   *
   * @param offset where it begins
   * @param shape how long it is; 0 or more
   * @throws IllegalArgumentException unless both have the same 1 to 8 dimensions
   */
  public Roi {
    offset = List.copyOf(offset);
    shape = List.copyOf(shape);
    if (offset.isEmpty() || offset.size() > DIMENSIONS_MAX || shape.size() != offset.size()) {
      throw new IllegalArgumentException(
          "a ROI has an offset of %d and a shape of %d dimensions: 1 to 8 are expected, both the same"
              .formatted(offset.size(), shape.size()));
    }
    for (long length : shape) {
      if (length < 0) {
        throw new IllegalArgumentException("a ROI's shape has %d: 0 or more".formatted(length));
      }
    }
  }

  /**
   * The number of dimensions.
   *
   * @return 1 to 8
   */
  public int dimensions() {
    return offset.size();
  }

  /**
   * Where the box begins.
   *
   * @param dimension from 0
   * @return world units
   */
  public long offset(int dimension) {
    return offset.get(dimension);
  }

  /**
   * How long the box is.
   *
   * @param dimension from 0
   * @return world units
   */
  public long shape(int dimension) {
    return shape.get(dimension);
  }

  /**
   * Where the box ends: the first place that is no longer in it.
   *
   * @param dimension from 0
   * @return world units
   * @throws ArithmeticException if that is beyond 2^63-1
   */
  public long end(int dimension) {
    return Math.addExact(offset.get(dimension), shape.get(dimension));
  }
}
