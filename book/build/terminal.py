"""Text that was written for a terminal."""

import re

_CODES = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


def plain(text: str) -> str:
    """The text without colours."""
    return _CODES.sub("", text)
