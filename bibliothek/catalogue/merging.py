"""Two titles that are one book become one; and two again, if that was wrong.

The kept title stays what it is: the other one only fills its gaps, and adds its ISBNs, series and subjects. The other one goes.
What it was, what moved and what the kept one was before is written down, so that `undo` can put everything back that nobody
has changed since.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Column, Table, delete, insert, select, update
from sqlalchemy.orm import Session

from bibliothek.catalogue import provenance, search
from bibliothek.catalogue.fields import Part, TitleFields
from bibliothek.catalogue.models import (
    Contributor,
    Cover,
    SeriesPart,
    Subject,
    Title,
    TitleIsbn,
    TitleMaterial,
    TitleMerge,
)
from bibliothek.catalogue.provenance import PERSON, SUBJECTS, FieldOrigin, is_gap, united_subjects
from bibliothek.catalogue.queries import fields_of, subjects_of, title_for_change
from bibliothek.catalogue.rules import MOST_ISBNS, MOST_SERIES
from bibliothek.catalogue.words import fold
from bibliothek.catalogue.writing import rewrite
from bibliothek.db import Base, Instant
from bibliothek.i18n import _
from bibliothek.library.queries import library_for_change
from bibliothek.problems import NotFound, Problem

# What makes up a title. It goes with the title, and comes back with it.
PARTS = (Contributor, SeriesPart, TitleIsbn, Subject, Cover, TitleMaterial)

Row = dict[str, Any]


def hanging_columns() -> list[Column[Any]]:
    """Every column that names a title, in whatever feature: what hangs on a title that goes moves to the one that is kept.

    Here later features join in. A new table with a foreign key to `title.id` moves without a word, row by row, and back again.
    Where that is not enough (a member who waits for both titles must not wait twice for the kept one), look at the rows of both
    before they move, in `merge`. A table that is a part of the title itself belongs into PARTS.
    """
    own = {part.__tablename__ for part in PARTS}
    return [
        column
        for table in Base.metadata.sorted_tables
        if table.name not in own
        for column in table.columns
        if any(key.target_fullname == "title.id" for key in column.foreign_keys)
    ]


class SameTitle(Problem):
    """A title cannot be merged with itself."""

    code = "same-title"

    def __init__(self) -> None:
        super().__init__(_("Das ist derselbe Titel. Wähle einen anderen."))


class NoSuchMerge(NotFound):
    """These two titles were never merged, or are apart again."""

    code = "unknown-merge"

    def __init__(self) -> None:
        super().__init__(_("Diese Titel sind nicht zusammengeführt, oder nicht mehr."))


class Whole(msgspec.Struct, frozen=True):
    """A title with all its parts, as rows: table to rows, moments as text."""

    title: Row
    parts: dict[str, list[Row]]


class Gone(msgspec.Struct, frozen=True):
    """What is written down of a merge: the title that went, what moved ("table.column" to the ids of its rows), and the kept
    title before and after, by the id that it had then."""

    title: Whole
    moved: dict[str, list[int]]
    kept_id: int
    before: Whole
    after: Whole


class Side(msgspec.Struct, frozen=True):
    """One of two titles that are to become one; `sources` are those of its fields."""

    fields: TitleFields
    subjects: tuple[str, ...]
    sources: dict[str, FieldOrigin]


class Gain(msgspec.Struct, frozen=True):
    """What the kept title gets from the other one: as it becomes, which fields change, and from whom they are then."""

    fields: TitleFields
    subjects: tuple[str, ...]
    sources: dict[str, FieldOrigin]


class Merged(NamedTuple):
    """A title that became part of another one, for those who want to take that back."""

    id: int
    title: str
    merged_at: datetime


def side(db: Session, title: Title) -> Side:
    """From a title loaded with its parts."""
    return Side(fields_of(title), subjects_of(title), provenance.origins(db, title.id))


def gain(kept: Side, gone: Side) -> Gain:
    """What `kept` becomes. A gap that a person left on purpose stays one."""
    ours = provenance.values_of(kept.fields, kept.subjects)
    theirs = provenance.values_of(gone.fields, gone.subjects)
    both = {
        "isbns": tuple(dict.fromkeys((*ours["isbns"], *theirs["isbns"])))[:MOST_ISBNS],
        "series": _united_series(ours["series"], theirs["series"]),
        SUBJECTS: united_subjects(ours[SUBJECTS], theirs[SUBJECTS]),
    }
    filled = {name: value for name, value in theirs.items() if is_gap(ours[name]) and not _is_typed(kept, name)}
    became = {**ours, **filled, **both}
    changed = provenance.changes(ours, became)
    subjects = became.pop(SUBJECTS)
    sources = {name: source for name in changed if (source := _source(kept, gone, name))}
    return Gain(TitleFields(**became), subjects, sources)


def _is_typed(one: Side, name: str) -> bool:
    return name in one.sources and one.sources[name].source == PERSON


def _source(kept: Side, gone: Side, name: str) -> FieldOrigin | None:
    """Who says now what stands in a field that changed: what a person typed a part of, a person typed."""
    if _is_typed(kept, name):
        return kept.sources[name]
    return gone.sources.get(name) or kept.sources.get(name)


def _united_series(ours: tuple[Part, ...], theirs: tuple[Part, ...]) -> tuple[Part, ...]:
    """Both; a series without its number says nothing new where it is named with one."""
    known = {(*fold(part.title), "#", *fold(part.number or "")) for part in ours}
    named = {tuple(fold(part.title)) for part in ours}
    added = [
        part
        for part in theirs
        if (*fold(part.title), "#", *fold(part.number or "")) not in known
        and (part.number or tuple(fold(part.title)) not in named)
    ]
    return (*ours, *added)[:MOST_SERIES]


def merge(db: Session, kept_id: int, gone_id: int, now: datetime) -> TitleMerge:
    """The title `gone_id` becomes part of `kept_id`, with all that hangs on it. Raises SameTitle, NoSuchTitle."""
    if kept_id == gone_id:
        raise SameTitle
    # One merge after the other, and none while somebody takes in a book of the title that goes.
    library_for_change(db)
    kept, gone = _both(db, kept_id, gone_id)
    whole, before = _whole(db, gone.id), _whole(db, kept.id)
    gained, cover = gain(side(db, kept), side(db, gone)), _better_cover(db, kept.id, gone.id)
    moved = {_name(column): _move(db, column, gone.id, kept.id) for column in hanging_columns()}
    search.forget(db, gone.id)
    db.execute(delete(Title).where(Title.id == gone.id))
    _give(db, kept, gained, cover)
    written = Gone(whole, moved, kept.id, before, _whole(db, kept.id))
    done = TitleMerge(gone_id=gone_id, kept_id=kept_id, gone=msgspec.json.encode(written).decode(), merged_at=now)
    db.add(done)
    db.flush()
    return done


def _both(db: Session, one: int, other: int) -> tuple[Title, Title]:
    """Locked in the order of their numbers, or two who merge them both ways wait for each other."""
    found = {title_id: title_for_change(db, title_id) for title_id in sorted((one, other))}
    return found[one], found[other]


def _give(db: Session, kept: Title, gained: Gain, cover: Row | None) -> None:
    rewrite(db, kept, gained.fields, gained.subjects, kept.sort_title)
    for name, origin in gained.sources.items():
        provenance.note(db, kept.id, {name: origin.source}, origin.at)
    if cover:
        _put(db, _table(Cover), kept.id, [cover])
    search.index(db, [kept])


def _better_cover(db: Session, kept_id: int, gone_id: int) -> Row | None:
    """The cover that the kept title takes over: a photo rather than a source's picture, and that rather than one still to come."""
    ours, theirs = (_rows(db, _table(Cover), title_id) for title_id in (kept_id, gone_id))
    return theirs[0] if _worth(theirs) > _worth(ours) else None


def _worth(covers: list[Row]) -> int:
    if not covers:
        return 0
    return 1 + int(bool(covers[0]["digest"])) + int(covers[0]["source"] == "own")


def undo(db: Session, kept_id: int, merge_id: int, now: datetime) -> int:
    """Both titles are there again; returns the number of the one that comes back, which is its old one. Raises NoSuchMerge.

    What moved goes back if it is still here; what the kept title got from the other goes if nobody has changed it since.
    """
    library_for_change(db)
    done = db.get(TitleMerge, merge_id, with_for_update=True, populate_existing=True)
    if done is None or done.kept_id != kept_id or done.undone_at:
        raise NoSuchMerge
    written = msgspec.json.decode(done.gone, type=Gone)
    title_for_change(db, kept_id)
    db.execute(insert(_table(Title)).values(_typed(_table(Title), written.title.title)))
    for part in PARTS:
        _put(db, _table(part), done.gone_id, written.title.parts.get(part.__tablename__, []))
    for column in hanging_columns():
        _move(db, column, kept_id, done.gone_id, written.moved.get(_name(column), []))
    # The kept title may have become part of a third one since: that one got nothing from here.
    if written.kept_id == kept_id:
        _take_back(db, kept_id, written.before, written.after)
    done.undone_at = now
    db.flush()
    search.index(db, [title_for_change(db, title_id) for title_id in (done.gone_id, kept_id)])
    return done.gone_id


def _take_back(db: Session, kept_id: int, before: Whole, after: Whole) -> None:
    """The kept title as it was, but for what was changed since the merge."""
    now = _whole(db, kept_id)
    title = {name: value for name, value in before.title.items() if now.title[name] == after.title.get(name)}
    title["origins"] = _origins_taken_back(*(whole.title.get("origins") for whole in (before, after, now)))
    db.execute(update(_table(Title)).where(_table(Title).c.id == kept_id).values(_typed(_table(Title), title)))
    for part in PARTS:
        then, once, here = (whole.parts.get(part.__tablename__, []) for whole in (before, after, now))
        if here == once:
            _put(db, _table(part), kept_id, then)


def _origins_taken_back(before: str | None, after: str | None, now: str | None) -> str | None:
    """Where each field came from is decided field by field, all else as a whole: half a list of persons is none."""
    then, once, here = (provenance.unpacked(text) for text in (before, after, now))
    changed = {name: origin for name, origin in here.items() if once.get(name) != origin}
    return provenance.packed({**then, **changed})


def merged_into(db: Session, title_id: int) -> Sequence[Merged]:
    """What became part of this title and can come back, the newest first."""
    query = select(TitleMerge).where(TitleMerge.kept_id == title_id, TitleMerge.undone_at.is_(None))
    return [
        Merged(row.id, msgspec.json.decode(row.gone, type=Gone).title.title["title"], row.merged_at)
        for row in db.scalars(query.order_by(TitleMerge.id.desc()))
    ]


def pictures_to_keep(db: Session) -> set[str]:
    """The digests of pictures that no title has now, but would have again if a merge were undone."""
    written = db.scalars(select(TitleMerge.gone).where(TitleMerge.undone_at.is_(None)))
    return {
        row["digest"]
        for text in written
        for whole in (msgspec.json.decode(text, type=Gone),)
        for row in (*whole.title.parts.get("cover", []), *whole.before.parts.get("cover", []))
        if row["digest"]
    }


# ---- Rows ----


def _table(model: type[Base]) -> Table:
    table = model.__table__
    assert isinstance(table, Table)
    return table


def _name(column: Column[Any]) -> str:
    return f"{column.table.name}.{column.name}"


def _whole(db: Session, title_id: int) -> Whole:
    db.flush()
    parts = {part.__tablename__: _rows(db, _table(part), title_id) for part in PARTS}
    title = db.execute(select(_table(Title)).where(_table(Title).c.id == title_id)).one()
    return Whole(msgspec.to_builtins(dict(title._mapping)), parts)


def _rows(db: Session, table: Table, title_id: int) -> list[Row]:
    query = select(table).where(table.c.title_id == title_id).order_by(*table.primary_key.columns)
    return [msgspec.to_builtins(dict(row._mapping)) for row in db.execute(query)]


def _put(db: Session, table: Table, title_id: int, rows: Iterable[Row]) -> None:
    """These rows in place of those that the title has; a column that the table has got since they were written stays empty."""
    db.execute(delete(table).where(table.c.title_id == title_id))
    for row in rows:
        db.execute(insert(table).values({**_typed(table, row), "title_id": title_id}))


def _typed(table: Table, row: Row) -> Row:
    """Moments are text in what is written down."""
    return {
        name: datetime.fromisoformat(value) if value and isinstance(table.c[name].type, Instant) else value
        for name, value in row.items()
        if name in table.c
    }


def _move(db: Session, column: Column[Any], old: int, new: int, only: list[int] | None = None) -> list[int]:
    """Let the rows that name the title `old` in this column name `new`; `only` are the rows to look at. Returns their ids."""
    (key,) = column.table.primary_key.columns
    query = select(key).where(column == old).order_by(key).with_for_update()
    found = [number for number in db.scalars(query) if only is None or number in only]
    if found:
        db.execute(update(column.table).where(column == old, key.in_(found)).values({column.name: new}))
    return found
