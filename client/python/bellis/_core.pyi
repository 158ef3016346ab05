"""The native module (client/python/native)."""

from typing import Any, Callable

__version__: str

class Graph:
    @property
    def num_tasks(self) -> int: ...

def cantor_number(position: list[int]) -> int:
    """The block id at a position, in blocks. ValueError where it does not fit in 64 bits."""

def make_graph(json: str) -> Graph:
    """ValueError, naming the field, for a job that cannot be scheduled."""

class BlockMaker:
    """Makes objects of a type with slots `_source` and `index`."""

    def __init__(self, block_type: type) -> None: ...
    def make(self, source: Any, index: int) -> Any: ...

class Tiling:
    """One task of a graph. Blocks are named by index; IndexError for one that is not there."""

    def __init__(self, graph: Graph, task: int) -> None: ...
    @property
    def task_id(self) -> str: ...
    @property
    def task(self) -> int: ...
    @property
    def num_blocks(self) -> int: ...
    @property
    def num_levels(self) -> int: ...
    @property
    def counts(self) -> tuple[int, ...]: ...
    @property
    def strides(self) -> tuple[int, ...]: ...
    def block_id(self, index: int) -> int: ...
    def rois(self, index: int) -> tuple[Any, Any, Any, Any]: ...
    def level(self, index: int) -> int: ...
    def level_size(self, level: int) -> int: ...
    def index_of_id(self, block_id: int) -> int | None: ...
    def index_of_write_offset(self, offset: list[int]) -> int | None: ...
    def upstream(self, index: int) -> list[tuple[int, int]]: ...
    def downstream(self, index: int) -> list[tuple[int, int]]: ...
    def upstream_in_task(self, index: int) -> list[int]: ...
    def downstream_in_task(self, index: int) -> list[int]: ...
    def writers_of(self, offset: list[int], shape: list[int]) -> list[int]: ...
    def readers_of(self, offset: list[int], shape: list[int]) -> list[int]: ...
    def level_blocks(self, maker: BlockMaker, level: int, start: int, count: int) -> list[Any]: ...
    def level_dependencies(
        self, maker: BlockMaker, level: int, start: int, count: int
    ) -> list[tuple[Any, list[Any]]]: ...

class Schedule:
    """The frontier of a graph, in strict order."""

    def __init__(self, graph: Graph) -> None: ...
    def pop(self, task: int) -> int | None: ...
    def lease(self, task: int, block: int) -> None: ...
    def acquire(self, task: int) -> int | None: ...
    def complete(self, task: int, block: int) -> None: ...
    def skip(self, task: int, block: int) -> None: ...
    def fail(self, task: int, block: int) -> None: ...
    def abandon(self, task: int) -> None: ...
    def requeue(self, task: int, block: int) -> None: ...
    def counts(self, task: int) -> tuple[int, int, int, int, int, int, int, int, int]: ...
    def has_ready(self, task: int) -> bool: ...
    def done(self, task: int) -> bool: ...

class Broker:
    """A broker on a thread of this process. RuntimeError when it cannot listen."""

    def __init__(
        self,
        endpoint: str,
        insecure: bool = False,
        lease_ms: int = 20_000,
        hello_wait_ms: int = 60_000,
        state_dir: str = "",
        job_memory_max: int = 0,
    ) -> None: ...
    @property
    def endpoint(self) -> str: ...
    def access(self, role: str) -> dict[str, str]: ...
    def stop(self, at_once: bool = False) -> None: ...

def own_address(ipv6: bool) -> str:
    """Of this machine, for others to connect to; only with `ipv6` one of that kind."""

class LogLabel:
    """Whose log it is. `run` is the folder in `log_dir`; an empty `slot` or `duty` is not told."""

    def __init__(
        self, log_dir: str, run: str, job: str, task: str, worker: int, slot: str, duty: str
    ) -> None: ...

def log_stem(label: LogLabel) -> str:
    """The path of a worker's log files without `.out` and `.err`."""

class WorkerLog:
    """The two files that a worker's output goes to, open to append until `started`."""

    @staticmethod
    def open(label: LogLabel) -> WorkerLog:
        """Makes the folders, too. Raises OSError, which names the path."""

    stdout_fd: int
    stderr_fd: int
    stem: str
    def first_line(self, pid: int) -> str:
        """For the worker's process to write into both, before anything else."""

    def started(self, pid: int) -> None:
        """Closes our descriptors: the worker has its own."""

    def trim(self) -> None:
        """Cuts the middle out of a file that takes more than 64 MiB of the disk."""

    def stderr_tail(self) -> bytes:
        """The last 4 KiB of what it said on stderr."""

class RunLinks:
    """The links by which people find the logs of the newest run."""

    def __init__(self) -> None: ...
    def point(self, label: LogLabel) -> str:
        """A worker is started. Returns what is wrong, once for each folder, else nothing."""

class EndedLogs:
    """Log files of ended workers: of each folder the newest ENDED_LOGS_MAX workers keep theirs.

    They are trimmed for as long as a process has them open for writing: `sweep` every few seconds,
    while some are `watched`.
    """

    def __init__(self) -> None: ...
    def add(self, stem: str) -> None: ...
    def sweep(self) -> None: ...
    def watched(self) -> int: ...

ENDED_LOGS_MAX: int
LOG_CUT_NOTICE: str

class WorkPages:
    """Pages in which the processes of workers note what they work on (common/work_page.h)."""

    def __init__(self) -> None: ...
    def take(self) -> int | None:
        """A blank page, until it is given back; None if there is none."""

    def name_of(self, page: int) -> str:
        """The value of WORK_PAGE_VARIABLE for the worker, valid as long as this process lives."""

    def read(self, page: int) -> list[tuple[int, int]]:
        """(worker, lease) of each connection; lease 0: it works on none.

        Connections that work on several leases, or that are closed, are left out.
        """

    def give_back(self, page: int) -> None:
        """The worker and all its processes are gone: another worker may have the page."""

WORK_PAGE_VARIABLE: str

class Given:
    """What a worker was given: the `_source` of its block."""

    @property
    def task_id(self) -> str: ...
    @property
    def attempt(self) -> int: ...
    @property
    def lease(self) -> int: ...
    def block_id(self, index: int) -> int: ...
    def rois(self, index: int) -> tuple[Any, Any, Any, Any]: ...

STOCK_MAX: int  # the most that a loop asks for in advance as block times allow

class Worker:
    """A worker's session with the broker. BrokerError when it is refused, or the broker lost;
    RuntimeError in a forked child and after `close`.

    `options` is a WorkerOptions, `on_notice` is called with 0 (info), 1 (warning) or 2 (error) and
    a sentence.
    """

    def __init__(self, options: Any, on_notice: Callable[[int, str], object]) -> None: ...
    @property
    def job(self) -> str: ...
    @property
    def task(self) -> str: ...
    @property
    def worker_id(self) -> int: ...
    @property
    def slot(self) -> int: ...
    @property
    def broker(self) -> str: ...
    @property
    def is_inherited(self) -> bool:
        """Whether this process is a forked child, and the session belongs to its parent."""

    def take(self, maker: BlockMaker) -> Any:
        """Waits for the next block; None when this worker is to leave."""

    def give_back(self, given: Given, error: str | None) -> None:
        """Hands a block in at once: as failed if there is an error text, else as completed."""

    def run(
        self,
        function: Callable[..., object],
        maker: BlockMaker,
        processing: object,
        judge: Callable[[Any, Any, BaseException | None], str | None],
        always_judge: bool,
        stock_max: int,
    ) -> int:
        """Calls `function` with block after block until there are no more; returns how many."""

    def ping(self) -> None: ...
    def await_message(self, timeout_s: float) -> bool:
        """Whether a message has arrived, or does in time; it is not read."""

    def close(self) -> None:
        """Says bye and disconnects. Does nothing the second time, and in a forked child."""
