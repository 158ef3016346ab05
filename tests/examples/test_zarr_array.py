"""Zarr arrays between the examples' C++ and zarr-python: each reads what the other wrote."""

import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from examples_probe import PROBE, needs_probe, numbers, probe

zarr = pytest.importorskip("zarr", reason="see examples/astronaut/requirements.txt")
numcodecs = pytest.importorskip("numcodecs")

Array = np.ndarray[Any, np.dtype[Any]]

COMPRESSORS = {
    "raw": None,
    "zlib": numcodecs.Zlib(level=3),
    "blosc-lz4": numcodecs.Blosc(),
    "blosc-zstd-bitshuffle": numcodecs.Blosc("zstd", 7, numcodecs.Blosc.BITSHUFFLE),
    "blosc-lz4hc-autoshuffle": numcodecs.Blosc("lz4hc", 5, numcodecs.Blosc.AUTOSHUFFLE),
}


@pytest.fixture(params=COMPRESSORS, ids=str)
def compressor(request: pytest.FixtureRequest) -> Any:
    return COMPRESSORS[request.param]


@pytest.fixture(params=["dot", "slash"])
def separator(request: pytest.FixtureRequest) -> str:
    return {"dot": ".", "slash": "/"}[request.param]


@pytest.fixture(params=["<f4", "<f8", "|u1", "<u4"])
def array(request: pytest.FixtureRequest, tmp_path: Path, compressor: Any, separator: str) -> Any:
    """An empty array with chunks that do not divide its shape, filled with 3."""
    return zarr.open_array(
        str(tmp_path / "array"),
        mode="w",
        shape=(3, 50, 41),
        chunks=(2, 16, 20),
        dtype=request.param,
        compressor=compressor,
        fill_value=3,
        dimension_separator=separator,
    )


def random_values(array: Any, shape: tuple[int, ...]) -> Array:
    return np.random.default_rng(1).integers(0, 200, shape).astype(array.dtype)


@needs_probe
def test_cpp_reads_what_zarr_python_wrote(array: Any) -> None:
    array[:, 5:40, :] = random_values(array, (3, 35, 41))
    begin, shape = (0, -3, 7), (3, 60, 20)
    got = probe("read", array.store.path, numbers(begin), numbers(shape))
    expected = np.zeros(shape, array.dtype)
    expected[:, 3:53, :] = array[:, :, 7:27]
    assert np.array_equal(np.frombuffer(got, array.dtype).reshape(shape), expected)


@needs_probe
def test_zarr_python_reads_what_cpp_wrote(array: Any) -> None:
    begin, shape = (0, 10, 0), (3, 40, 30)
    values = random_values(array, shape)
    probe("write", array.store.path, numbers(begin), numbers(shape), stdin=values.tobytes())
    expected = np.full(array.shape, 3, array.dtype)
    expected[:, 10:50, :30] = values
    assert np.array_equal(zarr.open_array(array.store.path, mode="r")[:], expected)


@needs_probe
def test_concurrent_cpp_writers_make_the_same_folders_without_error(tmp_path: Path) -> None:
    array = zarr.open_array(
        str(tmp_path / "array"),
        mode="w",
        shape=(8, 8, 8),
        chunks=(1, 1, 8),
        dtype="|u1",
        dimension_separator="/",
    )
    writers = [
        subprocess.Popen(
            [str(PROBE), "write", array.store.path, f"0,{row},0", "8,1,8"], stdin=subprocess.PIPE
        )
        for row in range(8)
    ]
    for row, writer in enumerate(writers):
        writer.communicate(bytes([row + 1]) * 64, timeout=60)
    assert [writer.returncode for writer in writers] == [0] * 8
    assert (array[:] == np.arange(1, 9, dtype=np.uint8)[None, :, None]).all()
