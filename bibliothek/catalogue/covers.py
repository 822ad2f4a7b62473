"""The pictures of titles: their files in the data folder, and the rows that name them.

A file is written, and safely on the disk, before a row names it. What no row names any more goes a day later: somebody may
just be about to name it.
"""

from __future__ import annotations

import os
import re
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from bibliothek.catalogue.fields import Origin
from bibliothek.catalogue.merging import pictures_to_keep
from bibliothek.catalogue.models import Cover, Title
from bibliothek.catalogue.pictures import EXTENSION, Picture, prepare
from bibliothek.catalogue.queries import title_that_stays
from bibliothek.db import LARGEST_ID, has_many_writers
from bibliothek.i18n import _
from bibliothek.problems import NotFound
from bibliothek.settings import Settings

Size = Literal["s", "l"]
SIZES: tuple[Size, ...] = ("s", "l")
OWN, OPEN_LIBRARY = "own", "openlibrary"
A_DAY_S = 24 * 60 * 60

# SQL: the digest of a title's picture, for those who ask about Title; null where it has none.
DIGEST = select(Cover.digest).where(Cover.title_id == Title.id).correlate(Title).scalar_subquery().label("picture")

_DIGEST = re.compile(r"[0-9a-f]{32}")
_NAME = re.compile(rf"({_DIGEST.pattern})-([sl])")


class NoSuchPicture(NotFound):
    """The title has no such picture, or not any more."""

    code = "unknown-picture"

    def __init__(self) -> None:
        super().__init__(_("Dieses Bild gibt es hier nicht, oder nicht mehr."))


# ---- Files ----


def folder_of(settings: Settings) -> Path:
    return settings.data / "covers"


def file_of(folder: Path, digest: str, size: Size) -> Path:
    return folder / digest[:2] / f"{digest}-{size}.{EXTENSION}"


def keep(folder: Path, content: bytes) -> str:
    """Make a picture of what was sent, and keep its files; returns its digest. Takes long: no session is to be open meanwhile.

    Raises what `pictures.prepare` raises.
    """
    picture = prepare(content)
    _write(folder, picture)
    return picture.digest


def kept_before(folder: Path, digest: str) -> str:
    """The digest of a picture that `keep` made a while ago. Its files count as new, or they might go before a row names them.

    Raises NoSuchPicture where they are gone.
    """
    if not _DIGEST.fullmatch(digest):
        raise NoSuchPicture
    try:
        for size in SIZES:
            os.utime(file_of(folder, digest, size))
    except FileNotFoundError as error:
        raise NoSuchPicture from error
    return digest


def _write(folder: Path, picture: Picture) -> None:
    """Under their names they are complete, whenever the power fails."""
    for size, content in (("s", picture.small), ("l", picture.large)):
        file = file_of(folder, picture.digest, size)  # type: ignore[arg-type]
        file.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=file.parent, prefix=".", delete=False) as written:
            written.write(content)
            written.flush()
            os.fsync(written.fileno())
        os.replace(written.name, file)
    for directory in (folder / picture.digest[:2], folder, folder.parent):
        sync(directory)


def sync(directory: Path) -> None:
    """A name is on the disk only when its folder is."""
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def tidy(
    db: Session, folder: Path, clock: float | None = None, named_elsewhere: Callable[[Session], set[str]] | None = None
) -> int:
    """Remove the files that no row has named for a day; returns how many. `clock` is the time of the files, in seconds.

    `named_elsewhere` gives the digests that rows of other features name.
    """
    old = (time.time() if clock is None else clock) - A_DAY_S
    # The files first: what is named after this look at the rows was written after this look at the files.
    lying = [file for file in _files(folder) if _written_at(file) < old]
    named = set(db.scalars(select(Cover.digest).where(Cover.digest.is_not(None)).distinct())) if lying else set()
    named |= pictures_to_keep(db) if lying else set()
    named |= named_elsewhere(db) if lying and named_elsewhere else set()
    gone = [file for file in lying if file.name[:32] not in named and _written_at(file) < old]
    for file in gone:
        file.unlink(missing_ok=True)
    return len(gone)


def _files(folder: Path) -> Iterator[Path]:
    return folder.glob("??/*") if folder.is_dir() else iter(())


def _written_at(file: Path) -> float:
    """One that somebody else removes in this moment is as good as new."""
    try:
        return file.stat().st_mtime
    except FileNotFoundError:
        return float("inf")


def missing_files(db: Session, folder: Path) -> list[str]:
    """The pictures of which a file is not there, by title."""
    rows = db.execute(select(Cover.title_id, Cover.digest).where(Cover.digest.is_not(None)).order_by(Cover.title_id))
    return [
        f"title {title_id}, {file.name}"
        for title_id, digest in rows
        if digest
        for file in (file_of(folder, digest, size) for size in SIZES)
        if not file.is_file()
    ]


# ---- What can be asked ----


def picture_of(db: Session, title_id: int) -> Cover | None:
    """The picture that a title has; not one that is still to be fetched."""
    return db.scalars(select(Cover).where(Cover.title_id == title_id, Cover.digest.is_not(None))).first()


def pictures_of(db: Session, ids: Sequence[int]) -> dict[int, str]:
    """The digests of the pictures that these titles have."""
    query = select(Cover.title_id, Cover.digest).where(Cover.title_id.in_(ids), Cover.digest.is_not(None))
    return {title_id: digest for title_id, digest in db.execute(query) if digest} if ids else {}


def read(db: Session, folder: Path, title_id: int, name: str) -> bytes:
    """The bytes behind `/titel/{title_id}/bild/{digest}-{size}`. Raises NoSuchPicture.

    Only while the title has it: what somebody took off is gone at once, whoever still knows its address.
    """
    digest = name.partition("-")[0]
    if not 0 < title_id <= LARGEST_ID or not _DIGEST.fullmatch(digest):
        raise NoSuchPicture
    if db.scalar(select(Cover.title_id).where(Cover.title_id == title_id, Cover.digest == digest)) is None:
        raise NoSuchPicture
    return read_file(folder, name)


def read_file(folder: Path, name: str) -> bytes:
    """The bytes of `{digest}-{size}`, whoever has it. Raises NoSuchPicture."""
    parts = _NAME.fullmatch(name)
    if not parts:
        raise NoSuchPicture
    try:
        return file_of(folder, *parts.groups()).read_bytes()  # type: ignore[arg-type]
    except FileNotFoundError as error:
        raise NoSuchPicture from error


# ---- What can be done ----


def set_own_picture(db: Session, title_id: int, digest: str, now: datetime) -> int:
    """This title has this photo from now on, and no source replaces it; returns the title's number, which a merge may have
    changed. `digest` comes from `keep`, which is called before, without a session. Raises NoSuchTitle."""
    title_id = title_that_stays(db, title_id)
    _put(db, title_id, source=OWN, reference=None, digest=digest, at=now, tries=0, next_try_at=None)
    return title_id


def give_picture(db: Session, title_id: int, digest: str, now: datetime, source: str = OWN) -> None:
    """What somebody brings along with a book is the picture of its title, where the title has none and nobody took one off.

    `digest` as for `set_own_picture`.
    """
    brought = {"source": source, "digest": digest, "at": now, "next_try_at": None}
    row = _insert(db).values(title_id=title_id, reference=None, tries=0, **brought)
    has_none = Cover.digest.is_(None) & (Cover.source != OWN)
    db.execute(row.on_conflict_do_update(index_elements=["title_id"], set_=brought, where=has_none))


def has_none(db: Session, title_id: int, cover_id: int | None) -> None:
    """Open Library was asked already for the picture with this number, or by ISBN: there is none."""
    reference = None if cover_id is None else str(cover_id)
    asked = Cover.reference.is_not_distinct_from(reference)
    db.execute(update(Cover).where(Cover.title_id == title_id, asked).values(next_try_at=None))


def remove_picture(db: Session, title_id: int, now: datetime) -> int:
    """No picture at all, because somebody said so: no source brings it back. Raises NoSuchTitle."""
    title_id = title_that_stays(db, title_id)
    _put(db, title_id, source=OWN, reference=None, digest=None, at=now, tries=0, next_try_at=None)
    return title_id


def want(db: Session, title_id: int, origin: Origin, isbns: Iterable[str], now: datetime) -> None:
    """Queue the picture of a title that was looked up (see lookup/covers.py). What it has stays; a better reference counts.

    A book that somebody typed is asked for nowhere.
    """
    if origin.cover_id is None and not (origin.source and tuple(isbns)):
        return
    reference = None if origin.cover_id is None else str(origin.cover_id)
    wanted = {"source": OPEN_LIBRARY, "reference": reference, "at": now, "tries": 0, "next_try_at": now}
    row = _insert(db).values(title_id=title_id, digest=None, **wanted)
    is_better = (Cover.digest.is_(None)) & (Cover.source != OWN) & row.excluded.reference.is_not(None)
    news = is_better & Cover.reference.is_distinct_from(row.excluded.reference)
    db.execute(row.on_conflict_do_update(index_elements=["title_id"], set_=wanted, where=news))


def _put(db: Session, title_id: int, **values: Any) -> None:
    row = _insert(db).values(title_id=title_id, **values)
    db.execute(row.on_conflict_do_update(index_elements=["title_id"], set_=values))


def _insert(db: Session) -> Any:
    if has_many_writers(db.connection()):
        from sqlalchemy.dialects.postgresql import insert
    else:
        from sqlalchemy.dialects.sqlite import insert  # type: ignore[assignment]
    return insert(Cover)
