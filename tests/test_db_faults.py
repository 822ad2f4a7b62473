"""What a fault of the database says: never the values of a statement, which may name people."""

from __future__ import annotations

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, IntegrityError

from bibliothek import db as db_module
from bibliothek.cli import plain_words
from bibliothek.problems import Failed
from tests import make
from tests.client import text_of
from tests.conftest import Library

on_postgresql = pytest.mark.parametrize(
    "both", [pytest.param("postgres", marks=pytest.mark.postgres)], indirect=True, ids=["postgres"]
)
UNCHANGED, UNKNOWN = "Es ist nichts geändert", "Ob noch gespeichert wurde, ist nicht bekannt"


def dies(library: Library, when: str) -> None:
    """Whoever adds a shelf from now on loses the connection: `when` it is written, or at the commit."""
    with library.database.writing() as db:
        db.execute(
            text(
                "CREATE FUNCTION die() RETURNS trigger LANGUAGE plpgsql AS "
                "'BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END'"
            )
        )
        kind, timing = ("CONSTRAINT", "DEFERRABLE INITIALLY DEFERRED") if when == "commit" else ("", "")
        db.execute(
            text(f"CREATE {kind} TRIGGER die AFTER INSERT ON shelf {timing} FOR EACH ROW EXECUTE FUNCTION die()")
        )


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


@on_postgresql
@pytest.mark.parametrize(("when", "says"), [("commit", UNKNOWN), ("flush", UNCHANGED)])
def test_only_of_a_connection_lost_at_the_commit_it_is_not_known_what_became_of_it(
    both: Library, when: str, says: str
) -> None:
    with both.database.writing() as db:
        admin = make.admin(db)
    dies(both, when)
    with both.client() as client:
        client.sign_in(admin)
        answer = client.submit("/verwaltung/regale", name="Regal 1")
        assert answer.status_code == 503
        said = text_of(answer.text)
        assert [words for words in (UNCHANGED, UNKNOWN) if words in said] == [says]
        # The next one gets another connection.
        assert client.get("/verwaltung/regale").status_code == 200


@on_postgresql
def test_a_command_says_so_too(both: Library) -> None:
    dies(both, "commit")
    with pytest.raises(Failed, match=UNKNOWN), plain_words(both.settings), both.database.writing() as db:
        make.shelf(db)
