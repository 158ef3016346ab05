#include "bellis/coordinate.h"

#include <algorithm>

#include "common/check.h"
#include "common/geometry/checked.h"

namespace bellis {
namespace {

int64_t Unwrap(std::optional<int64_t> value) {
  BELLIS_CHECK(value.has_value(), "coordinate arithmetic overflows int64");
  return *value;
}

template <typename Fn>
Coordinate PerDimension(const Coordinate& a, const Coordinate& b, Fn fn) {
  BELLIS_CHECK(a.rank() == b.rank(), "coordinates of different rank");
  Coordinate result = a;
  for (int d = 0; d < a.rank(); ++d) result[d] = fn(a[d], b[d]);
  return result;
}

void CheckPositive(const Coordinate& divisor) {
  BELLIS_CHECK(std::all_of(divisor.begin(), divisor.end(), [](int64_t v) { return v > 0; }),
               "division of a coordinate by zero or less");
}

}  // namespace

Coordinate::Coordinate(std::initializer_list<int64_t> values)
    : Coordinate(std::span<const int64_t>(values.begin(), values.size())) {}

Coordinate::Coordinate(std::span<const int64_t> values) {
  BELLIS_CHECK(values.size() <= kRankMax, "a coordinate of more than kRankMax dimensions");
  std::copy(values.begin(), values.end(), values_.begin());
  rank_ = static_cast<int>(values.size());
}

Coordinate Coordinate::Filled(int rank, int64_t value) {
  BELLIS_CHECK(rank >= 0 && rank <= kRankMax, "a coordinate of more than kRankMax dimensions");
  Coordinate result;
  result.rank_ = rank;
  std::fill_n(result.values_.begin(), rank, value);
  return result;
}

Result<Coordinate> Coordinate::FromValues(std::span<const int64_t> values) {
  if (values.empty() || values.size() > kRankMax) {
    return Error{ErrorCode::kInvalidSpec, "a coordinate has 1 to " + std::to_string(kRankMax) +
                                              " dimensions, not " + std::to_string(values.size())};
  }
  return Coordinate(values);
}

bool operator==(const Coordinate& a, const Coordinate& b) {
  return a.rank_ == b.rank_ && std::equal(a.begin(), a.end(), b.begin());
}

Coordinate operator+(const Coordinate& a, const Coordinate& b) {
  return PerDimension(a, b, [](int64_t x, int64_t y) { return Unwrap(CheckedAdd(x, y)); });
}

Coordinate operator-(const Coordinate& a, const Coordinate& b) {
  return PerDimension(a, b, [](int64_t x, int64_t y) { return Unwrap(CheckedSub(x, y)); });
}

Coordinate operator*(const Coordinate& a, const Coordinate& b) {
  return PerDimension(a, b, [](int64_t x, int64_t y) { return Unwrap(CheckedMul(x, y)); });
}

Coordinate Coordinate::operator-() const { return Filled(rank_, 0) - *this; }

Coordinate Coordinate::FloorDivide(const Coordinate& divisor) const {
  CheckPositive(divisor);
  return PerDimension(*this, divisor, FloorDiv);
}

Coordinate Coordinate::CeilDivide(const Coordinate& divisor) const {
  CheckPositive(divisor);
  return PerDimension(*this, divisor, CeilDiv);
}

Coordinate Coordinate::RoundDivide(const Coordinate& divisor) const {
  CheckPositive(divisor);
  return PerDimension(*this, divisor, [](int64_t x, int64_t y) {
    const int64_t floor = FloorDiv(x, y);
    const int64_t rest = FloorMod(x, y);
    return rest > y - rest ? floor + 1 : floor;
  });
}

Coordinate Coordinate::Modulo(const Coordinate& divisor) const {
  CheckPositive(divisor);
  return PerDimension(*this, divisor, FloorMod);
}

bool Coordinate::IsMultipleOf(const Coordinate& divisor) const {
  return Modulo(divisor) == Filled(rank_, 0);
}

Coordinate Coordinate::Abs() const { return Max(-*this); }

Coordinate Coordinate::Min(const Coordinate& other) const {
  return PerDimension(*this, other, [](int64_t x, int64_t y) { return std::min(x, y); });
}

Coordinate Coordinate::Max(const Coordinate& other) const {
  return PerDimension(*this, other, [](int64_t x, int64_t y) { return std::max(x, y); });
}

std::string Coordinate::ToString() const {
  std::string text = "(";
  for (int d = 0; d < rank_; ++d) {
    if (d > 0) text += ", ";
    text += std::to_string(values_[static_cast<size_t>(d)]);
  }
  return text + (rank_ == 1 ? ",)" : ")");
}

}  // namespace bellis
