"""Lend and give back. Each runs inside the caller's one transaction."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import delete, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from bibliothek.copies.models import Copy
from bibliothek.db import is_unique_violation
from bibliothek.i18n import _
from bibliothek.lending import rules
from bibliothek.lending.models import Borrower, Loan
from bibliothek.library.queries import library
from bibliothek.members.models import Member
from bibliothek.problems import Problem


class CopyOnLoan(Problem):
    """Somebody else has the copy. Who, is nobody's business."""

    code = "copy-on-loan"

    def __init__(self) -> None:
        super().__init__(_("Dieses Exemplar ist gerade an ein anderes Mitglied verliehen."))


class CopyWithdrawn(Problem):
    """The copy does not belong to the library any more."""

    code = "copy-withdrawn"

    def __init__(self) -> None:
        super().__init__(_("Dieses Exemplar gehört nicht mehr zum Bestand. Leg es der Betreuung hin."))


@dataclass(frozen=True)
class Lent:
    """A loan, and whether it was there before: lending somebody what they have already changes nothing."""

    loan: Loan
    already: bool


@dataclass(frozen=True)
class GivenBack:
    """What came back. `loan` is None, and `already` true, when the copy was not on loan."""

    loan: Loan | None
    already: bool


def open_loan_with_borrower(db: Session, copy_id: int) -> tuple[Loan, int] | None:
    """The open loan of a copy and its borrower's member id."""
    row = db.execute(
        select(Loan, Borrower.member_id)
        .join(Borrower, Borrower.loan_id == Loan.id)
        .where(Loan.copy_id == copy_id, Loan.returned_at.is_(None))
    ).first()
    return (row[0], row[1]) if row else None


def lend(db: Session, copy: Copy, member: Member, now: datetime, today: date) -> Lent:
    """Lend `copy` to `member` from `now`, due by the library's loan period counted from `today`.

    Raises CopyOnLoan when somebody else has it, CopyWithdrawn. Whoever calls has locked the copy (`for_change`); where
    two still meet, the database's unique index decides.
    """
    if copy.state == "withdrawn":
        raise CopyWithdrawn
    found = open_loan_with_borrower(db, copy.id)
    if found:
        if found[1] == member.id:
            return Lent(found[0], already=True)
        raise CopyOnLoan
    loan = Loan(copy_id=copy.id, lent_at=now, due_on=rules.due_on(today, library(db).loan_days))
    db.add(loan)
    try:
        db.flush()
    except IntegrityError as error:
        if is_unique_violation(error, "one_open_loan_per_copy", "loan.copy_id"):
            raise CopyOnLoan from error
        raise
    db.add(Borrower(loan_id=loan.id, member_id=member.id))
    if copy.state == "intake":
        copy.state = "active"
    db.flush()
    return Lent(loan, already=False)


def give_back(db: Session, copy: Copy, now: datetime) -> GivenBack:
    """Take `copy` back, whoever brings it. The link to the borrower is cut at once: the library forgets."""
    loan = db.scalars(select(Loan).where(Loan.copy_id == copy.id, Loan.returned_at.is_(None)).with_for_update()).first()
    if loan is None:
        return GivenBack(None, already=True)
    loan.returned_at = now
    db.execute(delete(Borrower).where(Borrower.loan_id == loan.id))
    db.flush()
    return GivenBack(loan, already=False)
