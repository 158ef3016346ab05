import os

import bellis
import numpy as np

shape = tuple(map(int, os.environ["POLYGLOT_SHAPE"].split()))
scan = np.memmap(os.environ["POLYGLOT_INPUT"], np.uint8, "r", shape=shape)
mean = np.memmap(os.environ["POLYGLOT_OUTPUT"], np.uint8, "r+", shape=shape)


def process(block: bellis.Block) -> None:
    voxels = scan[block.read_roi.to_slices()]
    total = np.lib.stride_tricks.sliding_window_view(voxels, (3, 3, 3)).sum(axis=(3, 4, 5))
    mean[block.write_roi.to_slices()] = (total + 13) // 27


bellis.work(process)
