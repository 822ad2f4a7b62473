"""Ten thousand titles, a hundred thousand, a million, on both databases: `python -m bench scale FOLDER` writes docs/performance.md.

The libraries are made in FOLDER the first time (half an hour for all, and some gigabytes) and kept: another run only measures.
Further arguments are what to measure instead of all: sizes, databases. Figures are kept beside the libraries; the page shows the
last ones of each.
"""

from __future__ import annotations

import json
import os
import platform
import random
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import product
from pathlib import Path
from urllib.parse import quote

import msgspec
from sqlalchemy import select

from bench import load, server
from bench.floor import QUERIES
from bibliothek.catalogue import pages as catalogue_pages
from bibliothek.catalogue import queries as catalogue
from bibliothek.copies.models import Copy, Shelf
from bibliothek.db import Database, open_database
from bibliothek.members import actions as members
from bibliothek.migrations import migrate
from bibliothek.operations import large
from bibliothek.operations.demo import holds_data
from tests import postgres

SIZES = (10_000, 100_000, 1_000_000)
DATABASES = ("SQLite", "PostgreSQL")
PAGE = Path(__file__).parents[1] / "docs/performance.md"
# Besides the queries of the other benches: several words, rare ones, misspelt ones, beginnings, an ISBN, nothing at all.
MORE = (
    "die geschichte",
    "frau im",
    "kapitalgeschichte",
    "müllerfrau",
    "kapitel revolutoin",
    "geschihcte",
    "xyzzy",
    "rev",
    "g",
    "der die das",
    "9783000",
    "2020",
)
# It looks at every title: of a million for a quarter of an hour.
LARGEST_VERIFIED = 100_000
STARTS, SEARCHES, LOANS, LOOKS = 3, 600, 800, 8
CLIENTS = 16
# Bars: milliseconds, MiB, seconds; lending against the smallest library on the same database.
BARS = {"search": 25.0, "/katalog": 40.0, "memory": 250.0, "start": 3.0, "lending": 1.5}

DESK = {
    "start page": "/",
    "title": "/titel/{title}",
    "copy": "/c/{copy}",
    "series": "/katalog/reihe?name=Reihe%201",
    "overview": "/verwaltung",
    "reminders": "/verwaltung/erinnerungen",
    "loans": "/verwaltung/ausleihen",
    "loans, overdue": "/verwaltung/ausleihen?nur=ueberfaellig",
    "loans, looked for": "/verwaltung/ausleihen?q=revolution",
    "loans, page 40": "/verwaltung/ausleihen?seite=40",
    "members": "/verwaltung/mitglieder",
    "members, looked for": "/verwaltung/mitglieder?q=mitglied%2042",
    "holds": "/verwaltung/vormerkungen",
    "to settle": "/verwaltung/klaeren",
    "labels": "/etiketten",
    "shelves": "/verwaltung/regale",
    "API: titles": "/api/v1/titles?q=geschichte&per_page=50",
    "API: titles, page 40": "/api/v1/titles?page=40",
    "API: loans": "/api/v1/loans",
    "API: overdue": "/api/v1/loans?state=overdue",
    "readyz": "/readyz",
}


@dataclass
class Measured:
    """Figures of one library: milliseconds (pages as p95), seconds for `start` and commands, MiB of memory and disk."""

    figures: dict[str, float] = field(default_factory=dict)
    desk: dict[str, float] = field(default_factory=dict)

    def note(self, name: str, figure: float) -> None:
        self.figures[name] = figure
        print(f"    {name:<34}{figure:>10.2f}", flush=True)


@dataclass(frozen=True)
class Place:
    """Where a library lies: its settings as environment, its address on PostgreSQL, its file on SQLite."""

    data: Path
    address: str | None

    def open(self) -> Database:
        return open_database(self.address, self.data / "bibliothek.sqlite")

    @property
    def settings(self) -> dict[str, str]:
        return {"BIBLIOTHEK_DATABASE_URL": self.address or ""}


@dataclass(frozen=True)
class Known:
    """What a client must know: secrets made for this run, copies that are here, a shelf, a title."""

    token: str
    cookie: str
    card: str
    copies: list[str]
    shelf: str
    title: int


def main(arguments: list[str]) -> int:
    """Make what is missing, measure, write; returns 1 when a bar is missed."""
    if not arguments:
        print(__doc__)
        return 2
    folder, chosen = Path(arguments[0]).resolve(), set(arguments[1:])
    folder.mkdir(parents=True, exist_ok=True)
    sizes = [size for size in SIZES if str(size) in chosen] or SIZES
    for name, size in product([name for name in DATABASES if name in chosen] or DATABASES, sizes):
        with _made(folder, name, size):
            pass
        with _at(folder, name, size) as place:
            print(f"\n{name}, {size:,} titles", flush=True)
            kept = folder / _kept(name, size)
            seen = _measure(place)
            # An export of a million takes minutes: what is known is kept before.
            kept.write_bytes(msgspec.json.encode(seen))
            _commands(place, size, seen)
            kept.write_bytes(msgspec.json.encode(seen))
    measured = {
        (name, size): msgspec.json.decode((folder / _kept(name, size)).read_bytes(), type=Measured)
        for name, size in product(DATABASES, SIZES)
        if (folder / _kept(name, size)).exists()
    }
    PAGE.write_text(_page(measured), encoding="utf-8")
    print(f"\n{PAGE} is written")
    missed = _missed(measured)
    print("\n".join(missed) or "all bars held")
    return 1 if missed else 0


def _kept(name: str, size: int) -> str:
    return f"measured-{name.lower()}-{size}.json"


# ---- Libraries ----


@contextmanager
def _at(folder: Path, name: str, size: int, options: str = "") -> Iterator[Place]:
    """A library's place; on PostgreSQL its server runs meanwhile, with the settings it comes with."""
    data = folder / f"{name.lower()}-{size}"
    data.mkdir(parents=True, exist_ok=True)
    if name == "SQLite":
        yield Place(data, None)
        return
    with postgres.running(folder / "postgresql", options):
        yield Place(data, postgres.address(folder / "postgresql", f"titles_{size}"))


@contextmanager
def _made(folder: Path, name: str, size: int) -> Iterator[None]:
    """Fill the library, unless it was filled before. That is one transaction: either all of it is there or nothing."""
    with _at(folder, name, size, "-c fsync=off -c full_page_writes=off -c max_wal_size=8GB") as place:
        if place.address and not _has_database(folder / "postgresql", f"titles_{size}"):
            postgres.administer(folder / "postgresql", f"CREATE DATABASE titles_{size}")
        with closing(place.open()) as database:
            migrate(database)
            with database.reading() as db:
                is_there = holds_data(db)
            if not is_there:
                began, now = time.perf_counter(), datetime.now(UTC)
                with database.writing() as db:
                    large.fill(db, size, now, now.date())
                print(f"\n{name}, {size:,} titles made in {time.perf_counter() - began:.0f} s", flush=True)
        yield


def _has_database(socket: Path, name: str) -> bool:
    import psycopg

    with psycopg.connect(f"host={socket} user=postgres dbname=postgres") as connection:
        return bool(connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone())


def _known(database: Database) -> Known:
    chance, now = random.Random(1), datetime.now(UTC)
    with database.writing() as db:
        admin = members.add_member(db, "Bench", None, "admin", now)
        token = members.add_token(db, "bench", "librarian", now)
        cookie = members.start_session(db, admin, now)
        card = members.new_card(db, admin, now)
        groups = (db.scalars(select(Copy.id).order_by(Copy.id.desc()).limit(1)).one() - 1) // large.COPIES
        # The fourth copy of a group is neither lent nor kept for anybody.
        ids = [group * large.COPIES + 4 for group in chance.sample(range(groups), LOANS)]
        copies = [db.scalars(select(Copy.code).where(Copy.id == one)).one() for one in ids]
        shelf = db.scalars(select(Shelf.code).order_by(Shelf.id)).first() or ""
    return Known(token, cookie, card, copies, shelf, groups * large.GROUP // 2)


# ---- Measuring ----


def _measure(place: Place) -> Measured:
    seen = Measured()
    with closing(place.open()) as database:
        known = _known(database)
        size_of = _size_of(database) if place.address else (place.data / "bibliothek.sqlite").stat().st_size / 2**20
        seen.note("size", size_of)
        _search_alone(database, known, seen)
    starts = []
    for _ in range(STARTS):
        with server.bibliothek(place.data, settings=place.settings) as running:
            starts.append(running.cold_start)
    seen.note("start", statistics.median(starts))
    with server.bibliothek(place.data, settings=place.settings) as running:
        _catalogue(running.port, known, seen)
        _lending(running.port, known, seen)
        _desk(running.port, known, seen)
        seen.note("memory", running.memory())
    return seen


def _commands(place: Place, size: int, seen: Measured) -> None:
    commands: dict[str, tuple[str, ...]] = {"export": ("export", str(place.data / "export.csv"))}
    if size <= LARGEST_VERIFIED:
        commands["verify"] = ("verify",)
    for what, arguments in commands.items():
        seconds, peak = server.command(place.data, *arguments, settings=place.settings)
        seen.note(what, seconds)
        seen.note(f"{what}, memory", peak)
    (place.data / "export.csv").unlink()


def _size_of(database: Database) -> float:
    with database.reading() as db:
        found = db.connection().exec_driver_sql("SELECT pg_database_size(current_database())").scalar_one()
    return float(found) / 2**20


def _search_alone(database: Database, known: Known, seen: Measured) -> None:
    """A page of hits without any page around it."""
    asked = [*QUERIES, *MORE]
    spans = []
    for n in range(SEARCHES):
        with database.reading() as db:
            began = time.perf_counter()
            catalogue.search(db, asked[n % len(asked)], also=catalogue_pages._SHOWN)
            spans.append((time.perf_counter() - began) * 1000)
    seen.note("search, median", statistics.median(spans))
    seen.note("search", _percentile(spans, 95))


def _catalogue(port: int, known: Known, seen: Measured) -> None:
    """One client leafs through the catalogue, as it likes: with words or without, filtered, sorted, further back."""
    searches = ["", *(f"q={quote(q)}" for q in (*QUERIES, *MORE))]
    ways = ("", "verfuegbar=1", "sprache=en", f"regal={known.shelf}", "sortierung=titel", "sortierung=jahr", "seite=40")
    paths = ["/katalog?" + "&".join(filter(None, pair)) for pair in product(searches, ways)]
    paths += ["/katalog?seite=400", "/katalog?seite=400&sortierung=titel"]
    paths += [f"/katalog?verfuegbar=1&regal={known.shelf}&sprache=fr&sortierung={order}" for order in ("titel", "jahr")]
    random.Random(1).shuffle(paths)
    spans = _asked(port, [load.request("GET", path) for path in paths * 3])
    seen.note("/katalog, median", statistics.median(spans))
    seen.note("/katalog", _percentile(spans, 95))
    slowest = {path: min(spans[n :: len(paths)]) for n, path in enumerate(paths)}
    for path, span in sorted(slowest.items(), key=lambda one: -one[1])[:5]:
        print(f"      slow: {path} {span:.1f} ms")


def _lending(port: int, known: Known, seen: Measured) -> None:
    """So many clients lend different copies, and bring them back."""
    for path, body in (("loans", {"member": known.card}), ("returns", {})):
        requests = [
            load.request(
                "POST",
                f"/api/v1/{path}",
                json.dumps({"copy": copy, **body}).encode(),
                Authorization=f"Bearer {known.token}",
            )
            for copy in known.copies
        ]
        result = load.run(port, [requests[n::CLIENTS] for n in range(CLIENTS)])
        assert set(result.statuses) <= {200, 201}, result.statuses
        name = "lending" if path == "loans" else "bringing back"
        seen.note(f"{name}, median", result.median)
        seen.note(name, result.percentile(95))


def _desk(port: int, known: Known, seen: Measured) -> None:
    who = {"Cookie": f"bibliothek={known.cookie}"}, {"Authorization": f"Bearer {known.token}"}
    pages = {name: path.format(title=known.title, copy=known.copies[0]) for name, path in DESK.items()}
    requests = [load.request("GET", path, **who[path.startswith("/api")]) for path in pages.values()]
    # Round after round, so that no page is asked twice in a row.
    spans = _asked(port, requests * LOOKS)
    for n, name in enumerate(pages):
        seen.desk[name] = statistics.median(spans[n :: len(pages)])
        print(f"      {name:<32}{seen.desk[name]:>10.1f}", flush=True)


def _asked(port: int, requests: list[bytes]) -> list[float]:
    """Milliseconds of each, one after the other."""
    result = load.run(port, [requests])
    assert set(result.statuses) == {200}, result.statuses
    return result.milliseconds


def _percentile(spans: list[float], percent: int) -> float:
    return sorted(spans)[min(len(spans) - 1, len(spans) * percent // 100)]


# ---- Telling ----


def _missed(measured: dict[tuple[str, int], Measured]) -> list[str]:
    said = []
    for (name, size), seen in measured.items():
        for what, bar in BARS.items():
            figure = seen.figures[what]
            least = measured.get((name, SIZES[0]))
            if what == "lending":
                figure = figure / least.figures[what] if least else 0
            if figure > bar:
                said.append(f"MISSED  {name}, {size:,} titles: {what} {figure:.2f}, at most {bar:g}")
    return said


def _page(measured: dict[tuple[str, int], Measured]) -> str:
    first = next(iter(measured.values()))
    rows: list[tuple[str, Callable[[Measured], float | None], str]] = [
        (name, lambda seen, name=name: seen.figures.get(name), unit)  # type: ignore[misc]
        for name, unit in (
            ("size", "MiB"),
            ("start", "s"),
            ("memory", "MiB"),
            ("search, median", "ms"),
            ("search", "ms"),
            ("/katalog, median", "ms"),
            ("/katalog", "ms"),
            ("lending, median", "ms"),
            ("lending", "ms"),
            ("bringing back", "ms"),
            ("export", "s"),
            ("export, memory", "MiB"),
            ("verify", "s"),
            ("verify, memory", "MiB"),
        )
    ]
    desk: list[tuple[str, Callable[[Measured], float | None], str]] = [
        (name, lambda seen, name=name: seen.desk[name], "ms")  # type: ignore[misc]
        for name in first.desk
    ]
    return TEXT.format(
        cores=os.cpu_count(),
        machine=_processor(),
        day=datetime.now(UTC).date(),
        loans=LOANS,
        clients=CLIENTS,
        figures=_table(measured, rows),
        desk=_table(measured, desk),
        missed="\n".join(f"- {line}" for line in _missed(measured)) or "All bars held.",
        pages=BARS["/katalog"],
        **{name: bar for name, bar in BARS.items() if name.isalpha()},
    )


def _table(
    measured: dict[tuple[str, int], Measured], rows: list[tuple[str, Callable[[Measured], float | None], str]]
) -> str:
    heads = [f"{name} {size:,}" for name, size in measured]
    lines = ["| | " + " | ".join(heads) + " |", "|---|" + "---:|" * len(heads)]
    for name, figure_of, unit in rows:
        cells = [_cell(figure_of(seen), unit) for seen in measured.values()]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _cell(figure: float | None, unit: str) -> str:
    return "–" if figure is None else f"{figure:,.{1 if figure < 100 else 0}f} {unit}"


def _processor() -> str:
    try:
        found = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return platform.machine()
    names = [line.partition(":")[2].strip() for line in found.splitlines() if line.startswith("model name")]
    return names[0] if names else platform.machine()


TEXT = """# How it grows

Made by `python -m bench scale FOLDER` ({day}) on {cores} cores of {machine}, with the client on the same machine.
Not to be edited by hand.
The libraries are those of `bibliothek demo --large N`: N titles, a fifth more copies, a member for twenty titles, an open loan
for five (a fifth of these overdue), holds, and half as many loans that came back.

{figures}

`verify` looks at every title and is not measured with a million.
`search` is a page of hits with copies and picture, without the page around it. `/katalog` is the whole page for one client: words
that are common, rare, misspelt or unfinished, with every filter and order, and the fortieth page of each. Without "median" a
figure is what 95 of 100 stayed below. Lending is {loans} loans by {clients} clients at once, so most of it is waiting.
Memory is what the server's processes need after all of this (PSS); of commands it is the highest (RSS).

## Pages and calls, one client, median

{desk}

## Bars

Search ≤ {search:g} ms, `/katalog` ≤ {pages:g} ms, memory ≤ {memory:g} MiB, start ≤ {start:g} s, lending at most {lending:g} times
what it takes with the smallest library.

{missed}
"""

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
