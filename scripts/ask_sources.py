"""Ask the live sources whether they still answer as we expect: `.venv/bin/python scripts/ask_sources.py [name …]`.

A person runs this, no test and no server does. For each source that is switched on (the addresses and the key come from the
settings, BIBLIOTHEK_*) it asks for a book that is there, for one that nobody has, and for something wrong, and says in one
line each what came. It is as polite as the library: one request a second. Exit code 0: all as expected, 1: something is not.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import UTC, datetime
from time import monotonic
from typing import NamedTuple

import click

from bibliothek.lookup.ask import read_stored, sources_from
from bibliothek.lookup.catalogues import XML
from bibliothek.lookup.fetch import Answer
from bibliothek.lookup.loose import JSON
from bibliothek.lookup.merge import are_alike
from bibliothek.lookup.sources import Source
from bibliothek.settings import load_settings

SECONDS = 10.0
# A right check digit in a range that is not given out.
UNKNOWN = "9783999999999"
POTTER = ("9783551551672", "Harry Potter und der Stein der Weisen")


class Expected(NamedTuple):
    """What a source should know, a request that is wrong, and whether its answer is the error we expect."""

    isbn: str
    title: str
    path: str
    wrong: dict[str, str]
    is_error: Callable[[Source, Answer], bool]


def is_outage(source: Source, answer: Answer) -> bool:
    """A refusal, or a body that our reader takes for an outage: never for "not found"."""
    if answer.trouble:
        return True
    read = read_stored(source.name, UNKNOWN, answer.body, answer.content_type, datetime.now(UTC))
    return answer.status != 200 or read.outcome == "unavailable"


def is_missing(_source: Source, answer: Answer) -> bool:
    return answer.status == 404


SRU = {"version": "1.1", "operation": "searchRetrieve", "maximumRecords": "1"}
EXPECTED = {
    "dnb": Expected(*POTTER, "", {**SRU, "quer": "num=1", "recordSchema": "MARC21-xml"}, is_outage),
    "k10plus": Expected(
        "9783406568442", "Das kulturelle Gedächtnis", "", {**SRU, "query": "(", "recordSchema": "marcxml"}, is_outage
    ),
    "lobid": Expected("9783934997158", "Was für ein Service!", "/search", {"q": "isbn:(", "format": "json"}, is_outage),
    "openlibrary": Expected(*POTTER, f"/isbn/{UNKNOWN}.json", {}, is_missing),
    "googlebooks": Expected(*POTTER, "/volumes", {"q": f"isbn:{UNKNOWN}", "key": "wrong"}, is_outage),
}


def check(source: Source) -> list[tuple[str, bool, str]]:
    """What was asked, whether the answer is as expected, and what came."""
    expected = EXPECTED[source.name]
    now = datetime.now(UTC)
    found = source.ask(expected.isbn, now, monotonic() + SECONDS)
    titles = [record.title for record in found.records]
    unknown = source.ask(UNKNOWN, now, monotonic() + SECONDS)
    accept = XML if source.name in ("dnb", "k10plus") else JSON
    wrong = source.get(source.url + expected.path, expected.wrong, accept, monotonic() + SECONDS)
    return [
        (
            "found",
            found.outcome == "found" and any(are_alike(title, expected.title) for title in titles),
            f"{found.outcome} {titles[:1]} {found.reason}",
        ),
        ("content type", found.content_type in accept, found.content_type or found.reason),
        ("not found", unknown.outcome == "not_found", f"{unknown.outcome} {unknown.reason}"),
        ("error", expected.is_error(source, wrong), f"{wrong.status} {wrong.content_type} {wrong.reason}"),
    ]


def main(names: list[str]) -> int:
    """Check the sources with these names, or all that are switched on."""
    sources = [source for source in sources_from(load_settings()) if not names or source.name in names]
    if not sources:
        click.echo("No source to ask: all are off, or the name is none of " + ", ".join(EXPECTED))
        return 1
    all_well = True
    for source in sources:
        for what, is_well, came in check(source):
            click.echo(f"{source.name:12}{what:14}{'ok' if is_well else 'FAILED':8}{' '.join(came.split())}")
            all_well = all_well and is_well
    return 0 if all_well else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
