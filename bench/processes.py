"""The same work for one process and for several: how much faster, how evenly shared, and who used the cores meanwhile."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import psutil

from bench import load, server
from tests import postgres


@dataclass(frozen=True)
class Seen:
    """One load run, and the seconds of a core that each process of the server (workers last) and the database used for it."""

    run: load.Result
    workers: list[float]
    database: float
    memory: float

    @property
    def a_request(self) -> dict[str, float]:
        """Milliseconds of a core for one request, by who used them."""
        used = {"server": sum(self.workers), "PostgreSQL": self.database, "clients": self.run.cpu}
        return {name: 1000 * seconds / len(self.run.milliseconds) for name, seconds in used.items()}

    @property
    def cores(self) -> float:
        """How many cores were busy with it."""
        return sum(self.a_request.values()) * self.run.per_second / 1000

    @property
    def busiest(self) -> float:
        """The share of the work that the busiest worker did."""
        return max(self.workers) / sum(self.workers)


@contextmanager
def database() -> Iterator[Path]:
    """The folder of a PostgreSQL server that syncs the disk as an operator's does."""
    with postgres.server(durable=True) as folder:
        yield folder


def measure(running: server.Server, work: list[list[bytes]], folder: Path | None = None) -> Seen:
    """Let clients do `work`; `folder` is that of the PostgreSQL server behind it."""
    before, database = running.cpu(), _cpu_of_postgres(folder)
    run = load.run(running.port, work)
    used = [after - earlier for after, earlier in zip(running.cpu(), before, strict=True)]
    return Seen(run, used, _cpu_of_postgres(folder) - database, running.memory())


def _cpu_of_postgres(folder: Path | None) -> float:
    """Seconds of a core; processes that are gone count, too, as children of the first."""
    if folder is None:
        return 0.0
    first = psutil.Process(int((folder / "data/postmaster.pid").read_text(encoding="utf-8").split()[0]))
    return sum(first.cpu_times()[:4]) + sum(sum(one.cpu_times()[:2]) for one in first.children(recursive=True))


def middle(seen: Sequence[Seen]) -> Seen:
    """The round of the median speed."""
    return sorted(seen, key=lambda one: one.run.per_second)[len(seen) // 2]


def ceiling(one: Seen) -> float:
    """How many times as fast any number of processes can be as that `one`, on this machine."""
    return (psutil.cpu_count() or 1) * one.a_request["server"] / sum(one.a_request.values())


def ratio(several: Sequence[Seen], one: Sequence[Seen]) -> float:
    """The median of the rounds' ratios."""
    return median(many.run.per_second / few.run.per_second for many, few in zip(several, one, strict=True))
