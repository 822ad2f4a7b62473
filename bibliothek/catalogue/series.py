"""Series and multi-volume works: their titles in the order of their numbers.

A volume of a larger work names it as its series (docs: lookup), so both are found in the same way.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session

from bibliothek.catalogue.models import SeriesPart, Title
from bibliothek.catalogue.words import fold

_DIGITS = re.compile(r"\d{1,18}")
# One letter is a Roman number only where it can hardly be anything else: volume C comes after B.
_ROMAN = re.compile(r"(?=[ivxlc]{2}|[ivx]$)(xc|xl|l?x{0,3})(ix|iv|v?i{0,3})")
_TENS = {"xc": 90, "xl": 40}
_ONES = {"ix": 9, "iv": 4}

Number = tuple[int, tuple[int, ...], tuple[str, ...]]


class InSeries(NamedTuple):
    """A title's place in a series; `number` as printed."""

    title_id: int
    number: str | None


def in_series(db: Session, name: str) -> list[InSeries]:
    """The titles of the series called exactly so, by their numbers; those without one last, the oldest first."""
    rows = db.execute(
        select(SeriesPart.title_id, SeriesPart.number, Title.year, Title.sort_title)
        .join(Title, Title.id == SeriesPart.title_id)
        .where(SeriesPart.series == name)
    ).all()
    # A title that names the series twice stands where its first number is.
    numbers: dict[int, str | None] = {}
    for row in sorted(rows, key=lambda row: (sort_number(row.number), row.year or 0, row.sort_title, row.title_id)):
        numbers.setdefault(row.title_id, row.number)
    return [InSeries(title_id, number) for title_id, number in numbers.items()]


def sort_number(number: str | None) -> Number:
    """What a printed number is sorted by: 2 before 10, "Bd. 3" as 3, 1/2 after 1, IV as 4; letters after all these."""
    if not number:
        return (2, (), ())
    digits = tuple(int(found) for found in _DIGITS.findall(number))
    words = tuple(fold(number))
    if digits:
        return (0, digits, words)
    roman = next((value for word in words if (value := _roman(word))), 0)
    return (0, (roman,), words) if roman else (1, (), words)


def _roman(word: str) -> int:
    """The value of a Roman number up to 99, else 0."""
    found = _ROMAN.fullmatch(word)
    if not found:
        return 0
    tens, ones = found.groups()
    return _value(tens, _TENS, "l", 50, 10, "x") + _value(ones, _ONES, "v", 5, 1, "i")


def _value(text: str, known: dict[str, int], half: str, five: int, one: int, sign: str) -> int:
    return known.get(text) or five * text.count(half) + one * text.count(sign)
