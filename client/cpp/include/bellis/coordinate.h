#pragma once

// A point or a distance in an n-dimensional volume, in world units: n int64, 1 <= n <= kRankMax.
// The rank is known at run time. The numbers are stored inside the object, so a Coordinate never
// allocates memory. It is a value: copies are cheap, and each thread may have its own.
//
// Operators work per dimension. They require equal ranks and results that fit in an int64: a
// violation is a bug of the caller and ends the process. Bellis first checks that numbers from
// outside are within +-kWorldMax, where sums and differences of two numbers cannot overflow.
//
// Example:
//
//     const bellis::Coordinate block = {10, 64, 64};
//     const bellis::Coordinate voxel = {40, 4, 4};                  // nm
//     const bellis::Coordinate extent = block * voxel;              // (400, 256, 256)
//     return extent.FloorDivide(voxel) == block ? 0 : 1;

#include <array>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>

#include "bellis/export.h"
#include "bellis/result.h"

namespace bellis {

inline constexpr int kRankMax = 8;
/// World coordinates of jobs are within [-kWorldMax, kWorldMax].
inline constexpr int64_t kWorldMax = int64_t{1} << 61;

class BELLIS_API Coordinate {
 public:
  /// Rank 0: "no coordinate", which may only be assigned and compared.
  Coordinate() = default;
  Coordinate(std::initializer_list<int64_t> values);
  explicit Coordinate(std::span<const int64_t> values);

  /// A coordinate with `rank` numbers, all equal to `value`.
  static Coordinate Filled(int rank, int64_t value);
  /// Error if there are no values, or more than kRankMax.
  static Result<Coordinate> FromValues(std::span<const int64_t> values);

  int rank() const { return rank_; }
  int64_t operator[](int dim) const { return values_[static_cast<size_t>(dim)]; }
  int64_t& operator[](int dim) { return values_[static_cast<size_t>(dim)]; }
  const int64_t* begin() const { return values_.data(); }
  const int64_t* end() const { return values_.data() + rank_; }

  BELLIS_API friend bool operator==(const Coordinate& a, const Coordinate& b);
  BELLIS_API friend Coordinate operator+(const Coordinate& a, const Coordinate& b);
  BELLIS_API friend Coordinate operator-(const Coordinate& a, const Coordinate& b);
  BELLIS_API friend Coordinate operator*(const Coordinate& a, const Coordinate& b);
  Coordinate operator-() const;

  /// Quotients per dimension, rounded down or up; every divisor is positive.
  Coordinate FloorDivide(const Coordinate& divisor) const;
  Coordinate CeilDivide(const Coordinate& divisor) const;
  /// Rounded to the nearest; halves are rounded towards minus infinity.
  Coordinate RoundDivide(const Coordinate& divisor) const;
  /// Remainder of FloorDivide: in [0, divisor).
  Coordinate Modulo(const Coordinate& divisor) const;
  bool IsMultipleOf(const Coordinate& divisor) const;
  Coordinate Abs() const;
  Coordinate Min(const Coordinate& other) const;
  Coordinate Max(const Coordinate& other) const;

  /// "(1, 2, 3)".
  std::string ToString() const;

 private:
  std::array<int64_t, kRankMax> values_{};
  int rank_ = 0;
};

}  // namespace bellis
