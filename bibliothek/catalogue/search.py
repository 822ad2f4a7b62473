"""The search index: one row of folded words a title. FTS5 on SQLite, a tsvector with GIN on PostgreSQL.

The table `title_search` is made by the first migration and has no model. Whoever changes a title calls `index` in the same
transaction (`actions.py` does), so the index says what the tables say.

Best match first comes from the order in which the index is asked (`TIERS`), not from a score. A score such as bm25 reads all
hits of a word to weigh it: 14 ms for "der" among 100,000 titles, where asking in order takes less than one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, cast

from sqlalchemy import (
    Column,
    ColumnElement,
    CompoundSelect,
    Connection,
    Select,
    case,
    func,
    literal_column,
    select,
    text,
    union_all,
)
from sqlalchemy.orm import Session, selectinload
from sqlalchemy.sql.visitors import iterate, replacement_traverse

from bibliothek.catalogue.dialects import DIALECTS, Dialect
from bibliothek.catalogue.entries import terms_of
from bibliothek.catalogue.models import Title

AnySelect = Select[*tuple[Any, ...]]

# Called exactly so; filed under the first word; all words in the title; all in title and persons' names; the same three with
# the last word unfinished; all words anywhere; the last one of these unfinished.
TIERS = (
    "whole",
    "starts",
    "title",
    "named",
    "starts_soon",
    "title_soon",
    "named_soon",
    "elsewhere",
    "elsewhere_soon",
)
# Lists count and rank up to here (contract: `total` is exact up to 2,000).
CAP = 2000
# Titles that are held in memory at once while the index is built or checked.
BATCH = 500


def dialect_of(connection: Connection) -> Dialect:
    return DIALECTS[connection.dialect.name]


def index(db: Session, titles: Iterable[Title], are_new: bool = False) -> None:
    """Put the rows of these titles, loaded with their parts, in place of those before."""
    index_terms(db, [(title.id, terms_of(title)) for title in titles], are_new)


def index_terms(db: Session, titles: Iterable[tuple[int, list[str]]], are_new: bool = False) -> None:
    """The same for pairs of a title's number and its terms."""
    connection = db.connection()
    dialect = dialect_of(connection)
    rows = [dialect.row(title_id, terms) for title_id, terms in titles]
    if rows and not are_new:
        connection.execute(dialect.delete, [{"id": row["id"]} for row in rows])
    if rows:
        connection.execute(dialect.insert, rows)


def forget(db: Session, title_id: int) -> None:
    """Take the row of a title that goes out of the index."""
    connection = db.connection()
    connection.execute(dialect_of(connection).delete, [{"id": title_id}])


def forget_all(db: Session) -> None:
    """Empty the index, before it is built anew."""
    db.execute(text("DELETE FROM title_search"))


def all_titles(db: Session) -> Iterator[Title]:
    """Every title with its parts, read a batch at a time."""
    parts = [selectinload(part) for part in (Title.contributors, Title.series, Title.isbns, Title.subjects)]
    return db.scalars(
        select(Title).options(*parts).order_by(Title.id),
        execution_options={"yield_per": BATCH, "populate_existing": True},
    )


def check_index(db: Session) -> list[str]:
    """Compare the index with the tables: which titles are missing, stand there with other words, or are left over."""
    connection = db.connection()
    dialect = dialect_of(connection)
    wrong = []
    titles = all_titles(db)
    while batch := list(islice(titles, BATCH)):
        between = {"first": batch[0].id, "last": batch[-1].id}
        stored = {row.id: row.words for row in connection.execute(dialect.stored, between)}
        for title in batch:
            found = stored.get(title.id)
            if found is None:
                wrong.append(f"title {title.id} is not in the index")
            elif found != dialect.row(title.id, terms_of(title))["words"]:
                wrong.append(f"title {title.id} stands in the index with other words")
    return wrong + _only_in_index(connection, dialect)


def _only_in_index(connection: Connection, dialect: Dialect) -> list[str]:
    left = select(_number(dialect)).where(_number(dialect).not_in(select(Title.id))).order_by(_number(dialect))
    return [f"title {title_id} is in the index only" for title_id in connection.scalars(left)]


def check_index_holds_all(db: Session) -> list[str]:
    """As `check_index`, without a look at the words: a thousandth of the time."""
    connection = db.connection()
    dialect = dialect_of(connection)
    missing = select(Title.id).where(Title.id.not_in(select(_number(dialect)))).order_by(Title.id)
    absent = [f"title {title_id} is not in the index" for title_id in connection.scalars(missing)]
    return absent + _only_in_index(connection, dialect)


def ranked(dialect: Dialect, only: ColumnElement[bool] | None) -> CompoundSelect[*tuple[Any, ...]]:
    """SQL: number and tier of matching titles, best first.

    Both databases read the parts of a UNION ALL in their order and no further than a LIMIT asks; a test holds them to it.
    """
    parts = []
    for tier, name in enumerate(TIERS):
        part = _newest(_matching(dialect, name, only)).subquery()
        parts.append(select(part.c.id, literal_column(str(tier)).label("tier")))
    return union_all(*parts)


def counted(dialect: Dialect, only: ColumnElement[bool] | None, most: int) -> AnySelect:
    """SQL: how many titles match, up to `most` + 1.

    All beginnings of a word are gathered before the first comes out, 3 ms for "deutschland": not where the word itself is
    enough to reach the cap.
    """
    surely, every = (up_to(most, _matching(dialect, name, only)).scalar_subquery() for name in ("surely", "every"))
    return select(case((surely > most, most + 1), else_=every))


def up_to(most: int, some: AnySelect) -> AnySelect:
    """SQL: how many rows `some` has; counting ends at `most` + 1."""
    return select(func.count()).select_from(some.limit(literal_column(str(most + 1))).subquery())


def newest(dialect: Dialect, only: ColumnElement[bool] | None) -> AnySelect:
    """SQL: numbers of the newest CAP titles that match."""
    return _newest(_matching(dialect, "every", only))


def _newest(matching: AnySelect) -> AnySelect:
    return matching.order_by(literal_column("1").desc()).limit(literal_column(str(CAP)))


def _matching(dialect: Dialect, name: str, only: ColumnElement[bool] | None) -> AnySelect:
    matching = select(_number(dialect).label("id")).where(dialect.matches(name))
    if only is None:
        return matching
    number, parts = _number(dialect), cast("Iterable[Any]", iterate(only))
    if any(_is_of_title(part) and part.name != "id" for part in parts):
        return matching.join_from(dialect.table, Title, Title.id == number).where(only)

    def as_number(part: Any, **_more: object) -> Any:
        return number if _is_of_title(part) else None

    # All it asks of a title is its number, which the index has, too: without the title itself it takes half as long.
    return matching.where(replacement_traverse(only, {}, as_number))  # type: ignore[call-overload]


def _is_of_title(part: Any) -> bool:
    return isinstance(part, Column) and getattr(part.table, "name", None) == "title"


def _number(dialect: Dialect) -> Column[int]:
    return dialect.table.c[0]
