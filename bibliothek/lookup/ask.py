"""Look an ISBN up at all sources at once, and say what came of it. No database in here.

DNB leads: as soon as a source has found the book and all before it have answered, only a short grace remains for the rest.
Another source is one more file like `dnb.py`, and one more line in SOURCES.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from datetime import datetime
from functools import cache
from time import monotonic

import msgspec

from bibliothek.lookup import dnb, openlibrary
from bibliothek.lookup.fetch import user_agent
from bibliothek.lookup.isbn import book_isbn
from bibliothek.lookup.politeness import politeness_of
from bibliothek.lookup.record import Outcome, Record
from bibliothek.lookup.sources import Source, SourceAnswer
from bibliothek.settings import Settings

DEADLINE_S = 8.0
GRACE_S = 1.0
# Before the deadline, so that a source which is too slow can still say so.
MARGIN_S = 0.2
RETRY_S = 30
MOST_ALTERNATIVES = 10

log = logging.getLogger(__name__)

# In the order in which they lead: name, address in the settings, how to ask, how to read a stored answer.
SOURCES = (
    (dnb.NAME, "dnb_url", dnb.ask, dnb.read),
    (openlibrary.NAME, "openlibrary_url", openlibrary.ask, openlibrary.read),
)


class LookupResult(msgspec.Struct, frozen=True, kw_only=True):
    """What is known about an ISBN now.

    `record` is the best one, `alternatives` are other editions under the same ISBN, then what is merely similar. `origin`
    says for each field of the record which source it comes from. `sources` names every source that was asked; one whose answer
    was not waited for counts as unavailable. `answers` are those that came. `retry_after` is in seconds, None where something
    was found or surely not.
    """

    isbn: str
    outcome: Outcome
    record: Record | None = None
    alternatives: tuple[Record, ...] = ()
    sources: tuple[tuple[str, Outcome], ...] = ()
    origin: dict[str, str] = msgspec.field(default_factory=dict)
    answers: tuple[SourceAnswer, ...] = ()
    retry_after: int | None = None


def sources_from(settings: Settings) -> tuple[Source, ...]:
    """The sources that are switched on."""
    agent = user_agent(settings.contact, settings.base_url)
    return tuple(
        Source(name=name, url=url, agent=agent, politeness=politeness_of(url), asking=asking)
        for name, setting, asking, _read in SOURCES
        if (url := getattr(settings, setting))
    )


def look_up(
    isbn13: str,
    sources: Sequence[Source],
    *,
    now: datetime,
    deadline_s: float = DEADLINE_S,
    grace_s: float = GRACE_S,
    late: Callable[[SourceAnswer], None] | None = None,
) -> LookupResult:
    """Ask `sources` (in the order in which they lead) and put their answers together, in at most `deadline_s` seconds.

    `late` gets, in another thread, each answer that comes after the result was needed. Raises NotAnIsbn for what is no ISBN
    or a placeholder; never for what a source does. `now` (UTC) is noted as the time of asking.
    """
    isbn13 = book_isbn(isbn13)
    deadline = monotonic() + deadline_s
    asked = {source.name: _pool().submit(source.ask, isbn13, now, deadline - MARGIN_S) for source in sources}
    answers = _collect(asked, deadline, grace_s)
    for name, future in asked.items():
        if late and name not in answers:
            future.add_done_callback(lambda done: late(done.result()))
    for answer in answers.values():
        log.info("%s: %s %s", answer.source, answer.outcome, answer.reason)
    return put_together(isbn13, [source.name for source in sources], answers.values())


def read_stored(source: str, isbn13: str, raw: bytes, content_type: str, asked_at: datetime) -> SourceAnswer:
    """A stored answer, read as if it had just come. Raises KeyError for a source that is not known (any more)."""
    read = {name: reading for name, _setting, _asking, reading in SOURCES}[source]
    return read(isbn13, raw, content_type, asked_at)


def put_together(isbn13: str, asked: Sequence[str], answers: Iterable[SourceAnswer]) -> LookupResult:
    """One result of several answers; pure. `asked` are the names of all sources that were asked, the leading one first."""
    came = {answer.source: answer for answer in answers}
    ordered = [came[name] for name in asked if name in came]
    sources = tuple((name, came[name].outcome if name in came else "unavailable") for name in asked)
    leading = next((answer for answer in ordered if answer.records), None)
    record = leading.records[0] if leading else None
    outcome = _outcome(record, [outcome for _name, outcome in sources])
    return LookupResult(
        isbn=isbn13,
        outcome=outcome,
        record=record,
        alternatives=_alternatives(leading, ordered),
        sources=sources,
        origin=dict.fromkeys(record.filled(), record.source or "") if record else {},
        answers=tuple(ordered),
        retry_after=_retry_after(ordered) if outcome in ("throttled", "unavailable") else None,
    )


@cache
def _pool() -> ThreadPoolExecutor:
    """Threads that wait for sources, so that nobody else's threads do."""
    return ThreadPoolExecutor(max_workers=8, thread_name_prefix="lookup")


def _collect(asked: dict[str, Future[SourceAnswer]], deadline: float, grace_s: float) -> dict[str, SourceAnswer]:
    """The answers that came in time."""
    until = deadline
    pending = set(asked.values())
    while pending and (left := until - monotonic()) > 0:
        _done, pending = wait(pending, timeout=left, return_when=FIRST_COMPLETED)
        if until == deadline and _is_settled(asked.values()):
            until = min(deadline, monotonic() + grace_s)
    return {name: future.result() for name, future in asked.items() if future.done()}


def _is_settled(asked: Iterable[Future[SourceAnswer]]) -> bool:
    """Whether no later answer can lead: one has found the book, and all before it have answered."""
    for future in asked:
        if not future.done():
            return False
        if future.result().records:
            return True
    return False


def _outcome(record: Record | None, outcomes: list[Outcome]) -> Outcome:
    """Not found only if every source that was asked really answered."""
    if record:
        return "found"
    failed = {outcome for outcome in outcomes if outcome in ("throttled", "unavailable")}
    if not failed:
        return "not_found"
    return "throttled" if failed == {"throttled"} else "unavailable"


def _alternatives(leading: SourceAnswer | None, answers: list[SourceAnswer]) -> tuple[Record, ...]:
    """Other editions of the leading source first; then what any source calls similar."""
    editions = leading.records[1:] if leading else ()
    similar = tuple(record for answer in answers for record in answer.similar)
    return (editions + similar)[:MOST_ALTERNATIVES]


def _retry_after(answers: list[SourceAnswer]) -> int:
    """When to ask again: as the sources wish, else in half a minute."""
    return max((answer.retry_after for answer in answers if answer.retry_after), default=RETRY_S)
