"""The background run that fetches pictures for titles that were looked up, from Open Library's covers service.

Only the server asks, never a visitor's browser. A row of `Cover` without digest waits; it is claimed by moving its
`next_try_at` to the end of a lease, so that only one process asks for it. No session is open while it waits for an answer.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from time import monotonic
from typing import Any, Literal
from urllib.parse import urlsplit

import msgspec
from sqlalchemy import select, update
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from bibliothek.catalogue.covers import OPEN_LIBRARY, folder_of, keep, tidy
from bibliothek.catalogue.models import Cover, TitleIsbn
from bibliothek.db import Database
from bibliothek.lookup.fetch import fetch, user_agent
from bibliothek.lookup.politeness import politeness_of
from bibliothek.problems import Problem
from bibliothek.settings import Settings

# For one question; a picture may come slowly, nobody waits for it.
DEADLINE_S = 20.0
LEASE = timedelta(minutes=2)
# How long until the next try when the service is away; after the last one we give up.
PAUSES = (timedelta(minutes=1), timedelta(minutes=5), timedelta(minutes=30))
ACCEPT = ("image/jpeg", "image/png", "image/webp")
# Most pictures of Open Library lie at the Internet Archive, to which it belongs, and its covers service only leads there: to
# archive.org, and from there to whichever of its machines holds the file (ia800505.us.archive.org and the like).
LEADS_TO = {"covers.openlibrary.org": "archive.org"}
# Not at once after the start: the first page comes first.
FIRST_AFTER_S = 10.0
EVERY_S = 10.0
TIDY_EVERY_S = 60 * 60.0

log = logging.getLogger(__name__)


class Wanted(msgspec.Struct, frozen=True):
    """A picture to be fetched: by its number at Open Library, which has to be asked for by ISBN where it is not known."""

    title_id: int
    reference: str | None
    isbn: str | None
    tries: int


class Got(msgspec.Struct, frozen=True):
    """What came of it: a picture, none (and there never will be), or trouble, after which we ask again."""

    outcome: Literal["picture", "none", "trouble"]
    content: bytes = b""
    reference: str | None = None
    reason: str = ""
    retry_after: int | None = None


class CoverRounds:
    """A background thread of the server: fetches what waits, where that is switched on, and removes what no title shows."""

    def __init__(
        self,
        database: Database,
        settings: Settings,
        clock: Callable[[], datetime],
        named_elsewhere: Callable[[Session], set[str]] | None = None,
    ) -> None:
        """`named_elsewhere` is that of `catalogue.covers.tidy`."""
        self._database, self._settings, self._clock = database, settings, clock
        self._named_elsewhere = named_elsewhere
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._tidied_at: float | None = None

    def start(self) -> None:
        self._stop.clear()
        self._thread = threading.Thread(target=self._go_round, name="covers", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Ask the thread to end. A picture that is just coming is left to its lease: another start fetches it."""
        self._stop.set()
        if self._thread:
            self._thread.join(timeout=1)

    def _go_round(self) -> None:
        pause = FIRST_AFTER_S
        while not self._stop.wait(pause):
            try:
                self._tidy_now_and_then()
                pause = 0.0 if fetch_one(self._database, self._settings, self._clock) else EVERY_S
            except SQLAlchemyError as error:
                if not self._stop.is_set():
                    log.error("no picture fetched: %s", getattr(error, "orig", type(error).__name__))
                pause = EVERY_S
            except Exception:
                # A full disk, say. The lease brings the next try.
                log.exception("no picture fetched")
                pause = EVERY_S

    def _tidy_now_and_then(self) -> None:
        if self._tidied_at is not None and monotonic() - self._tidied_at < TIDY_EVERY_S:
            return
        self._tidied_at = monotonic()
        with self._database.reading() as db:
            tidy(db, folder_of(self._settings), named_elsewhere=self._named_elsewhere)


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
    if wanted is None:
        return True
    got, digest = get(settings, wanted.reference, wanted.isbn, now)
    if got.outcome != "picture":
        log.info("no picture for title %s: %s", wanted.title_id, got.reason)
    with database.writing() as db:
        settle(db, wanted, got, digest, clock())
    return True


def _waits(now: datetime) -> Any:
    return Cover.digest.is_(None) & (Cover.source == OPEN_LIBRARY) & (Cover.next_try_at <= now)


def _next(db: Session, now: datetime) -> int | None:
    return db.scalar(select(Cover.title_id).where(_waits(now)).order_by(Cover.next_try_at, Cover.title_id).limit(1))


def claim(db: Session, now: datetime) -> Wanted | None:
    """What to fetch, which nobody else will until its lease ends; None where nothing waits or somebody was quicker."""
    title_id = _next(db, now)
    if title_id is None:
        return None
    ours = update(Cover).where(_waits(now), Cover.title_id == title_id).values(next_try_at=now + LEASE)
    row = db.execute(ours.returning(Cover.reference, Cover.tries)).first()
    if row is None:
        return None
    isbns = select(TitleIsbn.isbn).where(TitleIsbn.title_id == title_id).order_by(TitleIsbn.position).limit(1)
    return Wanted(title_id, row.reference, db.scalar(isbns), row.tries)


def settle(db: Session, wanted: Wanted, got: Got, digest: str | None, now: datetime) -> None:
    """Write down what came, unless somebody took a photo meanwhile."""
    values: dict[str, Any] = {"reference": got.reference or wanted.reference, "at": now, "next_try_at": None}
    if digest:
        values["digest"] = digest
    elif got.outcome == "trouble":
        values["tries"] = wanted.tries + 1
        values["next_try_at"] = _next_try(wanted.tries, got.retry_after, now)
    still_waits = Cover.digest.is_(None) & (Cover.source == OPEN_LIBRARY) & (Cover.title_id == wanted.title_id)
    db.execute(update(Cover).where(still_waits).values(**values))


def _next_try(tries: int, retry_after: int | None, now: datetime) -> datetime | None:
    if tries >= len(PAUSES):
        return None
    return now + max(PAUSES[tries], timedelta(seconds=retry_after or 0))


# ---- Asking ----


def may_ask(settings: Settings, now: datetime) -> bool:
    """Whether pictures are fetched at all, and the service is not left alone just now."""
    return settings.covers_url is not None and not politeness_of(settings.covers_url).breaker.rest(now)


def get(settings: Settings, reference: str | None, isbn: str | None, now: datetime) -> tuple[Got, str | None]:
    """Ask for the picture with this number at Open Library, or of the book with this ISBN; with its digest where it is kept here
    now. Takes long: no session is to be open meanwhile."""
    got = _ask(settings, reference, isbn, now)
    return _kept(folder_of(settings), got) if got.outcome == "picture" else (got, None)


def _ask(settings: Settings, reference: str | None, isbn: str | None, now: datetime) -> Got:
    if reference is None:
        found = _number_of(settings, isbn, now)
        if found.outcome != "picture":
            return found
        reference = found.reference
    answer = _picture(f"{settings.covers_url}/b/id/{reference}-L.jpg", settings, now)
    return msgspec.structs.replace(answer, reference=reference)


def _number_of(settings: Settings, isbn: str | None, now: datetime) -> Got:
    """The number of the picture of the book with this ISBN. By ISBN the covers service answers only rarely."""
    from bibliothek.lookup.ask import sources_from

    source = next((one for one in sources_from(settings) if one.name == OPEN_LIBRARY), None)
    if isbn is None or source is None:
        return Got("none", reason="nobody to ask")
    answer = source.resting(now) or source.ask(isbn, now, monotonic() + DEADLINE_S)
    if answer.outcome in ("throttled", "unavailable"):
        return Got("trouble", reason=answer.reason, retry_after=answer.retry_after)
    number = next((record.cover_id for record in answer.records if record.cover_id), None)
    return Got("picture", reference=str(number)) if number else Got("none", reason="Open Library has none")


def _picture(address: str, settings: Settings, now: datetime) -> Got:
    """`default=false` makes the service say 404 where it has none, instead of sending an empty picture."""
    assert settings.covers_url is not None
    politeness, deadline = politeness_of(settings.covers_url), monotonic() + DEADLINE_S
    agent = user_agent(settings.contact, settings.base_url)
    with politeness.turn(deadline) as ours:
        if not ours:
            return Got("trouble", reason="no turn in time")
        answer = fetch(
            address,
            {"default": "false"},
            accept=ACCEPT,
            agent=agent,
            deadline=deadline,
            leads_to=LEADS_TO.get(urlsplit(settings.covers_url).hostname or ""),
        )
    if answer.trouble and (answer.status is None or answer.status >= 400):
        politeness.fail(answer.trouble, answer.retry_after, now, now)
    else:
        # One picture that leads elsewhere, or is no picture, says nothing about the next one.
        politeness.succeed()
    if answer.trouble:
        return Got("trouble", reason=answer.reason, retry_after=answer.retry_after)
    return Got("picture", answer.body) if answer.status == 200 else Got("none", reason=f"status {answer.status}")


def _kept(folder: Path, got: Got) -> tuple[Got, str | None]:
    """What came as a picture, once it is one; whatever else comes will come again."""
    try:
        return got, keep(folder, got.content)
    except Problem as no:
        return msgspec.structs.replace(got, outcome="none", reason=no.code), None
