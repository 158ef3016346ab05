#include "examples/zarr/box.h"

#include <algorithm>
#include <cstring>

namespace bellis::examples {
namespace {

/// The position of the element at `index` in a dense buffer that holds `box`.
size_t Rank(const Box& box, const Index& index) {
  int64_t rank = 0;
  for (size_t dim = 0; dim < index.size(); ++dim) {
    rank = rank * box.shape[dim] + (index[dim] - box.begin[dim]);
  }
  return static_cast<size_t>(rank);
}

}  // namespace

std::string ToString(const Index& index) {
  std::string text;
  for (const int64_t value : index) {
    if (!text.empty()) text += ", ";
    text += std::to_string(value);
  }
  return "(" + text + ")";
}

std::string ToString(const Box& box) {
  std::string text;
  for (int dim = 0; dim < box.rank(); ++dim) {
    if (dim > 0) text += ", ";
    text += std::to_string(box.begin_at(dim)) + ":" + std::to_string(box.end_at(dim));
  }
  return "[" + text + "]";
}

int64_t ElementCount(const Index& shape) {
  if (std::find(shape.begin(), shape.end(), 0) != shape.end()) return 0;
  int64_t count = 1;
  for (const int64_t size : shape) {
    if (__builtin_mul_overflow(count, size, &count)) {
      throw std::overflow_error("shape " + ToString(shape) + " has more than 2^63 - 1 elements");
    }
  }
  return count;
}

bool Box::empty() const {
  return std::any_of(shape.begin(), shape.end(), [](int64_t size) { return size <= 0; });
}

bool Box::Contains(const Box& other) const {
  if (rank() != other.rank()) return false;
  for (int dim = 0; dim < rank(); ++dim) {
    if (other.begin_at(dim) < begin_at(dim) || other.end_at(dim) > end_at(dim)) return false;
  }
  return true;
}

Box Intersect(const Box& a, const Box& b) {
  Box common = a;
  for (int dim = 0; dim < a.rank(); ++dim) {
    const int64_t begin = std::max(a.begin_at(dim), b.begin_at(dim));
    const int64_t end = std::min(a.end_at(dim), b.end_at(dim));
    common.begin[static_cast<size_t>(dim)] = begin;
    common.shape[static_cast<size_t>(dim)] = std::max<int64_t>(0, end - begin);
  }
  return common;
}

void CopyPart(const Box& part, size_t item_size, const Box& from, std::span<const std::byte> source,
              const Box& to, std::span<std::byte> target) {
  if (part.empty()) return;
  Box rows = part;
  rows.shape.back() = 1;
  const size_t row_bytes = static_cast<size_t>(part.shape.back()) * item_size;
  ForEachIndex(rows, [&](const Index& row) {
    std::memcpy(target.data() + Rank(to, row) * item_size,
                source.data() + Rank(from, row) * item_size, row_bytes);
  });
}

}  // namespace bellis::examples
