"""A title as people type it into a form, and back: all of it text; persons and series one a line."""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import islice

import msgspec

from bibliothek.catalogue.fields import OWN_COLUMNS, Part, Person, TitleFields
from bibliothek.catalogue.rules import MOST_PERSONS, MOST_SERIES
from bibliothek.catalogue.wording import ROLES

# How people abbreviate what somebody did, as printed on title pages, and the MARC relator code of it.
_ROLES = {
    "hg": "edt", "hgg": "edt", "hrsg": "edt", "ed": "edt", "eds": "edt", "red": "red",
    "übers": "trl", "übersetzung": "trl", "transl": "trl",
    "ill": "ill", "illustration": "ill", "zeichnungen": "ill",
    "vorw": "aui", "vorwort": "aui", "fotos": "pht",
}  # fmt: skip
_WORDS = {"edt": "Hg.", "trl": "Übers.", "ill": "Ill."}
_IN_BRACKETS = re.compile(r"^(?P<name>.*\S)\s*\((?P<role>[^()]{1,20})\)\s*$")


class TypedTitle(msgspec.Struct):
    """The form of a title: what is wrong with it is said by `catalogue.rules.checked`, for all fields at once."""

    title: str | None
    subtitle: str | None
    persons: str | None
    publisher: str | None
    place: str | None
    year: str | None
    pages: str | None
    edition: str | None
    language: str | None
    series: str | None


def read_title(form: TypedTitle, isbns: Iterable[str], known: TitleFields | None = None) -> TitleFields:
    """The form as a title; `known` is what the form offered."""
    return TitleFields(
        title=form.title or "",
        subtitle=form.subtitle,
        contributors=read_persons(form.persons or "", known.contributors if known else ()),
        publisher=form.publisher,
        place=form.place,
        year=_whole(form.year),
        edition=form.edition,
        pages=_whole(form.pages),
        language=form.language,
        series=read_series(form.series or "", known.series if known else ()),
        isbns=tuple(isbns),
    )


def write_title(fields: TitleFields) -> dict[str, str]:
    """The values of the form that `read_title` reads."""
    values = {name: str(getattr(fields, name)) for name in OWN_COLUMNS if getattr(fields, name) is not None}
    return {**values, "persons": write_persons(fields.contributors), "series": write_series(fields.series)}


def _whole(text: str | None) -> int | None:
    """A number typed; what is none becomes 0, which is neither a year nor a number of pages."""
    if not text:
        return None
    return int(text) if text.isdecimal() and len(text) < 10 else 0


def read_persons(text: str, known: Iterable[Person] = ()) -> tuple[Person, ...]:
    """One person a line, "Family, Given", what they did in brackets behind: (Hg.), (Übers.), (Ill.) or a MARC code.

    Without brackets it is the author. A bracket that says something else belongs to the name. `known` are the persons whom
    the form offered: a line that was left as it was is that very person, whatever stands in brackets. Of more than a title
    may have, only one is read, which is enough to refuse them.
    """
    offered = {_person_line(person).strip(): person for person in known}
    persons = (offered.get(line) or _person(line) for line in lines_of(text))
    return tuple(islice(persons, MOST_PERSONS + 1))


def write_persons(persons: Iterable[Person]) -> str:
    """The text that `read_persons` reads."""
    return "\n".join(map(_person_line, persons))


def lines_of(text: str) -> list[str]:
    """Without empty ones and the spaces at their ends."""
    return [line.strip() for line in text.splitlines() if line.strip()]


def _person(line: str) -> Person:
    found = _IN_BRACKETS.match(line)
    if found:
        word = found["role"].strip(" .")
        role = _ROLES.get(word.lower()) or (word if word in ROLES else None)
        if role:
            return Person(found["name"], role)
    return Person(line, "aut")


def _person_line(person: Person) -> str:
    return person.name if person.role == "aut" else f"{person.name} ({_WORDS.get(person.role, person.role)})"


def read_series(text: str, known: Iterable[Part] = ()) -> tuple[Part, ...]:
    """One series a line, its number behind a semicolon as libraries write it (ISBD): "rororo ; 1234".

    `known` are the series that the form offered: a line that was left as it was is that very one. Of more than a title may
    have, only one is read, which is enough to refuse them.
    """
    offered = {_series_line(part).strip(): part for part in known}
    parts = (offered.get(line) or _part(line) for line in lines_of(text))
    return tuple(islice((part for part in parts if part.title), MOST_SERIES + 1))


def write_series(series: Iterable[Part]) -> str:
    """The text that `read_series` reads."""
    return "\n".join(map(_series_line, series))


def _part(line: str) -> Part:
    name, _semicolon, number = line.rpartition(";") if ";" in line else (line, "", "")
    return Part(name.strip(), number.strip() or None)


def _series_line(part: Part) -> str:
    return part.title if part.number is None else f"{part.title} ; {part.number}"
