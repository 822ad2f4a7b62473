"""What can be asked about titles."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Literal, NamedTuple, Protocol, TypeVar
from weakref import WeakKeyDictionary

import msgspec
from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    Integer,
    ScalarSelect,
    Select,
    bindparam,
    func,
    null,
    select,
    text,
)
from sqlalchemy.orm import Session, selectinload

from bibliothek.catalogue import search as index
from bibliothek.catalogue.entries import questions, wanted
from bibliothek.catalogue.fields import OWN_COLUMNS, Part, Person, TitleAnswer
from bibliothek.catalogue.fields import fields_of as fields_of  # noqa: PLC0414 (others ask here)
from bibliothek.catalogue.fields import subjects_of as subjects_of  # noqa: PLC0414
from bibliothek.catalogue.models import Contributor, SeriesPart, Title, TitleIsbn, TitleMerge
from bibliothek.catalogue.rules import is_language
from bibliothek.catalogue.search import CAP, AnySelect
from bibliothek.catalogue.wording import byline
from bibliothek.db import LARGEST_ID
from bibliothek.i18n import _
from bibliothek.problems import NotFound

T = TypeVar("T")
Sort = Literal["relevance", "title", "newest", "year"]


class NoSuchTitle(NotFound):
    """No title has this number, or not any more."""

    code = "unknown-title"

    def __init__(self) -> None:
        super().__init__(_("Diesen Titel gibt es hier nicht, oder nicht mehr."))


class TitleRow(NamedTuple):
    """A title in a list; `byline` is ready for display, `also` are the values of the columns handed to `search`."""

    id: int
    title: str
    subtitle: str | None
    byline: str
    publisher: str | None
    year: int | None
    language: str | None
    also: tuple[Any, ...] = ()


class Found(msgspec.Struct, frozen=True):
    """A part of what was found. `total` is exact up to 2,000; beyond, it is 2000 and `more` is true."""

    rows: list[TitleRow]
    total: int
    more: bool


class HasCopies(Protocol):
    """How many copies a title has, and how many of them can be lent now (lending.queries.Availability)."""

    @property
    def available(self) -> int: ...
    @property
    def total(self) -> int: ...


# Between a name and its role, and between persons: control characters, which no stored text holds.
_UNIT, _RECORD = "\x1f", "\x1e"


def search(
    db: Session,
    q: str | None,
    *,
    only: ColumnElement[bool] | None = None,
    values: Mapping[str, Any] | None = None,
    also: tuple[ColumnElement[Any], ...] = (),
    language: str | None = None,
    sort: Sort = "relevance",
    offset: int = 0,
    limit: int = 20,
    most: int | None = None,
) -> Found:
    """Titles in which all words of `q` stand, best match first; without `q` all titles, newest first.

    The last word may be unfinished, an ISBN may be typed in any form; a `q` without letter or digit finds nothing.
    `only` is a further condition on Title and `also` are further columns, with `values` for their bindparams; `language` is
    ISO 639-1. Statements are kept, so handing in the same objects each time saves the time of building them. At most the
    first 2,000 hits of a `q` can be paged through and are counted, or `most`.
    """
    most, given = most or CAP, dict(values or {})
    words = wanted(q) if q else None
    if (q and words is None) or (language and not is_language(language)):
        return Found([], 0, False)
    if words:
        asked = index.Asked(questions(words, language), only, given)
        return _found(db, asked, also, sort, offset, limit, most)
    connection = db.connection()
    if language:
        given["language"] = language
    page, count = _listed(connection.dialect.name, sort, bool(language), only, also, most)
    rows = connection.execute(page, {**given, "limit": limit, "offset": offset}).all() if limit else []
    total = rows[0][-1] if rows else connection.execute(count, given).scalar_one()
    return Found([_row(row) for row in rows], min(total, most), total > most)


def _found(
    db: Session,
    asked: index.Asked,
    also: tuple[ColumnElement[Any], ...],
    sort: Sort,
    offset: int,
    limit: int,
    most: int,
) -> Found:
    found = index.find(db, asked, most)
    total, end = len(found), min(offset + limit, most)
    if offset >= end:
        page = []
    elif sort == "relevance":
        # For a page far back, the index is asked nearly all questions, each for all titles up to there.
        few = total <= min(most, max(index.FEW, 3 * end))
        page = (index.best_of(db, found, asked) if few else index.best(db, asked, end))[offset:end]
    else:
        if total > most:
            found = index.newest(db, asked, end if sort == "newest" else most)
        page = (found if sort == "newest" else _in_order(db, found, sort, end))[offset:end]
    rows = {row.id: row for row in title_rows(db, page, also, asked.values)}
    return Found([rows[number] for number in page if number in rows], min(total, most), total > most)


def _in_order(db: Session, numbers: list[int], sort: Sort, most: int) -> list[int]:
    """The first `most` of these titles."""
    chosen = text(f"title.id IN ({index.dialect_of(db.connection()).numbers})")
    query = select(Title.id).where(chosen).order_by(*_ORDERS[sort]).limit(most)
    return list(db.connection().scalars(query, {"numbers": json.dumps(numbers)}))


def _row(row: Any) -> TitleRow:
    number, title, subtitle, publisher, year, language, persons, *also, _total = row
    people = [Person(*person.split(_UNIT)) for person in persons.split(_RECORD)] if persons else []
    return TitleRow(number, title, subtitle, byline(people), publisher, year, language, tuple(also))


@lru_cache(maxsize=128)
def _listed(
    dialect: str,
    sort: Sort,
    has_language: bool,
    only: ColumnElement[bool] | None,
    also: tuple[ColumnElement[Any], ...],
    most: int,
) -> tuple[AnySelect, AnySelect]:
    """SQL for a page of all titles with the total in every row, and for the total alone.

    Kept, because putting such a statement together takes longer than running it.
    """
    conditions = [] if only is None else [only]
    if has_language:
        conditions.append(Title.language == bindparam("language"))
    count = index.up_to(most, select(Title.id).where(*conditions))
    order = _ORDERS.get(sort, _ORDERS["newest"])
    numbers = select(Title.id).where(*conditions).order_by(*order)
    limit, offset = bindparam("limit", type_=Integer), bindparam("offset", type_=Integer)
    # The numbers first: PostgreSQL puts together persons and copies of all titles that an OFFSET skips.
    on_page = numbers.limit(limit).offset(offset).subquery()
    page = _columns(dialect).join(on_page, on_page.c.id == Title.id).order_by(*order)
    return page.add_columns(*also, count.scalar_subquery().label("total")), count


def _columns(dialect: str) -> AnySelect:
    own = (Title.id, Title.title, Title.subtitle, Title.publisher, Title.year, Title.language)
    return select(*own, _persons(dialect).label("persons"))


def _persons(dialect: str) -> ScalarSelect[str]:
    """SQL: all persons of a title in one text, in their order."""
    person = (Contributor.name + _UNIT + Contributor.role).label("person")
    one = select(person).where(Contributor.title_id == Title.id).order_by(Contributor.position).correlate(Title)
    persons = one.subquery()
    # Not aggregate_strings: it writes its separator into the statement anew at every execution.
    joined = func.group_concat if dialect == "sqlite" else func.string_agg
    return select(joined(persons.c.person, _RECORD)).select_from(persons).scalar_subquery()


_ORDERS: dict[str, tuple[Any, ...]] = {
    "newest": (Title.id.desc(),),
    "title": (Title.sort_title, Title.id),
    "year": (Title.year.desc().nulls_last(), Title.id.desc()),
}


def title_rows(
    db: Session,
    ids: Sequence[int],
    also: tuple[ColumnElement[Any], ...] = (),
    values: Mapping[str, Any] | None = None,
) -> list[TitleRow]:
    """The titles with these numbers as rows of a list, in no order; `also` and `values` as in `search`."""
    if not ids:
        return []
    connection = db.connection()
    return [_row(row) for row in connection.execute(_of(connection.dialect.name, also), {**(values or {}), "ids": ids})]


@lru_cache(maxsize=32)
def _of(dialect: str, also: tuple[ColumnElement[Any], ...]) -> AnySelect:
    return _columns(dialect).add_columns(*also, null()).where(Title.id.in_(_IDS))


def recent(db: Session, limit: int = 18) -> list[TitleRow]:
    """The titles that came last."""
    return search(db, None, limit=limit).rows


# The last title and how many there were, by engine.
_COUNTED: WeakKeyDictionary[Engine, tuple[int, int]] = WeakKeyDictionary()


def count_titles(db: Session) -> int:
    """How many titles there are. Of more than 2,000, those that went since the last one came count as well: PostgreSQL takes a
    tenth of a second to count a million, and the start page asks each time."""
    engine, last = db.connection().engine, last_number(db)
    known = _COUNTED.get(engine)
    if known and known[0] == last:
        return known[1]
    count = db.scalar(select(func.count()).select_from(Title)) or 0
    if count > CAP:
        _COUNTED[engine] = last, count
    return count


def last_number(db: Session) -> int:
    """The number of the title that came last: no library has more titles. 0 without any."""
    return db.scalar(select(func.max(Title.id))) or 0


def languages() -> AnySelect:
    """SQL: the languages there are titles in, with a null. Hops from one to the next in the index."""
    hop = select(func.min(Title.language).label("language")).cte("hop", recursive=True)
    following = select(func.min(Title.language)).where(Title.language > hop.c.language).scalar_subquery()
    hop = hop.union_all(select(following).where(hop.c.language.is_not(None)))
    return select(hop.c.language)


def title(db: Session, title_id: int) -> Title:
    """The title with its persons, series, ISBNs and subjects. Raises NoSuchTitle."""
    found = db.scalars(_with_parts(title_id)).first()
    if found is None:
        raise NoSuchTitle
    return found


def title_for_change(db: Session, title_id: int) -> Title:
    """The same, read anew and locked until the transaction ends. Raises NoSuchTitle."""
    query = _with_parts(title_id).with_for_update(of=Title).execution_options(populate_existing=True)
    found = db.scalars(query).first()
    if found is None:
        raise NoSuchTitle
    return found


def _with_parts(title_id: int) -> Select[Title]:
    if not 0 < title_id <= LARGEST_ID:
        raise NoSuchTitle
    parts = (Title.contributors, Title.series, Title.isbns, Title.subjects)
    return select(Title).where(Title.id == title_id).options(*(selectinload(part) for part in parts))


def title_now(db: Session, title_id: int) -> int:
    """The number that stands for this one today: that of the title which it became part of, or its own."""
    if not 0 < title_id <= LARGEST_ID:
        return title_id
    became = select(TitleMerge.kept_id).where(TitleMerge.gone_id == title_id, TitleMerge.undone_at.is_(None))
    return db.scalars(became).first() or title_id


def title_that_stays(db: Session, title_id: int) -> int:
    """The number that stands for this title, which nobody merges with another until the transaction ends. Raises NoSuchTitle."""
    if _stays(db, title_id):
        return title_id
    # Asked only now: on PostgreSQL the look above has waited for the end of a merge.
    kept_id = title_now(db, title_id)
    if kept_id == title_id or not _stays(db, kept_id):
        raise NoSuchTitle
    return kept_id


def _stays(db: Session, title_id: int) -> bool:
    query = select(Title.id).where(Title.id == title_id).with_for_update(read=True, key_share=True)
    return 0 < title_id <= LARGEST_ID and db.scalar(query) is not None


def titles_by_isbn(db: Session, isbn13: str) -> Sequence[Title]:
    """The titles with this ISBN, oldest first, with their persons; two editions may share one."""
    query = select(Title).join(TitleIsbn, TitleIsbn.title_id == Title.id).where(TitleIsbn.isbn == isbn13)
    return db.scalars(query.options(selectinload(Title.contributors)).order_by(Title.id)).unique().all()


def bylines(db: Session, ids: Sequence[int]) -> dict[int, str]:
    """Who made these titles, ready for display; a title without persons has an empty text."""
    persons = _grouped(db.connection(), _PERSONS_OF, ids, Person) if ids else {}
    return {title_id: byline(persons.get(title_id, ())) for title_id in ids}


def title_answers(db: Session, ids: Sequence[int], copies: Mapping[int, HasCopies]) -> list[TitleAnswer]:
    """The titles with these numbers as the API shows them, in this order; `copies` is `lending.queries.availability`."""
    if not ids:
        return []
    connection = db.connection()
    titles = {row.id: row for row in connection.execute(_PLAIN, {"ids": ids})}
    persons = _grouped(connection, _PERSONS_OF, ids, Person)
    series = _grouped(connection, _SERIES_OF, ids, Part)
    isbns = _grouped(connection, _ISBNS_OF, ids, str)
    return [
        TitleAnswer(
            **titles[title_id]._mapping,
            contributors=tuple(persons.get(title_id, ())),
            series=tuple(series.get(title_id, ())),
            isbns=tuple(isbns.get(title_id, ())),
            available=copies[title_id].available,
            total=copies[title_id].total,
        )
        for title_id in ids
        if title_id in titles
    ]


def title_answer(db: Session, title_id: int, copies: Mapping[int, HasCopies]) -> TitleAnswer:
    """One title, as `title_answers` gives several, or the one that it became part of. Raises NoSuchTitle."""
    now = title_now(db, title_id)
    found = title_answers(db, [now], {now: copies[title_id]})
    if not found:
        raise NoSuchTitle
    return found[0]


_IDS = bindparam("ids", expanding=True, type_=Integer)
_PLAIN = select(Title.id, *(getattr(Title, name) for name in OWN_COLUMNS)).where(Title.id.in_(_IDS))
_PERSONS_OF = (
    select(Contributor.title_id, Contributor.name, Contributor.role)
    .where(Contributor.title_id.in_(_IDS))
    .order_by(Contributor.title_id, Contributor.position)
)
_SERIES_OF = (
    select(SeriesPart.title_id, SeriesPart.series, SeriesPart.number)
    .where(SeriesPart.title_id.in_(_IDS))
    .order_by(SeriesPart.title_id, SeriesPart.position)
)
_ISBNS_OF = (
    select(TitleIsbn.title_id, TitleIsbn.isbn)
    .where(TitleIsbn.title_id.in_(_IDS))
    .order_by(TitleIsbn.title_id, TitleIsbn.position)
)


def _grouped(
    connection: Connection, query: AnySelect, ids: Sequence[int], make: Callable[..., T]
) -> dict[int, list[T]]:
    found: dict[int, list[T]] = {}
    for title_id, *values in connection.execute(query, {"ids": ids}):
        found.setdefault(title_id, []).append(make(*values))
    return found
