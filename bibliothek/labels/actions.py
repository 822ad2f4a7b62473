"""Print labels of copies."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy.orm import Session

from bibliothek.catalogue.queries import bylines
from bibliothek.copies.actions import mark_labelled
from bibliothek.copies.queries import copies_by_code
from bibliothek.labels.pdf import LabelText, label_sheet
from bibliothek.labels.sheets import Sheet


def print_labels(
    db: Session, codes: Sequence[str], sheet: Sheet, start: int, *, base_url: str, library: str, now: datetime
) -> bytes:
    """The labels of these copies as PDF, in the order given; from now on the copies count as labelled.

    Raises MisreadCode, UnknownCopy, NothingToPrint, NoSuchPlace; then nothing is marked.
    """
    copies = copies_by_code(db, codes)
    by = bylines(db, [copy.title_id for copy in copies])
    labels = [
        LabelText(copy.code, copy.title.title, by.get(copy.title_id, ""), copy.shelf.name if copy.shelf else "")
        for copy in copies
    ]
    pdf = label_sheet(labels, sheet, base_url=base_url, library=library, start=start)
    for copy in copies:
        mark_labelled(copy, now)
    return pdf
