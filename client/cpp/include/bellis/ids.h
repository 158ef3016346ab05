#pragma once

// Numbers that must not be confused have different types: a LeaseId is not a WorkerId, and neither
// is a plain integer. Ids are values, which can be compared, hashed and ordered; any thread.
//
// Example:
//
//     const bellis::WorkerId worker(7);
//     const bool is_number_seven = worker.set() && worker.value == 7;
//     return is_number_seven ? 0 : 1;

#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>

namespace bellis {

/// A number from 1 on. `Tag` only makes the types different.
template <typename Tag>
struct Id {
  uint64_t value = 0;
  constexpr Id() = default;
  constexpr explicit Id(uint64_t v) : value(v) {}
  constexpr auto operator<=>(const Id&) const = default;
  /// 0 means "none": ids that are handed out start at 1.
  constexpr bool set() const { return value != 0; }
};

/// A lease: one hand-out of one block to one worker. The broker never uses the number again.
using LeaseId = Id<struct LeaseTag>;
/// A worker process. The broker gives the number, which is unique in the broker.
using WorkerId = Id<struct WorkerTag>;

/// Row-major rank of a block in its task's grid: 0 .. num_blocks-1. The last dimension is fastest.
using BlockIndex = uint64_t;
/// The Cantor number that users see as a block's id (docs/SEMANTICS.md, "Tiling").
using CantorId = int64_t;

}  // namespace bellis

template <typename Tag>
struct std::hash<bellis::Id<Tag>> {
  size_t operator()(const bellis::Id<Tag>& id) const noexcept {
    return std::hash<uint64_t>{}(id.value);
  }
};
