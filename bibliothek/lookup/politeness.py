"""How we treat free services: two requests at a time, one new one a second, for each source; none while it is in trouble."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from threading import BoundedSemaphore, Lock
from urllib.parse import urlsplit

from bibliothek.lookup.breaker import Breaker
from bibliothek.settings import is_loopback

SECONDS_APART = 1.0
AT_ONCE = 2


class Politeness:
    """Turns at one source, shared by all threads of the process, and its breaker. Times are those of `time.monotonic`."""

    def __init__(self, seconds_apart: float = SECONDS_APART, at_once: int = AT_ONCE) -> None:
        self.seconds_apart = seconds_apart
        self.breaker = Breaker()
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
        try:
            yield self._wait(deadline) and openings == self.breaker.openings
        finally:
            self._slots.release()

    def _wait(self, deadline: float) -> bool:
        with self._lock:
            start = max(time.monotonic(), self._next)
            if start >= deadline:
                return False
            self._next = start + self.seconds_apart
        time.sleep(max(0.0, start - time.monotonic()))
        return True


@cache
def politeness_of(url: str) -> Politeness:
    """The turns at the source behind this address, the same for the whole process. A source on this machine is our own: there
    are no pauses, but its troubles count like those of any other."""
    if is_loopback(urlsplit(url).hostname or ""):
        return Politeness(0.0, 8)
    return Politeness(SECONDS_APART, AT_ONCE)


def forget() -> None:
    """Know of no source's turns and troubles any more: for tests and benchmarks, whose stand-ins come and go."""
    politeness_of.cache_clear()
