"""What can be done with titles. Each runs inside the caller's one transaction and keeps the search index true."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import islice

from sqlalchemy.orm import Session

from bibliothek.catalogue import covers, provenance, search
from bibliothek.catalogue.fields import Origin, TitleFields
from bibliothek.catalogue.models import Title
from bibliothek.catalogue.provenance import FieldOrigin, Renewed, is_gap, renewed
from bibliothek.catalogue.queries import fields_of, subjects_of
from bibliothek.catalogue.rules import checked, checked_origin, checked_subjects
from bibliothek.catalogue.writing import NewTitle, fill, insert_titles, rewrite


def add_title(db: Session, fields: TitleFields, now: datetime, origin: Origin | None = None) -> Title:
    """A new title, cleaned and indexed. Raises Invalid (see `rules.checked`): no title, too long, not an ISBN …"""
    fields, origin = checked(fields), checked_origin(origin or Origin())
    said = provenance.values_of(fields, origin.subjects)
    sources = {name: provenance.source_of(name, origin) for name, value in said.items() if not is_gap(value)}
    noted = provenance.packed({name: FieldOrigin(source, now) for name, source in sources.items()})
    title = Title(created_at=now, source=origin.source, source_url=origin.source_url, origins=noted)
    fill(title, fields, origin.subjects, origin.sort_title)
    db.add(title)
    db.flush()
    covers.want(db, title.id, origin, fields.isbns, now)
    search.index(db, [title], are_new=True)
    return title


def add_titles(db: Session, titles: Sequence[tuple[NewTitle, datetime]]) -> list[int]:
    """Many new titles, each with the moment it came, indexed; returns their numbers in this order. No picture is asked for."""
    ids = insert_titles(db, titles)
    search.index_terms(
        db, [(title_id, new.terms) for title_id, (new, _at) in zip(ids, titles, strict=True)], are_new=True
    )
    return ids


def edit_title(
    db: Session,
    title: Title,
    fields: TitleFields,
    now: datetime,
    subjects: Iterable[str] | None = None,
    origin: Origin | None = None,
) -> tuple[str, ...]:
    """Replace what a title says about itself; returns the names of the fields that changed. Raises Invalid.

    `title` was loaded with its parts (`queries.title`). Without `subjects` they stay. What changed counts as typed by a
    person, where `origin` does not say otherwise; the rest keeps its source.
    """
    old = provenance.values_of(fields_of(title), subjects_of(title))
    fields = checked(fields)
    named = subjects_of(title) if subjects is None else checked_subjects(subjects)
    changed = provenance.changes(old, provenance.values_of(fields, named))
    origin = checked_origin(origin or Origin())
    # A filing form that came from a source is kept while the title stays as it was.
    sort_title = origin.sort_title if "title" in changed else title.sort_title
    rewrite(db, title, fields, named, sort_title)
    provenance.note(db, title.id, {name: provenance.source_of(name, origin) for name in changed}, now)
    search.index(db, [title])
    return changed


def renew_title(
    db: Session, title: Title, found: TitleFields, origin: Origin, now: datetime, taken: Iterable[str] = ()
) -> Renewed:
    """Bring a title up to date with what was looked up; what a person typed stays, but for the fields `taken`.

    `title` was loaded with its parts (`queries.title`).
    """
    sources = {name: row.source for name, row in provenance.origins(db, title.id).items()}
    became = renewed(fields_of(title), subjects_of(title), sources, found, origin, taken)
    if became.changed:
        edit_title(db, title, became.fields, now, became.subjects, origin)
    covers.want(db, title.id, origin, found.isbns, now)
    return became


def reindex(db: Session) -> int:
    """Build the whole search index anew from the tables; returns how many titles there are."""
    search.forget_all(db)
    titles = search.all_titles(db)
    count = 0
    while batch := list(islice(titles, search.BATCH)):
        search.index(db, batch, are_new=True)
        count += len(batch)
    return count
