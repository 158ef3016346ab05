"""The Zarr store that the tasks of this example share, read and written by region."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from bellis import Roi

Array = np.ndarray[Any, np.dtype[Any]]


def store_path() -> Path:
    """The path of the store: $ASTRONAUT_ZARR, or astronaut.zarr in the working directory."""
    return Path(os.environ.get("ASTRONAUT_ZARR") or "astronaut.zarr")


def open_array(name: str, mode: str = "r") -> zarr.Array:
    """One of the store's arrays, for reading ("r") or for reading and writing ("r+")."""
    return zarr.open_array(str(store_path() / name), mode=mode)


def read(array: zarr.Array, roi: Roi) -> Array:
    """The elements at `roi`, a 2-d ROI in the array's last two dimensions; 0 outside the array.

    The shape of the result is roi.shape, with the array's channels before it, if it has any.
    """
    values = np.zeros((*array.shape[:-2], *roi.shape), array.dtype)
    begin = tuple(max(0, begin) for begin in roi.begin)
    end = tuple(min(end, size) for end, size in zip(roi.end, array.shape[-2:]))
    inside = Roi(begin, tuple(max(0, b - a) for a, b in zip(begin, end)))
    if 0 not in inside.shape:
        crop(values, roi, inside)[:] = array[_spatial_index(inside)]
    return values


def write(array: zarr.Array, roi: Roi, values: Array) -> None:
    """Writes `values` at `roi`, which lies within the array."""
    array[_spatial_index(roi)] = values


def crop(values: Array, at: Roi, part: Roi) -> Array:
    """A view of the elements at ROI `part` of `values`, whose ROI is `at`."""
    moved = Roi((p - a for p, a in zip(part.begin, at.begin)), part.shape)
    cropped: Array = values[_spatial_index(moved)]
    return cropped


def _spatial_index(roi: Roi) -> tuple[Any, ...]:
    return (..., *roi.to_slices())
