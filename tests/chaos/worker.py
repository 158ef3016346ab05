"""A worker that uses the bellis package."""

import os
import signal
import sys

import bellis

from tests.chaos.work import Work


def main() -> int:
    work = Work("python")
    try:
        client = bellis.Client(endpoint=work.endpoint, on_committed=work.committed)
    except bellis.BrokerError as error:
        print(f"refused: {error}", file=sys.stderr)
        return 3
    work.hello("python", client.worker_id, client.job, client.task, 0)

    def run(block: bellis.Block) -> None:
        if work.luck.random() < 0.002:
            os.kill(os.getpid(), signal.SIGSEGV)  # a crash in user code
        read, write = block.read_roi, block.write_roi
        work.run(
            task=client.task,
            index=block.index,
            lease=block.lease,
            attempt=block.attempt,
            worker=client.worker_id,
            read=[list(read.offset), list(read.shape)],
            write=[list(write.offset), list(write.shape)],
        )

    try:
        with client:
            client.process(run)
    except bellis.BrokerError as error:
        print(f"sent away: {error}", file=sys.stderr)
        return 3
    return 0


if __name__ == "__main__":
    sys.exit(main())
