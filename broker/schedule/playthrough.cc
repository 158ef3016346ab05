#include "broker/schedule/playthrough.h"

#include <algorithm>

#include "broker/schedule/frontier.h"

namespace bellis {
namespace {

constexpr int64_t kWorkUnits = 1 << 20;
// Measuring the memory costs a little for each task, so it is done only now and then.
constexpr uint64_t kBlocksPerLook = 256;
constexpr uint64_t kRoundsLookedAt = 256;

class Player {
 public:
  Player(Frontier* frontier, size_t tasks, const std::vector<uint64_t>& workers)
      : frontier_(frontier), workers_(workers) {
    result_.tasks.resize(tasks);
  }

  Playthrough ToTheEnd() {
    const auto tasks = static_cast<TaskIndex>(result_.tasks.size());
    while (Lease(tasks)) {
      ++result_.rounds;
      CountRound();
      if (result_.rounds <= kRoundsLookedAt) Look();
      Complete();
    }
    Look();
    result_.finished = true;
    for (TaskIndex t = 0; t < tasks; ++t) result_.finished &= frontier_->Done(t);
    return std::move(result_);
  }

 private:
  /// Leases all ready blocks, or as many as there are workers for. Whether any block was leased.
  bool Lease(TaskIndex tasks) {
    leased_.clear();
    size_t before = 0;
    do {
      before = leased_.size();
      // A sweep over masked blocks rests until the blocks that it found are taken.
      while (frontier_->Work(kWorkUnits)) {
      }
      for (TaskIndex t = 0; t < tasks; ++t) LeaseOf(t);
    } while (leased_.size() > before);
    frontier_->ClearTouched();
    return !leased_.empty();
  }

  void LeaseOf(TaskIndex task) {
    while (frontier_->counts(task).leased < workers_[task]) {
      const auto block = frontier_->Pop(task);
      if (!block) return;
      frontier_->Lease({task, *block});
      leased_.push_back({task, *block});
    }
  }

  void CountRound() {
    result_.blocks += leased_.size();
    result_.widest = std::max<uint64_t>(result_.widest, leased_.size());
    for (TaskIndex t = 0; t < result_.tasks.size(); ++t) {
      const uint64_t blocks = frontier_->counts(t).leased;
      if (blocks == 0) continue;
      Playthrough::Task& task = result_.tasks[t];
      task.widest = std::max(task.widest, blocks);
      if (task.first_round == 0) task.first_round = result_.rounds;
      task.last_round = result_.rounds;
    }
  }

  void Complete() {
    for (const BlockRef& block : leased_) {
      frontier_->Complete(block);
      if (++completed_ % kBlocksPerLook == 0) Look();
    }
  }

  void Look() { result_.bytes_peak = std::max<uint64_t>(result_.bytes_peak, frontier_->bytes()); }

  Frontier* frontier_;                    // borrowed
  const std::vector<uint64_t>& workers_;  // borrowed
  std::vector<BlockRef> leased_;          // in this round
  uint64_t completed_ = 0;
  Playthrough result_;
};

}  // namespace

Result<Playthrough> Play(const DependencyGraph& graph, const std::vector<Order>& orders,
                         const std::vector<uint64_t>& workers) {
  Result<Frontier> frontier = Frontier::Make(&graph, orders);
  if (!frontier.ok()) return frontier.error();
  return Player(&*frontier, graph.num_tasks(), workers).ToTheEnd();
}

}  // namespace bellis
