"""Makes the store: the array `raw`, and `smoothed` and `labels`, empty, for the tasks to fill.

Existing arrays of these names are deleted. The store is $ASTRONAUT_ZARR, or astronaut.zarr in the
working directory.
"""

import os

import numpy as np
import skimage.data
import zarr

CHANNELS = 3
SMOOTH_BLOCK = (64, 64)
SEGMENT_BLOCK = (128, 128)


def prepare() -> None:
    image = skimage.data.astronaut()  # (row, column, channel), the first row on top
    raw = np.ascontiguousarray(image.transpose(2, 0, 1)).astype(np.float32) / 255.0

    path = os.environ.get("ASTRONAUT_ZARR") or "astronaut.zarr"
    group = zarr.open_group(path, mode="a")
    group.create_dataset("raw", data=raw, chunks=(CHANNELS, *SMOOTH_BLOCK), overwrite=True)
    # Each block writes exactly one chunk of an output, so no two workers write to the same file.
    group.create_dataset(
        "smoothed",
        shape=raw.shape,
        chunks=(CHANNELS, *SMOOTH_BLOCK),
        dtype="f4",
        fill_value=0,
        overwrite=True,
    )
    group.create_dataset(
        "labels",
        shape=raw.shape[1:],
        chunks=SEGMENT_BLOCK,
        dtype="u4",
        fill_value=0,
        overwrite=True,
    )
    print(f"{path}: raw {raw.shape}, smoothed and labels empty")


if __name__ == "__main__":
    prepare()
