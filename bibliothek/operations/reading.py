"""A backup that somebody brings, read without believing it: it may be cut short, damaged, foreign, or made to do harm.

Nothing is unpacked under a name that the file gives, and nothing larger than it said before is read.
"""

from __future__ import annotations

import hashlib
import io
import re
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime
from pathlib import Path
from typing import IO, Any
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, ZipFile

import msgspec

from bibliothek.migrations import newest, revisions
from bibliothek.operations.backup import BATCH, FORMAT, MANIFEST, PICTURE_NAME, PIECE, TABLE_NAME, Kind, Manifest, Part
from bibliothek.problems import Failed

PART_NAME = re.compile(rf"tables/{TABLE_NAME.pattern}\.jsonl|covers/[0-9a-f]{{2}}\.tar")
MOST_PARTS = 1000
LARGEST_MANIFEST = 1_000_000
# Of an entry of a zip (APPNOTE 4.4.4): it can be read with a password only, and we write none so.
ENCRYPTED = 1
# The longest a row is: a record of another library's as it came.
LONGEST_ROW = 64_000_000

_VALUES: dict[Kind, Any] = {
    "integer": int | None,
    "text": str | None,
    "boolean": bool | None,
    "instant": datetime | None,
    "date": date | None,
    "bytes": bytes | None,
    "json": str | None,
}


class BadBackup(Failed):
    """The file is none, or not whole any more."""


def _damaged(file: Path) -> BadBackup:
    return BadBackup(f"{file.name} ist beschädigt oder nicht ganz angekommen. Nimm eine andere Sicherung.")


class Backup:
    """An opened backup of a version that this one understands. `manifest` says what is in it."""

    def __init__(self, file: Path, box: ZipFile, manifest: Manifest) -> None:
        self.file, self.manifest = file, manifest
        self._box = box

    @property
    def size(self) -> int:
        """Bytes of all parts when they are unpacked."""
        return sum(part.size for part in self.manifest.parts)

    def check_sums(self) -> None:
        """Read all of it once. Raises BadBackup unless every byte is as it was written."""
        for part in self.manifest.parts:
            with self._open(part) as content:
                found = hashlib.sha256()
                while piece := content.read(PIECE):
                    found.update(piece)
            if found.hexdigest() != part.sha256:
                raise _damaged(self.file)

    def tables(self) -> Iterator[tuple[str, list[tuple[str, Kind]], Iterator[list[tuple[Any, ...]]]]]:
        """Each table: its name, its columns, and its rows in batches. Read one before you ask for the next."""
        for part in self.manifest.parts:
            if part.name.startswith("tables/"):
                with self._open(part) as content:
                    name = part.name.removeprefix("tables/").removesuffix(".jsonl")
                    columns = msgspec.json.decode(_line(content), type=list[tuple[str, Kind]])
                    yield name, columns, self._rows(part, columns, content)

    def _rows(self, part: Part, columns: list[tuple[str, Kind]], content: IO[bytes]) -> Iterator[list[tuple[Any, ...]]]:
        row: Any = tuple.__class_getitem__(tuple(_VALUES[kind] for _name, kind in columns))
        decoder: msgspec.json.Decoder[tuple[Any, ...]] = msgspec.json.Decoder(row)
        count = 0
        while True:
            with _as_bad(self.file):
                batch = [decoder.decode(line) for line in _some(content)]
            if not batch:
                break
            count += len(batch)
            yield batch
        if count != part.count:
            raise _damaged(self.file)

    def pictures(self) -> Iterator[tuple[str, IO[bytes] | None]]:
        """The name and the content of each picture. Read one before you ask for the next."""
        for part in self.manifest.parts:
            if part.name.startswith("covers/"):
                with self._open(part) as content, tarfile.open(fileobj=content, mode="r|") as tar:
                    for entry in tar:
                        if not entry.isreg() or not PICTURE_NAME.fullmatch(entry.name):
                            raise _damaged(self.file)
                        yield entry.name, tar.extractfile(entry)

    @contextmanager
    def _open(self, part: Part) -> Iterator[io.BufferedReader]:
        with _as_bad(self.file), self._box.open(part.name) as content:
            yield io.BufferedReader(content, PIECE)  # type: ignore[arg-type]


def _some(content: IO[bytes]) -> Iterator[bytes]:
    for _ in range(BATCH):
        line = _line(content)
        if not line:
            return
        yield line


def _line(content: IO[bytes]) -> bytes:
    line = content.readline(LONGEST_ROW)
    if line and not line.endswith(b"\n"):
        raise EOFError
    return line


@contextmanager
def _as_bad(file: Path) -> Iterator[None]:
    """What the libraries say of a damaged file, in one plain sentence."""
    try:
        yield
    except (BadZipFile, zlib.error, EOFError, tarfile.TarError, msgspec.DecodeError, NotImplementedError) as error:
        raise _damaged(file) from error


@contextmanager
def opened(file: Path) -> Iterator[Backup]:
    """The backup in `file`. Raises BadBackup, and Failed where it is from a newer version; OSError where it cannot be read."""
    with file.open("rb") as content:
        try:
            box = ZipFile(content)
        except (BadZipFile, NotImplementedError, ValueError) as error:
            raise BadBackup(
                f"{file.name} ist keine Sicherung einer Bibliothek, oder nicht ganz angekommen: Gebraucht wird die Zip-Datei, "
                "die „bibliothek backup“ gemacht hat."
            ) from error
        with box:
            yield Backup(file, box, _checked(file, box))


def _checked(file: Path, box: ZipFile) -> Manifest:
    there = {info.filename: info for info in box.infolist()}
    if MANIFEST not in there:
        raise BadBackup(f"{file.name} ist ein Zip, aber keine Sicherung einer Bibliothek.")
    if there[MANIFEST].file_size > LARGEST_MANIFEST or any(info.flag_bits & ENCRYPTED for info in box.infolist()):
        raise _damaged(file)
    with _as_bad(file):
        content = box.read(MANIFEST)
        _refuse_newer(file, content)
        manifest = msgspec.json.decode(content, type=Manifest)
    names = [part.name for part in manifest.parts]
    if manifest.revision not in revisions():
        raise _damaged(file)
    if len(box.infolist()) > MOST_PARTS or len(set(names)) != len(names) or {*names, MANIFEST} != set(there):
        raise _damaged(file)
    for part in manifest.parts:
        info = there[part.name]
        # Pictures are not packed: what is in a tar can then be no larger than the file itself.
        packed = ZIP_STORED if part.name.endswith(".tar") else ZIP_DEFLATED
        if not PART_NAME.fullmatch(part.name) or (info.file_size, info.compress_type) != (part.size, packed):
            raise _damaged(file)
    return manifest


class _Version(msgspec.Struct):
    """What is read of a manifest before it is known whether its format is ours."""

    format: int
    app: str
    revision: str


def _refuse_newer(file: Path, content: bytes) -> None:
    version = msgspec.json.decode(content, type=_Version)
    if version.format > FORMAT or version.revision > newest():
        raise Failed(
            f"{file.name} ist von einer neueren Version ({version.app[:20]}). Bringe erst diese hier auf den neuesten Stand."
        )
