"""How busy 64 workers are kept by blocks that sleep: python efficiency.py [--workers 64] [--quick]

The efficiency is the part of the workers' time that they spend in blocks, in the middle half of the
run, when all of them work: 1.0 if no worker ever waited. Prints a line for each length of a block.
"""

import argparse
import mmap
import statistics
import struct
import time

import bellis

_TIMES = struct.Struct("dd")  # when a block began and ended


def efficiency_of(block_s: float, blocks: int, workers: int) -> float:
    board = mmap.mmap(-1, blocks * _TIMES.size)  # shared with the workers, which are forked

    def sleep(block: bellis.Block) -> None:
        begin = time.monotonic()
        time.sleep(block_s)
        index = block.write_roi.offset[0]
        _TIMES.pack_into(board, index * _TIMES.size, begin, time.monotonic())

    task = bellis.Task(
        "sleep",
        total_roi=bellis.Roi((0,), (blocks,)),
        read_roi=bellis.Roi((0,), (1,)),
        write_roi=bellis.Roi((0,), (1,)),
        process_function=sleep,
        read_write_conflict=False,
        num_workers=workers,
    )
    if not bellis.run_blockwise([task], progress="quiet", start_method="fork"):
        raise RuntimeError("a block failed")
    times = [_TIMES.unpack_from(board, i * _TIMES.size) for i in range(blocks)]
    first = min(begin for begin, _ in times)
    last = max(end for _, end in times)
    middle = (first + (last - first) / 4, last - (last - first) / 4)
    busy = sum(max(0.0, min(end, middle[1]) - max(begin, middle[0])) for begin, end in times)
    return float(busy / (workers * (middle[1] - middle[0])))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workers", type=int, default=64)
    parser.add_argument("--quick", action="store_true", help="a quarter of the blocks")
    options = parser.parse_args()
    print(f"{options.workers} workers: efficiency with blocks that sleep (medians of three)")
    for block_s, rounds in ((0.001, 1000), (0.01, 200), (0.1, 40)):
        blocks = options.workers * (rounds // 4 if options.quick else rounds)
        found = [efficiency_of(block_s, blocks, options.workers) for _ in range(3)]
        print(f"{block_s * 1000:6.0f} ms  {statistics.median(found):.2f}", flush=True)


if __name__ == "__main__":
    main()
