"""The floors: the least that the same server, the same threads and plain sqlite3 need for the same work.

`python -m bench.floor NAME PORT DATA` serves one of them over an existing library in DATA.
"""

from __future__ import annotations

import queue
import sqlite3
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import uvicorn
from litestar import Litestar, Request, Response, get, post
from litestar.concurrency import set_asyncio_executor
from litestar.params import FromQuery

THREADS = 8
QUERIES = ("kapital", "der", "die gesch", "müller", "seghers", "revolution in", "das", "frau", "r", "geschichte der")


class Loan(msgspec.Struct):
    """The body of the lending floor."""

    copy: str
    member: str


def connect(file: Path) -> sqlite3.Connection:
    """A connection with the library's own pragmas."""
    connection = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
    for pragma in ("busy_timeout=20000", "journal_mode=wal", "synchronous=2", "foreign_keys=1", "secure_delete=1"):
        connection.execute(f"PRAGMA {pragma}")
    return connection


class Connections:
    """A handful of connections, one for each worker thread."""

    def __init__(self, file: Path) -> None:
        self._free: queue.SimpleQueue[sqlite3.Connection] = queue.SimpleQueue()
        for _ in range(THREADS):
            self._free.put(connect(file))

    @contextmanager
    def one(self) -> Iterator[sqlite3.Connection]:
        connection = self._free.get()
        try:
            yield connection
        finally:
            self._free.put(connection)


def page_app(file: Path) -> Litestar:
    """Litestar and SQLAlchemy with one page: the floor of a cold start."""
    from sqlalchemy import create_engine, text
    from sqlalchemy.orm import Session

    engine = create_engine(f"sqlite:///{file}")

    @get("/", media_type="text/html", sync_to_thread=True)
    def page() -> str:
        with Session(engine) as db:
            return f"<h1>{db.scalar(text('SELECT name FROM library'))}</h1>"

    return Litestar([page])


ROWS = """{% from "_macros.html" import title_list %}<!doctype html><html lang="de"><title>Katalog</title>
{{ title_list(rows) }}</html>"""


def search_app(file: Path) -> Litestar:
    """The catalogue's own statements in plain sqlite3, word for word, and the 20 rows through the catalogue's own macro."""
    from bibliothek.web.templates import Templates

    connections = Connections(file)
    template = Templates().environment.from_string(ROWS)
    statements = {q: catalogue_statements(file, q) for q in QUERIES}

    @get("/katalog", media_type="text/html", sync_to_thread=True)
    def catalogue(q: FromQuery[str]) -> str:
        rows: list[Any] = []
        with connections.one() as connection:
            for statement, values in statements[q]:
                rows = connection.execute(statement, values).fetchall()
        # id, title, byline, year, available, total, picture
        return template.render(rows=[(row[0], row[1], row[6], row[4], row[7], row[8], row[9]) for row in rows])

    @get("/", sync_to_thread=False)
    def alive() -> str:
        return ""

    return Litestar([catalogue, alive])


def catalogue_statements(file: Path, q: str) -> list[tuple[str, Any]]:
    """The SQL that the catalogue page runs for `q`, with its values, as the driver gets it; the last one gives the rows."""
    from sqlalchemy import event

    from bibliothek.catalogue import pages, queries
    from bibliothek.db import open_database

    database = open_database(None, file)
    seen: list[tuple[str, Any]] = []
    with database.reading() as db:
        event.listen(
            db.connection().engine,
            "before_cursor_execute",
            lambda _connection, _cursor, statement, values, *_: seen.append((statement, values)),
        )
        queries.search(db, q, also=pages._SHOWN, limit=20)
    database.close()
    return seen


def lending_app(file: Path) -> Litestar:
    """The two statements of a loan, under the same lock and pragmas."""
    connection, lock = connect(file), threading.Lock()

    @post("/api/v1/loans", sync_to_thread=True)
    def lend(data: Loan) -> dict[str, Any]:
        return two_statements(connection, lock, data.copy)

    @get("/", sync_to_thread=False)
    def alive(request: Request[Any, Any, Any]) -> Response[str]:
        return Response("")

    return Litestar([lend, alive])


def two_statements(connection: sqlite3.Connection, lock: threading.Lock, copy: str) -> dict[str, Any]:
    """Lend `copy` to member 1: a row for the loan, a row for the borrower, one commit."""
    now = datetime.now(UTC)
    due = (now + timedelta(days=28)).date().isoformat()
    with lock:
        connection.execute("BEGIN IMMEDIATE")
        loan = connection.execute(
            "INSERT INTO loan (copy_id, lent_at, due_on) SELECT id, ?, ? FROM copy WHERE code = ?",
            (now.replace(tzinfo=None).isoformat(" "), due, copy),
        ).lastrowid
        connection.execute("INSERT INTO borrower (loan_id, member_id) VALUES (?, 1)", (loan,))
        connection.execute("COMMIT")
    return {"id": loan, "copy": copy, "due_on": due, "notes": []}


APPS = {"page": page_app, "search": search_app, "lending": lending_app}

if __name__ == "__main__":
    name, port, data = sys.argv[1:]
    set_asyncio_executor(ThreadPoolExecutor(THREADS))
    app = APPS[name](Path(data) / "bibliothek.sqlite")
    uvicorn.run(app, host="127.0.0.1", port=int(port), log_level="warning", access_log=False, http="httptools")
