"""Look an ISBN up at the sources, and say what came of it. No database in here.

Sources are asked in stages: the two big catalogues at once, then one after the other, each only where those before found
nothing usable. Another source is one more file like `lobid.py`, and one more line in SOURCES.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import contextmanager
from contextvars import copy_context
from datetime import datetime
from functools import partial
from threading import BoundedSemaphore, Thread
from time import monotonic

import msgspec

from bibliothek.lookup import dnb, googlebooks, k10plus, lobid, openlibrary
from bibliothek.lookup.fetch import user_agent
from bibliothek.lookup.isbn import book_isbn
from bibliothek.lookup.merge import LookupResult, put_together
from bibliothek.lookup.politeness import politeness_of
from bibliothek.lookup.sources import Source, SourceAnswer
from bibliothek.settings import Settings

# For the whole look-up: eight seconds, less what reading, keeping and showing it takes; and for one source of it.
DEADLINE_S = 7.5
SOURCE_S = 4.0
# How long the others of a stage are waited for when the one that leads has found the book.
GRACE_S = 1.0
# Look-ups that may wait for sources at the same time, and how long one more waits for its place.
AT_ONCE = 16
PLACE_S = 1.0
BUSY_RETRY_S = 10

log = logging.getLogger(__name__)

# Name, address in the settings, how to ask, how to read a stored answer.
SOURCES = (
    (dnb.NAME, "dnb_url", dnb.ask, dnb.read),
    (k10plus.NAME, "k10plus_url", k10plus.ask, k10plus.read),
    (lobid.NAME, "lobid_url", lobid.ask, lobid.read),
    (openlibrary.NAME, "openlibrary_url", openlibrary.ask, openlibrary.read),
    (googlebooks.NAME, "googlebooks_url", googlebooks.ask, googlebooks.read),
)
# Who is asked at the same time. German records of Open Library are poor; Google is asked last, because it need not know.
_STAGES = ((dnb.NAME, k10plus.NAME), (lobid.NAME,), (openlibrary.NAME,), (googlebooks.NAME,))


def sources_from(settings: Settings) -> tuple[Source, ...]:
    """The sources that are switched on; Google Books only with a key."""
    agent = user_agent(settings.contact, settings.base_url)
    return tuple(
        Source(name=name, url=url, agent=agent, politeness=politeness_of(url), asking=asking, key=_key(name, settings))
        for name, setting, asking, _read in SOURCES
        if (url := getattr(settings, setting)) and (name != googlebooks.NAME or settings.googlebooks_key)
    )


def _key(name: str, settings: Settings) -> str | None:
    return settings.googlebooks_key if name == googlebooks.NAME else None


def lead_order(isbn13: str, names: Sequence[str]) -> list[str]:
    """The names in the order in which they lead: DNB before K10plus where the ISBN is of a German-speaking country (978-3)."""
    order = [name for stage in _STAGES for name in stage]
    if not isbn13.startswith("9783"):
        order[:2] = [k10plus.NAME, dnb.NAME]
    return sorted(names, key=order.index)


def read_stored(source: str, isbn13: str, raw: bytes, content_type: str, asked_at: datetime) -> SourceAnswer:
    """A stored answer, read as if it had just come. Raises KeyError for a source that is not known (any more)."""
    read = {name: reading for name, _setting, _asking, reading in SOURCES}[source]
    return read(isbn13, raw, content_type, asked_at)


def look_up(
    isbn13: str,
    sources: Sequence[Source],
    *,
    now: datetime,
    known: Sequence[SourceAnswer] = (),
    deadline_s: float = DEADLINE_S,
    grace_s: float = GRACE_S,
    late: Callable[[SourceAnswer], None] | None = None,
) -> LookupResult:
    """Ask those of `sources` whose answer is not `known` and could matter; put the answers together in `deadline_s` seconds.

    `late` gets, in another thread, each answer that comes after the result was needed. Raises NotAnIsbn for what is no ISBN
    or a placeholder; never for what a source does. `now` (UTC) is noted as the time of asking.
    """
    isbn13 = book_isbn(isbn13)
    deadline = monotonic() + deadline_s
    by_name = {source.name: source for source in sources}
    ordered = [by_name[name] for name in lead_order(isbn13, list(by_name))]
    asking = _Asking(isbn13, now, ordered, {answer.source: answer for answer in known if answer.source in by_name}, {})
    stages = _stages(ordered, asking.answers)
    if stages:
        with _place(deadline) as ours:
            if ours:
                asking.ask_in_turn(stages, deadline, grace_s)
            else:
                asking.answers |= {source.name: _busy(source, now) for source in stages[0]}
    came = dict(asking.answers)
    for name, future in asking.running.items():
        if late and name not in came:
            future.add_done_callback(lambda done: late(done.result()))
    for answer in came.values():
        log.info("%s: %s %s", answer.source, answer.outcome, answer.reason)
    asked = [source.name for source in ordered if source.name in came or source.name in asking.running]
    return put_together(isbn13, asked, came.values())


def _stages(ordered: Sequence[Source], answers: Mapping[str, SourceAnswer]) -> list[list[Source]]:
    """Who has to be asked, stage by stage: all that lead the first one whose usable record is known already."""
    missing: list[Source] = []
    for source in ordered:
        known = answers.get(source.name)
        if known is None:
            missing.append(source)
        elif known.is_usable:
            break
    stages = ([source for source in missing if source.name in names] for names in _STAGES)
    return [stage for stage in stages if stage]


class _Asking(msgspec.Struct):
    """One look-up on its way: who is `running`, and the `answers` that are there, by source."""

    isbn13: str
    now: datetime
    ordered: Sequence[Source]
    answers: dict[str, SourceAnswer]
    running: dict[str, Future[SourceAnswer]]

    def ask_in_turn(self, stages: list[list[Source]], deadline: float, grace_s: float) -> None:
        """Ask stage after stage until one has found something usable.

        Each stage may take half of the time that is left, the last one all of it.
        """
        for number, stage in enumerate(stages, 1):
            left = deadline - monotonic()
            until = monotonic() + min(SOURCE_S, left if number == len(stages) else left / 2)
            for source in stage:
                self._begin(source, until)
            self._wait_for({source.name for source in stage}, until, grace_s)
            if any(answer.is_usable for answer in self.answers.values()):
                return

    def _begin(self, source: Source, until: float) -> None:
        rest = source.resting(self.now)
        if rest:
            self.answers[source.name] = rest
        else:
            self.running[source.name] = _in_background(partial(source.ask, self.isbn13, self.now, until))

    def _wait_for(self, names: set[str], until: float, grace_s: float) -> None:
        """Wait for the answers of a stage; those of earlier stages that are late count as well when they come meanwhile."""
        settled = False
        while True:
            self.answers |= {name: future.result() for name, future in self.running.items() if future.done()}
            if not settled and self._is_settled(names):
                settled, until = True, min(until, monotonic() + grace_s)
            left = until - monotonic()
            if names <= self.answers.keys() or left <= 0:
                return
            pending = [future for name, future in self.running.items() if name not in self.answers]
            wait(pending, timeout=left, return_when=FIRST_COMPLETED)

    def _is_settled(self, names: set[str]) -> bool:
        """Whether no answer that is waited for can lead any more: one has found the book, and all before it have answered."""
        for source in self.ordered:
            if source.name in self.answers:
                if self.answers[source.name].is_usable:
                    return True
            elif source.name in names:
                return False
        return False


_places = BoundedSemaphore(AT_ONCE)


@contextmanager
def _place(deadline: float) -> Iterator[bool]:
    """A place among those who wait for sources; False where none gets free soon: a form at once is better than a record late."""
    ours = _places.acquire(timeout=max(0.0, min(PLACE_S, deadline - monotonic())))
    try:
        yield ours
    finally:
        if ours:
            _places.release()


def _busy(source: Source, now: datetime) -> SourceAnswer:
    return SourceAnswer(
        source=source.name,
        outcome="throttled",
        asked_at=now,
        reason="too many look-ups at once",
        retry_after=BUSY_RETRY_S,
        asked=False,
    )


def _in_background(work: Callable[[], SourceAnswer]) -> Future[SourceAnswer]:
    """Run it in a thread of its own: a pool would let one more slow source wait behind others, and the end of the server
    behind all of them."""
    future: Future[SourceAnswer] = Future()
    Thread(target=copy_context().run, args=(_run, future, work), name="lookup", daemon=True).start()
    return future


def _run(future: Future[SourceAnswer], work: Callable[[], SourceAnswer]) -> None:
    try:
        future.set_result(work())
    except BaseException as error:  # noqa: BLE001 - whoever waits for it gets it
        future.set_exception(error)
