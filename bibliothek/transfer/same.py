"""When a row of a list is a title that is here (docs/decisions/0010-same-row.md). Pure."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import msgspec

from bibliothek.catalogue.fields import TitleFields
from bibliothek.catalogue.words import fold, sort_form


class Told(msgspec.Struct, frozen=True):
    """What tells a title, folded. `core` is what it is called at its heart, without article and without what stands behind a
    colon, a slash or in brackets; `whole` is title and subtitle in one. `numbers` are those in its series."""

    core: str
    sort_title: str
    whole: str
    subtitle: str
    family: str
    given: str
    numbers: frozenset[str]
    year: int | None
    isbns: tuple[str, ...]


def told_by(fields: TitleFields, sort_title: str) -> Told:
    family, _comma, given = fields.contributors[0].name.partition(",") if fields.contributors else ("", "", "")
    return Told(
        core=sort_form(
            re.split(r"\s*[:/(\[]|\s[-–—.]\s", fields.title, maxsplit=1)[0] or fields.title, fields.language
        ),
        sort_title=sort_title,
        whole=sort_form(f"{fields.title} {fields.subtitle or ''}", fields.language),
        subtitle=" ".join(fold(fields.subtitle or "")),
        family=" ".join(fold(family)),
        given=" ".join(fold(given)),
        numbers=frozenset(" ".join(fold(part.number)) for part in fields.series if part.number),
        year=fields.year,
        isbns=fields.isbns,
    )


def is_same(one: Told, other: Told) -> bool:
    """One ISBN in common and the same title at its heart; or the same title and first person, where nothing speaks against it:
    another year, subtitle, number in the series or given name, or an ISBN on both sides."""
    if set(one.isbns) & set(other.isbns):
        return one.core == other.core
    if one.family != other.family or (one.isbns and other.isbns):
        return False
    is_title = one.whole == other.whole or (
        one.sort_title == other.sort_title and not (one.subtitle and other.subtitle)
    )
    is_year = one.year is None or other.year is None or one.year == other.year
    is_number = not one.numbers or not other.numbers or bool(one.numbers & other.numbers)
    # "M." may be "Michael".
    is_given = one.given.startswith(other.given) or other.given.startswith(one.given)
    return is_title and is_year and is_number and is_given


class Titles:
    """Titles by what tells them, in the order they were put; `who` is a number, or whoever makes the title."""

    def __init__(self) -> None:
        self._by: dict[str, list[tuple[Any, Told]]] = defaultdict(list)

    def put(self, who: Any, told: Told) -> None:
        for word in {*told.isbns, told.sort_title, told.whole}:
            self._by[word].append((who, told))

    def numbers(self) -> set[Any]:
        """Whoever was put."""
        return {who for some in self._by.values() for who, _told in some}

    def like(self, told: Told, but: Iterable[Any] = ()) -> Any:
        """The first that is the same, unless it is one of `but`; None if there is none."""
        for word in (*told.isbns, told.sort_title, told.whole):
            for who, other in self._by.get(word, ()):
                if who not in but and is_same(told, other):
                    return who
        return None
