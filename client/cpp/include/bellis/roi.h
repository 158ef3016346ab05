#pragma once

// A region of interest: the half-open box [offset, offset + shape) of an n-dimensional volume, in
// world units. The shape is never negative; a box with a zero in its shape is empty.
//
//        begin = offset          end = offset + shape
//        |<------- shape ------->|
//
// Operations that can leave the int64 range, or that take numbers from outside, return a Result
// and change nothing on failure (kInvalidSpec). The others require equal ranks: a violation is a
// bug of the caller and ends the process. A Roi is a value: copies are cheap, and each thread may
// have its own. Every operation costs O(rank).
//
// Example:
//
//     const bellis::Roi total({0, 0}, {100, 100});
//     const bellis::Roi write({90, 10}, {20, 20});
//     const bellis::Roi inside = write.Intersect(total);            // [90:100, 10:30] (10, 20)
//     return inside.size().value() == 200 && !total.Contains(write) ? 0 : 1;
//
// The operations are those of funlib.geometry's Roi, with four deliberate differences: there are no
// unbounded regions; a shape is never negative (Grow and SnapToGrid stop at 0); Divide refuses
// numbers that are not multiples, instead of rounding offset and shape separately; an empty
// intersection has an offset.

#include <cstdint>
#include <string>

#include "bellis/coordinate.h"
#include "bellis/export.h"
#include "bellis/result.h"

namespace bellis {

/// The direction in which SnapToGrid moves the two ends of each dimension.
enum class SnapMode { kGrow, kShrink, kClosest };

class BELLIS_API Roi {
 public:
  /// Rank 0: "no region".
  Roi() = default;

  /// Error if ranks differ, the shape is negative, or the end does not fit in an int64.
  static Result<Roi> Make(const Coordinate& offset, const Coordinate& shape);
  /// For numbers that are known to be valid: numbers that Make would refuse are a bug, and end the
  /// process.
  Roi(const Coordinate& offset, const Coordinate& shape);

  int rank() const { return offset_.rank(); }
  const Coordinate& offset() const { return offset_; }
  const Coordinate& shape() const { return shape_; }
  const Coordinate& begin() const { return offset_; }
  Coordinate end() const { return offset_ + shape_; }
  /// Rounded towards minus infinity.
  Coordinate center() const;
  bool empty() const;
  /// The number of points; error if it does not fit in an int64.
  Result<int64_t> size() const;

  bool Contains(const Coordinate& point) const;
  /// Whether every point of `other` lies in this region. An empty `other` has no points, but a
  /// begin: it is contained if this region contains its begin, or is empty, too.
  bool Contains(const Roi& other) const;
  /// Whether the two regions share a point. An empty region meets nothing.
  bool Intersects(const Roi& other) const;
  /// The region that both have in common. If they do not meet, its shape is 0 in every dimension,
  /// and its begin is the larger of the two begins.
  Roi Intersect(const Roi& other) const;
  /// The smallest region that contains both; an empty region adds nothing. The extents of the
  /// result must fit in an int64 (else the process ends), as they do for regions within
  /// +-kWorldMax.
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

  /// A text such as "[0:4, 10:12] (4, 2)", also for empty regions.
  std::string ToString() const;

 private:
  Coordinate offset_;
  Coordinate shape_;
};

}  // namespace bellis
