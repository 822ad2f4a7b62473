"""What a source is, and what it answers. One file per source reads its format; `ask` puts the answers together."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from time import monotonic

import msgspec

from bibliothek import tally
from bibliothek.lookup.fetch import Answer, Trouble, fetch
from bibliothek.lookup.isbd import is_placeholder
from bibliothek.lookup.politeness import Politeness
from bibliothek.lookup.record import Outcome, Record

# Two years from now on are misprints.
YEARS_AHEAD = 1
# How much longer than its answer is waited for a request may take: the next one who asks finds the answer in the store.
LATE_S = 7.0
# A source that got so much time and did not answer is in trouble. One that got less cannot be blamed: three seconds are normal on
# some days, and with many look-ups at once the turn may come late.
ENOUGH_S = 3.5


class SourceAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """One source's answer for one ISBN, at `asked_at` (UTC).

    `records` are printed books with that ISBN, the fullest first; `similar` merely mention it, or are e-books and the like.
    `raw` is what came over the wire, empty where there was trouble: then nothing is stored. `reason` is for the log,
    `retry_after` in seconds. `asked` is False where the source itself was left in peace.
    """

    source: str
    outcome: Outcome
    asked_at: datetime
    records: tuple[Record, ...] = ()
    similar: tuple[Record, ...] = ()
    raw: bytes = b""
    content_type: str = ""
    reason: str = ""
    retry_after: int | None = None
    asked: bool = True

    @property
    def is_usable(self) -> bool:
        """Whether it has a record with a title of its own: for "Bd. 3" alone others are asked, too."""
        return any(not is_placeholder(record.title) for record in self.records)


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """A source as this library asks it: under which address, as whom, how often. `asking` is its file's `ask`.

    `key` is the operator's own, for the source that wants one. `slow` is called when its answer takes too long to wait for.
    """

    name: str
    url: str
    agent: str
    politeness: Politeness
    asking: Callable[[Source, str, datetime, float], SourceAnswer]
    key: str | None = None
    slow: Callable[[], None] | None = None

    def resting(self, now: datetime) -> SourceAnswer | None:
        """The answer of a source that is left alone after an error; None if it may be asked."""
        rest = self.politeness.breaker.rest(now)
        if rest is None:
            return None
        return SourceAnswer(
            source=self.name,
            outcome=rest.trouble,
            asked_at=now,
            reason="left alone after an error",
            retry_after=rest.seconds,
            asked=False,
        )

    def ask(self, isbn13: str, now: datetime, deadline: float) -> SourceAnswer:
        """Ask for an ISBN; its turn has to come before `deadline` (of `time.monotonic`), the answer may come LATE_S after it.

        Never raises for what the source does. An error opens the source's breaker, also that there is no answer by `deadline`;
        an answer closes it, also a late one.
        """
        began, politeness = monotonic(), self.politeness

        def fail(trouble: Trouble, retry_after: int | None = None) -> int:
            return politeness.fail(trouble, retry_after, now, now + timedelta(seconds=monotonic() - began))

        answer = self.asking(msgspec.structs.replace(self, slow=lambda: fail("unavailable")), isbn13, now, deadline)
        tally.count("lookup", self.name, answer.outcome)
        if answer.outcome == "found" or answer.outcome == "not_found":
            politeness.succeed()
        elif answer.asked:
            return msgspec.structs.replace(answer, retry_after=fail(answer.outcome, answer.retry_after))
        return answer

    def get(self, url: str, params: Mapping[str, str], accept: tuple[str, ...], deadline: float) -> Answer:
        """One request, in turn: an `asking` that needs two waits twice. Arguments as of `fetch`, `deadline` as of `ask`."""
        with self.politeness.turn(deadline) as ours:
            if ours:
                slow = self.slow if deadline - monotonic() >= ENOUGH_S else None
                return fetch(
                    url,
                    params,
                    accept=accept,
                    agent=self.agent,
                    deadline=deadline + LATE_S,
                    slow_at=deadline,
                    slow=slow,
                )
        return Answer(trouble="throttled", reason="no turn in time", retry_after=5, asked=False)


def troubled(source: str, answer: Answer, now: datetime) -> SourceAnswer:
    """The answer of a source that could not be asked."""
    return SourceAnswer(
        source=source,
        outcome=answer.trouble or "unavailable",
        asked_at=now,
        reason=answer.reason or f"status {answer.status}",
        retry_after=answer.retry_after,
        asked=answer.asked,
    )


def unreadable(source: str, reason: str, now: datetime, outcome: Outcome = "unavailable") -> SourceAnswer:
    """The answer of a source that said something, but not what it promises: an outage, not a miss."""
    return SourceAnswer(source=source, outcome=outcome, asked_at=now, reason=reason[:200])


def last_year(now: datetime) -> int:
    """The latest year of publication to be believed."""
    return now.year + YEARS_AHEAD


def fullest_first(records: list[Record]) -> tuple[Record, ...]:
    """Several editions may share an ISBN: the record that says most first, then the newest, then as they came.

    One that has no title of its own goes last.
    """
    return tuple(sorted(records, key=_fullness, reverse=True))


def _fullness(record: Record) -> tuple[bool, int, int]:
    return (not is_placeholder(record.title), len(record.filled()), record.year or 0)
