"""What can be done with titles. Each runs inside the caller's one transaction and keeps the search index true."""

from __future__ import annotations

from datetime import datetime
from itertools import islice

from sqlalchemy.orm import Session

from bibliothek.catalogue import search
from bibliothek.catalogue.fields import OWN_COLUMNS, Origin, TitleFields
from bibliothek.catalogue.models import Contributor, SeriesPart, Subject, Title, TitleIsbn
from bibliothek.catalogue.rules import checked, checked_origin
from bibliothek.catalogue.words import fold, sort_form


def add_title(db: Session, fields: TitleFields, now: datetime, origin: Origin | None = None) -> Title:
    """A new title, cleaned and indexed. Raises Invalid (see `rules.checked`): no title, too long, not an ISBN …"""
    fields, origin = checked(fields), checked_origin(origin or Origin())
    title = Title(created_at=now, source=origin.source, source_url=origin.source_url)
    _fill(title, fields, origin.sort_title)
    title.subjects = [Subject(position=n, name=name) for n, name in enumerate(origin.subjects)]
    db.add(title)
    db.flush()
    search.index(db, [title], are_new=True)
    return title


def edit_title(db: Session, title: Title, fields: TitleFields) -> None:
    """Replace what a title says about itself; its subjects and where it came from stay. Raises Invalid.

    `title` was loaded with its parts (`queries.title`).
    """
    fields = checked(fields)
    # A filing form that came from a source is kept while the title stays as it was.
    sort_title = title.sort_title if title.title == fields.title else None
    for parts in (title.contributors, title.series, title.isbns):
        parts.clear()
    # The new rows take the positions, and so the primary keys, of the old ones.
    db.flush()
    _fill(title, fields, sort_title)
    db.flush()
    search.index(db, [title])


def _fill(title: Title, fields: TitleFields, sort_title: str | None) -> None:
    for name in OWN_COLUMNS:
        setattr(title, name, getattr(fields, name))
    title.sort_title = " ".join(fold(sort_title or "")) or sort_form(fields.title, fields.language)
    title.contributors = [Contributor(position=n, name=p.name, role=p.role) for n, p in enumerate(fields.contributors)]
    title.series = [SeriesPart(position=n, series=p.title, number=p.number) for n, p in enumerate(fields.series)]
    title.isbns = [TitleIsbn(position=n, isbn=isbn) for n, isbn in enumerate(fields.isbns)]


def reindex(db: Session) -> int:
    """Build the whole search index anew from the tables; returns how many titles there are."""
    search.forget_all(db)
    titles = search.all_titles(db)
    count = 0
    while batch := list(islice(titles, search.BATCH)):
        search.index(db, batch, are_new=True)
        count += len(batch)
    return count
