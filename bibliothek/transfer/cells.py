"""Single cells of spreadsheets: what would be run as a formula there leaves as text, and comes back as it was. Pure."""

from __future__ import annotations

import re

# What makes a formula of a cell in one spreadsheet program or another (OWASP, CSV Injection). The apostrophe is the mark
# itself: a text that begins with one gets another, so that taking one away always gives the text back.
_RISKY = ("=", "+", "-", "@", "\t", "\r", "\n", "'")
_WRAPPED = re.compile(r'^="([^"]*)"$')
_LOST = str.maketrans({"\x00": None})


def harmless(text: str) -> str:
    """The cell that says `text` and is no formula: `=1+1` becomes `'=1+1`."""
    return "'" + text if text.startswith(_RISKY) else text


def meant(cell: str) -> str:
    """What a cell says: the text that `harmless` made it of, and the number in `="978…"`, as other programs write it."""
    if cell[:1] == "'" and cell[1:].startswith(_RISKY):
        return cell[1:]
    wrapped = _WRAPPED.match(cell)
    return wrapped[1] if wrapped else cell


def without_nul(text: str) -> str:
    return text.translate(_LOST) if "\x00" in text else text


def letter(column: int) -> str:
    """The name of a column, counted from 0, as spreadsheet programs show it: A … Z, AA …"""
    name, n = "", column + 1
    while n:
        n, rest = divmod(n - 1, 26)
        name = chr(65 + rest) + name
    return name
