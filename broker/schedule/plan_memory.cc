#include "broker/schedule/plan_memory.h"

#include <algorithm>

#include "broker/schedule/frontier.h"
#include "common/geometry/wide.h"

namespace bellis {
namespace {

// The sizes of block_states.h; plan_test.cc checks the estimates against the real memory.
constexpr uint64_t kBlocksPerPage = 4096;
constexpr uint64_t kChildren = 1024;
constexpr uint64_t kPageBytes = 1032;
constexpr uint64_t kNodeBytes = 8 * kChildren + 8;
// A queue entry takes 24 bytes, and a vector that grows has up to twice its size.
constexpr uint64_t kFoundBlockBytes = 48;
constexpr uint64_t kReadyAhead = Frontier::kReadyAhead;
// Blocks waiting in the queue, for each block that a worker has.
constexpr uint64_t kReadiedByOne = 8;

uint64_t CeilOf(uint64_t value, uint64_t unit) {
  return value / unit + (value % unit != 0 ? 1 : 0);
}

uint64_t Capped(UInt128 value) {
  return value > UINT64_MAX ? UINT64_MAX : static_cast<uint64_t>(value);
}

/// The nodes of the tree above `open` adjacent pages, of all the `pages` of a grid: on each level
/// the nodes that they fill, and two at the ends.
uint64_t NodesAbove(uint64_t open, uint64_t pages) {
  uint64_t nodes = 0;
  do {
    pages = CeilOf(pages, kChildren);
    open = std::min(pages, open / kChildren + 2);
    nodes += open;
  } while (pages > 1);
  return nodes;
}

bool HasSweep(const DependencyGraph& graph, TaskIndex task) {
  if (graph.mask(task) != nullptr) return true;
  const auto& upstream = graph.upstream(task);
  return std::any_of(upstream.begin(), upstream.end(),
                     [&graph](TaskIndex up) { return graph.mask(up) != nullptr; });
}

/// The number of blocks between the first that is not completed and the last that was begun: one
/// period of the levels and the first slab of the next period, along the slowest dimension with
/// more than one level.
uint64_t OpenBlocks(const DependencyGraph& graph, TaskIndex task) {
  const GridPoint& strides = graph.levels(task).strides();
  const BlockGrid& grid = graph.grid(task);
  for (int dim = 0; dim < grid.rank(); ++dim) {
    const auto stride = static_cast<uint64_t>(strides[static_cast<size_t>(dim)]);
    if (stride > 1) return std::min(grid.num_blocks(), (stride + 1) * grid.index_stride(dim));
  }
  return 0;
}

/// The number of blocks that become ready together when an upstream task completes a slab, along
/// the first dimension: the blocks of as many slabs of this task as fit in one upstream slab.
uint64_t SlabsReadied(const DependencyGraph& graph, TaskIndex task) {
  const BlockGrid& grid = graph.grid(task);
  if (grid.num_blocks() == 0) return 0;
  const auto thickness = [](const BlockGrid& of) {
    return static_cast<uint64_t>(of.WriteRoi(GridPoint{}).shape()[0]);
  };
  uint64_t slabs = 0;
  for (const TaskIndex up : graph.upstream(task)) {
    if (graph.grid(up).num_blocks() == 0) continue;
    slabs = std::max(slabs, CeilOf(thickness(graph.grid(up)), thickness(grid)));
  }
  return std::min(slabs, static_cast<uint64_t>(grid.counts()[0])) * grid.index_stride(0);
}

}  // namespace

PlanMemory EstimateMemory(const DependencyGraph& graph, TaskIndex task, Order order,
                          uint64_t workers) {
  const BlockGrid& grid = graph.grid(task);
  const BlockMask* mask = graph.mask(task);
  const uint64_t blocks = grid.num_blocks();
  const uint64_t working = blocks - (mask == nullptr ? 0 : mask->masked_blocks());
  const uint64_t levels = graph.levels(task).num_levels();
  const bool sweep = HasSweep(graph, task);
  const uint64_t pages = CeilOf(blocks, kBlocksPerPage);
  const uint64_t fixed = mask == nullptr ? 0 : mask->bytes();

  PlanMemory memory;
  const bool exclusive = graph.conflict(task) == Conflict::kExclusive;
  const bool by_itself = levels <= 1 && graph.upstream(task).empty() && !sweep && !exclusive;
  const auto bytes = [&](uint64_t open, uint64_t found) {
    return Capped(fixed + UInt128{open} * kPageBytes +
                  UInt128{NodesAbove(open, pages)} * kNodeBytes +
                  UInt128{found} * kFoundBlockBytes);
  };
  memory.at_most = bytes(pages, by_itself ? 0 : working);

  const uint64_t open = std::min(
      pages, CeilOf(OpenBlocks(graph, task), kBlocksPerPage) + CeilOf(workers, kBlocksPerPage) + 1);
  const uint64_t readied = exclusive ? kReadiedByOne : std::min(levels, kReadiedByOne);
  uint64_t found = by_itself ? 0 : workers * readied + SlabsReadied(graph, task);
  // First in, first out: all blocks of the first level run before those of the next levels, which
  // queue up.
  if (levels > 1 && order == Order::kFifo) found = std::max(found, working / levels);
  if (sweep) found = std::max(found, kReadyAhead);
  memory.expected = bytes(open, std::min(found, working));
  memory.expected = std::min(memory.expected, memory.at_most);
  return memory;
}

}  // namespace bellis
