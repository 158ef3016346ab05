#pragma once

// The blocks of a job's tasks, as Python objects.
//
// A Python Block is made here without running Python code: this allocates the object and sets two
// slots, its source and its index. Its ROIs and its id are taken from the source when they are
// first read (bellis/block.py). So 10^6 blocks with their dependencies cost a fraction of a second.

#include <Python.h>
#include <nanobind/nanobind.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "bellis/job_spec.h"
#include "broker/schedule/dependency_graph.h"

namespace bellis::python {

namespace nb = nanobind;

/// (read offset, read shape, write offset, write shape).
nb::tuple RoisTuple(const Roi& read, const Roi& write);

/// Makes objects of one type with `__slots__`: allocates, and sets `_source` and `index`.
class BlockMaker {
 public:
  explicit BlockMaker(nb::type_object type);
  nb::object Make(nb::handle source, BlockIndex index) const;
  nb::object Make(nb::handle source, nb::handle index) const;

 private:
  nb::type_object type_;
  nb::object source_name_;
  nb::object index_name_;
};

/// A job's dependency graph, which the tilings of its tasks share.
struct Graph {
  Graph(JobSpec spec, DependencyGraph dependencies)
      : job(std::move(spec)), graph(std::move(dependencies)) {}
  Graph(const Graph&) = delete;
  Graph& operator=(const Graph&) = delete;

  JobSpec job;
  DependencyGraph graph;
};

/// Reads and checks a job (the JSON of a submit message). Raises ValueError with the field's path.
std::shared_ptr<Graph> MakeGraph(const std::string& json);

/// One task of a graph, which is the `_source` of its blocks. Blocks are identified by their index.
class Tiling {
 public:
  Tiling(std::shared_ptr<Graph> graph, TaskIndex task) : graph_(std::move(graph)), task_(task) {}

  const std::string& task_id() const { return graph_->job.tasks[task_].task_id; }
  TaskIndex task() const { return task_; }
  uint64_t num_blocks() const { return grid().num_blocks(); }
  uint64_t num_levels() const { return levels().num_levels(); }
  nb::tuple counts() const;
  nb::tuple strides() const;

  /// These raise IndexError for a block that the task does not have.
  int64_t BlockId(BlockIndex index) const;
  nb::tuple Rois(BlockIndex index) const;
  uint64_t Level(BlockIndex index) const;
  /// The block with that id, or whose write ROI has that offset; None if there is none.
  std::optional<BlockIndex> IndexOfId(int64_t id) const;
  std::optional<BlockIndex> IndexOfWriteOffset(const std::vector<int64_t>& offset) const;

  /// (task, index) of blocks in all tasks, in ascending order. Cost: linear in the result.
  std::vector<std::pair<TaskIndex, BlockIndex>> Upstream(BlockIndex index) const;
  std::vector<std::pair<TaskIndex, BlockIndex>> Downstream(BlockIndex index) const;
  /// Indices of neighbours inside the task, ascending. Cost: O(2^rank).
  std::vector<BlockIndex> UpstreamInTask(BlockIndex index) const;
  std::vector<BlockIndex> DownstreamInTask(BlockIndex index) const;
  /// Blocks whose write (or read) ROI meets the box. Cost: linear in the result.
  std::vector<BlockIndex> WritersOf(const std::vector<int64_t>& offset,
                                    const std::vector<int64_t>& shape) const;
  std::vector<BlockIndex> ReadersOf(const std::vector<int64_t>& offset,
                                    const std::vector<int64_t>& shape) const;

  /// At most `count` blocks of a level by ascending index, from the `start`th on.
  nb::list LevelBlocks(nb::handle self, const BlockMaker& maker, uint64_t level, uint64_t start,
                       uint64_t count) const;
  /// The same blocks, each with those that it waits for inside the task: [(block, [block, ...]),
  /// ...].
  nb::list LevelDependencies(nb::handle self, const BlockMaker& maker, uint64_t level,
                             uint64_t start, uint64_t count) const;
  uint64_t LevelSize(uint64_t level) const;

 private:
  const BlockGrid& grid() const { return graph_->graph.grid(task_); }
  const ConflictLevels& levels() const { return graph_->graph.levels(task_); }
  GridPoint PointOf(BlockIndex index) const;
  GridPoint LevelOffset(uint64_t level) const;
  Roi MakeRoi(const std::vector<int64_t>& offset, const std::vector<int64_t>& shape) const;
  template <typename Visit>
  void VisitLevel(uint64_t level, uint64_t start, uint64_t count, Visit&& visit) const;

  std::shared_ptr<Graph> graph_;
  TaskIndex task_;
};

void BindTiling(nb::module_& module);
void BindSchedule(nb::module_& module);
void BindBroker(nb::module_& module);
void BindWorker(nb::module_& module);
void BindWorkerLog(nb::module_& module);
void BindWorkPages(nb::module_& module);

}  // namespace bellis::python
