"""Libraries to measure on: any number of plausible titles with one copy each, some of them on loan."""

from __future__ import annotations

import json
import random
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count, islice
from pathlib import Path

from sqlalchemy import delete, func, insert, select

from bibliothek import codes
from bibliothek.catalogue.actions import reindex
from bibliothek.catalogue.models import Contributor, SeriesPart, Subject, Title, TitleIsbn
from bibliothek.catalogue.words import sort_form
from bibliothek.copies.models import Copy, PaperCode
from bibliothek.db import Database, open_database
from bibliothek.donations import piles
from bibliothek.donations.models import PileBook
from bibliothek.donations.piles import Owner
from bibliothek.members import actions as members
from bibliothek.migrations import migrate
from bibliothek.operations.demo import TITLES

NOW = datetime(2026, 11, 1, 12, 0, tzinfo=UTC)


@dataclass(frozen=True)
class Made:
    """A library to measure on, and what a client needs to know of it."""

    data: Path
    token: str
    card: str
    copies: list[str]


def make(data: Path, titles: int, url: str | None = None) -> Made:
    """A library of `titles` titles in the folder `data`, or in PostgreSQL at `url`; the same for the same number, but for codes and
    secrets."""
    database = open_database(url, data / "bibliothek.sqlite")
    migrate(database)
    with database.writing() as db:
        member = members.add_member(db, "Mitglied 1", "mitglied1@example.org", "admin", NOW)
        card = members.new_card(db, member, NOW)
        token = members.add_token(db, "bench", "librarian", NOW)
    copies = _fill(database, titles)
    database.close()
    return Made(data, token, card, copies)


def cards(url: str, count: int) -> list[str]:
    """Cards of so many more members."""
    database = open_database(url, None)
    with database.writing() as db:
        people = [members.add_member(db, f"Mitglied {n}", None, "member", NOW) for n in range(2, count + 2)]
        made = [members.new_card(db, member, NOW) for member in people]
    database.close()
    return made


def lay_on_a_pile(data: Path, books: int) -> None:
    """So many books that nobody knows yet wait for their look-up on the member's pile, and nothing else lies there."""
    database = open_database(None, data / "bibliothek.sqlite")
    with database.writing() as db:
        db.execute(delete(PileBook))
        for n in range(books):
            piles.scan(
                db, Owner(member_id=1), str(n), isbn(secrets.randbelow(50_000_000) + 50_000_000), datetime.now(UTC)
            )
    database.close()


def pending(data: Path) -> int:
    """How many books still wait for their look-up."""
    database = open_database(None, data / "bibliothek.sqlite")
    with database.reading() as db:
        count = db.scalar(select(func.count()).select_from(PileBook).where(PileBook.state == "looking"))
    database.close()
    return count or 0


def _fill(database: Database, titles: int) -> list[str]:
    chance = random.Random(titles)
    records = [json.loads(line) for line in TITLES.read_text(encoding="utf-8").splitlines()]
    words = [word for record in records for word in record["title"].split()]
    unique = iter(dict.fromkeys(codes.new_code(codes.Kind.COPY) for _ in range(titles + titles // 5 + 100)))
    made: list[str] = []
    for start in range(1, titles + 1, 5000):
        with database.writing() as db:
            rows: dict[type, list[dict[str, object]]] = {
                model: [] for model in (Title, Contributor, SeriesPart, Subject, TitleIsbn, PaperCode, Copy)
            }
            for n in islice(count(start), min(5000, titles + 1 - start)):
                code = next(unique)
                made.append(code)
                _add(rows, n, code, chance.choice(records), words, chance)
            for model, some in rows.items():
                if some:
                    db.execute(insert(model), some)
    with database.writing() as db:
        reindex(db)
    return made


def isbn(n: int) -> str:
    """A number of nobody's book with a right check digit (ISO 2108)."""
    first = f"9783{n:08}"
    weighted = sum(int(digit) * (3 if place % 2 else 1) for place, digit in enumerate(first))
    return f"{first}{-weighted % 10}"


def _add(
    rows: dict[type, list[dict[str, object]]],
    n: int,
    code: str,
    record: dict[str, object],
    words: list[str],
    chance: random.Random,
) -> None:
    """Title `n`: the words of real titles, mixed, so that common words are as common as in a catalogue."""
    title = " ".join([*str(record["title"]).split()[:3], *chance.sample(words, chance.randint(1, 4))])
    language = str(record.get("language") or "de")
    rows[Title].append(
        {
            "id": n,
            "title": title,
            "subtitle": record.get("subtitle"),
            "sort_title": sort_form(title, language),
            "publisher": record.get("publisher"),
            "year": record.get("year"),
            "language": language,
            "created_at": NOW,
        }
    )
    for position, person in enumerate(record.get("contributors") or ()):  # type: ignore[arg-type, var-annotated]
        rows[Contributor].append({"title_id": n, "position": position, "name": person["name"], "role": person["role"]})
    if n % 4 == 0:
        rows[SeriesPart].append({"title_id": n, "position": 0, "series": f"Reihe {n % 40}", "number": str(n)})
    rows[Subject].append({"title_id": n, "position": 0, "name": chance.choice(words)})
    rows[TitleIsbn].append({"title_id": n, "position": 0, "isbn": isbn(n)})
    rows[PaperCode].append({"code": code, "issued_at": NOW})
    rows[Copy].append({"id": n, "code": code, "title_id": n, "state": "active", "created_at": NOW, "labelled_at": NOW})
