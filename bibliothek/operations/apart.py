"""Backing up and rehearsing, in a process of its own with the least priority: `python -m bibliothek.operations.apart …`.

What takes minutes and much memory then stays away from the threads that lend and return. The answer is JSON on stdout. The process
ends with the server: when nobody holds the other end of its stdin any more.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
import threading
import time
from contextlib import closing, suppress
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from bibliothek.catalogue.covers import folder_of
from bibliothek.db import Database, open_database
from bibliothek.operations import backup, offsite, restore
from bibliothek.operations.rotation import is_before, is_ours, moment_of, name_at, own_id
from bibliothek.problems import Failed, of_file
from bibliothek.settings import Settings, load_settings

# What must stay free for those who lend: the database is on the same disk.
ROOM = 100_000_000
# A file that is still being written after so long is one whose process was killed.
STALE_S = 24 * 60 * 60
# Of backup.write, and of offsite.half_of.
HALF = re.compile(r"\.(.+\.zip)(?:\.\w+)?\.half")


class Made(msgspec.Struct, frozen=True):
    """A backup, and what its rehearsal said: the invariants that it breaks (none where all is well), or why there was none."""

    name: str
    made_at: datetime
    size: int
    seconds: float
    broken: list[str] = []
    trouble: str | None = None

    @property
    def is_sound(self) -> bool:
        return not self.broken and self.trouble is None


class Answer(msgspec.Struct, frozen=True):
    """What the process says: a backup, or how many are in the other place; else the trouble."""

    made: Made | None = None
    sent: int | None = None
    trouble: str | None = None


def make(settings: Settings, folder: Path, now: datetime) -> Made:
    """A backup of this moment, restored into a scratch library and verified. Raises Failed where there could be none."""
    began = time.monotonic()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    _tidy(folder, settings)
    name = name_at(now, own_id(settings))
    with closing(open_database(settings.database_url, settings.sqlite_file)) as database:
        _refuse_without_room(database, settings, folder)
        written = backup.write(database, settings, folder / name, now)
    broken, trouble = [], None
    try:
        broken = [finding.invariant for finding in restore.rehearse(written.file, settings, folder, now)]
    except (Failed, OSError, SQLAlchemyError) as error:
        trouble = _in_words(error, folder)
    return Made(name, now, written.size, round(time.monotonic() - began, 1), broken, trouble)


def _tidy(folder: Path, settings: Settings) -> None:
    """What was left by one that was killed. Only one is made at a time, but somebody may write one here by hand."""
    for place in (folder, settings.data):
        restore.tidy(place, settings)
    for file in folder.iterdir():
        half = HALF.fullmatch(file.name)
        if half and is_ours(half[1], settings, folder) and _is_older(file, STALE_S):
            file.unlink(missing_ok=True)
    tidy_before(folder, settings)


def tidy_before(folder: Path, settings: Settings) -> None:
    """Remove what was written before an upgrade (upgrade.py) as long ago as the oldest that stay by themselves.

    A week at least, also where none of those stay: it is the only way back, for faults that show only later.
    """
    keep = settings.backup_keep
    kept_s = max(keep.days, 7 * keep.weeks, 7) * 24 * 60 * 60
    for file in folder.iterdir() if folder.is_dir() else ():
        if is_before(file.name) and is_ours(file.name, settings, folder) and _is_older(file, kept_s):
            file.unlink(missing_ok=True)


def _is_older(file: Path, seconds: float) -> bool:
    """Not one that is gone: somebody else may have finished or removed it since the folder was listed."""
    try:
        return time.time() - file.stat().st_mtime > seconds
    except FileNotFoundError:
        return False


def _refuse_without_room(database: Database, settings: Settings, folder: Path) -> None:
    """The copy holds the pictures; the scratch library, with its log, is thrice what the database is at most."""
    pictures = sum(file.stat().st_size for file in folder_of(settings).glob("??/*"))
    needed = pictures + 4 * _size(database, settings) + ROOM
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise Failed(
            f"Zum Sichern und Prüfen werden {needed // 1_000_000} MB gebraucht, in {folder} sind "
            f"{free // 1_000_000} MB frei."
        )


def _size(database: Database, settings: Settings) -> int:
    if settings.sqlite_file:
        return settings.sqlite_file.stat().st_size
    with database.reading() as db:
        return int(db.scalar(text("SELECT pg_database_size(current_database())")) or 0)


def _answer(arguments: list[str]) -> Answer:
    settings = load_settings()
    folder = settings.backups
    assert folder is not None
    try:
        what, now, names = arguments[0], datetime.fromisoformat(arguments[1]).astimezone(UTC), arguments[2:]
        if what == "make":
            return Answer(made=make(settings, folder, now))
        files = [file for file in folder.iterdir() if moment_of(file.name)]
        return Answer(sent=offsite.send(settings, files, now, names))
    except (Failed, OSError, SQLAlchemyError) as error:
        return Answer(trouble=_in_words(error, folder))


def _in_words(error: Exception, folder: Path) -> str:
    match error:
        case OSError():
            return of_file(error, str(folder))
        case DBAPIError():
            # Without the statement and its values.
            return f"Die Datenbank ist nicht zu benutzen: {str(error.orig).strip().splitlines()[0]}"
        case _:
            return str(error)


def _end_with_the_server() -> None:
    sys.stdin.buffer.read()
    os._exit(1)


def main() -> None:
    with suppress(PermissionError):
        # Whoever may not even be modest makes the backup all the same.
        os.nice(19)
    threading.Thread(target=_end_with_the_server, daemon=True).start()
    sys.stdout.buffer.write(msgspec.json.encode(_answer(sys.argv[1:])))
    sys.stdout.flush()
    # Nothing is left to be done, and the other thread still reads.
    os._exit(0)


if __name__ == "__main__":
    main()
