"""Find the record for an ISBN: in the stored answers first, else at the sources, whose answers are kept as they came.

The readers of the sources' formats are imported at the first look-up: most starts of the server come long before one.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

import msgspec
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from bibliothek.db import Database, has_many_writers
from bibliothek.lookup.models import StoredAnswer
from bibliothek.lookup.record import Record
from bibliothek.settings import Settings

if TYPE_CHECKING:
    from bibliothek.lookup.merge import LookupResult
    from bibliothek.lookup.sources import SourceAnswer

log = logging.getLogger(__name__)

# How long an answer is believed. What is new today may be catalogued next week; what is catalogued hardly changes.
KEPT = {"found": timedelta(days=180), "not_found": timedelta(days=7)}


def find(database: Database, settings: Settings, isbn13: str, now: datetime, *, fresh: bool = False) -> LookupResult:
    """What is known about an ISBN; asks only sources whose answer is not stored and could matter. Takes at most 8 seconds.

    With `fresh` they are asked all the same. A stored answer is replaced only by a new one: of a source that is away it goes on
    counting, while `sources` of the result says that the source is away.

    Holds no session while it waits. Raises NotAnIsbn for placeholders.
    """
    from bibliothek.lookup.ask import look_up, sources_from

    with database.reading() as db:
        stored = fresh_answers(db, isbn13, now)
    late = partial(_keep_late, database, isbn13)
    found = look_up(isbn13, sources_from(settings), now=now, known=() if fresh else stored, late=late)
    new = [answer for answer in found.answers if answer not in stored]
    if any(_is_kept(answer) for answer in new):
        with database.writing() as db:
            keep(db, isbn13, new)
    return _with_stored(found, stored) if fresh else found


def _with_stored(found: LookupResult, stored: Sequence[SourceAnswer]) -> LookupResult:
    """What came now, and what is stored of sources that said nothing now."""
    from bibliothek.lookup.ask import lead_order
    from bibliothek.lookup.merge import put_together

    came = {answer.source: answer for answer in (*stored, *filter(_is_kept, found.answers))}
    names = {*came, *(name for name, _outcome in found.sources)}
    result = put_together(found.isbn, lead_order(found.isbn, list(names)), came.values())
    return msgspec.structs.replace(result, sources=found.sources, answers=found.answers, retry_after=found.retry_after)


def fresh_answers(db: Session, isbn13: str, now: datetime) -> list[SourceAnswer]:
    """The stored answers for an ISBN that are still believed, read again from what came."""
    from bibliothek.lookup.ask import read_stored

    rows = db.scalars(select(StoredAnswer).where(StoredAnswer.isbn == isbn13)).all()
    answers = [
        read_stored(row.source, isbn13, row.raw, row.content_type, row.asked_at)
        for row in rows
        if now - row.asked_at < KEPT[row.outcome]
    ]
    # What cannot be read any more is asked for again.
    return [answer for answer in answers if _is_kept(answer)]


def stored_record(db: Session, isbn13: str) -> Record | None:
    """The record that was found for an ISBN, whenever that was; None where nobody looked or nothing was found."""
    from bibliothek.lookup.ask import lead_order, read_stored
    from bibliothek.lookup.merge import put_together

    rows = db.scalars(select(StoredAnswer).where(StoredAnswer.isbn == isbn13, StoredAnswer.outcome == "found")).all()
    answers = [read_stored(row.source, isbn13, row.raw, row.content_type, row.asked_at) for row in rows]
    names = lead_order(isbn13, [answer.source for answer in answers])
    return put_together(isbn13, names, answers).record


def keep(db: Session, isbn13: str, answers: Iterable[SourceAnswer]) -> None:
    """Store what the sources answered; errors are not kept, so that the next one asks again.

    Of two who asked at the same moment the later one's answer stays.
    """
    if has_many_writers(db.connection()):
        from sqlalchemy.dialects.postgresql import insert
    else:
        from sqlalchemy.dialects.sqlite import insert  # type: ignore[assignment]
    # In the order of their names, so that two who store the same ones never wait for each other.
    for answer in sorted(answers, key=lambda answer: answer.source):
        if _is_kept(answer):
            found = {name: getattr(answer, name) for name in ("outcome", "content_type", "raw", "asked_at")}
            row = insert(StoredAnswer).values(isbn=isbn13, source=answer.source, **found)
            db.execute(row.on_conflict_do_update(index_elements=["isbn", "source"], set_=found))


def _is_kept(answer: SourceAnswer) -> bool:
    return answer.outcome in KEPT and bool(answer.raw)


def _keep_late(database: Database, isbn13: str, answer: SourceAnswer) -> None:
    """An answer that came when nobody waited any more serves the next one."""
    if not _is_kept(answer):
        return
    try:
        with database.writing() as db:
            keep(db, isbn13, [answer])
    except SQLAlchemyError as error:
        # Nobody waits for it: the server may be stopping, its database closed.
        log.info("late answer not kept: %s", getattr(error, "orig", type(error).__name__))
