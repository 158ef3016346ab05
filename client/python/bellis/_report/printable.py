"""Text from outside, made safe for a terminal and a log.

Others choose names, error messages and the output of workers. On a terminal such a text could move
the cursor; in a log its line break could forge a line.
"""

import re

# Control characters (C0 except the line break, DEL, C1), line separators, characters that change
# the direction of writing, and lone surrogates: the same as in common/text/printable.cc.
_UNPRINTABLE = re.compile(
    "[\x00-\x09\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)


def printable(text: str) -> str:
    """`text` on one line, with '?' for each character that a terminal would obey."""
    return printable_lines(text).replace("\n", "?")


def printable_lines(text: str) -> str:
    """The same for a text of several lines: line breaks stay, and a tab becomes a space."""
    return _UNPRINTABLE.sub("?", text.replace("\t", " "))
