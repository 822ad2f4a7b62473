"""Bring the database to the newest shape: Alembic, one dated file per change in `versions/`."""

from __future__ import annotations

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


def current(connection: Connection) -> str | None:
    """The revision of the database, or None when it is empty."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()


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


def upgrade(database: Database, to: str = "head") -> None:
    """Migrate to the revision `to`; tests stop at older ones."""
    with database.engine.begin() as connection:
        if not database.is_sqlite:
            # Several processes may start at once; the number is ours, chosen freely.
            connection.execute(text("SELECT pg_advisory_xact_lock(724117)"))
        upgrade_within(connection, to)


def upgrade_within(connection: Connection, to: str = "head") -> None:
    """The same as a part of the transaction of `connection`."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(FOLDER).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, to)
