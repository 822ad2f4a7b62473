"""The search index: one row of folded words a title. FTS5 on SQLite, a tsvector with GIN on PostgreSQL.

The table `title_search` is made by the first migration and has no model. Whoever changes a title calls `index` in the same
transaction (`actions.py` does), so the index says what the tables say.

Best match first comes from the order in which the index is asked, not from a score. A score such as bm25 reads all hits of a
word to weigh it: 14 ms for "der" among 100,000 titles, where asking in order takes less than one. The order: called exactly
so; starts with it; all words in the title; in title and persons; the same with the last word unfinished; anywhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Unpack

from sqlalchemy import (
    Column,
    ColumnElement,
    CompoundSelect,
    Connection,
    Select,
    String,
    bindparam,
    func,
    literal_column,
    select,
    text,
    union_all,
)
from sqlalchemy.orm import Session, selectinload

from bibliothek.catalogue.dialects import DIALECTS, TIERS, Dialect
from bibliothek.catalogue.entries import Entry, Wanted, entry_of
from bibliothek.catalogue.models import Title

AnySelect = Select[Unpack[tuple[Any, ...]]]

# Lists count and rank up to here (contract: `total` is exact up to 2,000).
CAP = 2000
# Titles that are held in memory at once while the index is built or checked.
BATCH = 500


def dialect_of(connection: Connection) -> Dialect:
    return DIALECTS[connection.dialect.name]


def index(db: Session, entries: Iterable[Entry], are_new: bool = False) -> None:
    """Put these entries in place of those before."""
    connection = db.connection()
    dialect = dialect_of(connection)
    rows = [dialect.row(entry) for entry in entries]
    if rows and not are_new:
        connection.execute(dialect.delete, [{"id": row["id"]} for row in rows])
    if rows:
        connection.execute(dialect.insert, rows)


def forget_all(db: Session) -> None:
    """Empty the index, before it is built anew."""
    db.execute(text("DELETE FROM title_search"))


def all_entries(db: Session) -> Iterator[Entry]:
    """What the index should hold, read from the tables a batch at a time."""
    parts = [selectinload(part) for part in (Title.contributors, Title.series, Title.isbns, Title.subjects)]
    titles = db.scalars(select(Title).options(*parts).order_by(Title.id), execution_options={"yield_per": BATCH})
    return (entry_of(title) for title in titles)


def check_index(db: Session) -> list[str]:
    """Compare the index with the tables: which titles are missing, stand there with other words, or are left over."""
    connection = db.connection()
    dialect = dialect_of(connection)
    stored = {row.id: dict(row._mapping) for row in connection.execute(dialect.stored)}
    wrong = []
    for entry in all_entries(db):
        found = stored.pop(entry.title_id, None)
        if found is None:
            wrong.append(f"title {entry.title_id} is not in the index")
        elif found != dialect.row(entry):
            wrong.append(f"title {entry.title_id} stands in the index with other words")
    return wrong + [f"title {title_id} is in the index only" for title_id in stored]


def asked(dialect: Dialect, wanted: Wanted) -> dict[str, Any]:
    """The parameters that `ranked` and `counted` wait for."""
    # LIKE: after the article comes a space or an apostrophe.
    article = {"key": wanted.key, "filed": wanted.filed, "article": f"{wanted.article}_%"}
    return article | dialect.questions(wanted)


def ranked(dialect: Dialect, only: ColumnElement[bool] | None) -> CompoundSelect[Unpack[tuple[Any, ...]]]:
    """SQL: number and tier of matching titles, best first.

    Both databases read the parts of a UNION ALL in their order and no further than a LIMIT asks; a test holds them to it.
    """
    exact: AnySelect = select(Title.id.label("id"), literal_column("0").label("tier")).where(_is_called_so())
    parts: list[AnySelect] = [exact if only is None else exact.where(only)]
    for tier, name in enumerate(TIERS, 1):
        part = _matching(dialect, name, only).add_columns(literal_column(str(tier)).label("tier"))
        parts.append(part.where(_number(dialect).not_in(select(Title.id).where(_is_called_so()))))
    return union_all(*(_newest_first(part) for part in parts))


def counted(dialect: Dialect, only: ColumnElement[bool] | None) -> AnySelect:
    """SQL: how many titles match, up to CAP + 1."""
    every = _matching(dialect, "every", only).limit(literal_column(str(CAP + 1)))
    return select(func.count()).select_from(every.subquery())


def _matching(dialect: Dialect, name: str, only: ColumnElement[bool] | None) -> AnySelect:
    matching = select(_number(dialect).label("id")).where(dialect.matches(name))
    if only is None:
        return matching
    return matching.join_from(dialect.table, Title, Title.id == _number(dialect)).where(only)


def _number(dialect: Dialect) -> Column[int]:
    return dialect.table.c[0]


def _newest_first(part: AnySelect) -> AnySelect:
    inner = part.order_by(literal_column("1").desc()).limit(literal_column(str(CAP))).subquery()
    return select(inner.c.id, inner.c.tier)


def _is_called_so() -> ColumnElement[bool]:
    key, filed = bindparam("key", type_=String), bindparam("filed", type_=String)
    same_article = func.lower(Title.title).like(bindparam("article", type_=String))
    return Title.sort_title.in_([key, filed]) & ((Title.sort_title == key) | same_article)
