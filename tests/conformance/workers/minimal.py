"""A worker of client/python-minimal that can be slow and can fail, as checks ask of it."""

import os
import time

import bellis_minimal


def process(block: bellis_minimal.Block) -> None:
    time.sleep(int(os.environ.get("BELLIS_CONFORMANCE_MS", "0")) / 1000)
    if size := int(os.environ.get("BELLIS_CONFORMANCE_ERROR_BYTES", "0")):
        raise RuntimeError("x" * size)


bellis_minimal.work(process, heartbeat_ms=int(os.environ.get("BELLIS_HEARTBEAT_MS", "0")))
