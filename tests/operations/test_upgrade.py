"""A newer version over an older library: a backup first, and when anything fails the library is as it was."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import text

from bibliothek import cli, migrations
from bibliothek.operations.reading import opened
from bibliothek.operations.rotation import name_before, own_id
from bibliothek.operations.upgrade import bring_up_to_date
from bibliothek.operations.verify import verify
from bibliothek.problems import Failed
from bibliothek.serving import serving
from tests import make
from tests.conftest import Library
from tests.later import REVISION, migrations_in
from tests.mail.server import free_port
from tests.serving import PATIENCE_S

WRONG = {
    "a statement that fails": 'op.execute("UPDATE nowhere SET nothing = 1")',
    "a borrower that is lost": 'op.execute("DELETE FROM borrower")',
    "an index that is lost": 'op.drop_index("one_open_loan_per_copy", "loan")',
    "a search that knows nothing": 'op.execute("DELETE FROM title_search")',
}


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[str], Path]:
    """Makes this code a later version, with one more migration of these steps; returns the folder of migrations."""

    def make_it(steps: str) -> Path:
        folder = migrations_in(tmp_path / "migrations", steps)
        monkeypatch.setattr(migrations, "FOLDER", folder)
        return folder

    return make_it


def some_loans(library: Library) -> None:
    with library.database.writing() as db:
        make.admin(db)
        for n in range(3):
            make.loan(db, make.copy(db, title=f"Buch {n}"))


def state(library: Library) -> tuple[object, ...]:
    with library.database.engine.connect() as connection:
        found = (
            migrations.current(connection),
            tuple(connection.execute(text("SELECT place FROM title ORDER BY id")).scalars()),
            connection.execute(text("SELECT count(*) FROM borrower")).scalar(),
        )
        connection.rollback()
    return found


def upgrade(library: Library) -> list[str]:
    said: list[str] = []
    bring_up_to_date(library.settings, library.database, library.clock(), said.append)
    return said


def test_an_older_library_is_backed_up_and_brought_up_to_date(both: Library, later: Callable[[str], Path]) -> None:
    some_loans(both)
    before = migrations.newest()
    later("pass")
    said = upgrade(both)
    kept = both.settings.data / "backups" / name_before(REVISION, own_id(both.settings))
    assert str(kept) in said[0]
    assert "neuesten Stand" in said[1]
    assert state(both) == (REVISION, ("Dresden",) * 3, 3)
    with opened(kept) as written:
        assert written.manifest.revision == before
        assert written.manifest.counted("tables") > 10
    with both.database.reading() as db:
        assert not [finding for finding in verify(db, None) if finding.broken]
    assert upgrade(both) == []


@pytest.mark.parametrize("steps", WRONG.values(), ids=WRONG)
def test_what_fails_leaves_the_library_as_it_was(both: Library, later: Callable[[str], Path], steps: str) -> None:
    some_loans(both)
    before = state(both)
    later(steps)
    for _attempt in range(2):
        with pytest.raises(Failed, match="nichts geändert"):
            upgrade(both)
    assert state(both) == before
    assert len(list((both.settings.data / "backups").iterdir())) == 1


def test_below_the_trace_of_a_bug_stands_what_it_means_for_the_library(
    both: Library, later: Callable[[str], Path]
) -> None:
    some_loans(both)
    before = state(both)
    later('raise RuntimeError("so nicht")')
    with pytest.raises(RuntimeError, match="so nicht") as raised:
        upgrade(both)
    assert "nichts geändert" in raised.value.__notes__[0]
    assert state(both) == before


def test_without_room_for_a_backup_nothing_is_begun(both: Library, later: Callable[[str], Path]) -> None:
    some_loans(both)
    before = state(both)
    later("pass")
    (both.settings.data / "backups").parent.mkdir(exist_ok=True)
    (both.settings.data / "backups").write_text("a file where the folder should be")
    with pytest.raises(Failed, match="keine Sicherung"):
        upgrade(both)
    assert state(both) == before


def test_a_process_that_is_killed_in_the_middle_leaves_the_library_as_it_was(
    both: Library, later: Callable[[str], Path], tmp_path: Path
) -> None:
    some_loans(both)
    before = state(both)
    reached = tmp_path / "reached"
    folder = later(f"import pathlib, time; pathlib.Path({str(reached)!r}).touch(); time.sleep(60)")
    command = [sys.executable, "-m", "tests.later", str(folder), "serve", "--port", str(free_port())]
    process = subprocess.Popen(command, env=_surroundings(both), stdout=subprocess.DEVNULL)
    try:
        until = time.monotonic() + PATIENCE_S
        while not reached.exists():
            assert process.poll() is None
            assert time.monotonic() < until
            time.sleep(0.01)
    finally:
        process.kill()
        process.wait()
    assert state(both) == before


def _surroundings(library: Library) -> dict[str, str]:
    return {
        **os.environ,
        "BIBLIOTHEK_DATA": str(library.settings.data),
        "BIBLIOTHEK_DATABASE_URL": library.settings.database_url or "",
    }


def test_serve_says_in_one_line_why_it_does_not_start(
    both: Library, later: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    some_loans(both)
    later(WRONG["a borrower that is lost"])
    for name, value in _surroundings(both).items():
        monkeypatch.setenv(name, value)
    assert cli.run(["serve", "--port", str(free_port())]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "Jede offene Ausleihe gehört zu einem Mitglied" in line
    assert "nichts geändert" in line


def test_what_was_broken_before_can_be_brought_up_to_date_anyway(
    both: Library, later: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    some_loans(both)
    with both.database.writing() as db:
        db.execute(text("DELETE FROM borrower"))
    later("pass")
    for name, value in _surroundings(both).items():
        monkeypatch.setenv(name, value)
    assert cli.run(["upgrade"]) == 1
    assert "bibliothek upgrade --trotzdem" in capsys.readouterr().err
    assert cli.run(["upgrade", "--trotzdem"]) == 0
    assert "neuesten Stand" in capsys.readouterr().out
    assert state(both)[0] == REVISION
    assert cli.run(["upgrade"]) == 0


def test_nothing_is_brought_up_to_date_under_a_running_server(both: Library, later: Callable[[str], Path]) -> None:
    some_loans(both)
    before = state(both)
    with serving(both.settings, both.database):
        later("pass")
        with pytest.raises(Failed, match="Halte erst alle Server an"):
            upgrade(both)
    assert state(both) == before
