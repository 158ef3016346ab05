"""Which block waits for which, by the scheduler's own arithmetic (native: Tiling)."""

import json
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, Optional, Union

from funlib.geometry import Coordinate

from bellis import _core
from bellis.block import Block
from bellis.task import Task, collect_tasks, roi_spec

if TYPE_CHECKING:
    from funlib.geometry import Roi

BLOCK_MAKER = _core.BlockMaker(Block)
_BATCH = 4096  # how many blocks are made at a time


class BlockwiseDependencyGraph:
    """The blocks of one task, and which of them wait for which.

    `total_read_roi` or `total_write_roi`, or both, give the region to tile; they differ by the
    context. Nothing is stored for a block; sets of blocks are made when a caller asks for them.

    Raises ValueError, which names the field, for ROIs that cannot be tiled.
    """

    def __init__(
        self,
        task_id: str,
        block_read_roi: "Roi",
        block_write_roi: "Roi",
        read_write_conflict: "Union[bool, str]",
        fit: str,
        total_read_roi: "Optional[Roi]" = None,
        total_write_roi: "Optional[Roi]" = None,
        *,
        tiling: Optional["_core.Tiling"] = None,
    ) -> None:
        lo = block_write_roi.begin - block_read_roi.begin
        hi = block_read_roi.end - block_write_roi.end
        if total_read_roi is None:
            if total_write_roi is None:
                raise ValueError("expected total_read_roi or total_write_roi")
            total_read_roi = total_write_roi.grow(lo, hi)
        inner = total_read_roi.grow(-lo, -hi)
        if total_write_roi is not None and total_write_roi != inner:
            raise ValueError(
                f"total_write_roi is {total_write_roi}: expected {inner}, which is total_read_roi "
                "without the context of a block"
            )
        self.task_id = task_id
        self.block_read_roi = block_read_roi
        self.block_write_roi = block_write_roi
        self.read_write_context = (lo, hi)
        self.read_write_conflict = read_write_conflict
        self.fit = fit
        self.total_read_roi = total_read_roi
        self.total_write_roi = inner
        if tiling is None:
            spec = {
                "task_id": task_id,
                "total_roi": roi_spec(total_read_roi),
                "read_roi": roi_spec(block_read_roi),
                "write_roi": roi_spec(block_write_roi),
                "fit": fit,
                "read_write_conflict": read_write_conflict,
            }
            tiling = _core.Tiling(_make_graph([spec]), 0)
        self.tiling = tiling

    @property
    def num_blocks(self) -> int:
        return self.tiling.num_blocks

    @property
    def num_levels(self) -> int:
        return self.tiling.num_levels

    def num_roots(self) -> int:
        return self.tiling.level_size(0) if self.num_levels else 0

    def level_blocks(self, level: int) -> Iterator[Block]:
        """The blocks of a conflict level, in ascending order of index."""
        for start in range(0, self.tiling.level_size(level), _BATCH):
            yield from self.tiling.level_blocks(BLOCK_MAKER, level, start, _BATCH)

    def root_gen(self) -> Iterator[Block]:
        """The blocks that wait for no other block of the task."""
        return self.level_blocks(0) if self.num_levels else iter(())

    def upstream(self, block: Block) -> list[Block]:
        """The blocks of the task that `block` waits for."""
        return self._make(self.tiling.upstream_in_task(self.index_of(block)))

    def downstream(self, block: Block) -> list[Block]:
        """The blocks of the task that wait for `block`."""
        return self._make(self.tiling.downstream_in_task(self.index_of(block)))

    def enumerate_all_dependencies(self) -> Iterator[tuple[Block, list[Block]]]:
        """Every block with those that it waits for, level by level. Cost: under 1 us a block."""
        tiling = self.tiling
        for level in range(self.num_levels):
            for start in range(0, tiling.level_size(level), _BATCH):
                yield from tiling.level_dependencies(BLOCK_MAKER, level, start, _BATCH)

    def get_subgraph_blocks(self, sub_roi: "Roi", read_roi: bool = False) -> list[Block]:
        """The blocks whose write ROI (with `read_roi`: whose read ROI) meets `sub_roi`."""
        find = self.tiling.readers_of if read_roi else self.tiling.writers_of
        offset, shape = roi_spec(sub_roi)
        return self._make(find(offset, shape))

    def compute_level_stride(self) -> Coordinate:
        """How far apart the blocks of a level are, in world units."""
        stride = Coordinate(*self.tiling.strides)  # type: ignore[no-untyped-call]
        return stride * self.block_write_roi.shape

    def index_of(self, block: Block) -> int:
        """The index of `block`. Raises ValueError for a block that is not the task's."""
        index = block.index
        if index < 0:
            found = self.tiling.index_of_write_offset([int(x) for x in block.write_roi.offset])
            if found is None:
                raise ValueError(f"{block} is not a block of task {self.task_id!r}")
            index = found
        return index

    def block(self, index: int) -> Block:
        """The block with that index. Raises IndexError if the task has none."""
        if not 0 <= index < self.num_blocks:
            raise IndexError(f"index is {index}: expected 0 to {self.num_blocks - 1}")
        return BLOCK_MAKER.make(self.tiling, index)  # type: ignore[no-any-return]

    def _make(self, indices: "list[int]") -> list[Block]:
        tiling = self.tiling
        return [BLOCK_MAKER.make(tiling, index) for index in indices]


class DependencyGraph:
    """The blocks of several tasks, and which of them wait for which, across tasks, too.

    The graph has the given tasks and all tasks upstream of them.
    """

    def __init__(self, tasks: Iterable[Task]) -> None:
        self.task_map: dict[str, Task] = {task.task_id: task for task in collect_tasks(tasks)}
        self.upstream_tasks: dict[str, set[str]] = {name: set() for name in self.task_map}
        self.downstream_tasks: dict[str, set[str]] = {name: set() for name in self.task_map}
        for task in self.task_map.values():
            for upstream in task.upstream_tasks:
                self.upstream_tasks[task.task_id].add(upstream.task_id)
                self.downstream_tasks[upstream.task_id].add(task.task_id)
        specs = [task.to_spec() for task in self.task_map.values()]
        self.native = _make_graph(specs)
        self.numbers = {name: number for number, name in enumerate(self.task_map)}
        self.task_dependency_graphs = {
            name: BlockwiseDependencyGraph(
                name,
                task.read_roi,
                task.write_roi,
                task.read_write_conflict,
                task.fit,
                total_read_roi=task.total_roi,
                tiling=_core.Tiling(self.native, self.numbers[name]),
            )
            for name, task in self.task_map.items()
        }
        self._graphs = list(self.task_dependency_graphs.values())

    @property
    def task_ids(self) -> list[str]:
        return list(self.task_map)

    def num_blocks(self, task_id: str) -> int:
        return self.task_dependency_graphs[task_id].num_blocks

    def upstream(self, block: Block) -> list[Block]:
        """All blocks that `block` waits for, in all tasks, by ascending id."""
        graph = self._graph_of(block)
        return self._make(graph.tiling.upstream(graph.index_of(block)))

    def downstream(self, block: Block) -> list[Block]:
        """All blocks that wait for `block`, by ascending id."""
        graph = self._graph_of(block)
        return self._make(graph.tiling.downstream(graph.index_of(block)))

    def root_tasks(self) -> list[str]:
        """The tasks that have no upstream task."""
        return [name for name, upstream in self.upstream_tasks.items() if not upstream]

    def num_roots(self, task_id: str) -> int:
        return self.task_dependency_graphs[task_id].num_roots()

    def root_gen(self, task_id: str) -> Iterator[Block]:
        return self.task_dependency_graphs[task_id].root_gen()

    def roots(self) -> dict[str, tuple[int, Iterator[Block]]]:
        """For each root task, how many roots it has, and the roots."""
        return {name: (self.num_roots(name), self.root_gen(name)) for name in self.root_tasks()}

    def enumerate_all_dependencies(self) -> Iterator[tuple[Block, list[Block]]]:
        """Every block of every task, with all blocks that it waits for."""
        for name, graph in self.task_dependency_graphs.items():
            if not self.upstream_tasks[name]:
                yield from graph.enumerate_all_dependencies()
                continue
            for level in range(graph.num_levels):
                for block in graph.level_blocks(level):
                    yield block, self.upstream(block)

    def get_subgraph_blocks(
        self, task_id: str, sub_roi: "Roi", read_roi: bool = False
    ) -> list[Block]:
        return self.task_dependency_graphs[task_id].get_subgraph_blocks(sub_roi, read_roi)

    def level_blocks(self, task_id: str, level: int) -> Iterator[Block]:
        return self.task_dependency_graphs[task_id].level_blocks(level)

    def _graph_of(self, block: Block) -> BlockwiseDependencyGraph:
        graph = self.task_dependency_graphs.get(str(block.task_id))
        if graph is None:
            raise ValueError(f"{block} is of task {block.task_id!r}: expected {self.task_ids}")
        return graph

    def _make(self, pairs: "list[tuple[int, int]]") -> list[Block]:
        blocks = [BLOCK_MAKER.make(self._graphs[task].tiling, index) for task, index in pairs]
        return sorted(blocks, key=lambda block: block.block_id[1])


def _make_graph(specs: "list[dict[str, Any]]") -> "_core.Graph":
    for spec in specs:
        spec["external_workers"] = True  # a graph needs no workers
    return _core.make_graph(json.dumps({"tasks": specs}))
