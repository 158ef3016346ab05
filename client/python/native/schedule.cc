// The frontier of a job as a Python object: gives the next block, and takes how each block ended.
// The order is strict (fifo; SEMANTICS "Life of a block").

#include <nanobind/stl/optional.h>
#include <nanobind/stl/shared_ptr.h>

#include <optional>

#include "broker/schedule/frontier.h"
#include "client/python/native/tiling.h"

namespace bellis::python {
namespace {

// Nobody else does follow-up work between two calls, so each call does all of it.
constexpr int64_t kWorkBudget = 1 << 20;

class Schedule {
 public:
  explicit Schedule(std::shared_ptr<Graph> graph)
      : graph_(std::move(graph)), frontier_(Make(*graph_)) {
    Settle();
  }
  Schedule(const Schedule&) = delete;
  Schedule& operator=(const Schedule&) = delete;

  /// Takes the task's next ready block out of the queue. nullopt: none is ready. Lease or Skip
  /// follows.
  std::optional<BlockIndex> Pop(TaskIndex task) {
    Check(task);
    return frontier_.Pop(task);
  }
  void Lease(TaskIndex task, BlockIndex block) {
    CheckIssued(task, block);
    frontier_.Lease({task, block});
  }
  /// Completes a popped block that need not be worked on.
  void Skip(TaskIndex task, BlockIndex block) {
    CheckIssued(task, block);
    frontier_.Skip({task, block});
    Settle();
  }
  /// Pop and Lease.
  std::optional<BlockIndex> Acquire(TaskIndex task) {
    const auto block = Pop(task);
    if (block) frontier_.Lease({task, *block});
    return block;
  }
  void Complete(TaskIndex task, BlockIndex block) {
    CheckLeased(task, block);
    frontier_.Complete({task, block});
    Settle();
  }
  void Fail(TaskIndex task, BlockIndex block) {
    CheckLeased(task, block);
    frontier_.Fail({task, block});
    Settle();
  }
  void Abandon(TaskIndex task) {
    Check(task);
    if (frontier_.counts(task).leased > 0) throw nb::value_error("blocks of the task are leased");
    frontier_.Abandon(task);
    Settle();
  }
  void Requeue(TaskIndex task, BlockIndex block) {
    CheckLeased(task, block);
    frontier_.Requeue({task, block});
    Settle();
  }
  /// (blocks, masked, pending, ready, leased, completed, skipped, failed, orphaned).
  nb::tuple Counts(TaskIndex task) const {
    Check(task);
    const BlockCounts& c = frontier_.counts(task);
    return nb::make_tuple(c.blocks, c.masked, c.pending, c.ready, c.leased, c.completed, c.skipped,
                          c.failed, c.orphaned);
  }
  bool HasReady(TaskIndex task) const {
    Check(task);
    return frontier_.counts(task).ready > 0;
  }
  bool Done(TaskIndex task) const {
    Check(task);
    return frontier_.Done(task);
  }

 private:
  static Frontier Make(const Graph& graph) {
    const std::vector<Order> orders(graph.graph.num_tasks(), Order::kFifo);
    Result<Frontier> frontier = Frontier::Make(&graph.graph, orders);
    if (!frontier.ok()) throw nb::value_error(frontier.error().message.c_str());
    return std::move(frontier).value();
  }
  void Check(TaskIndex task) const {
    if (task >= graph_->graph.num_tasks()) throw nb::index_error("no such task");
  }
  void CheckLeased(TaskIndex task, BlockIndex block) const {
    CheckIssued(task, block);
    if (frontier_.counts(task).leased == 0) throw nb::value_error("the block is not leased");
  }
  void CheckIssued(TaskIndex task, BlockIndex block) const {
    Check(task);
    if (block >= graph_->graph.grid(task).num_blocks() ||
        frontier_.state({task, block}) != BlockState::kIssued) {
      throw nb::value_error("the block was not acquired");
    }
  }
  void Settle() {
    while (frontier_.Work(kWorkBudget)) {
    }
    frontier_.ClearTouched();
  }

  std::shared_ptr<Graph> graph_;
  Frontier frontier_;
};

}  // namespace

void BindSchedule(nb::module_& module) {
  nb::class_<Schedule>(module, "Schedule")
      .def(nb::init<std::shared_ptr<Graph>>(), nb::arg("graph"))
      .def("pop", &Schedule::Pop, nb::arg("task"))
      .def("lease", &Schedule::Lease, nb::arg("task"), nb::arg("block"))
      .def("acquire", &Schedule::Acquire, nb::arg("task"))
      .def("complete", &Schedule::Complete, nb::arg("task"), nb::arg("block"))
      .def("skip", &Schedule::Skip, nb::arg("task"), nb::arg("block"))
      .def("fail", &Schedule::Fail, nb::arg("task"), nb::arg("block"))
      .def("abandon", &Schedule::Abandon, nb::arg("task"))
      .def("requeue", &Schedule::Requeue, nb::arg("task"), nb::arg("block"))
      .def("counts", &Schedule::Counts, nb::arg("task"))
      .def("has_ready", &Schedule::HasReady, nb::arg("task"))
      .def("done", &Schedule::Done, nb::arg("task"));
}

}  // namespace bellis::python
