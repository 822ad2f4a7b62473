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


def choose_sheet(db: Session, label_sheet: str) -> Library:
    """On which sheet labels are printed: a name of `labels.sheets.SHEETS`, which the caller has looked up."""
    library = library_for_change(db)
    library.label_sheet = label_sheet
    db.flush()
    return library


def change_rules(
    db: Session,
    *,
    loan_days: int,
    renewals: int,
    renew_from: str,
    loan_limit: int | None,
    hold_days: int,
    takes_guests: bool,
) -> Library:
    """How the library lends from now on. Loans that are open keep their date. Raises Invalid."""
    least, most = LOAN_DAYS
    if not least <= loan_days <= most:
        raise Invalid(_("Bücher werden {least} bis {most} Tage verliehen.", least=least, most=most))
    library = library_for_change(db)
    library.loan_days, library.renewals, library.renew_from = loan_days, renewals, renew_from
    library.loan_limit, library.hold_days, library.takes_guests = loan_limit, hold_days, takes_guests
    db.flush()
    return library
