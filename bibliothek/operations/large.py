"""A library as large as a city's: to see how this machine bears it, before there are so many books.

Invented titles out of the words of the examples (`demo.py`), most words rare and a few common, as in any catalogue; a fifth more
copies, a member for twenty titles, an open loan for five, half as many that came back. Written past the actions, because these
take a thousand times as long; `bibliothek verify` finds nothing to say about it. Titles come in groups of five, with six copies,
of which the third is lent.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from itertools import islice
from typing import Any, NamedTuple

from sqlalchemy import Connection, Date, Table, func, select, text
from sqlalchemy.orm import Session

from bibliothek import codes
from bibliothek.catalogue import search
from bibliothek.catalogue.entries import terms
from bibliothek.catalogue.fields import Part, Person, TitleFields
from bibliothek.catalogue.words import sort_form
from bibliothek.db import Instant, has_many_writers
from bibliothek.i18n import _
from bibliothek.library.queries import library
from bibliothek.members.rules import sort_name
from bibliothek.models import metadata
from bibliothek.operations.demo import TITLES, NotEmpty, holds_data

# Titles that are in memory at once; an even number of groups.
BATCH = 10_000
GROUP, COPIES = 5, 6
SHELVES, WITHOUT_LABEL = 60, 500
LOAN = timedelta(days=28)
# The oldest loan is as old; a fifth of them is late, and of these two in three were reminded.
OLDEST, LATE = 120, 0.2
# What SQLite may keep of its file in memory meanwhile.
CACHE_KIB = 128 * 1024
LANGUAGES = ("de",) * 16 + ("en", "en", "fr", "es")

Row = tuple[Any, ...]
Progress = Callable[[int], None]


class _Words(NamedTuple):
    """What titles are made of."""

    common: list[str]
    stems: list[str]
    families: list[str]
    given: list[str]
    publishers: list[str]


def fill(db: Session, titles: int, now: datetime, today: date, progress: Progress = lambda _titles: None) -> None:
    """Fill an empty library with so many titles, and what belongs to them. Raises NotEmpty. `progress` is told how many are there.

    A minute or two for every hundred thousand, and some hundred megabytes of memory at most.
    """
    if holds_data(db):
        raise NotEmpty
    settings = library(db)
    if settings.set_up_at is None:
        settings.name, settings.set_up_at = _("Demo-Bibliothek"), now
        db.flush()
    chance = random.Random(titles)  # noqa: S311 (nothing here is secret)
    groups = titles // GROUP
    connection = db.connection()
    if not has_many_writers(connection):
        connection.execute(text(f"PRAGMA cache_size = -{CACHE_KIB}"))
    again = _without_indexes(connection)
    first_member = (db.scalar(select(func.max(metadata.tables["member"].c.id))) or 0) + 1
    members = range(first_member, first_member + max(4, titles // 20))
    _write(connection, _members(members, now))
    _write(connection, _shelves(chance, now))
    for done in _titles(connection, titles, chance, now):
        progress(done)
    _write(connection, _loans(groups, members, chance, now, today))
    for statement in again:
        connection.execute(text(statement))
    _count_on(connection)


# ---- Rows ----


def _titles(connection: Connection, titles: int, chance: random.Random, now: datetime) -> Iterator[int]:
    """Write them with their copies, batch by batch; yields how many there are."""
    words = _words()
    copies = titles // GROUP * COPIES + titles % GROUP
    numbers = chance.sample(range(29 ** codes.LENGTH[codes.Kind.COPY]), copies)
    for first in range(1, titles + 1, BATCH):
        rows: dict[str, list[Row]] = {
            name: [] for name in ("title", "contributor", "series_part", "title_isbn", "subject", "paper_code", "copy")
        }
        found: list[tuple[int, list[str]]] = []
        for n in range(first, min(first + BATCH, titles + 1)):
            at = now - timedelta(minutes=10 * (titles - n) // (1 + titles // 500_000))
            found.append((n, _add_title(rows, n, words, chance, at)))
            for copy_id in _copies_of(n):
                labelled = copy_id <= copies - WITHOUT_LABEL
                code = _code(numbers[copy_id - 1])
                rows["paper_code"].append((code, at))
                shelf = 1 + chance.randrange(SHELVES)
                state = "active" if labelled else "intake"
                rows["copy"].append((copy_id, code, n, shelf, state, at, at if labelled else None, False))
        _write(connection, ((name, row) for name, some in rows.items() for row in some))
        _index(connection, found)
        yield min(first + BATCH - 1, titles)


def _copies_of(n: int) -> range:
    """The numbers of the copies of title `n`: two for the last one of each group."""
    first = (n - 1) // GROUP * COPIES + (n - 1) % GROUP + 1
    return range(first, first + (2 if n % GROUP == 0 else 1))


def _words() -> _Words:
    records = [json.loads(line) for line in TITLES.read_text(encoding="utf-8").splitlines()]
    common = [word for record in records for word in record["title"].split()]
    persons = [person["name"].partition(", ") for record in records for person in record.get("contributors") or ()]
    return _Words(
        common,
        sorted({word for word in common if word.isalpha() and len(word) > 3}),
        sorted({family for family, _comma, _given in persons}),
        sorted({given for _family, _comma, given in persons if given}),
        sorted({record["publisher"] for record in records if record.get("publisher")}),
    )


def _add_title(rows: dict[str, list[Row]], n: int, words: _Words, chance: random.Random, at: datetime) -> list[str]:
    """Its rows; returns its terms in the search index."""
    fields = _fields(n, words, chance)
    sort_title = sort_form(fields.title, fields.language)
    subject = _rare(words, chance) if chance.random() < 0.3 else chance.choice(words.stems)
    own = (fields.title, fields.subtitle, sort_title, fields.publisher, fields.year, fields.pages, fields.language)
    rows["title"].append((n, *own, at))
    for name, parts in (
        ("contributor", [(one.name, one.role) for one in fields.contributors]),
        ("series_part", [(one.title, one.number) for one in fields.series]),
        ("title_isbn", [(isbn,) for isbn in fields.isbns]),
        ("subject", [(subject,)]),
    ):
        rows[name] += [(n, position, *part) for position, part in enumerate(parts)]
    return terms(fields, sort_title, [subject])


def _fields(n: int, words: _Words, chance: random.Random) -> TitleFields:
    name = chance.sample(words.common, chance.randint(1, 4))
    # Every title has a word that hardly another one has.
    name.insert(chance.randrange(len(name) + 1), _rare(words, chance))
    persons = [
        Person(f"{_family(words, chance)}, {chance.choice(words.given)}", role)
        for role in ("aut", "trl")[: chance.choice((1, 1, 2))]
    ]
    return TitleFields(
        title=" ".join(name),
        subtitle=" ".join(chance.sample(words.common, 4)) if chance.random() < 0.4 else None,
        publisher=chance.choice(words.publishers),
        year=2026 - int(chance.expovariate(1 / 20)) % 126,
        pages=chance.randint(16, 800),
        language=chance.choice(LANGUAGES),
        contributors=tuple(persons),
        series=(Part(f"Reihe {chance.randrange(1 + n // 50)}", str(n % 50 + 1)),) if n % 4 == 0 else (),
        isbns=() if n % 3 == 0 else (_isbn(n),),
    )


def _rare(words: _Words, chance: random.Random) -> str:
    return chance.choice(words.stems) + chance.choice(words.stems).lower()


def _family(words: _Words, chance: random.Random) -> str:
    family = chance.choice(words.families)
    return family if chance.random() < 0.5 else f"{family}-{chance.choice(words.families)}"


def _isbn(n: int) -> str:
    """A number with a right check digit (ISO 2108)."""
    first = f"9783{n:08}"
    weighted = sum(int(digit) * (3 if place % 2 else 1) for place, digit in enumerate(first))
    return f"{first}{-weighted % 10}"


def _code(number: int, kind: codes.Kind = codes.Kind.COPY) -> str:
    symbols = ""
    for _place in range(codes.LENGTH[kind]):
        number, value = divmod(number, 29)
        symbols += codes.ALPHABET[value]
    return kind + symbols + codes.check_symbol(symbols)


def _shelves(chance: random.Random, now: datetime) -> Iterator[tuple[str, Row]]:
    for n, number in enumerate(chance.sample(range(29 ** codes.LENGTH[codes.Kind.SHELF]), SHELVES), 1):
        code, name = _code(number, codes.Kind.SHELF), _("Regal {n}", n=n)
        yield "paper_code", (code, now)
        yield "shelf", (n, code, name, sort_name(name))


def _members(members: range, now: datetime) -> Iterator[tuple[str, Row]]:
    """Four in five have an address, and all have a card, whose codes nobody knows."""
    for n, member_id in enumerate(members, 1):
        name = _("Mitglied {n}", n=n)
        email = None if n % 5 == 0 else f"mitglied-{member_id}@example.org"
        role = ("admin", "librarian")[n - 1] if n < 3 else "member"
        yield "member", (member_id, name, sort_name(name), email, role, now)
        yield "card", (member_id, member_id, hashlib.sha256(str(member_id).encode()).hexdigest(), now)


def _loans(groups: int, members: range, chance: random.Random, now: datetime, today: date) -> Iterator[tuple[str, Row]]:
    """First those that came back, then the open ones, the oldest first, with who has them; then who waits."""
    lent = list(range(groups))
    chance.shuffle(lent)
    came_back = groups // 2
    for n, group in enumerate(chance.sample(lent, came_back), 1):
        days = 600 - 400 * n // came_back
        yield "loan", (n, group * COPIES + 1, *_days_ago(days, now, today), now - timedelta(days=days - 20))
    reminders = 0
    for n, group in enumerate(lent):
        loan_id, reader = came_back + n + 1, chance.choice(members)
        part = n / groups
        days = int(OLDEST - part / LATE * (OLDEST - 29) if part < LATE else 27 * (1 - (part - LATE) / (1 - LATE)))
        lent_at, due_on = _days_ago(days, now, today)
        renewed = 20 < days < 29 and n % 4 == 0
        yield "loan", (loan_id, group * COPIES + 3, lent_at, due_on + timedelta(days=20 if renewed else 0), None)
        yield "borrower", (loan_id, reader)
        if renewed:
            at = lent_at + timedelta(days=20)
            yield "renewal", (loan_id, "renewal", at, due_on, due_on + timedelta(days=20))
        if days > 29 and n % 3:
            reminders += 1
            yield "mail", (reminders, "reminder", "sent", 1, now, now, now, now)
            yield "reminder", (loan_id, "overdue", reminders, now)
        if n % 20 == 0:
            waiting = next(one for one in iter(lambda: chance.choice(members), None) if one != reader)
            yield "hold", (group * GROUP + 3, waiting, now, None, None, None)
        elif n % 200 == 1:
            kept = now, today + timedelta(days=5)
            yield "hold", (group * GROUP + 2, chance.choice(members), now, group * COPIES + 2, *kept)


def _days_ago(days: int, now: datetime, today: date) -> tuple[datetime, date]:
    """When a loan of then began, and the day it was due."""
    return now - timedelta(days=days), today - timedelta(days=days) + LOAN


# ---- Writing ----

# The columns of the rows above, in their order.
COLUMNS = {
    "title": "id title subtitle sort_title publisher year pages language created_at",
    "contributor": "title_id position name role",
    "series_part": "title_id position series number",
    "title_isbn": "title_id position isbn",
    "subject": "title_id position name",
    "paper_code": "code issued_at",
    "copy": "id code title_id shelf_id state created_at labelled_at is_reference",
    "shelf": "id code name sort_name",
    "member": "id name sort_name email role created_at",
    "card": "id member_id code_hash created_at",
    "loan": "id copy_id lent_at due_on returned_at",
    "borrower": "loan_id member_id",
    "renewal": "loan_id kind at due_before due_on",
    "mail": "id kind state tries created_at next_try_at expires_at ended_at",
    "reminder": "loan_id stage mail_id created_at",
    "hold": "title_id member_id placed_at copy_id ready_at ready_until",
}


def _write(connection: Connection, rows: Iterable[tuple[str, Row]]) -> None:
    """Rows with the names of their tables, in an order in which nothing leads to a row that is not there yet."""
    left = iter(rows)
    while some := list(islice(left, 100_000)):
        by_table: dict[str, list[Row]] = {name: [] for name in metadata.tables if name in COLUMNS}
        for name, row in some:
            by_table[name].append(row)
        for table in metadata.sorted_tables:
            if by_table.get(table.name):
                _insert(connection, table, COLUMNS[table.name].split(), by_table[table.name])


def _insert(connection: Connection, table: Table, columns: list[str], rows: list[Row]) -> None:
    if has_many_writers(connection):
        _copy(connection, table.name, columns, rows)
        return
    # Past SQLAlchemy, which takes ten times as long; so moments are written as it writes them.
    moments = {place for place, name in enumerate(columns) if isinstance(table.c[name].type, (Instant, Date))}
    marks = ", ".join("?" * len(columns))
    connection.exec_driver_sql(
        f"INSERT INTO {table.name} ({', '.join(columns)}) VALUES ({marks})",  # noqa: S608
        [tuple(_as_text(value) if place in moments else value for place, value in enumerate(row)) for row in rows],
    )


@lru_cache(maxsize=1024)
def _as_text(value: date | datetime | None) -> str | None:
    if isinstance(value, datetime):
        return value.astimezone(UTC).replace(tzinfo=None).isoformat(" ", "microseconds")
    return value.isoformat() if value else None


def _copy(connection: Connection, table: str, columns: list[str], rows: Iterable[Row]) -> None:
    driver: Any = connection.connection.driver_connection
    with driver.cursor() as cursor, cursor.copy(f"COPY {table} ({', '.join(columns)}) FROM STDIN") as copy:
        for row in rows:
            copy.write_row(row)


def _index(connection: Connection, titles: list[tuple[int, list[str]]]) -> None:
    dialect = search.dialect_of(connection)
    rows = [dialect.row(title_id, found) for title_id, found in titles]
    if has_many_writers(connection):
        _copy(connection, "title_search", ["title_id", "words"], ((row["id"], row["words"]) for row in rows))
    else:
        connection.execute(dialect.insert, rows)


def _without_indexes(connection: Connection) -> list[str]:
    """Drop all indexes but those of constraints; returns how to make them again, which takes less than keeping them up to date."""
    if has_many_writers(connection):
        query = """SELECT indexname AS name, indexdef AS made FROM pg_indexes WHERE schemaname = current_schema()
            AND indexname NOT IN (SELECT conname FROM pg_constraint)"""
    else:
        query = "SELECT name, sql AS made FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL"
    found = connection.execute(text(query)).all()
    for row in found:
        connection.execute(text(f'DROP INDEX "{row.name}"'))
    return [row.made for row in found]


def _count_on(connection: Connection) -> None:
    """PostgreSQL numbers on behind the rows that brought their numbers along, and learns how many there are."""
    if not has_many_writers(connection):
        return
    for name, columns in COLUMNS.items():
        if columns.startswith("id "):
            sequence = f"pg_get_serial_sequence('{name}', 'id')"
            connection.execute(text(f"SELECT setval({sequence}, (SELECT max(id) FROM {name}))"))  # noqa: S608
    connection.execute(text("ANALYZE"))
