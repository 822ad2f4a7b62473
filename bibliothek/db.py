"""The database: engines, reading and writing sessions, the base of all models. The only file that knows SQLite from PostgreSQL.

A page reads in `Database.reading()`, which cannot write. A change happens in `Database.writing()`: one transaction, begun
with BEGIN IMMEDIATE on SQLite and queued behind one process-wide lock, so that nobody meets "database is locked"
(measured, see docs/decisions/0001-one-writer.md).
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter
from typing import Any, ClassVar

from sqlalchemy import DateTime, Engine, Index, MetaData, create_engine, event, text
from sqlalchemy.engine import Connection, Dialect, make_url
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.orm import DeclarativeBase, Session
from sqlalchemy.pool import QueuePool
from sqlalchemy.types import TypeDecorator

# Worker threads of the web server, and so the most connections that read at the same time.
THREADS = 8
# Numbers of rows are 32 bits wide on PostgreSQL, and both databases choke on larger ones; such a row is nobody's.
LARGEST_ID = 2**31 - 1

# How long a second *process* may hold SQLite's write lock before we give up, in milliseconds.
BUSY_TIMEOUT_MS = 20_000

# How long emptying the log may wait for readers, in milliseconds: lending waits behind it. With eight readers that hold a
# moment for 50 ms each, over and over, 11 of 12 tries came through; without waiting none did.
EMPTYING_TIMEOUT_MS = 250

# In bytes: a hundred loans.
LEAST_ROOM = 2**21

# FULL syncs the write-ahead log at every commit: an acknowledged loan survives a power cut. secure_delete overwrites what
# was deleted: who read what must be gone from the file, too.
_PRAGMAS = {
    "busy_timeout": BUSY_TIMEOUT_MS,  # before journal_mode, which may have to wait itself
    "journal_mode": "wal",
    "synchronous": 2,
    "foreign_keys": 1,
    "secure_delete": 1,
}


class Instant(TypeDecorator[datetime]):
    """A moment in UTC: an aware datetime in Python, `timestamptz` on PostgreSQL, ISO text in UTC on SQLite."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("an instant needs its time zone")
        moment = value.astimezone(UTC)
        return moment.replace(tzinfo=None) if dialect.name == "sqlite" else moment

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def day_of(moment: datetime) -> datetime:
    """The beginning of its day in UTC: for what is kept longer than anybody needs to know the moment."""
    return moment.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


class Base(DeclarativeBase):
    """Base of all models. Constraints are named by rule, so that migrations can name them on both databases.

    Files of models do without `from __future__ import annotations`: it would make texts of the types that SQLAlchemy reads
    at every start, and it would have to make types of them again.
    """

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map: ClassVar[dict[Any, Any]] = {datetime: Instant}


def partial_index(name: str, column: str, where: str, unique: bool = False) -> Index:
    """An index, on both databases, of only those rows for which `where` (SQL) holds.

    PostgreSQL is told by the migration alone: for the word `postgresql_where` SQLAlchemy would load all it knows of that
    database, a twentieth of every start. `info` says it for whoever compares.
    """
    return Index(name, column, unique=unique, sqlite_where=text(where), info={"where": where})


class OutcomeUnknown(OperationalError):
    """The connection broke at the commit: it may have happened, or not."""


class Database:
    """One database of one process. Make it with `open_database`."""

    def __init__(self, reader: Engine, writer: Engine) -> None:
        self._reader = reader
        self._writer = writer
        self._one_writer = threading.Lock()
        # For whoever watches: transactions that wrote, and how long they waited for their turn on SQLite, in seconds.
        self.writes, self.waited_s = 0, 0.0
        self._here = threading.local()

    @property
    def is_sqlite(self) -> bool:
        return self._writer.dialect.name == "sqlite"

    @property
    def engine(self) -> Engine:
        """The engine that may write, for migrations."""
        return self._writer

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A session that sees one moment of the database and cannot write."""
        with Session(self._reader, autoflush=False, expire_on_commit=False) as db:
            yield db

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """One transaction: committed at the end, rolled back when anything is raised.

        Within `together` it is a savepoint of that transaction. Raises OutcomeUnknown where PostgreSQL went away at the commit.
        """
        shared: Connection | None = getattr(self._here, "shared", None)
        if shared is not None:
            with Session(shared, expire_on_commit=False, join_transaction_mode="create_savepoint") as db, db.begin():
                yield db
            return
        if not self.is_sqlite:
            with Session(self._writer, expire_on_commit=False) as db, db.begin() as transaction:
                self.writes += 1
                yield db
                # Somebody may have taken it back.
                if transaction.is_active:
                    db.flush()
                    _commit(db)
            return
        with self._turn(), Session(self._writer, expire_on_commit=False) as db, db.begin():
            yield db

    @contextmanager
    def _turn(self) -> Iterator[None]:
        asked = perf_counter()
        with self._one_writer:
            self.writes += 1
            self.waited_s += perf_counter() - asked
            yield

    @contextmanager
    def together(self) -> Iterator[None]:
        """All that this thread writes meanwhile becomes one transaction (on SQLite): committed at the end, and none of it
        when anything is raised."""
        with self._turn(), self._writer.connect() as connection, connection.begin():
            self._here.shared = connection
            try:
                yield
            finally:
                self._here.shared = None

    def empty_log(self) -> bool:
        """Write SQLite's log into the database file and cut it to nothing. False when a long reader was in the way.

        What was erased is overwritten in the pages of the file, but the log still has these pages as they were before.
        """
        if not self.is_sqlite:
            return True
        with self._one_writer, self._writer.connect() as connection:
            connection.exec_driver_sql("COMMIT")  # every connection begins a transaction, and this works in none
            connection.exec_driver_sql(f"PRAGMA busy_timeout={EMPTYING_TIMEOUT_MS}")
            try:
                busy = connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").scalar_one()
            finally:
                connection.exec_driver_sql(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")
            return not busy

    def has_room(self) -> bool:
        """Whether the disk with SQLite's file has room for some more transactions; PostgreSQL looks after its own."""
        file = self._writer.url.database
        return not self.is_sqlite or file is None or shutil.disk_usage(Path(file).parent).free >= LEAST_ROOM

    def connections(self) -> tuple[int, int]:
        """How many of this process are in use, and how many there may be, but for a few more in a rush on PostgreSQL."""
        pools = {engine.pool for engine in (self._reader, self._writer) if isinstance(engine.pool, QueuePool)}
        return sum(pool.checkedout() for pool in pools), sum(pool.size() for pool in pools)

    def close(self) -> None:
        self._reader.dispose()
        self._writer.dispose()


def open_database(url: str | None, sqlite_file: Path | None, threads: int = THREADS) -> Database:
    """Open PostgreSQL at `url` (postgresql://…), or else the SQLite file, whose folder is made when missing."""
    if url:
        engine = create_engine(
            make_url(url).set(drivername="postgresql+psycopg"),
            pool_size=threads,
            max_overflow=4,
            pool_pre_ping=True,
            hide_parameters=True,
        )

        @event.listens_for(engine, "connect")
        def _tell(connection: Any, _record: Any) -> None:
            # Pages ask much and short: to compile a question or to wake further processes for it takes longer than to answer it.
            connection.execute("SET jit = off")
            connection.execute("SET max_parallel_workers_per_gather = 0")
            connection.commit()

        # A page asks several times and must get answers that fit together, as SQLite gives them anyway. Reading never fails so.
        reader = engine.execution_options(postgresql_readonly=True, isolation_level="REPEATABLE READ")
        return Database(reader, engine)
    if sqlite_file is None:
        raise ValueError("either a PostgreSQL address or a SQLite file is needed")
    sqlite_file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    _keep_to_ourselves(sqlite_file)
    return Database(_sqlite(sqlite_file, threads, "BEGIN"), _sqlite(sqlite_file, 1, "BEGIN IMMEDIATE"))


def _keep_to_ourselves(file: Path) -> None:
    """Nobody else with an account on this machine may read who borrowed what; SQLite gives its log the mode of the file.

    Never a reason not to start: where it fails, the file is somebody else's, or its filesystem knows no modes.
    """
    if not file.exists():
        with suppress(OSError):
            # Only a new file: to close one that SQLite has open would give up its locks (POSIX).
            os.close(os.open(file, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    for suffix in ("", "-wal", "-shm"):
        with suppress(OSError):
            part = file.with_name(file.name + suffix)
            mode = stat.S_IMODE(part.stat().st_mode)
            if mode & 0o077:
                part.chmod(mode & 0o700)


def _sqlite(file: Path, connections: int, begin: str) -> Engine:
    engine = create_engine(
        f"sqlite:///{file}",
        poolclass=QueuePool,
        pool_size=connections,
        max_overflow=0,
        pool_timeout=60,
        # The connection that was used last knows the most pages: with few people at once the others are not needed.
        pool_use_lifo=True,
        hide_parameters=True,
        # The driver must not begin transactions by itself: we say BEGIN, and which one.
        connect_args={"isolation_level": None, "check_same_thread": False, "cached_statements": 256},
    )

    @event.listens_for(engine, "connect")
    def _prepare(connection: Any, _record: Any) -> None:
        for name, value in _PRAGMAS.items():
            connection.execute(f"PRAGMA {name}={value}")
        for name, value in _PRAGMAS.items():
            found = connection.execute(f"PRAGMA {name}").fetchone()[0]
            if found != value:
                raise RuntimeError(f"SQLite keeps {name}={found}, {value} is needed")
        if begin == "BEGIN":
            connection.execute("PRAGMA query_only=1")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        _say(connection, begin)

    dialect: Any = engine.dialect
    dialect.do_savepoint = _savepoint
    dialect.do_rollback_to_savepoint = lambda connection, name: _say(connection, f"ROLLBACK TO {name}")
    dialect.do_release_savepoint = lambda connection, name: _say(connection, f"RELEASE {name}")

    return engine


def _savepoint(connection: Connection, name: str) -> None:
    # After some faults (a full disk) SQLite has ended the transaction itself, and a savepoint would begin another one.
    if not connection.connection.driver_connection.in_transaction:  # type: ignore[union-attr]
        raise OperationalError(f"SAVEPOINT {name}", None, sqlite3.OperationalError("the transaction is over"))
    _say(connection, f"SAVEPOINT {name}")


def _say(connection: Connection, words: str) -> None:
    """Begin or end something, said to the driver itself: on the way through SQLAlchemy it takes as long as a question."""
    driver: Any = connection.connection.driver_connection
    try:
        driver.execute(words)
    except sqlite3.Error as error:
        raise DBAPIError.instance(words, None, error, sqlite3.Error, dialect=connection.dialect) from error


def _commit(db: Session) -> None:
    try:
        db.commit()
    except OperationalError as error:
        if not error.connection_invalidated:
            raise
        raise OutcomeUnknown(None, None, error.orig or error, connection_invalidated=True) from error


def has_many_writers(connection: Connection) -> bool:
    """Whether two transactions may write at once, so that rows must be locked. On SQLite there is one writer."""
    return connection.dialect.name != "sqlite"


def is_unique_violation(error: BaseException, constraint: str, columns: str) -> bool:
    """Whether an IntegrityError came from this unique constraint.

    PostgreSQL names the constraint, SQLite the columns (`table.column`, with commas).
    """
    text = str(getattr(error, "orig", error))
    return constraint in text or f"UNIQUE constraint failed: {columns}" in text


def is_foreign_key_violation(error: BaseException, constraint: str) -> bool:
    """Whether an IntegrityError came from this foreign key. SQLite names none: there, any foreign key."""
    text = str(getattr(error, "orig", error))
    return constraint in text or text == "FOREIGN KEY constraint failed"
