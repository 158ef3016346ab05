import pickle
from typing import Any

import pytest
from bellis import Roi


def test_corners_and_dims() -> None:
    roi = Roi((0, 10), (4, 2))
    assert roi.offset == roi.begin == (0, 10)
    assert roi.end == (4, 12)
    assert roi.shape == (4, 2)
    assert roi.dims == 2


def test_repr_is_ranges_and_shape() -> None:
    assert repr(Roi((0, 10), (4, 2))) == "[0:4, 10:12] (4, 2)"
    assert repr(Roi([-3], [5])) == "[-3:2] (5,)"


def test_slices_index_an_array_at_the_origin() -> None:
    assert Roi((0, 10), (4, 2)).to_slices() == (slice(0, 4), slice(10, 12))


def test_equal_ones_have_equal_hashes() -> None:
    assert Roi((1,), (2,)) == Roi([1], [2])
    assert len({Roi((1,), (2,)), Roi([1], [2]), Roi((1,), (3,))}) == 2


def test_is_immutable() -> None:
    roi = Roi((1,), (2,))
    with pytest.raises(AttributeError):
        roi.offset = (5,)  # type: ignore[misc]


def test_survives_pickling() -> None:
    roi = Roi((1, 2), (3, 4))
    assert pickle.loads(pickle.dumps(roi)) == roi


@pytest.mark.parametrize(
    ("offset", "shape"), [((), ()), ((1,), (1, 2)), ((1, 2), (1,)), ((0,), (-1,))]
)
def test_refuses_what_is_no_box(offset: Any, shape: Any) -> None:
    with pytest.raises(ValueError, match="expected"):
        Roi(offset, shape)


def test_refuses_fractions() -> None:
    with pytest.raises(TypeError):
        Roi((0.5,), (1,))  # type: ignore[arg-type]
