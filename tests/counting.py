"""How many statements something takes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from sqlalchemy import event
from sqlalchemy.engine import Engine

# The threads of a running app that no request waits for begin like this; they look for work whenever they like.
BACKGROUND = ("mail", "backup", "covers", "imports", "looking", "lookup", "fetch")


@contextmanager
def statements() -> Iterator[list[str]]:
    """All SQL that requests, or the test itself, run inside the block on any engine, without BEGIN and the like."""
    seen: list[str] = []

    def note(*given: object) -> None:
        if not (str(given[2]).startswith("BEGIN") or threading.current_thread().name.startswith(BACKGROUND)):
            seen.append(str(given[2]))

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(Engine, "before_cursor_execute", note)


def count(work: Callable[[], object]) -> int:
    """The number of statements of `work`, once it ran before and knows what it keeps."""
    work()
    with statements() as seen:
        work()
    return len(seen)
