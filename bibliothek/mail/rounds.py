"""The round: once a minute, what waits in the outbox is tried again, and what nobody needs any more is forgotten.

Of several processes one goes round, the first that wakes when it is due.

Forgotten means from all files: the log of the database is emptied, too. Forgetting waits for no mail server: a hundred mails to
a slow one take an hour.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, wait
from contextlib import contextmanager
from datetime import datetime, timedelta

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from bibliothek import jobs
from bibliothek.clock import SteadyClock, is_behind
from bibliothek.db import Database
from bibliothek.mail import outbox
from bibliothek.settings import Settings

# Not at once after the start: the first page comes first.
FIRST_AFTER = 5.0
EVERY = 60.0
# Of a process that dies on its round: when another one goes.
LEASE = timedelta(minutes=2)
JOB = "round"

log = logging.getLogger(__name__)


class Rounds:
    """A background thread of the server. Without SMTP it only ends what waited too long.

    `forget` and `judge` are features' actions `(db, now)`, each in a transaction of its own: what one has locked must not
    wait for what the next one wants, which somebody else may have locked the other way round. What `judge` does follows from
    the date (a hold expires, somebody is written to), so it waits while the machine's clock is behind.
    """

    def __init__(
        self,
        database: Database,
        settings: Settings,
        clock: Callable[[], datetime],
        wanted: Mapping[str, outbox.Wanted],
        forget: Sequence[Callable[[Session, datetime], object]] = (),
        judge: Sequence[Callable[[Session, datetime], object]] = (),
    ) -> None:
        self._database, self._settings, self._clock, self._wanted = database, settings, clock, wanted
        self._forget, self._judge = forget, judge
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._delivery: Future[outbox.Delivered] | None = None

    def start(self) -> None:
        self._stop.clear()
        self._thread = threading.Thread(target=self._go_round, name="mail-rounds", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Ask the thread to end. A mail that is just leaving has ten seconds; one that takes longer counts as unknown."""
        self._stop.set()
        until = time.monotonic() + 10
        if self._thread:
            self._thread.join(timeout=10)
        if self._delivery:
            wait([self._delivery], max(0, until - time.monotonic()))

    def _go_round(self) -> None:
        pause = FIRST_AFTER
        while not self._stop.wait(pause):
            pause = EVERY
            with _logged("no round"):
                if self._is_ours():
                    self._do_what_is_due()
                    self._end()

    def _is_ours(self) -> bool:
        """Whether a round is due and no other process goes it; also learns how late it is from what these did."""
        with self._database.writing() as db:
            if isinstance(self._clock, SteadyClock):
                self._clock.learn(jobs.last_instant(db))
            return jobs.claim(db, JOB, self._clock(), LEASE)

    def _do_what_is_due(self) -> None:
        self._forget_what_is_over()
        if not is_behind(self._clock):
            self._each(self._judge, "not judged")
        self._deliver()
        self._forget_for_good()

    def _end(self) -> None:
        # A little early: whoever sleeps for exactly as long must not find it not yet due.
        with self._database.writing() as db:
            now = self._clock()
            jobs.finish(db, JOB, now, now + timedelta(seconds=0.9 * EVERY))

    def _deliver(self) -> None:
        """Begin to send what waits, unless the round before is still at it."""
        if self._delivery is None or self._delivery.done():
            self._delivery = outbox.send_soon(self._database, self._settings, self._clock, self._wanted)

    def _forget_what_is_over(self) -> None:
        with _logged("not forgotten"):
            outbox.tidy(self._database, self._settings, self._clock())
        self._each(self._forget, "not forgotten")

    def _each(self, actions: Sequence[Callable[[Session, datetime], object]], trouble: str) -> None:
        for action in actions:
            with _logged(trouble), self._database.writing() as db:
                action(db, self._clock())

    def _forget_for_good(self) -> None:
        # With a long reader in the way, the next round tries again.
        with _logged("log of the database not emptied"):
            self._database.empty_log()


@contextmanager
def _logged(what: str) -> Iterator[None]:
    """A fault of the database ends only this part of the round: the next round tries again."""
    try:
        yield
    except SQLAlchemyError as error:
        log.error("%s: %s", what, getattr(error, "orig", error))
