"""A Bellis worker in Python: smooths the blocks of the task "smooth".

smooth.cc is the same worker in C++; pipeline.toml runs both on one task.
"""

import functools
import math
import operator

import bellis
import numpy as np
import store
import zarr
from scipy import ndimage

SIGMA = 5.0
RADIUS = round(4 * SIGMA)  # the context that a block needs to be exact


def gaussian_weights(sigma: float) -> list[float]:
    """The weights exp(-i^2 / (2 sigma^2)) for i within 4 sigma, divided by their sum."""
    radius = round(4 * sigma)
    weights = [math.exp(-0.5 / (sigma * sigma) * (i * i)) for i in range(-radius, radius + 1)]
    # Not sum(), which compensates for rounding from Python 3.12 on: see gaussian_smooth.
    total = functools.reduce(operator.add, weights)
    return [weight / total for weight in weights]


def gaussian_smooth(image: store.Array, sigma: float = SIGMA) -> store.Array:
    """Smooths the image (channel, row, column), each channel separately. Outside the image is 0.

    This is scipy.ndimage.gaussian_filter(image, (0, sigma, sigma), mode="constant", truncate=4)
    with the same rounding as gaussian_smooth.cc. Both workers write the same bits, so that a
    block's result does not depend on which of the two did it.
    """
    smoothed = image.astype(np.float64)
    for axis in (1, 2):
        smoothed = ndimage.correlate1d(smoothed, gaussian_weights(sigma), axis, mode="constant")
    return smoothed.astype(np.float32)


def smooth_block(
    raw: zarr.Array, smoothed: zarr.Array, read_roi: bellis.Roi, write_roi: bellis.Roi
) -> None:
    """Smooths one block from the array `raw` into the array `smoothed`."""
    image = gaussian_smooth(store.read(raw, read_roi))
    store.write(smoothed, write_roi, store.crop(image, read_roi, write_roi))


def main() -> None:
    # Do all slow set-up before asking for the first block.
    raw = store.open_array("raw")
    smoothed = store.open_array("smoothed", "r+")
    client = bellis.Client()
    while True:
        with client.acquire_block() as block:
            if block is None:
                break
            smooth_block(raw, smoothed, block.read_roi, block.write_roi)


if __name__ == "__main__":
    main()
