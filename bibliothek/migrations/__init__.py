"""Bring the database to the newest shape: Alembic, one dated file per change in `versions/`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from sqlalchemy import inspect, text
from sqlalchemy.engine import Connection

from bibliothek.db import Database

FOLDER = Path(__file__).parent


class NewerDatabase(Exception):
    """The database was written by a newer Bibliothek than this one."""


def newest() -> str:
    """The revision this code expects: the last file by name, which starts with its date."""
    return max(file.stem for file in (FOLDER / "versions").glob("2*.py"))


def is_known(revision: str) -> bool:
    """Whether a library of this revision can be brought to the newest."""
    return revision in {file.stem for file in (FOLDER / "versions").glob("2*.py")}


def current(connection: Connection) -> str | None:
    """The revision of the database, or None when it is empty."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()


def is_older(database: Database) -> bool:
    """Whether the database holds a library of an older version. An empty one is none."""
    with database.reading() as db:
        revision = current(db.connection())
    return revision is not None and revision < newest()


def migrate(database: Database) -> bool:
    """Migrate to the newest revision in one transaction; True when something was done.

    Alembic is imported only then: it would add a third to the time of every start. Raises NewerDatabase.
    """
    with database.engine.connect() as connection:
        now = current(connection)
        connection.rollback()
    if now == newest():
        return False
    if now is not None and now > newest():
        raise NewerDatabase(now)
    upgrade(database)
    return True


def upgrade(database: Database, to: str = "head", check: Callable[[Connection], None] | None = None) -> None:
    """Migrate to the revision `to` in one transaction. What `check` raises at its end takes all of it back."""
    with database.engine.begin() as connection:
        if not database.is_sqlite:
            # Several processes may start at once; the number is ours, chosen freely.
            connection.execute(text("SELECT pg_advisory_xact_lock(724117)"))
        upgrade_within(connection, to)
        if check:
            check(connection)


def upgrade_within(connection: Connection, to: str = "head") -> None:
    """The same as a part of the transaction of `connection`."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(FOLDER).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, to)
