"""Shows users' values in messages."""

from typing import Any

SHOWN_CHARS_MAX = 80


def shown(value: Any, chars_max: int = SHOWN_CHARS_MAX) -> str:
    """The repr of `value`, cut; the name of its type when its repr raises."""
    try:
        text = repr(value)
    except Exception:  # also RecursionError, for a deeply nested value
        return f"<{type(value).__qualname__}>"
    return text if len(text) <= chars_max else text[:chars_max] + "..."


def reason_of(value: Any, otherwise: str) -> str:
    """The text of a block's `error`, which may be of any type; `otherwise` if it has none."""
    if value is None:
        return otherwise
    try:
        return str(value) or otherwise
    except Exception:
        return shown(value)
