"""Measure every speed promise against its floor, print every figure, and end with 1 when a bar is missed.

`python -m bench [start] [search] [lending] [lookups] [imports] [upgrade] [camera] [tablet] [processes]`; without names, all.
`python -m bench scale FOLDER` is apart, for it takes half an hour (bench/scale.py).
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from statistics import median

from bench import floor, library, load, processes, server
from bench.floor import QUERIES
from tests.later import migrations_in

TITLES = 100_000
# How often floor and library take turns: a single pair differs by a fifth on a machine that does other things, too.
ROUNDS = 3
STARTS = 9
# Look-ups that are pending all the time, and books that are laid on the pile for it, a few more than a round takes; searches and
# loans of a round.
PENDING, LAID = 40, 160
SEARCHES, LOANS = 600, 1600
LIST = Path(__file__).parents[2] / "shared/data/titles/goodbooks-10k.csv"


@dataclass
class Bars:
    """Prints each figure beside its bar and remembers whether one was missed."""

    missed: int = 0

    def show(self, what: str, figure: float, bar: float | None = None, least: bool = False, unit: str = "") -> None:
        verdict = ""
        if bar is not None:
            held = figure >= bar if least else figure <= bar
            self.missed += not held
            verdict = f"   {'≥' if least else '≤'} {bar:g}{unit}   {'held' if held else 'MISSED'}"
        print(f"  {what:<66}{figure:>10.2f}{unit}{verdict}", flush=True)


@contextmanager
def folder() -> Iterator[Path]:
    made = Path(tempfile.mkdtemp(prefix="bibliothek-bench-"))
    try:
        yield made
    finally:
        shutil.rmtree(made)


def start(bars: Bars) -> None:
    """Cold start to the first page, and memory."""
    print("\nStart and memory")
    with folder() as data:
        library.make(data, 1000)
        ours, bare = [], []
        for _ in range(STARTS):
            with server.floor("page", data) as running:
                bare.append(running.cold_start)
            with server.bibliothek(data) as running:
                ours.append(running.cold_start)
                rest = running.memory()
        bars.show("bare Litestar + SQLAlchemy, first page (median)", median(bare), unit=" s")
        bars.show("Bibliothek, first page (median)", median(ours), unit=" s")
        bars.show("ratio", median(ours) / median(bare), 1.5)
        bars.show("memory after the start (PSS)", rest, 120, unit=" MiB")
        with server.bibliothek(data) as running:
            pages = ["/", "/katalog", "/katalog?q=das", "/titel/7", "/anmelden"]
            work = [[load.request("GET", pages[(n + k) % 5]) for k in range(25)] for n in range(24)]
            seen = load.run(running.port, work)
            assert set(seen.statuses) == {200}, seen.statuses
            bars.show("memory after 600 pages from 24 clients (PSS)", running.memory(), 170, unit=" MiB")


def search(bars: Bars) -> None:
    """The catalogue page against plain sqlite3 with the same query; the search alone; small and large libraries."""
    print(f"\nSearch on {TITLES:,} titles")
    with folder() as large, folder() as small:
        library.make(large, TITLES)
        library.make(small, 1000)
        work = [[load.request("GET", "/katalog?q=" + _quoted(QUERIES[n % len(QUERIES)])) for n in range(600)]]
        bare, ours = [], []
        for _ in range(ROUNDS):
            with server.floor("search", large) as running:
                load.run(running.port, [work[0][:60]])
                bare.append(load.run(running.port, work))
            with server.bibliothek(large) as running:
                load.run(running.port, [work[0][:60]])
                ours.append(load.run(running.port, work))
                titles = load.run(running.port, [[load.request("GET", f"/titel/{n * 97 + 1}") for n in range(400)]])
        with server.bibliothek(small) as running:
            few = load.run(running.port, [[load.request("GET", f"/titel/{n % 900 + 1}") for n in range(400)]])
        assert {status for run in (*ours, titles, few) for status in run.statuses} == {200}
        bars.show("bare handler, same query, same rows", median(run.per_second for run in bare), unit="/s")
        bars.show("/katalog", median(run.per_second for run in ours), unit="/s")
        bars.show("ratio", _ratio(ours, bare), 0.5, least=True)
        bars.show("/katalog p95", median(run.percentile(95) for run in ours), 12, unit=" ms")
        bars.show("the search alone p95", _search_alone(large), 5, unit=" ms")
        bars.show("title page, 1,000 titles (median)", few.median, unit=" ms")
        bars.show(f"title page, {TITLES:,} titles (median)", titles.median, unit=" ms")
        # Two runs of the same thing differ by a quarter on a busy machine.
        bars.show("ratio", titles.median / few.median, 1.25)


def _ratio(ours: list[load.Result], bare: list[load.Result]) -> float:
    """The median of the rounds' ratios."""
    return median(one.per_second / other.per_second for one, other in zip(ours, bare, strict=True))


def _search_alone(data: Path) -> float:
    """Milliseconds that 95 of 100 searches take, without any page around them."""
    from bibliothek.catalogue import queries
    from bibliothek.db import open_database

    database = open_database(None, data / "bibliothek.sqlite")
    spans = []
    for n in range(500):
        with database.reading() as db:
            began = time.perf_counter()
            queries.search(db, QUERIES[n % len(QUERIES)])
            spans.append((time.perf_counter() - began) * 1000)
    database.close()
    return sorted(spans)[int(len(spans) * 0.95)]


def lending(bars: Bars) -> None:
    """Lending different copies with 16 clients through the API, against the two bare statements."""
    print("\nLending different copies, 16 clients")
    loans, bare, ours = 4000, [], []
    for _ in range(ROUNDS):
        with folder() as one, folder() as two:
            made = library.make(one, loans)
            with server.floor("lending", one) as running:
                bare.append(load.run(running.port, _loans(made)))
            made = library.make(two, loans)
            with server.bibliothek(two) as running:
                ours.append(load.run(running.port, _loans(made)))
    assert {status for run in (*bare, *ours) for status in run.statuses} == {201}
    with folder() as three:
        bars.show("plain sqlite3 loop, no server", _plain_loop(library.make(three, loans)), unit="/s")
    bars.show("bare handler, two statements", median(run.per_second for run in bare), unit="/s")
    bars.show("POST /api/v1/loans", median(run.per_second for run in ours), unit="/s")
    bars.show("ratio", _ratio(ours, bare), 0.35, least=True)
    bars.show("p99", median(run.percentile(99) for run in ours), 300, unit=" ms")


def _loans(made: library.Made, copies: list[str] | None = None, cards: list[str] | None = None) -> list[list[bytes]]:
    """Every copy, or these, lent by one of 16 clients; each to a member of its own where there are `cards`."""
    to = cards or [made.card]
    requests = [
        load.request(
            "POST",
            "/api/v1/loans",
            json.dumps({"copy": code, "member": to[n % 16 % len(to)]}).encode(),
            Authorization=f"Bearer {made.token}",
        )
        for n, code in enumerate(copies or made.copies)
    ]
    return [requests[n::16] for n in range(16)]


def lookups(bars: Bars) -> None:
    """Searching and lending while forty books and more on a pile are looked up at a slow source, against the same without them."""
    print(f"\nSearch and lending during {PENDING} pending look-ups, {TITLES:,} titles")
    questions = [load.request("GET", "/katalog?q=" + _quoted(QUERIES[n % len(QUERIES)])) for n in range(SEARCHES)]
    p95: dict[tuple[str, bool], list[float]] = {}
    with folder() as data, server.slow_source() as source:
        made = library.make(data, TITLES)
        copies = iter(made.copies)
        for _ in range(ROUNDS):
            for busy in (False, True):
                library.lay_on_a_pile(data, LAID if busy else 0)
                with server.bibliothek(data, source) as running:
                    load.run(running.port, [questions[:60]])
                    while busy and library.pending(data) == LAID:
                        time.sleep(0.1)
                    loans = _loans(made, list(islice(copies, LOANS)))
                    p95.setdefault(("search", busy), []).append(_p95(running.port, [questions], 200))
                    p95.setdefault(("lending", busy), []).append(_p95(running.port, loans, 201))
                    assert library.pending(data) >= (PENDING if busy else 0), "the pile was too small for this machine"
    for what in ("search", "lending"):
        free, during = p95[what, False], p95[what, True]
        bars.show(f"{what} p95, nothing is looked up", median(free), unit=" ms")
        bars.show(f"{what} p95, {PENDING} look-ups pending", median(during), unit=" ms")
        bars.show("ratio", median(one / other for one, other in zip(during, free, strict=True)), 2)


def _p95(port: int, work: list[list[bytes]], status: int) -> float:
    seen = load.run(port, work)
    assert set(seen.statuses) == {status}, seen.statuses
    return seen.percentile(95)


def _plain_loop(made: library.Made) -> float:
    import threading

    connection, lock = floor.connect(made.data / "bibliothek.sqlite"), threading.Lock()
    began = time.perf_counter()
    for code in made.copies:
        floor.two_statements(connection, lock, code)
    return len(made.copies) / (time.perf_counter() - began)


def camera(bars: Bars) -> None:
    """Books and labels held up to a camera, at a fourth of the speed; what draws them lies beside the checkout."""
    from bench.camera import SLOWER, readings
    from tests.browser.clips import FAKECAM

    print(f"\nCamera, {SLOWER} times slower: from the button to the code, and from the first picture")
    if not FAKECAM.exists():
        print(f"  left out: {FAKECAM.name} does not lie beside this checkout")
        return
    wrong = 0
    for seen in readings():
        wrong += len(seen.wrong)
        bars.show(f"{seen.kind}, {seen.situation} ({seen.since_picture:.2f} s)", seen.since_button, 2, unit=" s")
    bars.show("wrong codes", wrong, 0)


def tablet(bars: Bars) -> None:
    """Ten scans a second at the tablet, lending and bringing back, against a bare request of the same page."""
    from bench.tablet import A_SECOND, COPIES, SCANS, measure

    print(f"\nTablet, {A_SECOND} scans a second over {COPIES:,} copies: from Enter on")
    seen = measure()
    assert seen.lent == SCANS // 2, "a scan was lost"
    bars.show("bare request of the page, p95", _percentile(seen.bare, 95), unit=" ms")
    bars.show("first word, longest", max(seen.first), 100, unit=" ms")
    bars.show("answer, median", median(seen.answer), unit=" ms")
    bars.show("answer, p95", _percentile(seen.answer, 95), 150, unit=" ms")


def _percentile(spans: list[float], percent: int) -> float:
    return sorted(spans)[min(len(spans) - 1, len(spans) * percent // 100)]


def imports(bars: Bars) -> None:
    """A list of ten thousand titles, by the command; it lies beside the checkout."""
    print("\nImport of 10,000 titles into an empty library")
    if not LIST.exists():
        print(f"  left out: {LIST.name} does not lie beside this checkout")
        return
    with folder() as data:
        library.make(data, 0)
        for what, bar in (("bibliothek import", 9), ("the same list again", None)):
            seconds, peak = server.command(data, "import", str(LIST))
            bars.show(what, seconds, bar, unit=" s")
            bars.show("memory at its highest (RSS)", peak, 200, unit=" MiB")
        began = time.perf_counter()
        server.command(data, "export", str(data / "everything.csv"))
        bars.show("bibliothek export", time.perf_counter() - began, unit=" s")


def upgrade(bars: Bars) -> None:
    """From the moment the old version is told to end to the first page of the new one: backup, migration and invariants."""
    print("\nUpgrade of 10,000 titles")
    with folder() as data:
        library.make(data, 10_000)
        later = migrations_in(data / "migrations")
        with server.bibliothek(data) as old:
            began = time.perf_counter()
            old.process.terminate()
            old.process.wait(10)
            with server.bibliothek(data, program=("tests.later", str(later))):
                bars.show("nobody is served for", time.perf_counter() - began, 5, unit=" s")


def processes_(bars: Bars) -> None:
    """Lending on PostgreSQL with one process and with three, and reading pages on SQLite with one and with two."""
    from tests import postgres

    print("\nSeveral processes")
    lending: dict[int, list[processes.Seen]] = {1: [], 3: []}
    with processes.database() as socket, folder() as data:
        databases = postgres.Databases(socket)
        for _ in range(ROUNDS):
            for workers, seen in lending.items():
                with databases.one() as url:
                    made = library.make(data, LOANS, url)
                    # Loans of one member wait for each other, whoever serves them.
                    work = _loans(made, cards=library.cards(url, 16))
                    with server.bibliothek(data, workers=workers, settings={"BIBLIOTHEK_DATABASE_URL": url}) as running:
                        load.run(running.port, [[load.request("GET", "/katalog")] * 10] * 16)
                        seen.append(processes.measure(running, work, socket))
                        assert set(seen[-1].run.statuses) == {201}, seen[-1].run.statuses
    _compare(bars, "POST /api/v1/loans on PostgreSQL, 16 clients", lending, 1.5)
    pages = (
        [f"/katalog?q={_quoted(query)}" for query in QUERIES]
        + [f"/titel/{n}" for n in range(1, 20)]
        + ["/", "/katalog"]
    )
    work = [[load.request("GET", pages[(n + k) % len(pages)]) for k in range(60)] for n in range(16)]
    reading: dict[int, list[processes.Seen]] = {1: [], 2: []}
    with folder() as data:
        library.make(data, 10_000)
        for _ in range(ROUNDS):
            for workers, seen in reading.items():
                with server.bibliothek(data, workers=workers) as running:
                    load.run(running.port, [some[:10] for some in work])
                    seen.append(processes.measure(running, work))
                    assert set(seen[-1].run.statuses) == {200}, seen[-1].run.statuses
    _compare(bars, "pages on SQLite, 16 clients", reading)


def _compare(bars: Bars, what: str, by_workers: dict[int, list[processes.Seen]], bar: float | None = None) -> None:
    for workers, seen in by_workers.items():
        one = processes.middle(seen)
        print(f"  {what}, {workers} process{'es' if workers > 1 else ''}")
        bars.show("  requests", one.run.per_second, unit="/s")
        bars.show("  p95", one.run.percentile(95), unit=" ms")
        for name, spent in one.a_request.items():
            bars.show(f"  a request costs the {name}", spent, unit=" ms of a core")
        bars.show("  cores that were busy with it", one.cores)
        bars.show("  share of the busiest process", one.busiest)
        bars.show("  memory (PSS)", one.memory, unit=" MiB")
    few, many = by_workers.values()
    # One process is bound by its interpreter lock, several by the cores, which PostgreSQL and the clients need as well.
    bars.show("at most, with these costs and all cores for it", processes.ceiling(processes.middle(few)))
    bars.show("ratio", processes.ratio(many, few), bar, least=True)


def _quoted(text: str) -> str:
    from urllib.parse import quote

    return quote(text)


BENCHES: dict[str, Callable[[Bars], None]] = {
    "start": start,
    "search": search,
    "lending": lending,
    "lookups": lookups,
    "imports": imports,
    "upgrade": upgrade,
    "camera": camera,
    "tablet": tablet,
    "processes": processes_,
}

if __name__ == "__main__":
    if sys.argv[1:2] == ["scale"]:
        from bench import scale

        sys.exit(scale.main(sys.argv[2:]))
    bars = Bars()
    for name in sys.argv[1:] or BENCHES:
        BENCHES[name](bars)
    print(f"\n{'all bars held' if not bars.missed else f'{bars.missed} missed'}")
    sys.exit(1 if bars.missed else 0)
