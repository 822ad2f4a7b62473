"""All of a library in one file, the same for both databases, written while it is used.

A zip with `tables/<name>.jsonl` (a line with names and kinds of columns, then a line a row), `covers/<xx>.tar` (the pictures whose
names begin so) and `manifest.json`. It is read from the tables that the database has, not from the models: also one that is still
to be migrated can be backed up.

Left out are the key, what can be built anew, and what nobody may carry over: who is signed in, and links and answers that count
for minutes. A backup that lay somewhere for a month must let nobody in.
"""

from __future__ import annotations

import hashlib
import os
import re
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import IO, Any, Literal
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile, ZipInfo

import msgspec
from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Date,
    DateTime,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    cast,
    column,
    inspect,
    select,
    table,
    text,
)
from sqlalchemy.engine import Connection
from sqlalchemy.types import TypeEngine

from bibliothek import __version__
from bibliothek.catalogue import covers
from bibliothek.catalogue.pictures import EXTENSION
from bibliothek.db import Database, Instant
from bibliothek.migrations import current
from bibliothek.problems import Failed
from bibliothek.settings import Settings

FORMAT = 1
MANIFEST = "manifest.json"
# The search index is built anew, and the revision stands in the manifest.
BUILT_ANEW = re.compile(r"title_search.*|alembic_version")
# Signing in, pairing a tablet, a form or call that is just being repeated, whose turn it is at a source.
NOT_CARRIED_OVER = {"browser_session", "sign_in", "pairing", "once", "source_turn"}
# Rows that are in memory at once.
BATCH = 1000
PIECE = 1 << 20
TABLE_NAME = re.compile("[a-z_]{1,60}")
PICTURE_NAME = re.compile(rf"[0-9a-f]{{32}}-[sl]\.{EXTENSION}")

Kind = Literal["integer", "text", "boolean", "instant", "date", "bytes", "json"]
# What JSON is to the database is text here: null as a value and no value at all stay apart.
TYPES: dict[Kind, TypeEngine[Any]] = {
    "integer": Integer(),
    "text": Text(),
    "boolean": Boolean(),
    "instant": Instant(),
    "date": Date(),
    "bytes": LargeBinary(),
    "json": Text(),
}


class Part(msgspec.Struct, frozen=True):
    """A part of the zip: its size and sum before it is packed, and how many rows or pictures it holds.

    `highest` is the highest number that a row of the table ever had, also one that is gone: it is never given again.
    """

    name: str
    count: int
    size: int
    sha256: str
    highest: int | None = None


class Manifest(msgspec.Struct, frozen=True):
    """What a backup says about itself; `revision` is that of its database, `made_at` the moment that it shows."""

    format: int
    app: str
    revision: str
    made_at: datetime
    database: str
    parts: list[Part]

    def counted(self, folder: str) -> int:
        """How many rows ("tables") or pictures ("covers") there are."""
        return sum(part.count for part in self.parts if part.name.startswith(f"{folder}/"))


class Written(msgspec.Struct, frozen=True):
    """A backup that lies safely on the disk."""

    file: Path
    size: int
    manifest: Manifest


def write(database: Database, settings: Settings, file: Path, now: datetime) -> Written:
    """Write the library as it is now to `file`, whole or not at all; one that was there before is replaced.

    The database may be older than this code. Memory does not grow with the library, and nobody who lends or returns waits.
    Raises Failed where there is no library.
    """
    # Not named after the process: in a container it has the same number each time, also after one that was killed.
    handle, name = tempfile.mkstemp(".half", f".{file.name}.", file.parent)
    half = Path(name)
    try:
        with os.fdopen(handle, "wb") as out:
            with ZipFile(out, "w", ZIP_DEFLATED) as box:
                manifest = _fill(box, database, settings, now)
            out.flush()
            os.fsync(out.fileno())
        half.replace(file)
        covers.sync(file.parent)
    finally:
        half.unlink(missing_ok=True)
    return Written(file, file.stat().st_size, manifest)


def _fill(box: ZipFile, database: Database, settings: Settings, now: datetime) -> Manifest:
    with database.reading() as db:
        connection = db.connection()
        revision = current(connection)
        if revision is None:
            raise Failed("Hier liegt keine Bibliothek, die sich sichern ließe.")
        parts = [_write_table(box, connection, one) for one in tables_of(connection)]
    # After the tables: a picture is on the disk before a row names it, and stays for a day when none names it any more.
    parts += _write_pictures(box, covers.folder_of(settings))
    manifest = Manifest(FORMAT, __version__, revision, now, connection.dialect.name, parts)
    box.writestr(MANIFEST, msgspec.json.format(msgspec.json.encode(manifest)))
    return manifest


def tables_of(connection: Connection) -> list[Table]:
    """The tables of the database whose rows a backup holds, as they are there.

    Not those that no version of ours can have made, by their names or by what is in them: somebody keeps more in the same database.
    """
    names = inspect(connection).get_table_names()
    wanted = [name for name in names if not BUILT_ANEW.fullmatch(name) and name not in NOT_CARRIED_OVER]
    found = MetaData()
    found.reflect(connection, only=wanted, resolve_fks=False)
    return [found.tables[name] for name in sorted(wanted) if _may_be_ours(found.tables[name])]


def _may_be_ours(one: Table) -> bool:
    return bool(TABLE_NAME.fullmatch(one.name)) and all(kind_of(part) for part in one.columns)


def kind_of(of: Column[Any]) -> Kind | None:
    match of.type:
        case Boolean():
            return "boolean"
        case DateTime():
            return "instant"
        case Date():
            return "date"
        case LargeBinary():
            return "bytes"
        case JSON():
            return "json"
        case Integer():
            return "integer"
        case String():
            return "text"
    return None


def _write_table(box: ZipFile, connection: Connection, one: Table) -> Part:
    kinds = {str(part.name): kind for part in one.columns if (kind := kind_of(part))}
    plain = table(one.name, *(column(name, TYPES[kind]) for name, kind in kinds.items()))
    asked = [cast(plain.c[name], Text) if kind == "json" else plain.c[name] for name, kind in kinds.items()]
    rows = select(*asked).order_by(*(plain.c[part.name] for part in one.primary_key))
    encoder, count = msgspec.json.Encoder(), 0
    with _part(box, f"tables/{one.name}.jsonl") as out:
        out.write(encoder.encode_lines([list(kinds.items())]))
        for batch in connection.execute(rows, execution_options={"yield_per": BATCH}).partitions():
            out.write(encoder.encode_lines([tuple(row) for row in batch]))
            count += len(batch)
    return out.part(count, highest_number(connection, one.name))


def counters(connection: Connection, name: str) -> list[str]:
    """PostgreSQL's sequences that number the rows of a table, as `sequence`."""
    asked = text(
        "SELECT pg_get_serial_sequence(quote_ident(table_name), column_name) FROM information_schema.columns "
        "WHERE table_schema = current_schema() AND table_name = :name AND column_default LIKE 'nextval(%'"
    )
    return list(connection.scalars(asked, {"name": name}))


def highest_number(connection: Connection, name: str) -> int | None:
    if connection.dialect.name == "postgresql":
        asked = [text(f"SELECT last_value FROM {of} WHERE is_called") for of in counters(connection, name)]  # noqa: S608
    elif inspect(connection).has_table("sqlite_sequence"):
        asked = [text("SELECT seq FROM sqlite_sequence WHERE name = :name").bindparams(name=name)]
    else:
        asked = []
    return max((found for one in asked if (found := connection.scalar(one)) is not None), default=None)


def _write_pictures(box: ZipFile, folder: Path) -> Iterator[Part]:
    """Few large parts: of two million small ones, the list alone would fill the memory."""
    names = sorted(name for name in os.listdir(folder) if re.fullmatch("[0-9a-f]{2}", name)) if folder.is_dir() else []
    for name in names:
        count = 0
        with _part(box, f"covers/{name}.tar", ZIP_STORED) as out, tarfile.open(fileobj=out, mode="w|") as tar:  # type: ignore[call-overload]
            for file in sorted((folder / name).iterdir()):
                count += _add(tar, file)
        yield out.part(count)


def _add(tar: tarfile.TarFile, file: Path) -> bool:
    if not PICTURE_NAME.fullmatch(file.name):
        return False
    try:
        content = file.open("rb")
    except FileNotFoundError:
        # Nobody has shown it for a day, and it was just tidied up.
        return False
    with content:
        entry = tarfile.TarInfo(file.name)
        entry.size = os.fstat(content.fileno()).st_size
        tar.addfile(entry, content)
    return True


class _Summing:
    """Writes to a part of the zip, and knows afterwards what was written."""

    def __init__(self, out: IO[bytes], name: str) -> None:
        self._out, self._name, self._size, self._sum = out, name, 0, hashlib.sha256()

    def write(self, content: bytes) -> int:
        self._size += len(content)
        self._sum.update(content)
        return self._out.write(content)

    def part(self, count: int, highest: int | None = None) -> Part:
        return Part(self._name, count, self._size, self._sum.hexdigest(), highest)


@contextmanager
def _part(box: ZipFile, name: str, packed: int = ZIP_DEFLATED) -> Iterator[_Summing]:
    info = ZipInfo(name)
    info.compress_type, info.external_attr = packed, 0o600 << 16
    with box.open(info, "w", force_zip64=True) as out:
        yield _Summing(out, name)
