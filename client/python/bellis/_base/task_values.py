"""Converts the arguments that users give to a task, and checks them.

An error names the argument, its value and what is accepted.
"""

import datetime
import inspect
import math
import operator
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Callable, Optional, Union

from bellis._base.answers import refuse_never_run
from bellis._base.showing import shown

if TYPE_CHECKING:
    from funlib.geometry import Roi

_FITS = ("valid", "overhang", "shrink")
_ROI_EXPECTED = "expected a Roi, or the pair (offset, shape) of sequences of whole numbers"


def text(name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{name} is {shown(value)}: expected a string")
    return str(value)


def roi(name: str, value: Any) -> "Roi":
    """Returns a Roi as it is, and makes one from a pair (offset, shape)."""
    if all(hasattr(value, part) for part in ("offset", "shape", "begin", "end", "grow")):
        return value  # type: ignore[no-any-return]
    from funlib.geometry import Roi  # it imports numpy, which a worker script may not need

    try:
        offset, shape = (tuple(_whole(x) for x in part) for part in value)
        return Roi(offset, shape)
    except (TypeError, ValueError, AssertionError):
        raise TypeError(f"{name} is {shown(value)}: {_ROI_EXPECTED}") from None


def same_rank(**rois: "Roi") -> None:
    ranks = {name: roi.dims for name, roi in rois.items()}
    if len(set(ranks.values())) > 1:
        given = ", ".join(f"{name} has {rank}" for name, rank in ranks.items())
        raise ValueError(f"{given}: expected the same number of dimensions")


def count(name: str, value: Any, least: int) -> int:
    """A whole number of Python or NumPy, or a float with such a value."""
    expected = f"expected a whole number, at least {least}"
    try:
        number = _whole(value)
    except (TypeError, ValueError, OverflowError):
        raise TypeError(f"{name} is {shown(value)}: {expected}") from None
    if number < least:
        raise ValueError(f"{name} is {shown(value)}: {expected}")
    return number


def count_or_none(name: str, value: Any, least: int) -> Optional[int]:
    return None if value is None else count(name, value, least)


def seconds(name: str, value: Any) -> Optional[float]:
    """Seconds; None for no limit, which is given as None, 0 or infinity."""
    expected = "expected seconds, a timedelta, or None for no limit"
    if value is None:
        return None
    if isinstance(value, datetime.timedelta):
        value = value.total_seconds()
    elif hasattr(value, "astype") and getattr(value.dtype, "kind", "") == "m":
        value = value.astype("timedelta64[ns]").astype(int) / 1e9  # NumPy's timedelta64
    if isinstance(value, (str, bytes)):
        raise TypeError(f"{name} is {shown(value)}: {expected}")
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        raise TypeError(f"{name} is {shown(value)}: {expected}") from None
    if math.isnan(number) or number < 0:
        raise ValueError(f"{name} is {shown(value)}: {expected}, not negative")
    return None if number in (0.0, math.inf) else number


def fit(value: Any) -> str:
    if not isinstance(value, str) or value not in _FITS:
        raise ValueError(f"fit is {shown(value)}: expected one of {', '.join(_FITS)}")
    return str(value)


def conflict(value: Any) -> Union[bool, str]:
    """A truth value, Python's or NumPy's, or "exclusive"."""
    if isinstance(value, str) and value == "exclusive":
        return "exclusive"
    if _is_truth_value(value):
        return bool(value)
    raise ValueError(f'read_write_conflict is {shown(value)}: expected True, False or "exclusive"')


def flag(name: str, value: Any) -> bool:
    """A truth value, Python's or NumPy's."""
    if _is_truth_value(value):
        return bool(value)
    raise ValueError(f"{name} is {shown(value)}: expected True or False")


def _is_truth_value(value: Any) -> bool:
    try:
        return _whole(value) in (0, 1)
    except (TypeError, ValueError, OverflowError):
        return False


def function(name: str, value: Any) -> Callable[..., Any]:
    if not callable(value):
        raise TypeError(f"{name} is {shown(value)}: expected a function")
    refuse_never_run(name, value)
    return value  # type: ignore[no-any-return]


def checks(value: Any) -> "tuple[Optional[Callable[..., Any]], Optional[Callable[..., Any]]]":
    """The function that checks before a block, and the one that checks after it."""
    pair = value if isinstance(value, (tuple, list)) else (value, None)
    if len(pair) != 2 or not all(check is None or callable(check) for check in pair):
        raise TypeError(
            f"check_function is {shown(value)}: expected a function, or a pair of functions or None"
        )
    for check in pair:
        if check is not None:
            refuse_never_run("check_function", check)
    return pair[0], pair[1]


def tasks(name: str, value: Any, kind: type) -> "list[Any]":
    """Each task once, in the given order. A single task is taken as a list of one."""
    expected = "expected an iterable of bellis.Task"
    if value is None:
        return []
    if isinstance(value, kind):
        return [value]
    if not isinstance(value, Iterable):
        raise TypeError(f"{name} is {shown(value)}: {expected}")
    given = list(value)
    for i, task in enumerate(given):
        if not isinstance(task, kind):
            raise TypeError(f"{name}[{i}] is {shown(task)}: {expected}")
    return list({id(task): task for task in given}.values())


def takes_block(function: Callable[..., Any]) -> bool:
    """Whether `function` takes a block: it has a parameter, and requires no more than one."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return True  # some built-in functions have no signature
    positional = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    required = [p for p in positional if p.default is p.empty]
    keyword_only = [p for p in parameters if p.kind is p.KEYWORD_ONLY and p.default is p.empty]
    if len(required) > 1 or keyword_only:
        names = ", ".join(p.name for p in required + keyword_only)
        raise ValueError(
            f"process_function takes ({names}): expected a function of one block, or of nothing"
        )
    # A parameter with a default counts, as in f(block=None); so does f(*args) of a decorator.
    return bool(positional) or any(p.kind is p.VAR_POSITIONAL for p in parameters)


def _whole(value: Any) -> int:
    """Raises TypeError, ValueError or OverflowError for a value that is not a whole number."""
    try:
        return operator.index(value)
    except TypeError:
        if isinstance(value, (str, bytes)):
            raise
    if hasattr(value, "dtype") and getattr(value.dtype, "kind", "") == "b":
        return int(bool(value))
    number = float(value)
    if number != int(number):
        raise ValueError(value)
    return int(number)
