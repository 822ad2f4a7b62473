"""Print labels of copies."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy.orm import Session

from bibliothek.catalogue.queries import bylines
from bibliothek.copies.actions import mark_labelled
from bibliothek.copies.models import Copy
from bibliothek.copies.queries import copies_by_code, copy_code, lock_copies
from bibliothek.db import Database
from bibliothek.i18n import _
from bibliothek.labels.pdf import LabelText, label_sheet
from bibliothek.labels.sheets import sheet_named
from bibliothek.library.queries import library
from bibliothek.problems import Invalid

# Half a second's work, and more sheets than a printer's tray likes.
MOST = 500


class TooManyLabels(Invalid):
    """More labels than are drawn at once."""

    code = "too-many-labels"

    def __init__(self) -> None:
        super().__init__(_("Auf einmal lassen sich höchstens {n} Etiketten drucken.", n=MOST))


def print_labels(
    database: Database, codes: Sequence[str], sheet: str, start: int, *, base_url: str, now: datetime
) -> bytes:
    """The labels of these copies as PDF, in the order given; from now on the copies count as labelled.

    `sheet` is the name of a label sheet, or empty for the library's own. Drawing takes half a second and holds no session, or
    nobody could lend meanwhile. Raises MisreadCode, UnknownCopy, UnknownSheet, NothingToPrint, NoSuchPlace, TooManyLabels; then
    nothing is marked.
    """
    if len(codes) > MOST:
        raise TooManyLabels
    with database.reading() as db:
        row = library(db)
        labels = _label_texts(db, codes)
    pdf = label_sheet(labels, sheet_named(sheet or row.label_sheet), base_url=base_url, library=row.name, start=start)
    with database.writing() as db:
        lock_copies(db, Copy.code.in_([copy_code(code) for code in codes]))
        for copy in copies_by_code(db, codes):
            mark_labelled(copy, now)
    return pdf


def _label_texts(db: Session, codes: Sequence[str]) -> list[LabelText]:
    copies = copies_by_code(db, codes)
    by = bylines(db, [copy.title_id for copy in copies])
    return [
        LabelText(copy.code, copy.title.title, by.get(copy.title_id, ""), copy.shelf.name if copy.shelf else "")
        for copy in copies
    ]
