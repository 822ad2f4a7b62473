"""What a source is, and what it answers. One file per source reads its format; `ask` puts the answers together."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime

import msgspec

from bibliothek.lookup.fetch import Answer, fetch
from bibliothek.lookup.politeness import Politeness
from bibliothek.lookup.record import Outcome, Record

# Two years from now on are misprints.
YEARS_AHEAD = 1


class SourceAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """One source's answer for one ISBN, at `asked_at` (UTC).

    `records` are printed books with that ISBN, the fullest first; `similar` merely mention it, or are e-books and the like.
    `raw` is what came over the wire, empty where there was trouble: then nothing is stored. `reason` is for the log,
    `retry_after` in seconds.
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


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """A source as this library asks it: under which address, as whom, and how often. `asking` is its file's `ask`."""

    name: str
    url: str
    agent: str
    politeness: Politeness
    asking: Callable[[Source, str, datetime, float], SourceAnswer]

    def ask(self, isbn13: str, now: datetime, deadline: float) -> SourceAnswer:
        """Ask for an ISBN; `deadline` is of `time.monotonic`. Never raises for what the source does."""
        return self.asking(self, isbn13, now, deadline)

    def get(self, url: str, params: Mapping[str, str], accept: tuple[str, ...], deadline: float) -> Answer:
        """One request, in turn: an `asking` that needs two waits twice. Arguments as of `fetch`."""
        with self.politeness.turn(deadline) as ours:
            if ours:
                return fetch(url, params, accept=accept, agent=self.agent, deadline=deadline)
        return Answer(trouble="throttled", reason="no turn in time", retry_after=5)


def troubled(source: str, answer: Answer, now: datetime) -> SourceAnswer:
    """The answer of a source that could not be asked."""
    return SourceAnswer(
        source=source,
        outcome=answer.trouble or "unavailable",
        asked_at=now,
        reason=answer.reason or f"status {answer.status}",
        retry_after=answer.retry_after,
    )


def last_year(now: datetime) -> int:
    """The latest year of publication to be believed."""
    return now.year + YEARS_AHEAD


def fullest_first(records: list[Record]) -> tuple[Record, ...]:
    """Several editions may share an ISBN: the record that says most first, then the newest, then as they came."""
    return tuple(sorted(records, key=lambda record: (len(record.filled()), record.year or 0), reverse=True))
