"""A worker that the tutorial starts as a separate program: it smooths blocks until none is left.

python tutorial_worker.py CONFIG.json
"""

import json
import os
import sys
import time

from funlib.persistence import Array, open_ds
from skimage.filters import gaussian

if os.environ.get("TUTORIAL_MODULE") == "daisy":
    import daisy
else:
    import bellis as daisy


def smooth(block, config):
    raw = open_ds(f"{config['store']}/{config['input']}")
    smoothed = Array(
        gaussian(
            raw.to_ndarray(block.read_roi, fill_value=0), sigma=config["sigma"], channel_axis=0
        ),
        offset=block.read_roi.offset,
        voxel_size=raw.voxel_size,
    )
    output = open_ds(f"{config['store']}/{config['output']}", "a")
    output[block.write_roi] = smoothed.to_ndarray(block.write_roi)


def main():
    with open(sys.argv[1]) as file:
        config = json.load(file)

    time.sleep(config["setup_s"])  # stands for a slow set-up, such as loading a network's weights

    client = daisy.Client()
    while True:
        with client.acquire_block() as block:
            if block is None:
                break
            smooth(block, config)


if __name__ == "__main__":
    main()
