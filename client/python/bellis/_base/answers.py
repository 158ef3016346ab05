"""Return values of users' functions: truth values, and objects for work that was not done."""

import inspect
import types
from concurrent.futures import Future
from typing import Any, Callable, Optional

from bellis._base.showing import shown

_NEVER_RUNS = (
    (inspect.iscoroutinefunction, "an async function"),
    (inspect.isasyncgenfunction, "an async generator function"),
    (inspect.isgeneratorfunction, "a generator function"),
)


def refuse_never_run(name: str, function: Callable[..., Any]) -> None:
    """Raises TypeError for a function whose call only makes an object and runs nothing."""
    for asked in (function, getattr(type(function), "__call__", None)):  # noqa: B004
        for is_kind, kind in _NEVER_RUNS:
            if is_kind(asked):
                raise TypeError(
                    f"{name} is {shown(function)}, {kind}: a call of it would run nothing. "
                    "Expected a plain function, which may call asyncio.run, or loop over a "
                    "generator"
                )


def refuse_undone(name: str, value: Any) -> None:
    """Raises TypeError if a returned object stands for work that was not done."""
    kind = None if value is None else _undone(value)
    if kind is not None:
        raise TypeError(
            f"{name} returned {kind}, of which nothing has run: await it (asyncio.run), loop over "
            "it, or wait for its result in the function"
        )


def truth_of(name: str, value: Any) -> bool:
    """The answer of a check. Raises TypeError for a value that is neither true nor false."""
    if type(value) is bool:
        return value
    refuse_undone(name, value)
    try:
        return bool(value)
    except ValueError as error:  # NumPy raises it for an array of several elements
        raise TypeError(
            f"{name} returned {shown(value)} ({type(value).__qualname__}), which is neither true "
            "nor false: expected one truth value, such as .all() or .any() of it"
        ) from error


def _undone(value: Any) -> Optional[str]:
    if isinstance(value, types.CoroutineType):
        value.close()  # otherwise Python warns that the coroutine was never awaited
        return "a coroutine"
    if isinstance(value, (types.GeneratorType, types.AsyncGeneratorType)):
        return "a generator"
    if isinstance(value, (map, filter)):
        return f"a {type(value).__name__} object"
    if isinstance(value, Future):
        return None if value.done() else "a future"
    return "an awaitable" if inspect.isawaitable(value) else None
