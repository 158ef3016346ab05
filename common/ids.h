#pragma once

// Numbers that must not be mixed up get types of their own.

#include <compare>
#include <cstdint>
#include <functional>

namespace bellis {

template <typename Tag>
struct Id {
  uint64_t value = 0;
  constexpr Id() = default;
  constexpr explicit Id(uint64_t v) : value(v) {}
  constexpr auto operator<=>(const Id&) const = default;
  /// 0 means "none": ids that are handed out start at 1.
  constexpr bool set() const { return value != 0; }
};

/// One hand-out of one block to one worker. Never used again by the broker.
using LeaseId = Id<struct LeaseTag>;
/// A worker process, unique in the broker. Numbered by the broker.
using WorkerId = Id<struct WorkerTag>;
/// A job, in the order of submission.
using JobNumber = Id<struct JobTag>;
/// A launcher process, whatever connection it has. Numbered by the broker.
using LauncherId = Id<struct LauncherTag>;
/// A connection to the broker; a stand-in for the ROUTER's routing id, never used again.
using PeerId = Id<struct PeerTag>;

/// Row-major rank of a block in its task's grid: 0 .. num_blocks-1. The last dimension is fastest.
using BlockIndex = uint64_t;
/// The Cantor number that users see as a block's id (SEMANTICS "Tiling").
using CantorId = int64_t;

}  // namespace bellis

template <typename Tag>
struct std::hash<bellis::Id<Tag>> {
  size_t operator()(const bellis::Id<Tag>& id) const noexcept {
    return std::hash<uint64_t>{}(id.value);
  }
};
