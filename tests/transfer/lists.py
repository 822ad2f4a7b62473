"""Lists to bring in, as files."""

from __future__ import annotations

from pathlib import Path

import msgspec
from sqlalchemy import func, select

from bibliothek.copies.models import Copy
from bibliothek.transfer.formats import guess
from bibliothek.transfer.incoming import Progress, Tally, bring_in
from bibliothek.transfer.outgoing import export
from tests.conftest import Library

HEADINGS = "Titel;Autor;ISBN;Jahr;Regal"


def write(path: Path, *rows: str, headings: str = HEADINGS) -> Path:
    path.write_text("\n".join([headings, *rows]) + "\n", encoding="utf-8")
    return path


def bring(library: Library, path: Path, *, dry: bool = False, **changed: object) -> tuple[Tally, list[str]]:
    """Take a file in as it is guessed; returns the counts, and "row kind reason" for each row that made trouble."""
    plan = msgspec.structs.replace(guess(path), **changed)
    handfuls: list[Progress] = list(bring_in(library.database, path, plan, library.clock, dry=dry))
    said = [f"{one.row} {one.kind} {one.reason}" for handful in handfuls for one in handful.troubles]
    return (handfuls[-1].tally if handfuls else Tally()), said


def export_to(library: Library, path: Path) -> Path:
    with library.database.reading() as db:
        path.write_bytes("".join(export(db)).encode())
    return path


def copies(library: Library) -> int:
    with library.database.reading() as db:
        return db.scalar(select(func.count()).select_from(Copy)) or 0
