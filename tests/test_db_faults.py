"""What a fault of the database says: never the values of a statement, which may name people."""

from __future__ import annotations

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, IntegrityError

from bibliothek import db as db_module
from tests.conftest import Library


def test_a_fault_does_not_repeat_what_was_written(both: Library) -> None:
    with pytest.raises(DBAPIError) as fault, both.database.writing() as db:
        db.execute(text("INSERT INTO nowhere VALUES (:name)"), {"name": "Mitglied 1"})
    with pytest.raises(DBAPIError) as other, both.database.reading() as db:
        db.execute(text("SELECT * FROM nowhere WHERE name = :name"), {"name": "Mitglied 1"})
    assert "Mitglied" not in f"{fault.value} {other.value}"


def test_a_fault_while_beginning_is_one_of_the_database(library: Library) -> None:
    """Whatever the driver raises: a file that is no database any more is no OperationalError."""
    with library.database.writing() as db, pytest.raises(IntegrityError):
        db_module._say(db.connection(), "INSERT INTO shelf DEFAULT VALUES")
