"""Persons and series as people type them: one a line, and back."""

from __future__ import annotations

import re
from collections.abc import Iterable

from bibliothek.catalogue.fields import Part, Person

# How people abbreviate what somebody did, as printed on title pages, and the MARC relator code of it.
_ROLES = {
    "hg": "edt", "hgg": "edt", "hrsg": "edt", "ed": "edt", "eds": "edt", "red": "red",
    "übers": "trl", "übersetzung": "trl", "transl": "trl",
    "ill": "ill", "illustration": "ill", "zeichnungen": "ill",
    "vorw": "aui", "vorwort": "aui", "fotos": "pht",
}  # fmt: skip
_WORDS = {"edt": "Hg.", "trl": "Übers.", "ill": "Ill."}
_IN_BRACKETS = re.compile(r"^(?P<name>.*\S)\s*\((?P<role>[^()]{1,20})\)\s*$")


def read_persons(text: str) -> tuple[Person, ...]:
    """One person a line, "Family, Given", what they did in brackets behind: (Hg.), (Übers.), (Ill.) or a MARC code.

    Without brackets it is the author. A bracket that says something else belongs to the name.
    """
    return tuple(_person(line.strip()) for line in text.splitlines() if line.strip())


def _person(line: str) -> Person:
    found = _IN_BRACKETS.match(line)
    if found:
        word = found["role"].strip(" .").lower()
        role = _ROLES.get(word) or (word if re.fullmatch("[a-z]{3}", word) else None)
        if role:
            return Person(found["name"], role)
    return Person(line, "aut")


def write_persons(persons: Iterable[Person]) -> str:
    """The text that `read_persons` reads."""
    return "\n".join(
        person.name if person.role == "aut" else f"{person.name} ({_WORDS.get(person.role, person.role)})"
        for person in persons
    )


def read_series(text: str) -> tuple[Part, ...]:
    """One series a line, its number behind a semicolon as libraries write it (ISBD): "rororo ; 1234"."""
    pairs = (line.rpartition(";") if ";" in line else (line, "", "") for line in text.splitlines())
    return tuple(Part(name.strip(), number.strip() or None) for name, _semicolon, number in pairs if name.strip())


def write_series(series: Iterable[Part]) -> str:
    """The text that `read_series` reads."""
    return "\n".join(part.title if part.number is None else f"{part.title} ; {part.number}" for part in series)
