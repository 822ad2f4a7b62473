"""Find the record for an ISBN: in the stored answers first, else at the sources, whose answers are kept as they came.

The readers of the sources' formats are imported at the first look-up: most starts of the server come long before one.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from bibliothek.db import Database, has_many_writers
from bibliothek.lookup.models import StoredAnswer
from bibliothek.lookup.record import Record
from bibliothek.settings import Settings

if TYPE_CHECKING:
    from bibliothek.lookup.ask import LookupResult
    from bibliothek.lookup.sources import Source, SourceAnswer

log = logging.getLogger(__name__)

# How long an answer is believed. What is new today may be catalogued next week; what is catalogued hardly changes.
KEPT = {"found": timedelta(days=180), "not_found": timedelta(days=7)}


def find(database: Database, settings: Settings, isbn13: str, now: datetime) -> LookupResult:
    """What is known about an ISBN; asks only sources whose answer is not stored and could matter. Takes at most 8 seconds.

    Holds no session while it waits. Raises NotAnIsbn for placeholders.
    """
    from bibliothek.lookup.ask import look_up, put_together, sources_from

    sources = sources_from(settings)
    with database.reading() as db:
        stored = fresh_answers(db, isbn13, now)
    known = {answer.source: answer for answer in stored}
    if _is_settled(sources, known):
        answered = [source.name for source in sources if source.name in known]
        return put_together(isbn13, answered, known.values())
    missing = [source for source in sources if source.name not in known]
    asked = look_up(isbn13, missing, now=now, late=partial(_keep_late, database, isbn13))
    with database.writing() as db:
        keep(db, isbn13, asked.answers)
    return put_together(isbn13, [source.name for source in sources], [*known.values(), *asked.answers])


def _is_settled(sources: Sequence[Source], known: Mapping[str, SourceAnswer]) -> bool:
    """Whether no source need be asked: one has found the book and all that lead it have answered, or all have answered."""
    for source in sources:
        if source.name not in known:
            return False
        if known[source.name].records:
            return True
    return bool(sources)


def fresh_answers(db: Session, isbn13: str, now: datetime) -> list[SourceAnswer]:
    """The stored answers for an ISBN that are still believed, read again from what came."""
    from bibliothek.lookup.ask import read_stored

    rows = db.scalars(select(StoredAnswer).where(StoredAnswer.isbn == isbn13)).all()
    return [
        read_stored(row.source, isbn13, row.raw, row.content_type, row.asked_at)
        for row in rows
        if now - row.asked_at < KEPT[row.outcome]
    ]


def stored_record(db: Session, isbn13: str) -> Record | None:
    """The record that was found for an ISBN, whenever that was; None where nobody looked or nothing was found."""
    from bibliothek.lookup.ask import read_stored

    rows = db.scalars(select(StoredAnswer).where(StoredAnswer.isbn == isbn13, StoredAnswer.outcome == "found")).all()
    answers = [read_stored(row.source, isbn13, row.raw, row.content_type, row.asked_at) for row in rows]
    ordered = sorted(answers, key=lambda answer: answer.source)
    return next((answer.records[0] for answer in ordered if answer.records), None)


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
        if answer.outcome in KEPT and answer.raw:
            found = {name: getattr(answer, name) for name in ("outcome", "content_type", "raw", "asked_at")}
            row = insert(StoredAnswer).values(isbn=isbn13, source=answer.source, **found)
            db.execute(row.on_conflict_do_update(index_elements=["isbn", "source"], set_=found))


def _keep_late(database: Database, isbn13: str, answer: SourceAnswer) -> None:
    """An answer that came when nobody waited any more serves the next one."""
    try:
        with database.writing() as db:
            keep(db, isbn13, [answer])
    except SQLAlchemyError as error:
        # Nobody waits for it: the server may be stopping, its database closed.
        log.info("late answer not kept: %s", getattr(error, "orig", type(error).__name__))
