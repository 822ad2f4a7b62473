"""What can be asked about titles."""

from __future__ import annotations

from bibliothek.catalogue.fields import Part, Person, TitleFields
from bibliothek.catalogue.models import Title

OWN_COLUMNS = ("title", "subtitle", "publisher", "place", "year", "edition", "pages", "language")


def fields_of(title: Title) -> TitleFields:
    """What a title says about itself, from a title loaded with its parts."""
    return TitleFields(
        **{name: getattr(title, name) for name in OWN_COLUMNS},
        contributors=tuple(Person(person.name, person.role) for person in title.contributors),
        series=tuple(Part(part.series, part.number) for part in title.series),
        isbns=tuple(isbn.isbn for isbn in title.isbns),
    )
