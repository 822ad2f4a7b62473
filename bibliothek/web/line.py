"""The line of programs that write on SQLite, which has one writer at a time.

Whoever waits while others write goes in together with all who wait: one transaction, one sync of the disk for all of them.
Each still stands on its own: what one is refused undoes only what that one did, and nobody has their answer before all is
safely on the disk.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import msgspec

from bibliothek.db import Database
from bibliothek.problems import Problem

# So many go in together at most, and nobody more once so much time (in seconds) has passed: people who write on a page wait
# until these are through. Loans go in by the dozen, donations by ones and twos.
MOST_TOGETHER = 16
LONGEST_TOGETHER = 0.02

# One thread writes for all, instead of eight that get in each other's way.
WRITER = ThreadPoolExecutor(max_workers=1, thread_name_prefix="writer")

log = logging.getLogger(__name__)

Work = Callable[[], Any]


class Outcome(msgspec.Struct):
    """What came of a piece of work: its answer, or what it raised."""

    answer: Any = None
    error: BaseException | None = None


class _Apart(Exception):
    """One of several failed in a way that may have undone the others as well."""


class Line:
    """One for each process. It is only touched by the event loop; the work is done in the writer's thread."""

    def __init__(self) -> None:
        self._waiting: deque[tuple[Work, asyncio.Future[Any]]] = deque()
        self._serving: asyncio.Task[None] | None = None

    async def stand(self, database: Database, work: Work) -> Any:
        """Wait for one's turn. Returns what `work` returns, raises what it raises.

        It is called in the writer's thread, and again when it failed together with others: all that it does must be in one
        `database.writing()`, where no error of the database but a broken constraint may be got over.
        """
        answer = asyncio.get_running_loop().create_future()
        self._waiting.append((partial(contextvars.copy_context().run, work), answer))
        if self._serving is None or self._serving.done():
            self._serving = asyncio.create_task(self._serve(database))
        return await answer

    async def _serve(self, database: Database) -> None:
        while self._waiting:
            turns = [self._waiting.popleft() for _ in range(min(len(self._waiting), MOST_TOGETHER))]
            works = [work for work, _answer in turns]
            outcomes = await _in_writer(together, database, works) if len(works) > 1 else []
            if outcomes:
                for (_work, answer), outcome in zip(turns, outcomes, strict=False):
                    _tell(answer, outcome)
                self._waiting.extendleft(reversed(turns[len(outcomes) :]))
                continue
            for work, answer in turns:
                _tell(answer, (await _in_writer(_each_for_itself, work))[0])


async def _in_writer(do: Callable[..., list[Outcome]], *given: Any) -> list[Outcome]:
    try:
        return await asyncio.get_running_loop().run_in_executor(WRITER, do, *given)
    except Exception as error:  # noqa: BLE001 - whatever it was (the process is about to end, say), nobody may wait for ever
        return [Outcome(error=error)] * MOST_TOGETHER


def _tell(answer: asyncio.Future[Any], outcome: Outcome) -> None:
    if answer.done():  # nobody waits any more
        return
    if outcome.error is None:
        answer.set_result(outcome.answer)
    else:
        answer.set_exception(outcome.error)


def together(database: Database, works: list[Work]) -> list[Outcome]:
    """Do as many of them with one commit as there is time for: what came of the first, the second and so on.

    An empty list where one of them failed with more than a refusal: nothing was done, each has to be done for itself.
    """
    began, outcomes = False, []
    try:
        with database.together():
            began, end = True, time.monotonic() + LONGEST_TOGETHER
            for work in works:
                outcomes.append(_refused_at_most(_outcome(work)))
                if time.monotonic() > end:
                    break
    except Exception as error:  # noqa: BLE001 - said by each for itself, later
        if not began:  # somebody else writes for too long: it would be no better one by one
            return [Outcome(error=error) for _ in works]
        log.warning("writing together failed (%s), so each writes for itself", type(error.__cause__ or error).__name__)
        return []
    return outcomes


def _each_for_itself(work: Work) -> list[Outcome]:
    return [_outcome(work)]


def _outcome(work: Work) -> Outcome:
    try:
        return Outcome(answer=work())
    except StopIteration as error:  # no future can hold it
        return Outcome(error=RuntimeError(str(error)))
    except BaseException as error:  # noqa: BLE001 - raised again where it is waited for
        return Outcome(error=error)


def _refused_at_most(outcome: Outcome) -> Outcome:
    if outcome.error is not None and not isinstance(outcome.error, Problem):
        raise _Apart from outcome.error
    return outcome
