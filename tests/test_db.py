"""What a session may count on."""

from __future__ import annotations

import time
from pathlib import Path

from sqlalchemy import func, select, text

from bibliothek.catalogue.models import Title
from bibliothek.db import BUSY_TIMEOUT_MS
from tests import make
from tests.conftest import Library


def test_a_reading_session_sees_one_moment_of_the_database(both: Library) -> None:
    with both.database.writing() as db:
        make.title(db)
    counted = select(func.count()).select_from(Title)
    with both.database.reading() as reading:
        before = reading.scalar(counted)
        with both.database.writing() as db:
            make.title(db)
        assert (before, reading.scalar(counted)) == (1, 1)
    with both.database.reading() as reading:
        assert reading.scalar(counted) == 2


def test_the_log_is_emptied_and_what_it_held_is_in_the_file(library: Library) -> None:
    with library.database.writing() as db:
        make.title(db, title="Momo")
    assert log_of(library).stat().st_size > 0
    assert library.database.empty_log()
    assert log_of(library).stat().st_size == 0
    assert b"Momo" in (library.settings.sqlite_file or Path()).read_bytes()


def test_a_long_reader_delays_the_emptying_but_not_the_next_write(library: Library) -> None:
    counted = select(func.count()).select_from(Title)
    with library.database.reading() as reading:
        reading.scalar(counted)
        with library.database.writing() as db:
            make.title(db)
        begun = time.monotonic()
        assert not library.database.empty_log()
        assert time.monotonic() - begun < 5
        with library.database.writing() as db:
            assert db.scalar(text("PRAGMA busy_timeout")) == BUSY_TIMEOUT_MS
            make.title(db)
        assert reading.scalar(counted) == 0
    assert library.database.empty_log()
    with library.database.reading() as reading:
        assert reading.scalar(counted) == 2


def test_on_postgresql_there_is_no_log_of_ours_to_empty(both: Library) -> None:
    assert both.database.empty_log()
    with both.database.writing() as db:
        make.title(db)


def log_of(library: Library) -> Path:
    return library.settings.data / "bibliothek.sqlite-wal"
