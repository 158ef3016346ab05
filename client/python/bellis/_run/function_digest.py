"""A digest of a function, to tell whether it made the results of an earlier run."""

import functools
import hashlib
import types
from typing import Any

_PLAIN = (bool, int, float, complex, str, bytes, type(None))


def function_digest(function: Any) -> str:
    """Digests the code of `function`, of what it calls in the same module, and the module's
    constants that they use.

    The digest ignores line numbers, comments, the values in a closure or a partial, and other
    modules.
    """
    digest = hashlib.sha256()
    seen: set[int] = set()
    queue = [function]
    for item in queue:  # the loop appends to it
        while isinstance(item, functools.partial):
            item = item.func
        if id(item) in seen:
            continue
        seen.add(id(item))
        for code, names in _codes_of(item):
            _add_code(digest, code)
            queue += _called(code, names, digest)
    return digest.hexdigest()[:16]


def _codes_of(item: Any) -> "list[tuple[types.CodeType, dict[str, Any]]]":
    """The code of a function, or of the methods of a class or of a callable object."""
    item = getattr(item, "__wrapped__", item)
    item = getattr(item, "__func__", item)
    if isinstance(item, types.FunctionType):
        return [(item.__code__, item.__globals__)]
    if isinstance(item, types.BuiltinFunctionType):
        return []
    kind = item if isinstance(item, type) else type(item)
    methods = [value for _, value in sorted(vars(kind).items(), key=lambda entry: entry[0])]
    return [
        (method.__code__, method.__globals__)
        for method in methods
        if isinstance(method, types.FunctionType)
    ]


def _called(code: types.CodeType, names: "dict[str, Any]", digest: Any) -> "list[Any]":
    """The functions and classes of the same module that `code` names; constants are digested."""
    found = []
    module = names.get("__name__")
    for name in sorted(_names_of(code)):
        value = names.get(name)
        if isinstance(value, _PLAIN):
            digest.update(f"{name}={value!r};".encode())
        elif isinstance(value, (types.FunctionType, type)) and value.__module__ == module:
            found.append(value)
    return found


def _names_of(code: types.CodeType) -> "set[str]":
    names = set(code.co_names)
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            names |= _names_of(constant)
    return names


def _add_code(digest: Any, code: types.CodeType) -> None:
    digest.update(code.co_code)
    digest.update(repr((code.co_names, code.co_varnames, code.co_freevars)).encode())
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            _add_code(digest, constant)
        else:
            digest.update(_shown(constant).encode())


def _shown(constant: Any) -> str:
    """A text that is the same in every process, unlike the repr of a set."""
    if isinstance(constant, frozenset):
        return "{" + ",".join(sorted(map(repr, constant))) + "}"
    return repr(constant)
