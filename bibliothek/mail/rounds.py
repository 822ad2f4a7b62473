"""The round: once a minute, what waits in the outbox is tried again, and what nobody needs any more is forgotten.

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
from datetime import datetime

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from bibliothek.db import Database
from bibliothek.mail import outbox
from bibliothek.settings import Settings

# Not at once after the start: the first page comes first.
FIRST_AFTER = 5.0
EVERY = 60.0

log = logging.getLogger(__name__)


class Rounds:
    """A background thread of the server. Without SMTP it only ends what waited too long.

    `forget` are features' actions `(db, now)`, each in a transaction of its own: what one has locked must not wait for what
    the next one wants, which somebody else may have locked the other way round.
    """

    def __init__(
        self,
        database: Database,
        settings: Settings,
        clock: Callable[[], datetime],
        wanted: Mapping[str, outbox.Wanted],
        forget: Sequence[Callable[[Session, datetime], object]] = (),
    ) -> None:
        self._database, self._settings, self._clock, self._wanted = database, settings, clock, wanted
        self._forget = forget
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
            self._forget_what_is_over()
            self._deliver()
            self._forget_for_good()
            pause = EVERY

    def _deliver(self) -> None:
        """Begin to send what waits, unless the round before is still at it."""
        if self._delivery is None or self._delivery.done():
            self._delivery = outbox.send_soon(self._database, self._settings, self._clock, self._wanted)

    def _forget_what_is_over(self) -> None:
        with _logged("not forgotten"):
            outbox.tidy(self._database, self._settings, self._clock())
        for forget in self._forget:
            with _logged("not forgotten"), self._database.writing() as db:
                forget(db, self._clock())

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
