#include "client/python/native/tiling.h"

#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "common/geometry/cantor.h"
#include "common/task/spec_reader.h"

namespace bellis::python {
namespace {

template <typename Get>
nb::tuple TupleOf(int rank, Get&& get) {
  PyObject* tuple = PyTuple_New(rank);
  if (tuple == nullptr) nb::raise_python_error();
  for (int d = 0; d < rank; ++d) PyTuple_SET_ITEM(tuple, d, PyLong_FromLongLong(get(d)));
  return nb::steal<nb::tuple>(tuple);
}

nb::tuple TupleOf(const Coordinate& coordinate) {
  return TupleOf(coordinate.rank(), [&](int d) { return coordinate[d]; });
}

nb::tuple TupleOf(const GridPoint& point, int rank) {
  return TupleOf(rank, [&](int d) { return point[static_cast<size_t>(d)]; });
}

std::vector<BlockIndex> Sorted(const Neighbours& neighbours) {
  std::vector<BlockIndex> result(neighbours.begin(), neighbours.end());
  std::sort(result.begin(), result.end());
  return result;
}

std::vector<BlockIndex> IndicesOf(const BlockGrid& grid, const GridBox& box) {
  std::vector<BlockIndex> result;
  if (box.empty()) return result;
  result.reserve(box.size());
  GridPoint k = box.lo;
  do {
    result.push_back(grid.IndexOf(k));
  } while (box.Next(&k));
  return result;
}

std::vector<std::pair<TaskIndex, BlockIndex>> PairsOf(const std::vector<BlockRef>& blocks) {
  std::vector<std::pair<TaskIndex, BlockIndex>> result;
  result.reserve(blocks.size());
  for (const BlockRef& block : blocks) result.emplace_back(block.task, block.block);
  return result;
}

}  // namespace

nb::tuple RoisTuple(const Roi& read, const Roi& write) {
  return nb::make_tuple(TupleOf(read.offset()), TupleOf(read.shape()), TupleOf(write.offset()),
                        TupleOf(write.shape()));
}

BlockMaker::BlockMaker(nb::type_object type)
    : type_(std::move(type)),
      source_name_(nb::steal(PyUnicode_InternFromString("_source"))),
      index_name_(nb::steal(PyUnicode_InternFromString("index"))) {}

nb::object BlockMaker::Make(nb::handle source, nb::handle index) const {
  auto* type = reinterpret_cast<PyTypeObject*>(type_.ptr());
  nb::object block = nb::steal(type->tp_alloc(type, 0));
  if (!block.is_valid()) nb::raise_python_error();
  // Uses the slots' descriptors, and not a __setattr__ of the type.
  if (PyObject_GenericSetAttr(block.ptr(), source_name_.ptr(), source.ptr()) != 0 ||
      PyObject_GenericSetAttr(block.ptr(), index_name_.ptr(), index.ptr()) != 0) {
    nb::raise_python_error();
  }
  return block;
}

nb::object BlockMaker::Make(nb::handle source, BlockIndex index) const {
  return Make(source, nb::steal(PyLong_FromUnsignedLongLong(index)));
}

std::shared_ptr<Graph> MakeGraph(const std::string& json) {
  nlohmann::json tree = nlohmann::json::parse(json, nullptr, /*allow_exceptions=*/false);
  if (tree.is_discarded()) throw nb::value_error("the job is not JSON");
  Result<JobSpec> job = ReadJobSpec(tree);
  if (!job.ok()) throw nb::value_error(job.error().message.c_str());
  Result<DependencyGraph> graph = DependencyGraph::Make(*job);
  if (!graph.ok()) throw nb::value_error(graph.error().message.c_str());
  return std::make_shared<Graph>(std::move(job).value(), std::move(graph).value());
}

nb::tuple Tiling::counts() const { return TupleOf(grid().counts(), grid().rank()); }

nb::tuple Tiling::strides() const { return TupleOf(levels().strides(), grid().rank()); }

GridPoint Tiling::PointOf(BlockIndex index) const {
  if (index >= num_blocks()) {
    throw nb::index_error(("task '" + task_id() + "' has no block with index " +
                           std::to_string(index) + "; it has " + std::to_string(num_blocks()))
                              .c_str());
  }
  return grid().PointOf(index);
}

int64_t Tiling::BlockId(BlockIndex index) const { return grid().IdOf(PointOf(index)); }

nb::tuple Tiling::Rois(BlockIndex index) const {
  const GridPoint k = PointOf(index);
  return RoisTuple(grid().ReadRoi(k), grid().WriteRoi(k));
}

uint64_t Tiling::Level(BlockIndex index) const { return levels().LevelOf(PointOf(index)); }

std::optional<BlockIndex> Tiling::IndexOfId(int64_t id) const { return grid().IndexOfId(id); }

std::optional<BlockIndex> Tiling::IndexOfWriteOffset(const std::vector<int64_t>& offset) const {
  const std::vector<int64_t> point(offset.size(), 1);
  const GridBox box = grid().WritersOf(MakeRoi(offset, point));
  if (box.empty()) return std::nullopt;
  const Roi write = grid().WriteRoi(box.lo);
  for (size_t d = 0; d < offset.size(); ++d) {
    if (write.offset()[static_cast<int>(d)] != offset[d]) return std::nullopt;
  }
  return grid().IndexOf(box.lo);
}

std::vector<std::pair<TaskIndex, BlockIndex>> Tiling::Upstream(BlockIndex index) const {
  PointOf(index);
  return PairsOf(graph_->graph.Upstream({task_, index}));
}

std::vector<std::pair<TaskIndex, BlockIndex>> Tiling::Downstream(BlockIndex index) const {
  PointOf(index);
  return PairsOf(graph_->graph.Downstream({task_, index}));
}

std::vector<BlockIndex> Tiling::UpstreamInTask(BlockIndex index) const {
  Neighbours neighbours;
  levels().Upstream(PointOf(index), &neighbours);
  return Sorted(neighbours);
}

std::vector<BlockIndex> Tiling::DownstreamInTask(BlockIndex index) const {
  Neighbours neighbours;
  levels().Downstream(PointOf(index), &neighbours);
  return Sorted(neighbours);
}

Roi Tiling::MakeRoi(const std::vector<int64_t>& offset, const std::vector<int64_t>& shape) const {
  if (static_cast<int>(offset.size()) != grid().rank() || offset.size() != shape.size()) {
    throw nb::value_error(("a ROI of " + std::to_string(offset.size()) + " and " +
                           std::to_string(shape.size()) + " dimensions; task '" + task_id() +
                           "' has " + std::to_string(grid().rank()))
                              .c_str());
  }
  Coordinate begin{std::span<const int64_t>(offset)};
  Coordinate lengths{std::span<const int64_t>(shape)};
  Result<Roi> roi = Roi::Make(begin, lengths);
  if (!roi.ok()) throw nb::value_error(roi.error().message.c_str());
  return std::move(roi).value();
}

std::vector<BlockIndex> Tiling::WritersOf(const std::vector<int64_t>& offset,
                                          const std::vector<int64_t>& shape) const {
  return IndicesOf(grid(), grid().WritersOf(MakeRoi(offset, shape)));
}

std::vector<BlockIndex> Tiling::ReadersOf(const std::vector<int64_t>& offset,
                                          const std::vector<int64_t>& shape) const {
  return IndicesOf(grid(), grid().ReadersOf(MakeRoi(offset, shape)));
}

/// Levels count the offsets of the strides' product in reverse row-major order.
GridPoint Tiling::LevelOffset(uint64_t level) const {
  if (level >= num_levels()) {
    throw nb::index_error(("task '" + task_id() + "' has no level " + std::to_string(level) +
                           "; it has " + std::to_string(num_levels()))
                              .c_str());
  }
  uint64_t rest = num_levels() - 1 - level;
  GridPoint offset{};
  for (auto d = static_cast<size_t>(grid().rank()); d-- > 0;) {
    const auto stride = static_cast<uint64_t>(levels().strides()[d]);
    offset[d] = static_cast<int64_t>(rest % stride);
    rest /= stride;
  }
  return offset;
}

uint64_t Tiling::LevelSize(uint64_t level) const {
  if (num_blocks() == 0) return 0;
  const GridPoint first = LevelOffset(level);
  uint64_t size = 1;
  for (size_t d = 0; d < static_cast<size_t>(grid().rank()); ++d) {
    const int64_t stride = levels().strides()[d];
    size *= static_cast<uint64_t>((grid().counts()[d] - first[d] + stride - 1) / stride);
  }
  return size;
}

template <typename Visit>
void Tiling::VisitLevel(uint64_t level, uint64_t start, uint64_t count, Visit&& visit) const {
  const uint64_t size = LevelSize(level);
  if (start >= size) return;
  const GridPoint first = LevelOffset(level);
  const auto rank = static_cast<size_t>(grid().rank());
  GridPoint k{};
  uint64_t rest = start;
  for (size_t d = rank; d-- > 0;) {
    const int64_t stride = levels().strides()[d];
    const auto along = static_cast<uint64_t>((grid().counts()[d] - first[d] + stride - 1) / stride);
    k[d] = first[d] + static_cast<int64_t>(rest % along) * stride;
    rest /= along;
  }
  for (uint64_t left = std::min(count, size - start); left > 0; --left) {
    visit(k);
    for (size_t d = rank; d-- > 0;) {
      k[d] += levels().strides()[d];
      if (k[d] < grid().counts()[d]) break;
      k[d] = first[d];
    }
  }
}

nb::list Tiling::LevelBlocks(nb::handle self, const BlockMaker& maker, uint64_t level,
                             uint64_t start, uint64_t count) const {
  nb::list blocks;
  VisitLevel(level, start, count,
             [&](const GridPoint& k) { blocks.append(maker.Make(self, grid().IndexOf(k))); });
  return blocks;
}

nb::list Tiling::LevelDependencies(nb::handle self, const BlockMaker& maker, uint64_t level,
                                   uint64_t start, uint64_t count) const {
  nb::list result;
  Neighbours neighbours;
  VisitLevel(level, start, count, [&](const GridPoint& k) {
    levels().Upstream(k, &neighbours);
    std::sort(neighbours.index.begin(), neighbours.index.begin() + neighbours.count);
    PyObject* upstream = PyList_New(static_cast<Py_ssize_t>(neighbours.count));
    if (upstream == nullptr) nb::raise_python_error();
    for (size_t i = 0; i < neighbours.count; ++i) {
      PyList_SET_ITEM(upstream, static_cast<Py_ssize_t>(i),
                      maker.Make(self, neighbours.index[i]).release().ptr());
    }
    PyObject* pair = PyTuple_New(2);
    if (pair == nullptr) nb::raise_python_error();
    PyTuple_SET_ITEM(pair, 0, maker.Make(self, grid().IndexOf(k)).release().ptr());
    PyTuple_SET_ITEM(pair, 1, upstream);
    result.append(nb::steal(pair));
  });
  return result;
}

void BindTiling(nb::module_& module) {
  nb::class_<BlockMaker>(module, "BlockMaker")
      .def(nb::init<nb::type_object>(), nb::arg("block_type"))
      .def(
          "make",
          [](const BlockMaker& self, nb::handle source, nb::handle index) {
            return self.Make(source, index);
          },
          nb::arg("source"), nb::arg("index"));

  nb::class_<Graph>(module, "Graph").def_prop_ro("num_tasks", [](const Graph& self) {
    return self.graph.num_tasks();
  });
  module.def(
      "cantor_number",
      [](const std::vector<int64_t>& position) {
        const auto rank = static_cast<int>(position.size());
        if (rank < 1 || rank > kRankMax ||
            *std::min_element(position.begin(), position.end()) < 0) {
          throw nb::value_error("a position has 1 to 8 numbers, none of them negative");
        }
        const auto number = CantorNumber(position.data(), rank);
        if (!number) throw nb::value_error("its Cantor number does not fit in 64 bits");
        return *number;
      },
      nb::arg("position"));
  module.def("make_graph", &MakeGraph, nb::arg("json"));

  nb::class_<Tiling>(module, "Tiling")
      .def(nb::init<std::shared_ptr<Graph>, TaskIndex>(), nb::arg("graph"), nb::arg("task"))
      .def_prop_ro("task_id", &Tiling::task_id)
      .def_prop_ro("task", &Tiling::task)
      .def_prop_ro("num_blocks", &Tiling::num_blocks)
      .def_prop_ro("num_levels", &Tiling::num_levels)
      .def_prop_ro("counts", &Tiling::counts)
      .def_prop_ro("strides", &Tiling::strides)
      .def("block_id", &Tiling::BlockId, nb::arg("index"))
      .def("rois", &Tiling::Rois, nb::arg("index"))
      .def("level", &Tiling::Level, nb::arg("index"))
      .def("level_size", &Tiling::LevelSize, nb::arg("level"))
      .def("index_of_id", &Tiling::IndexOfId, nb::arg("block_id"))
      .def("index_of_write_offset", &Tiling::IndexOfWriteOffset, nb::arg("offset"))
      .def("upstream", &Tiling::Upstream, nb::arg("index"))
      .def("downstream", &Tiling::Downstream, nb::arg("index"))
      .def("upstream_in_task", &Tiling::UpstreamInTask, nb::arg("index"))
      .def("downstream_in_task", &Tiling::DownstreamInTask, nb::arg("index"))
      .def("writers_of", &Tiling::WritersOf, nb::arg("offset"), nb::arg("shape"))
      .def("readers_of", &Tiling::ReadersOf, nb::arg("offset"), nb::arg("shape"))
      .def("level_blocks",
           [](nb::handle self, const BlockMaker& maker, uint64_t level, uint64_t start,
              uint64_t count) {
             return nb::cast<const Tiling&>(self).LevelBlocks(self, maker, level, start, count);
           })
      .def("level_dependencies", [](nb::handle self, const BlockMaker& maker, uint64_t level,
                                    uint64_t start, uint64_t count) {
        return nb::cast<const Tiling&>(self).LevelDependencies(self, maker, level, start, count);
      });
}

}  // namespace bellis::python
