#include "bellis/roi.h"

#include <algorithm>

#include "common/check.h"
#include "common/geometry/checked.h"

namespace bellis {
namespace {

Error OutOfRange(const std::string& what) {
  return Error{ErrorCode::kInvalidSpec, what + " does not fit in a signed 64-bit integer"};
}

Error RankMismatch(const char* what, int got, int expected) {
  return Error{ErrorCode::kInvalidSpec, std::string(what) + " has " + std::to_string(got) +
                                            " dimensions; expected " + std::to_string(expected)};
}

/// The ROI from `offset` to `end` (exclusive), empty in a dimension where the end lies before the
/// offset.
Result<Roi> FromBounds(const Coordinate& offset, const Coordinate& end) {
  Coordinate shape = offset;
  for (int d = 0; d < offset.rank(); ++d) {
    const auto extent = end[d] > offset[d] ? CheckedSub(end[d], offset[d]) : int64_t{0};
    if (!extent) {
      return OutOfRange("the extent from " + offset.ToString() + " to " + end.ToString());
    }
    shape[d] = *extent;
  }
  return Roi::Make(offset, shape);
}

}  // namespace

Result<Roi> Roi::Make(const Coordinate& offset, const Coordinate& shape) {
  if (offset.rank() != shape.rank()) return RankMismatch("shape", shape.rank(), offset.rank());
  for (int d = 0; d < shape.rank(); ++d) {
    if (shape[d] < 0) {
      return Error{ErrorCode::kInvalidSpec, "shape[" + std::to_string(d) + "] is " +
                                                std::to_string(shape[d]) + "; at least 0"};
    }
    if (!CheckedAdd(offset[d], shape[d])) {
      return OutOfRange("offset + shape in dimension " + std::to_string(d));
    }
  }
  Roi roi;
  roi.offset_ = offset;
  roi.shape_ = shape;
  return roi;
}

Roi::Roi(const Coordinate& offset, const Coordinate& shape) : offset_(offset), shape_(shape) {
  BELLIS_CHECK(Make(offset, shape).ok(), "a region with a negative shape or beyond int64");
}

Coordinate Roi::center() const {
  return offset_ + shape_.FloorDivide(Coordinate::Filled(rank(), 2));
}

bool Roi::empty() const {
  return rank() == 0 || std::any_of(shape_.begin(), shape_.end(), [](int64_t s) { return s == 0; });
}

Result<int64_t> Roi::size() const {
  if (empty()) return int64_t{0};
  int64_t points = 1;
  for (const int64_t extent : shape_) {
    const auto product = CheckedMul(points, extent);
    if (!product) return OutOfRange("the size of " + ToString());
    points = *product;
  }
  return points;
}

bool Roi::Contains(const Coordinate& point) const {
  BELLIS_CHECK(point.rank() == rank(), "a point of another rank");
  for (int d = 0; d < rank(); ++d) {
    if (point[d] < offset_[d] || point[d] >= offset_[d] + shape_[d]) return false;
  }
  return true;
}

bool Roi::Contains(const Roi& other) const {
  BELLIS_CHECK(other.rank() == rank(), "a region of another rank");
  if (other.empty()) return empty() || Contains(other.offset_);
  for (int d = 0; d < rank(); ++d) {
    if (other.offset_[d] < offset_[d]) return false;
    if (other.offset_[d] + other.shape_[d] > offset_[d] + shape_[d]) return false;
  }
  return true;
}

bool Roi::Intersects(const Roi& other) const { return !Intersect(other).empty(); }

Roi Roi::Intersect(const Roi& other) const {
  BELLIS_CHECK(other.rank() == rank(), "a region of another rank");
  const Coordinate lo = offset_.Max(other.offset_);
  const Coordinate hi = end().Min(other.end()).Max(lo);
  const Roi common(lo, hi - lo);
  return common.empty() ? Roi(lo, Coordinate::Filled(rank(), 0)) : common;
}

Roi Roi::Union(const Roi& other) const {
  if (empty()) return other;
  if (other.empty()) return *this;
  const Coordinate lo = offset_.Min(other.offset_);
  return Roi(lo, end().Max(other.end()) - lo);
}

Result<Roi> Roi::Shift(const Coordinate& by) const {
  if (by.rank() != rank()) return RankMismatch("the shift", by.rank(), rank());
  Coordinate offset = offset_;
  for (int d = 0; d < rank(); ++d) {
    const auto sum = CheckedAdd(offset_[d], by[d]);
    if (!sum) return OutOfRange(ToString() + " shifted by " + by.ToString());
    offset[d] = *sum;
  }
  return Make(offset, shape_);
}

Result<Roi> Roi::Grow(const Coordinate& lo, const Coordinate& hi) const {
  if (lo.rank() != rank()) return RankMismatch("the lower amount", lo.rank(), rank());
  if (hi.rank() != rank()) return RankMismatch("the upper amount", hi.rank(), rank());
  Coordinate begin = offset_;
  Coordinate end = offset_;
  for (int d = 0; d < rank(); ++d) {
    const auto new_begin = CheckedSub(offset_[d], lo[d]);
    const auto new_end = CheckedAdd(offset_[d] + shape_[d], hi[d]);
    if (!new_begin || !new_end) {
      return OutOfRange(ToString() + " grown by " + lo.ToString() + " and " + hi.ToString());
    }
    begin[d] = *new_begin;
    end[d] = *new_end;
  }
  return FromBounds(begin, end);
}

Result<Roi> Roi::SnapToGrid(const Coordinate& unit, SnapMode mode) const {
  if (unit.rank() != rank()) return RankMismatch("the grid's unit", unit.rank(), rank());
  Coordinate lo = offset_;
  Coordinate hi = offset_;
  for (int d = 0; d < rank(); ++d) {
    if (unit[d] < 1) {
      return Error{ErrorCode::kInvalidSpec, "the grid's unit[" + std::to_string(d) + "] is " +
                                                std::to_string(unit[d]) + "; at least 1"};
    }
  }
  const Coordinate end = this->end();
  switch (mode) {
    case SnapMode::kGrow:
      lo = offset_.FloorDivide(unit);
      hi = end.CeilDivide(unit);
      break;
    case SnapMode::kShrink:
      lo = offset_.CeilDivide(unit);
      hi = end.FloorDivide(unit);
      break;
    case SnapMode::kClosest:
      lo = offset_.RoundDivide(unit);
      hi = end.RoundDivide(unit);
      break;
  }
  for (int d = 0; d < rank(); ++d) {
    const auto begin = CheckedMul(lo[d], unit[d]);
    const auto stop = CheckedMul(hi[d], unit[d]);
    if (!begin || !stop) return OutOfRange(ToString() + " snapped to " + unit.ToString());
    lo[d] = *begin;
    hi[d] = *stop;
  }
  return FromBounds(lo, hi);
}

Result<Roi> Roi::Multiply(const Coordinate& unit) const {
  if (unit.rank() != rank()) return RankMismatch("the unit", unit.rank(), rank());
  Coordinate offset = offset_;
  Coordinate shape = shape_;
  for (int d = 0; d < rank(); ++d) {
    const auto o = CheckedMul(offset_[d], unit[d]);
    const auto s = CheckedMul(shape_[d], unit[d]);
    if (!o || !s) return OutOfRange(ToString() + " times " + unit.ToString());
    offset[d] = *o;
    shape[d] = *s;
  }
  return Make(offset, shape);
}

Result<Roi> Roi::Divide(const Coordinate& unit) const {
  if (unit.rank() != rank()) return RankMismatch("the unit", unit.rank(), rank());
  for (int d = 0; d < rank(); ++d) {
    if (unit[d] < 1 || offset_[d] % unit[d] != 0 || shape_[d] % unit[d] != 0) {
      return Error{ErrorCode::kInvalidSpec,
                   ToString() + " is not a multiple of " + unit.ToString()};
    }
  }
  return Make(offset_.FloorDivide(unit), shape_.FloorDivide(unit));
}

std::string Roi::ToString() const {
  std::string text = "[";
  for (int d = 0; d < rank(); ++d) {
    if (d > 0) text += ", ";
    text += std::to_string(offset_[d]) + ":" + std::to_string(offset_[d] + shape_[d]);
  }
  text += "] (";
  for (int d = 0; d < rank(); ++d) {
    if (d > 0) text += ", ";
    text += std::to_string(shape_[d]);
  }
  return text + ")";
}

}  // namespace bellis
