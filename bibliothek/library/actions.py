"""What can be done with the library itself: name it, and change how it lends."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from bibliothek.i18n import _
from bibliothek.letters import seen
from bibliothek.library.models import Library
from bibliothek.library.queries import library_for_change
from bibliothek.library.rules import LOAN_DAYS, LONGEST_NAME
from bibliothek.problems import Invalid


def rename(db: Session, name: str, now: datetime) -> Library:
    """Give the library its name; the first time, it counts as set up. Raises Invalid for none or one that is too long."""
    name = seen(name)
    if not 1 <= len(name) <= LONGEST_NAME:
        raise Invalid(_("Der Name hat 1 bis {n} Zeichen.", n=LONGEST_NAME))
    library = library_for_change(db)
    library.name = name
    library.set_up_at = library.set_up_at or now
    db.flush()
    return library


def change_lending(db: Session, loan_days: int, label_sheet: str) -> Library:
    """How long books are lent from now on, and on which sheet labels are printed. Loans that are open keep their date.

    `label_sheet` is a name of `labels.sheets.SHEETS`; the caller has looked it up. Raises Invalid.
    """
    least, most = LOAN_DAYS
    if not least <= loan_days <= most:
        raise Invalid(_("Bücher werden {least} bis {most} Tage verliehen.", least=least, most=most))
    library = library_for_change(db)
    library.loan_days, library.label_sheet = loan_days, label_sheet
    db.flush()
    return library
