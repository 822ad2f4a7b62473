"""What a session may count on."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import func, select, text

from bibliothek.catalogue.models import Title
from bibliothek.db import BUSY_TIMEOUT_MS, open_database
from bibliothek.settings import Settings, ensure_secret_key
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


@pytest.fixture
def _usual_umask() -> Iterator[None]:
    """Whatever is made may be read by everybody, as on most machines."""
    before = os.umask(0o022)
    yield
    os.umask(before)


def modes(folder: Path) -> dict[str, int]:
    return {path.name: stat.S_IMODE(path.stat().st_mode) for path in (folder, *folder.iterdir())}


def write_something(file: Path) -> dict[str, int]:
    """The modes of the folder and of all that is in it while the database is open."""
    with closing(open_database(None, file)) as database:
        with database.writing() as db:
            db.execute(text("CREATE TABLE IF NOT EXISTS secret (name TEXT)"))
        return modes(file.parent)


OURS = {"bibliothek.sqlite": 0o600, "bibliothek.sqlite-wal": 0o600, "bibliothek.sqlite-shm": 0o600}


@pytest.mark.usefixtures("_usual_umask")
def test_a_new_library_is_read_by_nobody_else_on_the_machine(tmp_path: Path) -> None:
    assert write_something(tmp_path / "data" / "bibliothek.sqlite") == {"data": 0o700, **OURS}


@pytest.mark.usefixtures("_usual_umask")
def test_the_folder_of_a_key_alone_is_read_by_nobody_else(tmp_path: Path) -> None:
    ensure_secret_key(Settings(data=tmp_path / "data"))
    assert modes(tmp_path / "data") == {"data": 0o700, "secret-key": 0o600}


@pytest.mark.usefixtures("_usual_umask")
def test_files_that_others_could_read_are_closed_when_they_are_opened_again(tmp_path: Path) -> None:
    file = tmp_path / "bibliothek.sqlite"
    with closing(open_database(None, file)) as database:
        with database.writing() as db:
            db.execute(text("CREATE TABLE secret (name TEXT)"))
        for path in tmp_path.iterdir():
            path.chmod(0o664)
        found = write_something(file)
    assert {name: found[name] for name in OURS} == OURS


@pytest.mark.usefixtures("_usual_umask")
def test_a_file_whose_mode_cannot_be_changed_is_opened_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "bibliothek.sqlite"
    file.touch(0o644)

    def refuse(*_given: object) -> None:
        raise PermissionError

    monkeypatch.setattr(Path, "chmod", refuse)
    assert write_something(file)["bibliothek.sqlite"] == 0o644


def test_opening_a_library_again_leaves_the_locks_of_the_first_in_place(library: Library) -> None:
    """Whoever opens and closes a file gives up all locks that the process holds on it (POSIX)."""
    file = library.settings.sqlite_file
    assert file
    with library.database.writing() as db:
        make.title(db)
        open_database(None, file).close()
        locks = [line for line in Path("/proc/locks").read_text().splitlines() if f":{file.stat().st_ino} " in line]
        assert locks
