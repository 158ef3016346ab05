#pragma once

// A region of interest: the half-open box [offset, offset + shape) of an n-dimensional volume, in
// world units. The shape is never negative; a box with a zero in its shape is empty.
//
//        begin = offset          end = offset + shape
//        |<------- shape ------->|
//
// Operations that can leave the int64 range, or that take numbers from outside, return a Result
// and change nothing on failure. The others require equal ranks (CHECK).
//
// The same operations as funlib.geometry's Roi, with four differences on purpose: no unbounded
// regions; a shape is never negative (Grow and SnapToGrid stop at 0); Divide refuses what is not a
// multiple instead of rounding offset and shape apart; the empty intersection has an offset.

#include <string>

#include "common/geometry/coordinate.h"
#include "common/result.h"

namespace bellis {

enum class SnapMode { kGrow, kShrink, kClosest };

class Roi {
 public:
  /// Rank 0: "no region".
  Roi() = default;

  /// Error when ranks differ, the shape is negative, or the end does not fit in an int64.
  static Result<Roi> Make(const Coordinate& offset, const Coordinate& shape);
  /// For numbers that are known to be good: what Make would refuse is a bug (CHECK).
  Roi(const Coordinate& offset, const Coordinate& shape);

  int rank() const { return offset_.rank(); }
  const Coordinate& offset() const { return offset_; }
  const Coordinate& shape() const { return shape_; }
  const Coordinate& begin() const { return offset_; }
  Coordinate end() const { return offset_ + shape_; }
  /// Rounded towards minus infinity.
  Coordinate center() const;
  bool empty() const;
  /// Number of points; error when it does not fit in an int64.
  Result<int64_t> size() const;

  bool Contains(const Coordinate& point) const;
  /// Whether every point of `other` lies in this one. An empty `other` has no points, only a begin:
  /// it is contained when this region contains that, or is empty too.
  bool Contains(const Roi& other) const;
  /// Whether they share a point; an empty region meets nothing.
  bool Intersects(const Roi& other) const;
  /// Where they do not meet: shape 0 in every dimension, at the larger of the two begins.
  Roi Intersect(const Roi& other) const;
  /// The smallest region that contains both. An empty one adds nothing. Its extents must fit in an
  /// int64 (CHECK): they do for regions within +-kWorldMax.
  Roi Union(const Roi& other) const;

  Result<Roi> Shift(const Coordinate& by) const;
  /// Moves the begin down by `lo` and the end up by `hi`; negative amounts shrink. A region that
  /// would get a negative shape becomes empty at its new begin.
  Result<Roi> Grow(const Coordinate& lo, const Coordinate& hi) const;
  /// Moves begin and end to multiples of `unit` (all positive): outwards, inwards, or each to the
  /// nearest.
  Result<Roi> SnapToGrid(const Coordinate& unit, SnapMode mode) const;
  /// From voxels to world units and back. Divide requires offset and shape to be multiples.
  Result<Roi> Multiply(const Coordinate& unit) const;
  Result<Roi> Divide(const Coordinate& unit) const;

  friend bool operator==(const Roi& a, const Roi& b) = default;

  /// "[0:4, 10:12] (4, 2)", as users know it. Empty regions show their numbers too.
  std::string ToString() const;

 private:
  Coordinate offset_;
  Coordinate shape_;
};

}  // namespace bellis
