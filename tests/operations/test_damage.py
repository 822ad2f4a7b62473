"""`bibliothek verify` on a database that somebody mended by hand: it names what is gone instead of stumbling over it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from bibliothek import cli
from tests import make
from tests.conftest import Library

Run = Callable[..., int]


@pytest.fixture
def run(both: Library, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command on the library of the test; returns its exit code."""
    monkeypatch.setenv("BIBLIOTHEK_DATA", str(both.settings.data))
    if both.settings.database_url:
        monkeypatch.setenv("BIBLIOTHEK_DATABASE_URL", both.settings.database_url)
    return lambda *arguments: cli.run(arguments)


@pytest.mark.parametrize("table", ["shelf", "card", "member", "reminder"])
def test_a_table_that_is_gone_is_named(both: Library, run: Run, capsys: pytest.CaptureFixture[str], table: str) -> None:
    with both.database.writing() as db:
        make.loan(db)
    _break(both, f"DROP TABLE {table}" + ("" if both.database.is_sqlite else " CASCADE"))
    assert run("verify") == 1
    said = capsys.readouterr()
    assert f"        table {table}\n" in said.out
    assert "Spalten" in said.err
    assert said.err.count("\n") == 1


def test_a_column_that_is_gone_is_named(both: Library, run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    _break(both, "ALTER TABLE member RENAME COLUMN email TO mail")
    assert run("verify") == 1
    said = capsys.readouterr()
    assert "        column member.email\n" in said.out
    assert "Spalten" in said.err
    assert said.err.count("\n") == 1


def test_a_table_made_anew_without_its_rules_is_checked_to_the_end(
    both: Library, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    """SQLite refuses to check a foreign key that leads to no key."""
    drop = "DROP TABLE shelf" + ("" if both.database.is_sqlite else " CASCADE")
    _break(both, "CREATE TABLE anew AS SELECT * FROM shelf", drop, "ALTER TABLE anew RENAME TO shelf")
    assert run("verify") == 1
    said = capsys.readouterr()
    assert "        primary key of shelf (id)\n" in said.out
    assert "stimmt  Die Suche weiß, was im Katalog steht" in said.out
    assert said.err.count("\n") == 1


def _break(library: Library, *statements: str) -> None:
    """As somebody who mends a database by hand, with foreign keys switched off."""
    with library.database.engine.connect() as connection:
        if library.database.is_sqlite:
            connection.exec_driver_sql("ROLLBACK")
            connection.exec_driver_sql("PRAGMA foreign_keys = OFF")
            connection.exec_driver_sql("BEGIN")
        for statement in statements:
            connection.exec_driver_sql(statement)
        connection.commit()
        connection.detach()
