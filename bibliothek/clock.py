"""The clock of the running library, which never goes back.

A Raspberry Pi has no battery for its clock: after a power cut it may believe that it is 1970, or last week, until the network tells
it. Nothing may become overdue, expire or be mailed by such a clock. So the library remembers the last instant at which it was
alive (jobs.py), and goes on from there by itself as long as the machine's clock says less.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from threading import Lock

from bibliothek import jobs
from bibliothek.db import Database
from bibliothek.i18n import _
from bibliothek.problems import Problem

# Time servers set a clock back by less than this all the time.
TOLERANCE = timedelta(minutes=2)
# A day, and the hour of daylight saving.
CATCHES_UP = timedelta(hours=25)


def utc_now() -> datetime:
    """The machine's clock."""
    return datetime.now(UTC)


class ClockIsBehind(Problem):
    """Whom to remind depends on the date, which nobody knows."""

    status = 503
    code = "clock-behind"

    def __init__(self) -> None:
        super().__init__(
            _(
                "Die Uhr des Rechners geht nach. Bis sie stimmt, wird nicht erinnert. „bibliothek doctor“ sagt, was hilft."
            )
        )


class SteadyClock:
    """Called, it gives the library's moment (UTC): that of the machine, or where that is behind what was already seen, a moment
    that goes on from there by `monotonic` (seconds): at its speed, or at half of it where the machine is behind by no more than
    CATCHES_UP. Then what was seen came from a clock that once went ahead, and the right one catches up with it by itself."""

    def __init__(
        self, machine: Callable[[], datetime] = utc_now, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._machine, self._monotonic = machine, monotonic
        self._lock = Lock()
        self._seen, self._at, self._speed = machine(), monotonic(), 1.0

    def __call__(self) -> datetime:
        machine = self._machine()
        with self._lock:
            self._see(max(machine, self._expected()), machine)
            return self._seen

    def _see(self, moment: datetime, machine: datetime) -> None:
        self._seen, self._at = moment, self._monotonic()
        self._speed = 0.5 if timedelta() < moment - machine <= CATCHES_UP else 1.0

    def _expected(self) -> datetime:
        """What it must be at least, from what was seen last."""
        return self._seen + timedelta(seconds=(self._monotonic() - self._at) * self._speed)

    def learn(self, seen: datetime | None) -> None:
        """Some process was alive at `seen`: it is not earlier than that."""
        machine = self._machine()
        with self._lock:
            if seen is not None and seen > self._expected():
                self._see(seen, machine)

    def behind(self) -> timedelta:
        """By how much the machine's clock is behind what was seen; zero where that is little enough."""
        machine = self._machine()
        with self._lock:
            late = self._expected() - machine
        return late if late > TOLERANCE else timedelta()


def clock_of(database: Database) -> SteadyClock:
    """The clock of this library, for a process that just begins."""
    clock = SteadyClock()
    with database.reading() as db:
        clock.learn(jobs.last_instant(db))
    return clock


def is_behind(clock: Callable[[], datetime]) -> bool:
    """Whether the machine's clock says less than what this library has already seen: until it is right again, nothing is judged by
    the date and no mail is sent."""
    return isinstance(clock, SteadyClock) and bool(clock.behind())


def refuse_if_behind(clock: Callable[[], datetime]) -> None:
    """Raises ClockIsBehind."""
    if is_behind(clock):
        raise ClockIsBehind
