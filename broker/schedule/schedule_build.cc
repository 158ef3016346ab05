#include "broker/schedule/schedule_build.h"

#include <fmt/format.h>

#include <algorithm>
#include <new>
#include <stdexcept>
#include <utility>

#include "broker/schedule/plan.h"
#include "common/geometry/wide.h"
#include "common/task/orders.h"
#include "common/task/pipeline.h"

namespace bellis {
namespace {

constexpr const char* kMemoryAdvice =
    "make its blocks larger or its masks coarser, or give the broker a larger --job-memory-max";

// An allowance for small allocations that are not counted one by one.
constexpr size_t kRoomBeside = 16 << 20;

Error NoMemory() {
  return {ErrorCode::kLimit,
          fmt::format("the broker has not enough memory for this job (bellis plan says how much it "
                      "takes): {}",
                      kMemoryAdvice)};
}

std::string Megabytes(uint64_t bytes) {
  return fmt::format("{} MB", bytes / 1'000'000 + (bytes % 1'000'000 != 0 ? 1 : 0));
}

/// Calls `make`, which returns a Result. If it runs out of memory, that is an error like any other.
template <class Make>
auto OrNoMemory(Make make) -> decltype(make()) {
  try {
    return make();
  } catch (const std::bad_alloc&) {
    return NoMemory();
  } catch (const std::length_error&) {
    return NoMemory();
  }
}

/// The cost of building all masks of the job, added up.
BlockMask::Cost MaskCost(const JobSpec& job) {
  UInt128 bytes = 0;
  UInt128 work = 0;
  for (const TaskSpec& task : job.tasks) {
    if (!task.mask) continue;
    const auto grid = BlockGrid::Make(task);
    if (!grid.ok()) continue;
    const BlockMask::Cost cost = BlockMask::CostOf(*grid, *task.mask);
    bytes += cost.bytes;
    work += cost.work;
  }
  return {static_cast<uint64_t>(std::min<UInt128>(bytes, UINT64_MAX)),
          static_cast<uint64_t>(std::min<UInt128>(work, UINT64_MAX))};
}

Status CheckMasks(const JobSpec& job, uint64_t bytes_max) {
  const uint64_t needed = MaskCost(job).bytes;
  if (needed <= bytes_max) return OkStatus();
  return Error{ErrorCode::kLimit,
               fmt::format("the masks of this job take up to {} of the broker's memory; a job may "
                           "take {}: {}",
                           Megabytes(needed), Megabytes(bytes_max), kMemoryAdvice)};
}

}  // namespace

uint64_t MaskWork(const JobSpec& job) { return MaskCost(job).work; }

Result<Graph> BuildGraph(const JobSpec& job, uint64_t bytes_max) {
  return OrNoMemory([&]() -> Result<Graph> {
    if (const Status masks = CheckMasks(job, bytes_max); !masks.ok()) return masks.error();
    auto made = DependencyGraph::Make(job);
    if (!made.ok()) return made.error();
    const uint64_t bytes = ExpectedMemory(job, *made);
    if (bytes > bytes_max) {
      return Error{ErrorCode::kLimit,
                   fmt::format("this job takes {} of the broker's memory, if all goes well (bellis "
                               "plan); a job may take {}: {}",
                               Megabytes(bytes), Megabytes(bytes_max), kMemoryAdvice)};
    }
    return Graph(std::make_shared<const DependencyGraph>(std::move(*made)));
  });
}

Result<std::unique_ptr<Frontier>> BuildFrontier(const DependencyGraph& graph, const JobSpec& job,
                                                const std::vector<TaskProgress>* progress) {
  return OrNoMemory([&]() -> Result<std::unique_ptr<Frontier>> {
    const std::vector<Order> orders = OrdersOf(job);
    auto made = progress == nullptr ? Frontier::Make(&graph, orders)
                                    : Frontier::Resume(&graph, orders, *progress);
    if (!made.ok()) return made.error();
    return std::make_unique<Frontier>(std::move(*made));
  });
}

Status CheckRoomBeside(const JobSpec& job) {
  return OrNoMemory([&]() -> Status {
    size_t bytes = kRoomBeside;
    for (const TaskSpec& task : job.tasks) {
      if (task.mask) bytes += 2 * task.mask->bits.size();
    }
    const auto room = std::make_unique_for_overwrite<volatile char[]>(bytes);
    room[0] = 0;  // otherwise the compiler would drop the allocation
    return OkStatus();
  });
}

}  // namespace bellis
