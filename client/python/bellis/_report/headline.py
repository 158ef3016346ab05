"""Describes failures in few words."""

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bellis.task_state import Failure

_TRACEBACK = "Traceback (most recent call last):"
_BOX = re.compile(r"^((?:  )+)[|+] ?")
_EXCEPTION = re.compile(r"^[A-Za-z_][\w.<>]*(: |$)")


def describe(failure: "Failure") -> str:
    """One line for the summary."""
    how = headline(failure.error)
    joint = " with exception" if is_traceback(failure.error) else ":"
    return f"block {failure.block_id} in worker {failure.worker_id}{joint} {how}"


def is_traceback(error: str) -> bool:
    return _TRACEBACK in error


def headline(error: str) -> str:
    """The exception at the end of a traceback, as `ValueError('what')`; else the first line."""
    lines = error.rstrip().splitlines()
    if not lines:
        return "no reason given"
    if not is_traceback(error):
        return lines[0]
    found = member = ""
    wanted = False  # the exception is the first line after the last frame that is not indented
    for line in lines:
        depth, text = _unboxed(line)
        if _TRACEBACK in text or text.startswith("  File "):
            wanted = True
        elif text and text[0] not in " \t-+" and depth <= 1 and wanted:
            found, member, wanted = _as_call(text), "", False
        elif depth > 1 and not member and _EXCEPTION.match(text):
            member = _as_call(text)
    if not found:
        return lines[-1].strip()
    return f"{found}: {member}" if member else found


def _unboxed(line: str) -> "tuple[int, str]":
    """The depth of a line in the boxes that Python draws around exception groups, and its text.

    The depth is 0 outside of groups, 1 for a group itself, 2 for its members, and so on.
    """
    box = _BOX.match(line)
    return (len(box.group(1)) // 2, line[box.end() :]) if box else (0, line)


def _as_call(line: str) -> str:
    name, separator, message = line.partition(": ")
    if not name.replace(".", "").replace("<locals>", "").isidentifier():
        return line
    name = name.rpartition(".")[2]
    if not separator:
        return f"{name}()"
    # str() of a KeyError is a repr already.
    return f"{name}({message if name == 'KeyError' else repr(message)})"
