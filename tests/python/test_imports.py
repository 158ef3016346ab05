"""What a run loads: a serial one takes a few milliseconds, less than pyzmq takes to load."""

import subprocess
import sys

_PROGRAM = """
import sys
import bellis
roi = bellis.Roi((0,), (10,))
task = bellis.Task("t", bellis.Roi((0,), (100,)), roi, roi, lambda block: None)
assert bellis.run_blockwise([task], multiprocessing=False)
print("loaded:", *[name for name in ("zmq", "asyncio", "multiprocessing", "subprocess", "msgpack")
        if name in sys.modules])
"""


def test_a_serial_run_loads_no_network() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "loaded:"
