"""Turns at a source for all processes of a library, on one machine or on several: two requests at a time and a pause between them,
whoever asks. They are kept in the database, and so are the source's troubles.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Literal

import msgspec
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from bibliothek.db import Database, has_many_writers
from bibliothek.lookup.breaker import Rest
from bibliothek.lookup.fetch import LONGEST_RETRY_S, Trouble
from bibliothek.lookup.models import SourceTurn

# Two are on their way already: how long until we look again, in seconds.
LOOK_AGAIN_S = 0.1
# A request that began before its deadline may take longer than that; of a process that dies in the middle the lease ends.
LEASE_AFTER = timedelta(seconds=10)
# Nobody waits so long for a turn, and for none does a source rest longer.
LONGEST, LONGEST_REST = timedelta(minutes=2), timedelta(seconds=LONGEST_RETRY_S)
LONG_AGO = datetime.fromtimestamp(0, UTC)


class Turn(msgspec.Struct, frozen=True):
    """Ours: until when at the longest, by the database's clock, and in which of the two places."""

    place: Literal["first_until", "second_until"]
    until: datetime
    failures: int


class Later(msgspec.Struct, frozen=True):
    """Not yet: in so many seconds it may be."""

    seconds: float


class Resting(msgspec.Struct, frozen=True):
    """The source is in trouble, as another process found out."""

    rest: Rest
    failures: int


class Turns:
    """Those at one source; `seconds_apart` lie between two requests."""

    def __init__(self, database: Database, url: str, seconds_apart: float = 1.0) -> None:
        self._database, self._url, self._apart = database, url, timedelta(seconds=seconds_apart)

    def claim(self, seconds: float) -> Turn | Later | Resting:
        """Our turn if it is ours now, for a request that begins within `seconds`."""
        with self._database.writing() as db:
            row, now = self._row(db)
            self._forget_impossible(row, now)
            if row.rests_until > now:
                left = max(1, round((row.rests_until - now).total_seconds()))
                return Resting(Rest(_trouble(row.trouble), left), row.failures)
            if row.next_at > now:
                return Later(min((row.next_at - now), self._apart).total_seconds())
            for place in ("first_until", "second_until"):
                if getattr(row, place) <= now:
                    until = now + timedelta(seconds=seconds) + LEASE_AFTER
                    setattr(row, place, until)
                    row.next_at = now + self._apart
                    return Turn(place, until, row.failures)
            return Later(LOOK_AGAIN_S)

    def give_back(self, turn: Turn) -> None:
        """Our request is done."""
        column = getattr(SourceTurn, turn.place)
        with self._database.writing() as db:
            ours = update(SourceTurn).where(SourceTurn.url == self._url, column == turn.until)
            db.execute(ours.values({column: LONG_AGO}))

    def rest(self, trouble: Trouble, failures: int, seconds: int) -> None:
        """The source is left alone by everybody."""
        with self._database.writing() as db:
            row, now = self._row(db)
            row.rests_until, row.trouble, row.failures = now + timedelta(seconds=seconds), trouble, failures

    def answered(self) -> None:
        """Its troubles are over."""
        with self._database.writing() as db:
            over = {SourceTurn.failures: 0, SourceTurn.rests_until: LONG_AGO}
            db.execute(update(SourceTurn).where(SourceTurn.url == self._url).values(over))

    def _forget_impossible(self, row: SourceTurn, now: datetime) -> None:
        """What lies further ahead than anything is ever put off was written by a clock that was wrong: it would last for years."""
        ahead = {"next_at": self._apart, "first_until": LONGEST, "second_until": LONGEST, "rests_until": LONGEST_REST}
        for column, longest in ahead.items():
            if getattr(row, column) > now + longest:
                setattr(row, column, LONG_AGO)

    def _row(self, db: Session) -> tuple[SourceTurn, datetime]:
        """The source's row, nobody else's meanwhile, and the moment by a clock that is the same for all processes."""
        if has_many_writers(db.connection()):
            from sqlalchemy.dialects.postgresql import insert
        else:
            from sqlalchemy.dialects.sqlite import insert  # type: ignore[assignment]
        long_ago = dict.fromkeys(("next_at", "first_until", "second_until", "rests_until"), LONG_AGO)
        new = insert(SourceTurn).values(url=self._url, trouble="unavailable", failures=0, **long_ago)
        db.execute(new.on_conflict_do_nothing())
        row = db.scalars(select(SourceTurn).where(SourceTurn.url == self._url).with_for_update()).one()
        return row, _now(db)


def _now(db: Session) -> datetime:
    """Machines may disagree about the time; on SQLite there is but one."""
    if not has_many_writers(db.connection()):
        return datetime.now(UTC)
    now: datetime = db.execute(select(func.clock_timestamp())).scalar_one()
    return now


def _trouble(text: str) -> Trouble:
    return "throttled" if text == "throttled" else "unavailable"
