"""What a title says about itself, as it travels: from a look-up or a form into `add_title`, and out through the API."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from bibliothek.catalogue.models import Title

# The fields of a title that its own row holds; persons, series and ISBNs have rows of their own.
OWN_COLUMNS = ("title", "subtitle", "publisher", "place", "year", "edition", "pages", "language")


class Person(msgspec.Struct, frozen=True):
    """`name` is "Family, Given"; `role` a MARC relator code (https://id.loc.gov/vocabulary/relators)."""

    name: str
    role: str


class Part(msgspec.Struct, frozen=True):
    """A series and the number in it, as printed."""

    title: str
    number: str | None = None


class TitleFields(msgspec.Struct, frozen=True, kw_only=True):
    """A title as the API shows it, without what the library knows about it (id, copies)."""

    title: str
    subtitle: str | None = None
    contributors: tuple[Person, ...] = ()
    publisher: str | None = None
    place: str | None = None
    year: int | None = None
    edition: str | None = None
    pages: int | None = None
    language: str | None = None
    series: tuple[Part, ...] = ()
    isbns: tuple[str, ...] = ()


class TitleAnswer(TitleFields, frozen=True, kw_only=True):
    """A title of this library: how many copies there are, and how many of them can be lent now."""

    id: int
    available: int
    total: int


class Origin(msgspec.Struct, frozen=True, kw_only=True):
    """What comes along with looked-up fields: subjects, the filing form of the title, and where it was found.

    `fields` ({field: source}, as a look-up gives it) says which fields come from elsewhere than from `source`; "person" is who
    typed. Without any source a person did. `cover_id` is the number of its picture at Open Library.
    """

    sort_title: str | None = None
    subjects: tuple[str, ...] = ()
    source: str | None = None
    source_url: str | None = None
    cover_id: int | None = None
    fields: dict[str, str] = msgspec.field(default_factory=dict)


def fields_of(title: Title) -> TitleFields:
    """What a title says about itself, from a title loaded with its parts."""
    return TitleFields(
        **{name: getattr(title, name) for name in OWN_COLUMNS},
        contributors=tuple(Person(person.name, person.role) for person in title.contributors),
        series=tuple(Part(part.series, part.number) for part in title.series),
        isbns=tuple(isbn.isbn for isbn in title.isbns),
    )


def subjects_of(title: Title) -> tuple[str, ...]:
    """What a title is about, from a title loaded with its parts."""
    return tuple(subject.name for subject in title.subjects)
