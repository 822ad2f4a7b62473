"""Pictures for books that still lie on a pile, fetched in the background as soon as it is known what they are.

Each is asked for once and comes along when the book is taken in. Where the service was away, its title is asked for as any other
(lookup/covers.py): there the tries are counted.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

import msgspec
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from bibliothek.catalogue import covers
from bibliothek.db import Database
from bibliothek.donations import drafts
from bibliothek.donations.models import PileBook
from bibliothek.lookup.covers import get, may_ask
from bibliothek.settings import Settings

# Two questions of 20 seconds each, and some patience.
LEASE = timedelta(minutes=2)


class Wanted(msgspec.Struct, frozen=True):
    """The books that wait for one picture: all with its ISBN. `reference` is its number at Open Library, where that is known."""

    isbn: str
    reference: str | None
    book_ids: Sequence[int]


def fetch_one(database: Database, settings: Settings, clock: Callable[[], datetime]) -> bool:
    """Fetch the picture that waits longest; False when none waits, or none may be asked for now."""
    now = clock()
    if not may_ask(settings, now):
        return False
    with database.reading() as db:
        if _next(db, now) is None:
            return False
    with database.writing() as db:
        wanted = claim(db, now)
    if wanted:
        got, digest = get(settings, wanted.reference, wanted.isbn, now)
        with database.writing() as db:
            settle(db, wanted, digest, clock(), there_is_none=got.outcome == "none")
    return True


def _next(db: Session, now: datetime) -> str | None:
    waiting = select(PileBook.isbn).where(PileBook.picture_at <= now)
    return db.scalar(waiting.order_by(PileBook.picture_at, PileBook.id).limit(1))


def claim(db: Session, now: datetime) -> Wanted | None:
    """What to fetch, which nobody else will until its lease ends; None where nothing waits or somebody was quicker."""
    isbn = _next(db, now)
    ours = update(PileBook).where(PileBook.picture_at <= now, PileBook.isbn == isbn).values(picture_at=now + LEASE)
    rows = db.execute(ours.returning(PileBook.id, PileBook.record)).all() if isbn else []
    if not rows or isbn is None:
        return None
    numbers = [draft.cover_id for row in rows if (draft := drafts.read(row.record)) and draft.cover_id]
    return Wanted(isbn, str(numbers[0]) if numbers else None, [row.id for row in rows])


def settle(db: Session, wanted: Wanted, digest: str | None, now: datetime, there_is_none: bool = False) -> None:
    """The books that waited have it, unless a person said meanwhile that they are others, or took a photo.

    Where `there_is_none` nobody asks for it again, not for their title either.
    """
    theirs = PileBook.id.in_(wanted.book_ids)
    db.execute(update(PileBook).where(theirs).values(picture_at=None))
    if digest:
        _hand_out(db, wanted, digest, now)
    elif there_is_none:
        same = theirs & (PileBook.isbn == wanted.isbn) & PileBook.picture.is_(None)
        db.execute(update(PileBook).where(same).values(picture_source=covers.OPEN_LIBRARY))


def _hand_out(db: Session, wanted: Wanted, digest: str, now: datetime) -> None:
    still = PileBook.id.in_(wanted.book_ids) & (PileBook.isbn == wanted.isbn) & PileBook.picture.is_(None)
    for book in db.scalars(select(PileBook).where(still).order_by(PileBook.id).with_for_update()):
        if book.copy_id is not None:
            if book.title_id is not None:
                covers.give_picture(db, book.title_id, digest, now, covers.OPEN_LIBRARY)
        elif book.state == "found" and book.title_id is None:
            book.picture, book.picture_source = digest, covers.OPEN_LIBRARY
    db.flush()
