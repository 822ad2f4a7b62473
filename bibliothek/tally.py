"""What this process did since it began, counted for whoever watches it (operations/metrics.py): loans, mails, look-ups. Of nobody
in particular."""

from __future__ import annotations

from collections import Counter
from threading import Lock

_lock = Lock()
_done: Counter[tuple[str, tuple[str, ...]]] = Counter()


def count(kind: str, *what: str) -> None:
    """One more. What is done again, because it failed together with others (web/line.py), counts again."""
    with _lock:
        _done[kind, what] += 1


def counted(kind: str) -> dict[tuple[str, ...], int]:
    """How many there were of that kind, by what they were."""
    with _lock:
        return {what: number for (one, what), number in _done.items() if one == kind}
