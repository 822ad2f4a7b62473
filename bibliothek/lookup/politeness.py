"""How we treat free services: two requests at a time, one new one a second, for each source; none while it is in trouble.

That is said for a library, not for a process: where there are several, they share their turns (turns.py).
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import cache
from threading import BoundedSemaphore, Lock
from urllib.parse import urlsplit

from bibliothek.clock import utc_now
from bibliothek.db import Database
from bibliothek.lookup.breaker import Breaker
from bibliothek.lookup.fetch import Trouble
from bibliothek.lookup.turns import Later, Resting, Turn, Turns
from bibliothek.settings import is_loopback

SECONDS_APART = 1.0
AT_ONCE = 2


class Politeness:
    """Turns at one source, shared by all threads of the process, and its breaker. Times are those of `time.monotonic`.

    `turns` are those that are shared with other processes.
    """

    def __init__(
        self, seconds_apart: float = SECONDS_APART, at_once: int = AT_ONCE, turns: Turns | None = None
    ) -> None:
        self.seconds_apart = seconds_apart
        self.breaker = Breaker()
        self._turns = turns
        self._slots = BoundedSemaphore(at_once)
        self._lock = Lock()
        self._next = 0.0

    @contextmanager
    def turn(self, deadline: float) -> Iterator[bool]:
        """Wait for a turn; yields False where it would come after `deadline`, or others found out meanwhile that the source is
        in trouble: then nothing may be asked."""
        openings = self.breaker.openings
        if not self._slots.acquire(timeout=max(0.0, deadline - time.monotonic())):
            yield False
            return
        shared: Turn | None = None
        try:
            ours = self._wait(deadline) and openings == self.breaker.openings
            if ours and self._turns:
                shared = self._claim(self._turns, deadline)
                ours = shared is not None
            yield ours
        finally:
            self._slots.release()
            if self._turns and shared:
                self._turns.give_back(shared)

    def _wait(self, deadline: float) -> bool:
        with self._lock:
            start = max(time.monotonic(), self._next)
            if start >= deadline:
                return False
            self._next = start + self.seconds_apart
        time.sleep(max(0.0, start - time.monotonic()))
        return True

    def _claim(self, turns: Turns, deadline: float) -> Turn | None:
        """A turn among all processes; None where it would come too late, or one of them found the source in trouble."""
        while (left := deadline - time.monotonic()) > 0:
            match turns.claim(left):
                case Turn() as turn:
                    self.breaker.remember(turn.failures)
                    return turn
                case Resting(rest, failures):
                    self.breaker.learn(rest, failures, utc_now())
                    return None
                case Later(seconds):
                    time.sleep(max(0.0, min(seconds, left)))
        return None

    def fail(self, trouble: Trouble, retry_after: int | None, asked_at: datetime, now: datetime) -> int:
        """As of the breaker, told to all processes."""
        seconds = self.breaker.fail(trouble, retry_after, asked_at, now)
        if self._turns:
            self._turns.rest(trouble, self.breaker.failures, seconds)
        return seconds

    def succeed(self) -> None:
        """As of the breaker, told to all processes."""
        had_failed = self.breaker.failures > 0
        self.breaker.succeed()
        if self._turns and had_failed:
            self._turns.answered()


# Set once, when a server starts that is not alone.
_shared_in: Database | None = None


def share(database: Database | None) -> None:
    """Other processes, which work on the same `database`, ask the sources as well (None: they do not)."""
    global _shared_in
    _shared_in = database
    forget()


@cache
def politeness_of(url: str) -> Politeness:
    """The turns at the source behind this address, the same for the whole process. A source on this machine is our own: there
    are no pauses, but its troubles count like those of any other."""
    if is_loopback(urlsplit(url).hostname or ""):
        return Politeness(0.0, 8)
    return Politeness(SECONDS_APART, AT_ONCE, Turns(_shared_in, url) if _shared_in else None)


def forget() -> None:
    """Know of no source's turns and troubles any more: for tests and benchmarks, whose stand-ins come and go."""
    politeness_of.cache_clear()
