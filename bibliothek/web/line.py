"""The line of programs that write on SQLite, which has one writer at a time.

Whoever waits while others write goes in together with all who wait: one transaction, one sync of the disk for all of them.
Each still stands on its own: what one is refused undoes only what that one did, and nobody has their answer before all is
safely on the disk.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import Any

import msgspec

from bibliothek.db import Database
from bibliothek.problems import Problem

# So many go in together at most: people who write meanwhile wait until these are through.
MOST_TOGETHER = 16

# One thread writes for all, instead of eight that get in each other's way.
WRITER = ThreadPoolExecutor(max_workers=1, thread_name_prefix="writer")

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
        """Wait for one's turn. `work` is called in the writer's thread, and again when it failed together with others: all
        that it does must be in `database.writing()`. Returns what it returns, raises what it raises."""
        answer = asyncio.get_running_loop().create_future()
        self._waiting.append((partial(contextvars.copy_context().run, work), answer))
        if self._serving is None:
            self._serving = asyncio.create_task(self._serve(database))
        return await answer

    async def _serve(self, database: Database) -> None:
        loop = asyncio.get_running_loop()
        while self._waiting:
            turns = [self._waiting.popleft() for _ in range(min(len(self._waiting), MOST_TOGETHER))]
            works = [work for work, _answer in turns]
            try:
                outcomes = await loop.run_in_executor(WRITER, together, database, works)
            except Exception as error:  # noqa: BLE001 - nobody may wait for ever, whatever it was
                outcomes = [Outcome(error=error) for _ in works]
            for (_work, answer), outcome in zip(turns, outcomes, strict=True):
                if answer.done():  # nobody waits any more
                    continue
                if outcome.error is None:
                    answer.set_result(outcome.answer)
                else:
                    answer.set_exception(outcome.error)
        self._serving = None


def together(database: Database, works: list[Work]) -> list[Outcome]:
    """Do all of it with one commit; each for itself, where one of them fails with more than a refusal."""
    if len(works) > 1:
        # Whatever went wrong for all is said by each for itself below.
        with suppress(Exception), database.together():
            return [_refused_at_most(_outcome(work)) for work in works]
    return [_outcome(work) for work in works]


def _outcome(work: Work) -> Outcome:
    try:
        return Outcome(answer=work())
    except BaseException as error:  # noqa: BLE001 - raised again where it is waited for
        return Outcome(error=error)


def _refused_at_most(outcome: Outcome) -> Outcome:
    if outcome.error is not None and not isinstance(outcome.error, Problem):
        raise _Apart from outcome.error
    return outcome
