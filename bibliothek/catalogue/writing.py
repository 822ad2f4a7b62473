"""From fields to rows: what a title says about itself, written down."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import insert
from sqlalchemy.orm import Session

from bibliothek.catalogue.entries import terms
from bibliothek.catalogue.fields import OWN_COLUMNS, Origin, TitleFields
from bibliothek.catalogue.models import Contributor, SeriesPart, Subject, Title, TitleIsbn
from bibliothek.catalogue.provenance import PERSON, FieldOrigin, is_gap, packed, source_of, values_of
from bibliothek.catalogue.words import fold, sort_form


def rewrite(db: Session, title: Title, fields: TitleFields, subjects: Iterable[str], sort_title: str | None) -> None:
    """Put these clean fields in place of all that a title, loaded with its parts, says. The caller indexes it."""
    for parts in (title.contributors, title.series, title.isbns, title.subjects):
        parts.clear()
    # The new rows take the positions, and so the primary keys, of the old ones.
    db.flush()
    fill(title, fields, subjects, sort_title)
    db.flush()


def fill(title: Title, fields: TitleFields, subjects: Iterable[str], sort_title: str | None) -> None:
    """Let a title that has no parts yet say what these clean fields say."""
    for name in OWN_COLUMNS:
        setattr(title, name, getattr(fields, name))
    title.sort_title = filed_under(fields, sort_title)
    title.contributors = [Contributor(position=n, name=p.name, role=p.role) for n, p in enumerate(fields.contributors)]
    title.series = [SeriesPart(position=n, series=p.title, number=p.number) for n, p in enumerate(fields.series)]
    title.isbns = [TitleIsbn(position=n, isbn=isbn) for n, isbn in enumerate(fields.isbns)]
    title.subjects = [Subject(position=n, name=name) for n, name in enumerate(subjects)]


def filed_under(fields: TitleFields, sort_title: str | None) -> str:
    """Where the title is filed: under what its source says, else without the leading article."""
    return " ".join(fold(sort_title or "")) or sort_form(fields.title, fields.language)


# ---- Many at once ----


class NewTitle(msgspec.Struct, frozen=True):
    """A clean title with all that was worked out before the transaction: it holds up everybody who lends meanwhile."""

    fields: TitleFields
    origin: Origin
    sort_title: str
    terms: list[str]


def new_title(fields: TitleFields, origin: Origin) -> NewTitle:
    """From clean fields and a clean origin (`rules.checked`, `rules.checked_origin`). Pure."""
    sort_title = filed_under(fields, origin.sort_title)
    return NewTitle(fields, origin, sort_title, terms(fields, sort_title, origin.subjects))


def insert_titles(db: Session, titles: Sequence[tuple[NewTitle, datetime]]) -> list[int]:
    """Rows for all of these, each with the moment it came; returns their numbers in this order. The caller indexes them.

    Not as entities: ten rows a title, which take ten times as long that way.
    """
    if not titles:
        return []
    connection = db.connection()
    ids = list(
        connection.scalars(
            insert(Title).returning(Title.id, sort_by_parameter_order=True),
            [
                {
                    **{name: getattr(new.fields, name) for name in OWN_COLUMNS},
                    "sort_title": new.sort_title,
                    "source": new.origin.source,
                    "source_url": new.origin.source_url,
                    "created_at": at,
                    "origins": _origins(new, at),
                }
                for new, at in titles
            ],
        )
    )
    for table, rows in _parts(ids, titles):
        if rows:
            connection.execute(insert(table), rows)
    return ids


def _origins(new: NewTitle, at: datetime) -> str | None:
    """A gap has a source where a person left it on purpose."""
    values = values_of(new.fields, new.origin.subjects)
    typed = new.origin.fields
    named = [name for name, value in values.items() if not is_gap(value) or typed.get(name) == PERSON]
    return packed({name: FieldOrigin(source_of(name, new.origin), at) for name in named})


def _parts(ids: list[int], titles: Sequence[tuple[NewTitle, datetime]]) -> list[tuple[Any, list[dict[str, Any]]]]:
    """The rows of all tables that hang on a title."""
    persons, series, isbns, subjects = [], [], [], []
    for title_id, (new, _at) in zip(ids, titles, strict=True):
        fields, named = new.fields, new.origin.subjects
        for n, person in enumerate(fields.contributors):
            persons.append({"title_id": title_id, "position": n, "name": person.name, "role": person.role})
        for n, part in enumerate(fields.series):
            series.append({"title_id": title_id, "position": n, "series": part.title, "number": part.number})
        for n, isbn in enumerate(fields.isbns):
            isbns.append({"title_id": title_id, "position": n, "isbn": isbn})
        for n, subject in enumerate(named):
            subjects.append({"title_id": title_id, "position": n, "name": subject})
    tables = (Contributor, SeriesPart, TitleIsbn, Subject)
    return list(zip(tables, (persons, series, isbns, subjects), strict=True))
