"""From fields to rows: what a title says about itself, written down."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy.orm import Session

from bibliothek.catalogue.fields import OWN_COLUMNS, TitleFields
from bibliothek.catalogue.models import Contributor, SeriesPart, Subject, Title, TitleIsbn
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
    title.sort_title = " ".join(fold(sort_title or "")) or sort_form(fields.title, fields.language)
    title.contributors = [Contributor(position=n, name=p.name, role=p.role) for n, p in enumerate(fields.contributors)]
    title.series = [SeriesPart(position=n, series=p.title, number=p.number) for n, p in enumerate(fields.series)]
    title.isbns = [TitleIsbn(position=n, isbn=isbn) for n, isbn in enumerate(fields.isbns)]
    title.subjects = [Subject(position=n, name=name) for n, name in enumerate(subjects)]
