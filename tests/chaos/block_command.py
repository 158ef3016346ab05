"""The command of one block under `bellis exec`, the C++ worker that runs a process per block."""

import json
import os
import sys

from tests.chaos.work import BlockFailedError, Work


def main() -> int:
    work = Work("exec")
    block = json.load(sys.stdin)
    try:
        work.run(
            task=os.environ["BELLIS_TASK"],
            index=int(os.environ["BELLIS_BLOCK_INDEX"]),
            lease=int(os.environ["BELLIS_BLOCK_LEASE"]),
            attempt=int(os.environ["BELLIS_BLOCK_ATTEMPT"]),
            worker=int(os.environ.get("BELLIS_WORKER_ID", "0")),
            read=[block["read"]["offset"], block["read"]["shape"]],
            write=[block["write"]["offset"], block["write"]["shape"]],
        )
    except BlockFailedError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
