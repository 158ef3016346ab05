"""Values of users in messages."""

from typing import Any

SHOWN_CHARS_MAX = 80


def shown(value: Any, chars_max: int = SHOWN_CHARS_MAX) -> str:
    """Its repr, cut; the name of its type where it has none that can be had."""
    try:
        text = repr(value)
    except Exception:  # RecursionError, too, for what is nested deeply
        return f"<{type(value).__qualname__}>"
    return text if len(text) <= chars_max else text[:chars_max] + "..."


def reason_of(value: Any, otherwise: str) -> str:
    """The text of a block's `error`, which may be anything; `otherwise` where there is none."""
    if value is None:
        return otherwise
    try:
        return str(value) or otherwise
    except Exception:
        return shown(value)
