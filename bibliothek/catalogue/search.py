"""The search index: one row of folded words a title. FTS5 on SQLite, a tsvector with GIN on PostgreSQL.

The table `title_search` is made by the first migration and has no model. Whoever changes a title calls `index` in the same
transaction (`actions.py` does), so the index says what the tables say.
"""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import text
from sqlalchemy.orm import Session

from bibliothek.catalogue.fields import TitleFields
from bibliothek.catalogue.words import both_spellings

_DELETE = {
    "sqlite": text("DELETE FROM title_search WHERE rowid = :id"),
    "postgresql": text("DELETE FROM title_search WHERE title_id = :id"),
}
_INSERT = {
    "sqlite": text("INSERT INTO title_search (rowid, title, persons, rest) VALUES (:id, :title, :persons, :rest)"),
    "postgresql": text(
        "INSERT INTO title_search (title_id, title, persons, rest) VALUES (:id, :title, :persons, :rest)"
    ),
}


def entry(title_id: int, fields: TitleFields, subjects: Iterable[str] = ()) -> dict[str, object]:
    """The row of a title: what is in its title, who made it, and everything else it can be found by."""
    rest = [
        fields.subtitle,
        *(part.title for part in fields.series),
        *(part.number for part in fields.series),
        *subjects,
        fields.publisher,
        str(fields.year or ""),
        *fields.isbns,
    ]
    return {
        "id": title_id,
        "title": _folded([fields.title]),
        "persons": _folded(person.name for person in fields.contributors),
        "rest": _folded(part for part in rest if part),
    }


def index(db: Session, row: dict[str, object], is_new: bool = False) -> None:
    """Put the row of `entry` in place of the one before."""
    dialect = db.get_bind().dialect.name
    if not is_new:
        db.execute(_DELETE[dialect], {"id": row["id"]})
    db.execute(_INSERT[dialect], row)


def _folded(texts: Iterable[str]) -> str:
    return " ".join(word for part in texts for word in both_spellings(part))
