"""Lend and give back. Each runs inside the caller's one transaction.

This is the busiest code of the library, so it speaks SQLAlchemy Core with statements built once: the same as ORM entities
at a third of the work.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, Protocol

import msgspec
from sqlalchemy import Connection, Row, bindparam, delete, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from bibliothek.copies.models import Copy
from bibliothek.copies.queries import UnknownCopy
from bibliothek.db import has_many_writers, is_foreign_key_violation, is_unique_violation
from bibliothek.i18n import _
from bibliothek.lending import rules
from bibliothek.lending.models import Borrower, Loan
from bibliothek.library.models import Library
from bibliothek.members.models import Card
from bibliothek.members.queries import NoSuchMember, UnknownCard
from bibliothek.problems import Problem
from bibliothek.tokens import hashed


class CopyOnLoan(Problem):
    """Somebody else has the copy. Who, is nobody's business."""

    code = "copy-on-loan"

    def __init__(self) -> None:
        super().__init__(_("Dieses Exemplar hat gerade ein anderes Mitglied ausgeliehen."))


class CopyWithdrawn(Problem):
    """The copy does not belong to the library any more."""

    code = "copy-withdrawn"

    def __init__(self) -> None:
        super().__init__(_("Dieses Exemplar gehört nicht mehr zum Bestand. Leg es der Betreuung hin."))


class HasId(Protocol):
    """A Copy or Member, or any row with its number."""

    @property
    def id(self) -> int: ...


class OpenLoan(msgspec.Struct, frozen=True):
    """A loan as lending knows it; `due_on` is a local date."""

    id: int
    copy_id: int
    due_on: date


class Lent(msgspec.Struct, frozen=True):
    """A loan, and whether it was there before: lending somebody what they have already changes nothing."""

    loan: OpenLoan
    already: bool


class GivenBack(msgspec.Struct, frozen=True):
    """What came back. `loan_id` is None, and `already` true, when the copy was not on loan."""

    loan_id: int | None
    already: bool


# All that decides about a copy in one statement.
_ALL = (
    select(
        Copy.id.label("copy_id"),
        Copy.state,
        Loan.id.label("loan_id"),
        Loan.due_on,
        Borrower.member_id,
        select(Library.loan_days).scalar_subquery().label("loan_days"),
    )
    .outerjoin(Loan, (Loan.copy_id == Copy.id) & Loan.returned_at.is_(None))
    .outerjoin(Borrower, Borrower.loan_id == Loan.id)
)
_DESK = _ALL.where(Copy.id == bindparam("copy_id"))
# The same found by what was scanned, with who holds the card.
_SCANNED = _ALL.add_columns(
    select(Card.member_id)
    .where(Card.code_hash == bindparam("card_hash"), Card.revoked_at.is_(None))
    .scalar_subquery()
    .label("card_of")
).where(Copy.code == bindparam("code"))
# On its own and before the rest: PostgreSQL reads what it locks anew, but not the loans joined to it, so whoever waited
# for the lock in one statement with them would decide by the loans of before.
_LOCK = select(Copy.id).where(Copy.id == bindparam("copy_id")).with_for_update()
_LOCK_SCANNED = select(Copy.id).where(Copy.code == bindparam("code")).with_for_update()
_OPEN = insert(Loan).returning(Loan.id)
_BORROWER = insert(Borrower)
_ACTIVATE = update(Copy).where(Copy.id == bindparam("copy_id")).values(state="active")
_CLOSE = update(Loan).where(Loan.id == bindparam("loan_id")).values(returned_at=bindparam("now"))
_FORGET = delete(Borrower).where(Borrower.loan_id == bindparam("loan_id"))


def lend(db: Session, copy: HasId, member: HasId, now: datetime, today: date) -> Lent:
    """Lend `copy` to `member` from `now`, due by the library's loan period counted from `today`.

    Raises CopyOnLoan when somebody else has it, CopyWithdrawn, NoSuchMember for somebody who was erased just now.
    """
    connection = db.connection()
    return _lend(connection, _desk(connection, copy), member.id, now, today)


def lend_scanned(db: Session, code: str, card: str, now: datetime, today: date) -> Lent:
    """The same for the codes of a copy and of a card, as `codes.read` gives them, in two statements less.

    Raises UnknownCopy and UnknownCard, too.
    """
    connection = db.connection()
    if has_many_writers(connection):
        connection.execute(_LOCK_SCANNED, {"code": code})
    desk = connection.execute(_SCANNED, {"code": code, "card_hash": hashed(card)}).first()
    if desk is None:
        raise UnknownCopy(code)
    if desk.card_of is None:
        raise UnknownCard
    return _lend(connection, desk, desk.card_of, now, today)


def _lend(connection: Connection, desk: Row[Any], member_id: int, now: datetime, today: date) -> Lent:
    if desk.state == "withdrawn":
        raise CopyWithdrawn
    if desk.loan_id is not None:
        if desk.member_id == member_id:
            return Lent(OpenLoan(desk.loan_id, desk.copy_id, desk.due_on), already=True)
        raise CopyOnLoan
    due_on = rules.due_on(today, desk.loan_days)
    try:
        loan_id = connection.execute(_OPEN, {"copy_id": desk.copy_id, "lent_at": now, "due_on": due_on}).scalar_one()
    except IntegrityError as error:
        # The last guard, should the lock above ever fail: the database refuses a second open loan.
        if is_unique_violation(error, "one_open_loan_per_copy", "loan.copy_id"):
            raise CopyOnLoan from error
        raise
    _note_borrower(connection, loan_id, member_id)
    if desk.state == "intake":
        connection.execute(_ACTIVATE, {"copy_id": desk.copy_id})
    return Lent(OpenLoan(loan_id, desk.copy_id, due_on), already=False)


def _note_borrower(connection: Connection, loan_id: int, member_id: int) -> None:
    try:
        connection.execute(_BORROWER, {"loan_id": loan_id, "member_id": member_id})
    except IntegrityError as error:
        # Erased since their card was read.
        if is_foreign_key_violation(error, "fk_borrower_member_id"):
            raise NoSuchMember from error
        raise


def give_back(db: Session, copy: HasId, now: datetime, loan_id: int | None = None) -> GivenBack:
    """Take `copy` back, whoever brings it. The link to the borrower is cut at once: the library forgets.

    With `loan_id` only that loan is ended: a button that is pressed late must not end a later one.
    """
    connection = db.connection()
    desk = _desk(connection, copy)
    if desk.loan_id is None or loan_id not in (None, desk.loan_id):
        return GivenBack(None, already=True)
    connection.execute(_CLOSE, {"loan_id": desk.loan_id, "now": now})
    connection.execute(_FORGET, {"loan_id": desk.loan_id})
    return GivenBack(desk.loan_id, already=False)


def take_over(db: Session, copy: HasId, member: HasId, now: datetime, today: date, loan_id: int) -> Lent:
    """Lend `copy` to the member who holds it in their hands, ending the loan `loan_id` of whoever had it before.

    Raises CopyOnLoan when a third person has got it since, CopyWithdrawn.
    """
    if _desk(db.connection(), copy).member_id != member.id:
        give_back(db, copy, now, loan_id)
    return lend(db, copy, member, now, today)


def _desk(connection: Connection, copy: HasId) -> Row[Any]:
    """What decides about the copy, which nobody else changes until the transaction ends."""
    if has_many_writers(connection):
        connection.execute(_LOCK, {"copy_id": copy.id})
    return connection.execute(_DESK, {"copy_id": copy.id}).one()
