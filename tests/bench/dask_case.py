"""No-op tasks on dask.distributed: python dask_case.py TASKS WORKERS

Starts WORKERS processes of one thread each, maps a function that does nothing over TASKS numbers,
and prints the seconds from the start of the cluster to its end as a JSON object.
"""

import importlib
import json
import sys
import time
from typing import Any


def no_op(number: int) -> None:
    pass


def main() -> None:
    tasks, workers = int(sys.argv[1]), int(sys.argv[2])
    distributed: Any = importlib.import_module("distributed")  # has no types
    begin = time.perf_counter()
    with (
        distributed.LocalCluster(
            n_workers=workers, threads_per_worker=1, processes=True, dashboard_address=None
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        started = time.perf_counter()
        client.gather(client.map(no_op, range(tasks), pure=False))
        done = time.perf_counter() - started
    print(json.dumps({"seconds": time.perf_counter() - begin, "tasks_seconds": done}))


if __name__ == "__main__":
    main()
