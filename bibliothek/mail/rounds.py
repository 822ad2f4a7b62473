"""The round: once a minute, what waits in the outbox is tried again, and what nobody needs any more is forgotten.

Forgotten means from all files: the log of the database is emptied, too.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
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

    `forget` are features' actions `(db, now)`; they run together in a transaction of their own.
    """

    def __init__(
        self,
        database: Database,
        settings: Settings,
        clock: Callable[[], datetime],
        wanted: Mapping[str, outbox.Wanted],
        forget: Sequence[Callable[[Session, datetime], None]] = (),
    ) -> None:
        self._database, self._settings, self._clock, self._wanted = database, settings, clock, wanted
        self._forget = forget
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        self._stop.clear()
        self._thread = threading.Thread(target=self._go_round, name="mail-rounds", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Ask the thread to end. A mail that is just leaving has ten seconds; one that takes longer counts as unknown."""
        self._stop.set()
        if self._thread:
            self._thread.join(timeout=10)

    def _go_round(self) -> None:
        pause = FIRST_AFTER
        while not self._stop.wait(pause):
            outbox.round_soon(self._database, self._settings, self._clock, self._wanted).exception()
            self._forget_what_is_over()
            self._forget_for_good()
            pause = EVERY

    def _forget_what_is_over(self) -> None:
        try:
            with self._database.writing() as db:
                for forget in self._forget:
                    forget(db, self._clock())
        except SQLAlchemyError as error:
            # The next round tries again.
            log.error("not forgotten: %s", getattr(error, "orig", error))

    def _forget_for_good(self) -> None:
        try:
            # With a long reader in the way, the next round tries again.
            self._database.empty_log()
        except SQLAlchemyError as error:
            log.error("log of the database not emptied: %s", getattr(error, "orig", error))
