"""Pickles the functions of tasks for a zygote that is spawned."""

import functools
import types
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, Optional

from bellis._base.showing import shown
from bellis._run.worker_process import TaskFunctions

if TYPE_CHECKING:
    from bellis.task import Task

_DEPTH_MAX = 3
_SHOWN_CHARS_MAX = 120


def pickle_functions(
    functions: "dict[str, TaskFunctions]", tasks: "Iterable[Task]"
) -> "dict[str, bytes]":
    """Pickles by cloudpickle, which takes lambdas, closures and names of `__main__` by value.

    Raises TypeError, which names task, argument and object, if something cannot be pickled.
    """
    import cloudpickle  # only spawned runs need it

    pickled = {}
    for task in tasks:
        of_task = functions[task.task_id]
        for argument, function in (
            ("process_function", of_task.process),
            ("check_function", of_task.pre_check),
            ("check_function", of_task.post_check),
        ):
            trouble = _trouble_with(function)
            if trouble is not None:
                raise _describe(task.task_id, argument, function, trouble) from trouble
        pickled[task.task_id] = cloudpickle.dumps(tuple(of_task))
    return pickled


def _trouble_with(value: Any) -> Optional[Exception]:
    import cloudpickle  # only spawned runs need it

    try:
        cloudpickle.dumps(value)
    except Exception as error:
        return error
    return None


def _describe(task: str, argument: str, function: Any, trouble: Exception) -> TypeError:
    path, culprit, trouble = _find_culprit(function, trouble)
    where = f"{path} = " if path else ""
    return TypeError(
        f"task {task!r}: {argument} cannot be sent to a spawned process: {where}"
        f"{shown(culprit, _SHOWN_CHARS_MAX)} ({type(culprit).__qualname__}) cannot be pickled: "
        f"{trouble}. "
        'With start_method="fork" workers inherit it'
    )


def _find_culprit(function: Any, trouble: Exception) -> "tuple[str, Any, Exception]":
    """The innermost object found that cannot be pickled, the path to it, and its error."""
    path = ""
    culprit = function
    for _ in range(_DEPTH_MAX):
        for name, part in _parts_of(culprit):
            part_trouble = _trouble_with(part)
            if part_trouble is not None:
                joint = "." if path and not name.startswith("[") else ""
                path += joint + name
                culprit, trouble = part, part_trouble
                break
        else:
            break
    return path, culprit, trouble


def _parts_of(value: Any) -> "Iterator[tuple[str, Any]]":
    if isinstance(value, functools.partial):
        yield from ((f"args[{i}]", part) for i, part in enumerate(value.args))
        yield from value.keywords.items()
        yield "func", value.func
    elif isinstance(value, types.MethodType):
        yield "__self__", value.__self__
        yield "__func__", value.__func__
    elif isinstance(value, types.FunctionType):
        for name, cell in zip(value.__code__.co_freevars, value.__closure__ or ()):
            try:
                yield name, cell.cell_contents
            except ValueError:  # the cell is still empty
                continue
        yield from ((f"defaults[{i}]", part) for i, part in enumerate(value.__defaults__ or ()))
        yield from (value.__kwdefaults__ or {}).items()
        for name in value.__code__.co_names:
            if name in value.__globals__:
                yield name, value.__globals__[name]
    elif isinstance(value, dict):
        yield from ((f"[{key!r}]", part) for key, part in value.items())
    elif isinstance(value, (list, tuple)):
        yield from ((f"[{i}]", part) for i, part in enumerate(value))
    elif hasattr(value, "__dict__") and not isinstance(value, (type, types.ModuleType)):
        yield from vars(value).items()
