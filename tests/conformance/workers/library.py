"""A worker of the package bellis that can be slow and can fail, as checks ask of it."""

import os
import time

import bellis


def process(block: bellis.Block) -> None:
    time.sleep(int(os.environ.get("BELLIS_CONFORMANCE_MS", "0")) / 1000)
    if size := int(os.environ.get("BELLIS_CONFORMANCE_ERROR_BYTES", "0")):
        raise RuntimeError("x" * size)


bellis.work(process)
