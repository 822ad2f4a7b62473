"""What every test may ask for: a database of its own (SQLite, and PostgreSQL where marked), the app, a clock.

`library` runs a test on SQLite; `both` runs it on SQLite and on PostgreSQL. SKIP_POSTGRES=1 and SKIP_BROWSER=1 leave those
tests out, and the last lines say so.
"""

from __future__ import annotations

import gc
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy.orm import Session

from bibliothek import i18n
from bibliothek.db import Database, open_database
from bibliothek.migrations import migrate
from bibliothek.settings import Settings
from tests import postgres
from tests.client import Client

NOON = datetime(2026, 11, 23, 11, 0, tzinfo=UTC)


@dataclass
class Clock:
    """A clock that stands still until a test moves it."""

    now: datetime = NOON

    def __call__(self) -> datetime:
        return self.now

    def pass_time(self, **span: float) -> None:
        self.now += timedelta(**span)


@dataclass
class Library:
    """A library under test: its settings, database and clock. `client()` opens a browser-like client on the app."""

    settings: Settings
    database: Database
    clock: Clock = field(default_factory=Clock)

    def client(self, **more: object) -> Client:
        return Client(self, **more)


@pytest.hookimpl(tryfirst=True)  # before pytest-xdist looks which tests belong together
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "browser" in item.keywords:
            # Two browsers on two cores are slower than one: all of them run in one worker.
            item.add_marker(pytest.mark.xdist_group("browser"))
        for kind in ("postgres", "browser"):
            if os.environ.get(f"SKIP_{kind.upper()}") == "1" and kind in item.keywords:
                item.add_marker(pytest.mark.skip(reason=f"SKIP_{kind.upper()}=1: {kind} tests were left out as asked"))


def pytest_collection_finish() -> None:
    # All modules are loaded and stay: searching them for garbage in every test is a fifth of the run.
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for kind in ("POSTGRES", "BROWSER"):
        if os.environ.get(f"SKIP_{kind}") == "1":
            terminalreporter.write_line(f"SKIP_{kind}=1: these tests were left out as asked.")


@pytest.fixture(autouse=True)
def _german() -> Iterator[None]:
    with i18n.use_language("de"):
        yield


@pytest.fixture(scope="session")
def empty_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated, empty library as one SQLite file, to be copied."""
    file = tmp_path_factory.mktemp("empty") / "bibliothek.sqlite"
    database = open_database(None, file)
    migrate(database)
    with database.engine.connect() as connection:
        connection.exec_driver_sql("ROLLBACK")
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.exec_driver_sql("BEGIN")
    database.close()
    return file


@pytest.fixture(scope="session")
def postgres_databases() -> Iterator[postgres.Databases]:
    with postgres.server() as socket:
        yield postgres.Databases(socket)


def _on_sqlite(tmp_path: Path, empty: Path) -> Iterator[Library]:
    settings = Settings(data=tmp_path / "data", secret_key=b"only for tests, 32 bytes at least")
    settings.data.mkdir()
    assert settings.sqlite_file is not None
    shutil.copy(empty, settings.sqlite_file)
    database = open_database(None, settings.sqlite_file)
    yield Library(settings, database)
    database.close()


def _on_postgres(tmp_path: Path, databases: postgres.Databases) -> Iterator[Library]:
    with databases.one() as url:
        settings = Settings(data=tmp_path / "data", database_url=url, secret_key=b"only for tests, 32 bytes at least")
        database = open_database(url, None)
        yield Library(settings, database)
        database.close()


@pytest.fixture
def library(tmp_path: Path, empty_sqlite: Path) -> Iterator[Library]:
    """An empty library on SQLite."""
    yield from _on_sqlite(tmp_path, empty_sqlite)


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def both(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Library]:
    """An empty library, once on SQLite and once on PostgreSQL."""
    if request.param == "sqlite":
        yield from _on_sqlite(tmp_path, request.getfixturevalue("empty_sqlite"))
    else:
        yield from _on_postgres(tmp_path, request.getfixturevalue("postgres_databases"))


@pytest.fixture
def db(both: Library) -> Iterator[Session]:
    """A writing session on both databases, for tests of actions and queries. Nothing in it is committed."""
    with both.database.writing() as session:
        yield session
        session.rollback()
