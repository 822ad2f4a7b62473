"""The background run: looks up what people scanned onto their piles, and fetches their pictures (pictures.py), while they scan on.

Every process has a few threads for it. A book is claimed by moving its `next_try_at` to the end of a lease, so that only one
thread of one process asks for it; of one that dies in the middle the lease ends, and another one asks. Nothing is held while
waiting for the sources.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import msgspec
from sqlalchemy import event, select, update
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from bibliothek.catalogue.actions import edit_title, renew_title
from bibliothek.catalogue.fields import Origin
from bibliothek.catalogue.provenance import PERSON
from bibliothek.catalogue.queries import NoSuchTitle, fields_of, title
from bibliothek.db import Database
from bibliothek.donations import pictures
from bibliothek.donations.drafts import Draft, drafts_of, written, written_choices
from bibliothek.donations.models import PileBook
from bibliothek.lookup import actions as lookup
from bibliothek.lookup.isbn import hyphenated
from bibliothek.lookup.merge import LookupResult
from bibliothek.problems import Problem
from bibliothek.settings import Settings

# A source is asked once a second; with more threads they would only wait for each other.
THREADS = 3
# A look-up takes at most 8 seconds.
LEASE = timedelta(seconds=30)
# When the sources are away: how long until the next try, the last one again and again.
PAUSES = (timedelta(minutes=1), timedelta(minutes=5), timedelta(minutes=30))
# How often to look for what another process was told, or for what is to be tried again.
EVERY_S = 10.0
# Not at once after the start: the first page comes first.
FIRST_AFTER_S = 1.0
# Where the title of a book comes from that was taken in with its ISBN alone.
WAITING = "waiting"

log = logging.getLogger(__name__)

Work = Callable[[Database, Settings, Callable[[], datetime]], bool]


class _News:
    """Tells the threads of this process that there may be something to look up."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self.count = 0

    def tell(self) -> None:
        with self._changed:
            self.count += 1
            self._changed.notify_all()

    def wait(self, seen: int, seconds: float) -> None:
        """Until something was told since `seen`, or the time is over."""
        with self._changed:
            self._changed.wait_for(lambda: self.count != seen, seconds)


_news = _News()


def soon(db: Session) -> None:
    """What this transaction left to be looked up is looked up as soon as it is committed."""
    event.listen(db, "after_commit", lambda _session: _news.tell(), once=True)


class Looking:
    """The threads of one process."""

    def __init__(self, database: Database, settings: Settings, clock: Callable[[], datetime]) -> None:
        self._database, self._settings, self._clock = database, settings, clock
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        self._stop.clear()
        works = [look_one_up] * THREADS + [pictures.fetch_one]
        self._threads = [
            threading.Thread(target=self._go_on, args=(work,), name=f"looking-{n}", daemon=True)
            for n, work in enumerate(works)
        ]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Ask the threads to end. A look-up that is just running is left to its lease: another start takes it up."""
        self._stop.set()
        _news.tell()
        for thread in self._threads:
            thread.join(timeout=1)

    def _go_on(self, work: Work) -> None:
        self._stop.wait(FIRST_AFTER_S)
        while not self._stop.is_set():
            seen = _news.count
            if not self._one(work):
                _news.wait(seen, EVERY_S)

    def _one(self, work: Work) -> bool:
        """Look one book up; False when none waits. A fault ends nothing but this one try: the lease brings the next."""
        try:
            return work(self._database, self._settings, self._clock)
        except SQLAlchemyError as error:
            if not self._stop.is_set():
                log.error("not looked up: %s", getattr(error, "orig", type(error).__name__))
        except Exception:
            log.exception("not looked up")
        return False


def look_one_up(database: Database, settings: Settings, clock: Callable[[], datetime]) -> bool:
    """Claim the book that waits longest, ask for it and write down what came; False when none waits."""
    now = clock()
    with database.reading() as db:
        if next_one(db, now) is None:
            return False
    with database.writing() as db:
        isbn = claim(db, now)
    if isbn is None:
        return True
    try:
        found = lookup.find(database, settings, isbn, now)
    except Problem as no:
        # A number that no book has, however it came here.
        log.info("%s: %s", isbn, no.code)
        found = LookupResult(isbn=isbn, outcome="not_found")
    with database.writing() as db:
        settle(db, found, clock())
    return True


def next_one(db: Session, now: datetime) -> str | None:
    """The ISBN that waits longest for its look-up."""
    return db.scalar(select(PileBook.isbn).where(_waits(now)).order_by(PileBook.next_try_at, PileBook.id).limit(1))


def claim(db: Session, now: datetime) -> str | None:
    """The ISBN to look up, which nobody else will until its lease ends; None where nothing waits or somebody was quicker."""
    isbn = next_one(db, now)
    ours = update(PileBook).where(_waits(now), PileBook.isbn == isbn).values(next_try_at=now + LEASE)
    return isbn if isbn and db.execute(ours.returning(PileBook.id)).all() else None


def when_to_look(db: Session, isbn: str, now: datetime) -> datetime:
    """When a book that was just scanned is looked up: at once, or with its like, for which somebody asks already."""
    asked = select(PileBook.next_try_at).where(PileBook.state == "looking", PileBook.isbn == isbn)
    return max([now, *(at for at in db.scalars(asked) if at)])


def _waits(now: datetime) -> Any:
    return (PileBook.state == "looking") & (PileBook.next_try_at <= now) & PileBook.removed_at.is_(None)


# ---- What came of it ----


def settle(db: Session, found: LookupResult, now: datetime) -> None:
    """Write what was found into all rows that wait for it. What a person said meanwhile stays: such a row waits no more."""
    waiting = select(PileBook).where(PileBook.state == "looking", PileBook.isbn == found.isbn)
    drafts = [draft for draft in drafts_of(found) if draft.is_usable]
    # Where no source is switched on nobody will ever know it.
    is_known = found.outcome in ("found", "not_found") or not found.sources
    for book in db.scalars(waiting.order_by(PileBook.id).with_for_update()):
        book.outcome = found.outcome
        if not is_known:
            book.next_try_at = now + _pause(book.tries, found)
            book.tries += 1
        elif book.copy_id is not None:
            _fill_in(db, book, drafts[0] if drafts else None, now)
        else:
            _show(book, drafts, found.choose, now)
    # Somebody fetches the pictures now.
    soon(db)


def _pause(tries: int, found: LookupResult) -> timedelta:
    """A source that is only busy says itself when to come again; one in trouble is left alone for as long as it wants, too."""
    wished = timedelta(seconds=max(5, (found.retry_after or 0) + 1))
    return wished if found.outcome == "throttled" else max(wished, PAUSES[min(tries, len(PAUSES) - 1)])


def _show(book: PileBook, drafts: list[Draft], choose: bool, now: datetime) -> None:
    """The row of a book that still lies on its pile."""
    book.next_try_at = None
    if not drafts:
        book.state = "missing"
    elif choose and len(drafts) > 1:
        book.state, book.choices = "choose", written_choices(drafts)
    else:
        book.state, book.record = "found", written(drafts[0])
        want_picture(book, now)


def want_picture(book: PileBook, now: datetime) -> None:
    """Somebody or something said what it is: its picture is fetched, unless it has one or there is none."""
    if book.picture_source is None:
        book.picture_at = now


# ---- Taken in before anybody knew what it is ----


def unnamed(isbn: str) -> str:
    """The title of a book that was taken in with its ISBN alone."""
    return f"ISBN {hyphenated(isbn)} (wird nachgeschlagen)"


def of_nobody() -> Origin:
    """No person said that this is its title, and so a source may."""
    return Origin(fields={"title": WAITING, "isbns": PERSON})


def _fill_in(db: Session, book: PileBook, draft: Draft | None, now: datetime) -> None:
    """Its title says at last what it is; what a person typed meanwhile stays."""
    book.state, book.next_try_at = "saved", None
    if book.title_id is None or book.isbn is None:
        return
    try:
        found = title(db, book.title_id)
    except NoSuchTitle:
        return
    if draft is not None:
        origin = draft.came_from()
        if "title" in renew_title(db, found, draft.fields(), origin, now).changed:
            found.source, found.source_url = origin.source, origin.source_url
    elif found.title == unnamed(book.isbn):
        nameless = f"ISBN {hyphenated(book.isbn)} (ohne Angaben)"
        fields = msgspec.structs.replace(fields_of(found), title=nameless)
        edit_title(db, found, fields, now, origin=of_nobody())
    db.flush()
