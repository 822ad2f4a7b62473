"""A mark that every running server carries, and every command that writes, so that nobody puts another library under its feet.

With SQLite it is a lock on a file in the data folder, with PostgreSQL one in the database. Both go with their process, however it
ends. Many servers carry the mark at once; `nobody_serves` holds it alone.
"""

from __future__ import annotations

import fcntl
import logging
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from sqlalchemy import text
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from bibliothek.db import Database
from bibliothek.problems import Failed
from bibliothek.settings import Settings

FILE = "serving.lock"
# Chosen freely, but different from the one of migrations.
NUMBER = 724118
# How often a server asks whether its lock in PostgreSQL is still there: it goes when the database is started anew.
EVERY_S = 10.0

log = logging.getLogger(__name__)


@contextmanager
def serving(settings: Settings, database: Database) -> Iterator[None]:
    """Carry the mark. Enter it before anything of the library is opened. Raises Failed while somebody holds it alone."""
    taken = "Gerade wird hier eine Sicherung zurückgespielt oder aufgerüstet. Versuche es danach noch einmal."
    if database.is_sqlite:
        with _locked_file(settings, fcntl.LOCK_SH, taken):
            yield
        return
    is_over = threading.Event()
    with _locked_number(database, "pg_try_advisory_lock_shared", taken) as connection:
        keeper = threading.Thread(target=_keep, args=(database, connection, is_over), name="serving", daemon=True)
        keeper.start()
        try:
            yield
        finally:
            is_over.set()
            keeper.join(timeout=5)


@contextmanager
def nobody_serves(settings: Settings, database: Database | None = None) -> Iterator[None]:
    """Do something that no server may see half done. Raises Failed while one runs, and none starts meanwhile.

    With SQLite the database need not be there yet.
    """
    runs = (
        "Die Bibliothek läuft gerade. Halte erst alle Server an, die sie benutzen, und warte auf Befehle wie „import“."
    )
    if database is None or database.is_sqlite:
        with _locked_file(settings, fcntl.LOCK_EX, runs):
            yield
        return
    with _locked_number(database, "pg_try_advisory_lock", runs):
        yield


@contextmanager
def _locked_file(settings: Settings, kind: int, otherwise: str) -> Iterator[None]:
    settings.data.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle = os.open(settings.data / FILE, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(handle, kind | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise Failed(otherwise) from error
        yield
    finally:
        os.close(handle)


@contextmanager
def _locked_number(database: Database, how: str, otherwise: str) -> Iterator[Connection]:
    connection = _lock(database, how)
    if connection is None:
        raise Failed(otherwise)
    try:
        yield connection
    finally:
        _give_back(connection)


def _give_back(connection: Connection) -> None:
    with suppress(SQLAlchemyError):
        # The end of the connection reaches the database only a moment later, and somebody may wait for it.
        connection.execute(text("SELECT pg_advisory_unlock_all()"))
    with suppress(SQLAlchemyError):
        connection.close()


def _lock(database: Database, how: str) -> Connection | None:
    """A connection of its own, beside those of the pool, that has the lock; None where somebody else is in the way."""
    connection = database.engine.connect().execution_options(isolation_level="AUTOCOMMIT")
    connection.detach()
    if connection.scalar(text(f"SELECT {how}({NUMBER})")):
        return connection
    connection.close()
    return None


def _keep(database: Database, connection: Connection | None, is_over: threading.Event) -> None:
    """Take the lock again when the connection that had it is gone."""
    ours = None
    while not is_over.wait(EVERY_S):
        try:
            if connection is not None:
                connection.scalar(text("SELECT 1"))
                continue
            connection = ours = _lock(database, "pg_try_advisory_lock_shared")
            if ours is None:
                log.error("the mark of a running server is held by somebody else")
        except DBAPIError:
            connection = None
    if ours is not None:
        _give_back(ours)
