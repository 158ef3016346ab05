#pragma once

// Half-open boxes of an n-dimensional array, and copying the elements of a box from one buffer to
// another. Buffers are dense and row-major (C order): the last dimension is contiguous.

#include <cstddef>
#include <cstdint>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

namespace bellis::examples {

using Index = std::vector<int64_t>;

/// "(3, 512, 512)".
std::string ToString(const Index& index);

/// The product of the numbers of a shape, which must not be negative. Throws std::overflow_error if
/// the product does not fit in an int64.
int64_t ElementCount(const Index& shape);

/// The box [begin, begin + shape); begin and shape have the same rank, shape is not negative.
struct Box {
  Index begin;
  Index shape;

  int rank() const { return static_cast<int>(begin.size()); }
  int64_t begin_at(int dim) const { return begin[static_cast<size_t>(dim)]; }
  int64_t end_at(int dim) const { return begin_at(dim) + shape[static_cast<size_t>(dim)]; }
  bool empty() const;
  bool Contains(const Box& other) const;

  friend bool operator==(const Box&, const Box&) = default;
};

/// The box that both boxes have in common; a box with a zero in its shape if there is none.
Box Intersect(const Box& a, const Box& b);

/// "[0:3, -20:84]".
std::string ToString(const Box& box);

/// Copies the elements at `part` from a buffer that holds box `from` to a buffer that holds box
/// `to`. `from` and `to` must contain `part`. An element has `item_size` bytes; the buffers must
/// not overlap.
void CopyPart(const Box& part, size_t item_size, const Box& from, std::span<const std::byte> source,
              const Box& to, std::span<std::byte> target);

/// The elements at `part` of a buffer that holds box `from`.
/// Throws std::invalid_argument unless `from` contains `part` and `values` fills `from`.
template <typename T>
std::vector<T> Crop(std::span<const T> values, const Box& from, const Box& part) {
  if (!from.Contains(part) || static_cast<int64_t>(values.size()) != ElementCount(from.shape)) {
    throw std::invalid_argument("cannot crop " + ToString(part) + " out of " +
                                std::to_string(values.size()) + " elements at " + ToString(from));
  }
  std::vector<T> cropped(static_cast<size_t>(ElementCount(part.shape)));
  CopyPart(part, sizeof(T), from, std::as_bytes(values), part,
           std::as_writable_bytes(std::span(cropped)));
  return cropped;
}

/// Calls `visit(index)` for each index of `box`, in row-major order.
template <typename Visit>
void ForEachIndex(const Box& box, Visit visit) {
  if (box.empty()) return;
  Index index = box.begin;
  while (true) {
    visit(static_cast<const Index&>(index));
    int dim = box.rank() - 1;
    while (dim >= 0 && ++index[static_cast<size_t>(dim)] == box.end_at(dim)) {
      index[static_cast<size_t>(dim)] = box.begin_at(dim);
      --dim;
    }
    if (dim < 0) return;
  }
}

}  // namespace bellis::examples
