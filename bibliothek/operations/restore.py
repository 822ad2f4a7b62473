"""Make a library of a backup, all of it or nothing: until the last step, what was there before is as it was."""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy import JSON, Integer, bindparam, cast, column, func, insert, inspect, select, table, text
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DataError, IntegrityError
from sqlalchemy.orm import Session

from bibliothek.catalogue import covers
from bibliothek.catalogue.actions import reindex
from bibliothek.catalogue.models import Cover
from bibliothek.catalogue.pictures import EXTENSION
from bibliothek.db import Database, open_database
from bibliothek.mail import outbox
from bibliothek.migrations import upgrade_within
from bibliothek.operations.backup import PIECE, TYPES, Kind, counters, highest_number, tables_of
from bibliothek.operations.reading import Backup, BadBackup, opened
from bibliothek.operations.rotation import is_own_folder, own_id
from bibliothek.operations.rounds import catch_up
from bibliothek.operations.verify import PICTURED, Finding, NotSound, verify
from bibliothek.problems import Failed
from bibliothek.serving import nobody_serves
from bibliothek.settings import Settings

# Beside the database, so that the last step is only another name.
SCRATCH = ".zurueckgespielt-"
ASIDE = "bibliothek-vor-"
LOG = ("-wal", "-shm")
# Migrations need room for tables that are written anew.
ROOM = 50_000_000


class Restored(msgspec.Struct, frozen=True):
    """What came of it: the moment that the library is of, how many rows came back, tables that this version does not know, and
    where that lies which was there before (with PostgreSQL only lists that were being read in), if anything was."""

    made_at: datetime
    rows: int
    unknown: list[str]
    aside: Path | None


def restore(file: Path, settings: Settings, now: datetime, even_if_unsound: bool = False) -> Restored:
    """Put the backup in place of the library of these settings. Raises Failed (BadBackup, NotSound), and then nothing is changed.

    With SQLite a library that is there is moved aside; with PostgreSQL the database must be empty.
    """
    with opened(file) as backup:
        settings.data.mkdir(mode=0o700, parents=True, exist_ok=True)
        _refuse_without_room(backup, settings.data)
        backup.check_sums()
        now = max(now, backup.manifest.made_at)
        if settings.database_url:
            return _into_postgresql(backup, settings, now, even_if_unsound)
        return _into_sqlite(backup, settings, now, even_if_unsound)


def rehearse(file: Path, settings: Settings, folder: Path, now: datetime) -> list[Finding]:
    """Restore the backup into a scratch library in `folder`, and throw that away: which invariants it breaks. Raises Failed."""
    with opened(file) as backup, _scratch(folder, settings) as database:
        backup.check_sums()
        with database.engine.begin() as connection:
            load(backup, connection)
            return _unsound(backup, connection, settings, max(now, backup.manifest.made_at))


def _refuse_without_room(backup: Backup, folder: Path) -> None:
    free = shutil.disk_usage(folder).free
    if backup.size + ROOM > free:
        raise Failed(
            f"Ausgepackt braucht die Sicherung {(backup.size + ROOM) // 1_000_000} MB, in {folder.resolve()} "
            f"sind {free // 1_000_000} MB frei. Nichts ist geändert."
        )


# ---- SQLite ----


@contextmanager
def _scratch(folder: Path, settings: Settings) -> Iterator[Database]:
    """An empty database in a folder of its own within `folder`, which goes afterwards. Nobody else of this library may have one
    there."""
    tidy(folder, settings)
    with (
        tempfile.TemporaryDirectory(prefix=_scratch_name(folder, settings), dir=folder) as made,
        closing(open_database(None, Path(made) / "bibliothek.sqlite")) as database,
    ):
        yield database


def tidy(folder: Path, settings: Settings) -> None:
    """Remove what a restore or a rehearsal left that was killed: in it is also what the library has forgotten since. Nobody of this
    library may be at one; another one's, in a folder of both, is left alone."""
    for left in folder.glob(f"{_scratch_name(folder, settings)}*"):
        shutil.rmtree(left, ignore_errors=True)


def _scratch_name(folder: Path, settings: Settings) -> str:
    return SCRATCH if is_own_folder(folder, settings) else f"{SCRATCH}{own_id(settings)}-"


def _into_sqlite(backup: Backup, settings: Settings, now: datetime, even_if_unsound: bool) -> Restored:
    with nobody_serves(settings), _scratch(settings.data, settings) as database:
        with database.engine.begin() as connection:
            unknown = load(backup, connection)
            _refuse_unsound(backup, connection, settings, now, even_if_unsound)
        if not database.empty_log():
            raise Failed("Die Datenbank ließ sich nicht fertig schreiben. Nichts ist geändert.")
        made = Path(str(database.engine.url.database))
        database.close()
        aside = _set_aside(settings, now)
        _put_pictures(backup, covers.folder_of(settings))
        _put_in_place(made, settings)
    return Restored(backup.manifest.made_at, backup.manifest.counted("tables"), unknown, aside)


def _set_aside(settings: Settings, now: datetime) -> Path | None:
    """Give the library that is there a second name, in a folder of its own: a data folder without key and id, which stay."""
    old = settings.sqlite_file
    if old is None or not old.exists():
        return None
    is_in_use = 0
    with suppress(sqlite3.Error), closing(sqlite3.connect(old)) as connection:
        # What is still in the log goes into the file. Where it is too damaged for that, both are kept.
        is_in_use, _frames, _moved = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    if is_in_use:
        raise Failed(
            "Ein anderes Programm benutzt die Datenbank gerade, vielleicht „bibliothek backup“ oder „bibliothek import“. Warte, "
            "bis es fertig ist. Nichts ist geändert."
        )
    aside = _aside(settings, now)
    for name in (old.name, *(old.name + suffix for suffix in LOG)):
        if (settings.data / name).exists():
            _second_name(settings.data / name, aside / name)
    for name in ("covers", "imports"):
        if (settings.data / name).is_dir():
            shutil.copytree(settings.data / name, aside / name, copy_function=_second_name)
    return aside


def _aside(settings: Settings, now: datetime) -> Path:
    aside = settings.data / f"{ASIDE}{now.astimezone(UTC):%Y%m%d-%H%M%S}"
    aside.mkdir(mode=0o700)
    return aside


def _second_name(file: str | Path, name: str | Path) -> None:
    try:
        os.link(file, name)
    except OSError:
        # Some filesystems know no second names.
        shutil.copy2(file, name)


def _put_in_place(made: Path, settings: Settings) -> None:
    assert settings.sqlite_file is not None
    for suffix in LOG:
        # Of a database that could not be opened; SQLite would take it for the log of the new one.
        settings.sqlite_file.with_name(settings.sqlite_file.name + suffix).unlink(missing_ok=True)
    os.sync()
    os.replace(made, settings.sqlite_file)
    os.sync()
    # Lists that were being read in, by numbers that are somebody else's now.
    shutil.rmtree(settings.data / "imports", ignore_errors=True)


# ---- PostgreSQL ----


def _into_postgresql(backup: Backup, settings: Settings, now: datetime, even_if_unsound: bool) -> Restored:
    lists = settings.data / "imports"
    with closing(open_database(settings.database_url, None)) as database, nobody_serves(settings, database):
        with database.engine.begin() as connection:
            if inspect(connection).get_table_names():
                raise Failed(
                    "In der Datenbank liegt schon etwas. Lege eine neue, leere an (createdb bibliothek2), nenne sie in "
                    "BIBLIOTHEK_DATABASE_URL und spiele noch einmal zurück; die alte bleibt, wie sie ist."
                )
            unknown = load(backup, connection)
            _refuse_unsound(backup, connection, settings, now, even_if_unsound)
            _put_pictures(backup, covers.folder_of(settings))
            os.sync()
            # Where it cannot be made, nothing is restored.
            aside = _aside(settings, now) if lists.is_dir() and any(lists.iterdir()) else None
        if aside:
            # As in _put_in_place: numbers of the library that was here before are somebody else's now.
            os.replace(lists, aside / lists.name)
    return Restored(backup.manifest.made_at, backup.manifest.counted("tables"), unknown, aside)


# ---- Both ----


def load(backup: Backup, connection: Connection) -> list[str]:
    """Make the tables as they were then, fill them, and migrate them, in the transaction of `connection` on an empty database.

    Returns the names of tables that this version does not know: somebody else's, which are left out. Raises BadBackup.
    """
    upgrade_within(connection, backup.manifest.revision)
    there = {one.name: one for one in tables_of(connection)}
    unknown = []
    try:
        with _any_order(connection):
            for name in there:
                # Some tables are made with a row.
                connection.execute(table(name).delete())
            for name, columns, rows in backup.tables():
                if name not in there:
                    unknown.append(name)
                elif {of for of, _kind in columns} != set(there[name].columns.keys()):
                    raise BadBackup(f"{backup.file.name} passt nicht zu der Version, von der sie sein will ({name}).")
                else:
                    _insert(connection, name, columns, rows)
    except IntegrityError as error:
        # The lines after the first may name values.
        words = str(error.orig).strip().splitlines()[0]
        raise BadBackup(f"{backup.file.name} widerspricht sich selbst: {words}") from error
    except DataError as error:
        # SQLite keeps characters and numbers that PostgreSQL does not.
        words = str(error.orig).strip().splitlines()[0]
        raise Failed(f"Was in {backup.file.name} steht, nimmt diese Datenbank nicht an: {words}") from error
    _count_on(connection, backup)
    upgrade_within(connection)
    with Session(connection) as db:
        reindex(db)
        db.flush()
    return unknown


def _insert(
    connection: Connection, name: str, columns: list[tuple[str, Kind]], rows: Iterator[list[tuple[Any, ...]]]
) -> None:
    into = table(name, *(column(of, TYPES[kind]) for of, kind in columns))
    is_postgresql = connection.dialect.name == "postgresql"
    values = {
        of: cast(bindparam(of, type_=TYPES[kind]), JSON) if kind == "json" and is_postgresql else bindparam(of)
        for of, kind in columns
    }
    names = [of for of, _kind in columns]
    for batch in rows:
        connection.execute(insert(into).values(values), [dict(zip(names, row, strict=True)) for row in batch])


@contextmanager
def _any_order(connection: Connection) -> Iterator[None]:
    """Foreign keys are looked at afterwards, for rows come in the order of their names. Raises IntegrityError."""
    if connection.dialect.name == "sqlite":
        connection.execute(text("PRAGMA defer_foreign_keys=ON"))
        yield
        wrong = connection.execute(text("PRAGMA foreign_key_check")).first()
        if wrong:
            raise IntegrityError(None, None, ValueError(f"{wrong[0]} {wrong[1]} → {wrong[2]}"))
        return
    keys = connection.execute(
        text(
            "SELECT conrelid::regclass::text, quote_ident(conname), pg_get_constraintdef(oid) FROM pg_constraint "
            "WHERE contype = 'f' AND connamespace = current_schema()::regnamespace"
        )
    ).all()
    for of, name, _meaning in keys:
        connection.execute(text(f"ALTER TABLE {of} DROP CONSTRAINT {name}"))
    yield
    for of, name, meaning in keys:
        connection.execute(text(f"ALTER TABLE {of} ADD CONSTRAINT {name} {meaning}"))


def _count_on(connection: Connection, backup: Backup) -> None:
    """New rows get numbers that nothing ever had."""
    for part in backup.manifest.parts:
        name = part.name.removeprefix("tables/").removesuffix(".jsonl")
        if part.highest is not None and connection.dialect.name == "sqlite":
            _count_on_sqlite(connection, name, part.highest)
        elif connection.dialect.name == "postgresql" and part.name.startswith("tables/"):
            for counter in counters(connection, name):
                _count_on_postgresql(connection, name, counter, part.highest or 0)


def _count_on_sqlite(connection: Connection, name: str, highest: int) -> None:
    asked = text("SELECT 1 FROM sqlite_master WHERE name = :name AND sql LIKE '%AUTOINCREMENT%'")
    if connection.scalar(asked, {"name": name}):
        said = {"name": name, "highest": max(highest, highest_number(connection, name) or 0)}
        connection.execute(text("DELETE FROM sqlite_sequence WHERE name = :name"), said)
        connection.execute(text("INSERT INTO sqlite_sequence (name, seq) VALUES (:name, :highest)"), said)


def _count_on_postgresql(connection: Connection, name: str, counter: str, highest: int) -> None:
    there = connection.scalar(select(func.max(column("id", Integer))).select_from(table(name))) or 0
    if max(highest, there):
        connection.execute(
            text("SELECT setval(:counter, :highest)"), {"counter": counter, "highest": max(highest, there)}
        )


def _refuse_unsound(
    backup: Backup, connection: Connection, settings: Settings, now: datetime, even_if_unsound: bool
) -> None:
    findings = _unsound(backup, connection, settings, now)
    if findings and not even_if_unsound:
        raise NotSound(
            findings,
            "Die Sicherung ist lesbar, aber was darin steht, stimmt nicht: {}. Nichts ist geändert. Mit --trotzdem wird sie "
            "zurückgespielt, wie sie ist.",
        )


def _unsound(backup: Backup, connection: Connection, settings: Settings, now: datetime) -> list[Finding]:
    """Bring the loaded library to this moment, and say what does not hold then."""
    with Session(connection, expire_on_commit=False) as db:
        outbox.leave_unsent(db, now)
        catch_up(db, settings, now)
        db.flush()
        findings = [*verify(db, now, has_new_index=True), Finding(PICTURED, _pictures_missing(backup, db))]
    return [one for one in findings if one.broken]


def _pictures_missing(backup: Backup, db: Session) -> list[str]:
    there = {name for name, _content in backup.pictures()}
    rows = db.execute(select(Cover.title_id, Cover.digest).where(Cover.digest.is_not(None)).order_by(Cover.title_id))
    return [
        f"title {title_id}, {name}"
        for title_id, digest in rows
        for name in (f"{digest}-{size}.{EXTENSION}" for size in covers.SIZES)
        if name not in there
    ]


def _put_pictures(backup: Backup, folder: Path) -> None:
    """Beside those that are there: a picture is called by what it shows. One that is damaged is replaced."""
    for name, content in backup.pictures():
        assert content is not None
        file = folder / name[:2] / name
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=file.parent, prefix=".", delete=False) as written:
            shutil.copyfileobj(content, written, PIECE)
        os.replace(written.name, file)
