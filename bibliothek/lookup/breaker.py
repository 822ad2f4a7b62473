"""A source in trouble is left alone: one minute, then five, then thirty. A good answer ends that.

The clock is handed in (`now`, UTC), as everywhere; what is known here is forgotten when the process ends, unless several
processes ask: then they tell each other (politeness.py).
"""

from __future__ import annotations

from datetime import datetime
from threading import Lock

import msgspec

from bibliothek.lookup.fetch import LONGEST_RETRY_S, Trouble

RESTS_S = (60, 5 * 60, 30 * 60)


class Rest(msgspec.Struct, frozen=True):
    """Why a source is not asked, and for how many more seconds."""

    trouble: Trouble
    seconds: int


class Breaker:
    """What became of the last questions to one source; shared by all threads that ask it."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._failures = 0
        self._since: datetime | None = None
        self._rest = Rest("unavailable", 0)
        # How often it opened: whoever waited for a turn meanwhile sees that it was in vain.
        self.openings = 0

    def rest(self, now: datetime) -> Rest | None:
        """Why the source must not be asked at `now`; None if it may."""
        with self._lock:
            if self._since is None:
                return None
            passed = (now - self._since).total_seconds()
            # A clock that was put back must not keep a source from being asked for longer than any rest lasts.
            if not -LONGEST_RETRY_S < passed < self._rest.seconds:
                return None
            return Rest(self._rest.trouble, max(1, min(self._rest.seconds, round(self._rest.seconds - passed))))

    def fail(self, trouble: Trouble, retry_after: int | None, asked_at: datetime, now: datetime) -> int:
        """The source that was asked at `asked_at` failed; for how many seconds it is left alone from `now`.

        What it wishes itself (`retry_after`) counts, longer or shorter. Several who asked before the first of them failed
        make one failure, not many.
        """
        with self._lock:
            if self._since is None or asked_at > self._since:
                self._failures += 1
            seconds = retry_after or RESTS_S[min(self._failures, len(RESTS_S)) - 1]
            self._since, self._rest = now, Rest(trouble, min(seconds, LONGEST_RETRY_S))
            self.openings += 1
            return self._rest.seconds

    def learn(self, rest: Rest, failures: int, now: datetime) -> None:
        """Another process found the source in trouble."""
        with self._lock:
            self._since, self._rest, self._failures = now, rest, failures
            self.openings += 1

    def remember(self, failures: int) -> None:
        """So many failures in a row did all processes see together."""
        with self._lock:
            self._failures, self._since = failures, self._since if failures else None

    @property
    def failures(self) -> int:
        """How many there were in a row."""
        return self._failures

    def succeed(self) -> None:
        """The source answered."""
        with self._lock:
            self._failures, self._since = 0, None
