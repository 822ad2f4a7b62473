"""Two at once: one goes on when the other waits for it, seen in the database itself instead of hoped for after a while."""

from __future__ import annotations

import time

from sqlalchemy import text

from bibliothek.db import Database

# A machine that does much else may take long until the other one begins.
PATIENCE_S = 20
WAITING = text(
    "SELECT EXISTS (SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock')"
)


def until_another_waits(database: Database) -> None:
    """Return when another transaction waits for a lock; raises AssertionError when none does.

    To be called by who holds the lock. On SQLite it returns at once: writers queue there before they begin.
    """
    if database.is_sqlite:
        return
    until = time.monotonic() + PATIENCE_S
    while not _somebody_waits(database):
        assert time.monotonic() < until, "nobody waits for a lock"
        time.sleep(0.005)


def _somebody_waits(database: Database) -> bool:
    # A transaction of its own each time: within one, the answer stays the same.
    with database.reading() as db:
        return bool(db.scalar(WAITING))
