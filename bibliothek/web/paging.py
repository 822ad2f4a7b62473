"""Which page of a list an address asks for."""

from __future__ import annotations

# More pages than any list has, few enough for a database to count rows by.
LAST_PAGE = 1_000_000


def page_number(text: str) -> int:
    """From 1 on: 1 for what is no number, the last page there can be for a number too large."""
    digits = text.strip()
    if not digits.isdecimal():
        return 1
    return max(1, min(int(digits[:10]), LAST_PAGE))
