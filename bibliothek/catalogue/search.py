"""The search index: one row of folded words a title. FTS5 on SQLite, a tsvector with GIN on PostgreSQL.

The table `title_search` is made by the first migration and has no model. Whoever changes a title calls `index` in the same
transaction (`actions.py` does), so the index says what the tables say.

Best match first comes from the order of questions (`entries.questions`), not from a score. A score such as bm25 reads all hits of
a word to weigh it: 14 ms for "der" among 100,000 titles, where asking in order takes less than one. What few titles answer is
asked for once, and these are put in order by their terms.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import islice
from typing import Any, NamedTuple, cast

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Integer,
    Select,
    bindparam,
    func,
    literal_column,
    select,
    text,
)
from sqlalchemy.orm import Session, selectinload
from sqlalchemy.sql.visitors import iterate, replacement_traverse

from bibliothek.catalogue.dialects import DIALECTS, Dialect
from bibliothek.catalogue.entries import Question, best_first, terms_of
from bibliothek.catalogue.models import Title

AnySelect = Select[*tuple[Any, ...]]

# Lists count and rank up to here (contract: `total` is exact up to 2,000).
CAP = 2000
# So many are put in order by their terms, which are read for it; of more, the index is asked which are the best.
FEW = 500
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


class Asked(NamedTuple):
    """What somebody looks for: `questions` as of `entries.questions`, the others as of `queries.search`."""

    questions: Sequence[Question]
    only: ColumnElement[bool] | None = None
    values: Mapping[str, Any] = {}

    @property
    def every(self) -> Question:
        """The question that all titles answer which answer any."""
        return self.questions[-1]


def find(db: Session, asked: Asked, most: int) -> list[int]:
    """Numbers of the titles that are looked for, the newest first; when there are more than `most`, of any `most` + 1 of them."""
    found: list[int] = []
    # All beginnings of a word are gathered before the first title comes out, 3 ms for "deutschland" among 100,000 titles: not where
    # the word itself is enough.
    for question in asked.questions[-2:] if _gathers(db, asked.every) else [asked.every]:
        found = _ask(db, asked, question, most + 1)
        if len(found) > most:
            break
    return sorted(found, reverse=True)


def _gathers(db: Session, question: Question) -> bool:
    dialect = dialect_of(db.connection())
    if dialect.ready and len(question) > 1:
        # Several words seldom stand in so many titles that the first question is enough.
        return False
    return any(term.unfinished and len(term.text) > dialect.ready for spelled in question for term in spelled)


def best_of(db: Session, numbers: Sequence[int], asked: Asked) -> list[int]:
    """These titles, all of which are looked for, the best first."""
    dialect = dialect_of(db.connection())
    number = _number(dialect).name
    terms = text(f"SELECT {number}, {dialect.terms} FROM title_search WHERE {number} IN ({dialect.numbers})")  # noqa: S608
    found = db.connection().execute(terms, {"numbers": json.dumps(numbers)})
    return best_first(((number, terms) for number, terms in found), asked.questions)


def best(db: Session, asked: Asked, most: int) -> list[int]:
    """The `most` best of however many titles: the newest of those that answer the first question, and so on."""
    found: dict[int, None] = {}
    for question in asked.questions:
        # As many as this question could find that an earlier one has found already.
        found |= dict.fromkeys(_newest(db, asked, question, most + len(found)))
        if len(found) >= most:
            break
    return list(found)[:most]


def newest(db: Session, asked: Asked, most: int) -> list[int]:
    """The `most` newest titles that are looked for."""
    return _newest(db, asked, asked.every, most)


def _newest(db: Session, asked: Asked, question: Question, most: int) -> list[int]:
    if not dialect_of(db.connection()).is_in_order:
        # PostgreSQL has no idea how rare a word is: asked for the newest twenty, it looks through a million titles for a word that
        # none of them has.
        few = _ask(db, asked, question, FEW + 1)
        if len(few) <= FEW:
            return sorted(few, reverse=True)[:most]
    return _ask(db, asked, question, most, newest_first=True)


def _ask(db: Session, asked: Asked, question: Question, most: int, newest_first: bool = False) -> list[int]:
    connection = db.connection()
    name = connection.dialect.name
    given = {**asked.values, "question": DIALECTS[name].write(question), "most": most}
    return list(connection.scalars(_matching(name, asked.only, newest_first), given))


def up_to(most: int, some: AnySelect) -> AnySelect:
    """SQL: how many rows `some` has; counting ends at `most` + 1."""
    return select(func.count()).select_from(some.limit(literal_column(str(most + 1))).subquery())


@lru_cache(maxsize=32)
def _matching(name: str, only: ColumnElement[bool] | None, newest_first: bool) -> AnySelect:
    """SQL: numbers of at most :most titles that answer :question. Kept: putting it together takes longer than running it."""
    matching = _answering(name, only)
    if newest_first:
        matching = matching.order_by(_number(DIALECTS[name]).desc())
    return matching.limit(bindparam("most", type_=Integer))


def _answering(name: str, only: ColumnElement[bool] | None) -> AnySelect:
    dialect = DIALECTS[name]
    number = _number(dialect)
    answering = select(number).where(dialect.answers())
    if only is None:
        return answering
    parts = cast("Iterable[Any]", iterate(only))
    if any(_is_of_title(part) and part.name != "id" for part in parts):
        return answering.join_from(dialect.table, Title, Title.id == number).where(only)

    def as_number(part: Any, **_more: object) -> Any:
        return number if _is_of_title(part) else None

    # All it asks of a title is its number, which the index has, too: without the title itself it takes half as long.
    return answering.where(replacement_traverse(only, {}, as_number))  # type: ignore[call-overload]


def _is_of_title(part: Any) -> bool:
    return isinstance(part, Column) and getattr(part.table, "name", None) == "title"


def _number(dialect: Dialect) -> Column[int]:
    return dialect.table.c[0]
