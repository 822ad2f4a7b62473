"""Who is late and with what, and whom that may still be said."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from itertools import groupby
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Row, Select, case, exists, func, select
from sqlalchemy.orm import Session

from bibliothek.catalogue.models import Title
from bibliothek.copies.models import Copy
from bibliothek.lending.models import Borrower, Loan
from bibliothek.lending.queries import count_open_loans
from bibliothek.lending.rules import days_late
from bibliothek.mail.models import Mail
from bibliothek.members.models import Member
from bibliothek.reminders import rules
from bibliothek.reminders.models import Reminder

KIND = "reminder"
# Members are counted up to here.
MOST_COUNTED = 2000


class LateLoan(msgspec.Struct, frozen=True):
    """An overdue loan as the desk shows it. `days` are whole days since `due_on`."""

    id: int
    title_id: int
    title: str
    copy_code: str
    due_on: date
    days: int
    progress: rules.Progress
    reminded_at: datetime | None
    reason: str | None


class LateMember(msgspec.Struct, frozen=True):
    """Somebody with overdue loans, the longest due first."""

    id: int
    name: str
    email: str | None
    loans: tuple[LateLoan, ...]

    @property
    def open_ids(self) -> tuple[int, ...]:
        """The loans that a message may be sent about now; none for somebody without an address."""
        return self.loan_ids(again=False)

    def loan_ids(self, again: bool) -> tuple[int, ...]:
        if self.email is None:
            return ()
        return tuple(loan.id for loan in self.loans if rules.may_be_reminded(loan.progress, again))

    @property
    def is_refused(self) -> bool:
        """The mail server does not take messages to this member's address."""
        return any(loan.progress == "refused" for loan in self.loans)


def address_of_member() -> ColumnElement[Any]:
    """SQL: where a Member gets mail. A guest's contact may be a telephone number."""
    is_address = Member.guest_contact.contains("@")
    return func.coalesce(Member.email, case((is_address, Member.guest_contact))).label("email")


def overdue_by_member(db: Session, today: date, member_ids: Sequence[int] | None = None) -> list[LateMember]:
    """Everybody with overdue loans on `today`, by name, or of them only `member_ids`."""
    query = _overdue(today).order_by(Member.sort_name, Member.id, Loan.due_on, Loan.id)
    if member_ids is not None:
        query = query.where(Member.id.in_(member_ids))
    rows = db.execute(query).all()
    return [_late_member(list(group), today) for _id, group in groupby(rows, key=lambda row: row.member_id)]


def late_members(db: Session, today: date, offset: int, limit: int, are_many: bool = False) -> list[LateMember]:
    """Some of the same, however many there are. Where they `are_many`, the first of them are soon found among all members."""
    late = _late(today)
    is_late = late.where(Borrower.member_id == Member.id).exists() if are_many else Member.id.in_(late)
    ids = select(Member.id).where(is_late).order_by(Member.sort_name, Member.id).offset(offset).limit(limit)
    return overdue_by_member(db, today, db.scalars(ids).all())


def count_late(db: Session, today: date) -> tuple[int, int]:
    """How many members have something overdue, counted up to MOST_COUNTED + 1, and how many loans these are."""
    return _count(db, _late(today).distinct()), count_open_loans(db, today)


def to_remind(db: Session, today: date) -> Sequence[int]:
    """Who has an address and a loan of which they may be told now (`rules.may_be_reminded`), by number."""
    return db.scalars(_to_remind(today).order_by(Member.id)).all()


def count_to_remind(db: Session, today: date) -> int:
    """How many these are, counted up to MOST_COUNTED + 1."""
    return _count(db, _to_remind(today))


def _count(db: Session, some: Select[int]) -> int:
    return db.scalar(select(func.count()).select_from(some.limit(MOST_COUNTED + 1).subquery())) or 0


def _to_remind(today: date) -> Select[int]:
    never_left = (Mail.state == "cancelled") | ((Mail.state == "failed") & (Mail.ended_at >= Mail.expires_at))
    was_told = exists().where(
        Reminder.loan_id == Loan.id,
        Reminder.stage == rules.OVERDUE,
        Reminder.mail_id.is_(None) | Reminder.mail_id.not_in(select(Mail.id).where(never_left)),
    )
    untold = _late(today).join(Member, Member.id == Borrower.member_id)
    return untold.with_only_columns(Member.id).where(~was_told, address_of_member().is_not(None)).distinct()


def _late(today: date) -> Select[int]:
    """SQL: the numbers of members with overdue loans, for each loan."""
    late = select(Borrower.member_id).join_from(Loan, Borrower, Borrower.loan_id == Loan.id)
    return late.where(Loan.returned_at.is_(None), Loan.due_on < today)


def _overdue(today: date) -> Select[*tuple[Any, ...]]:
    return (
        select(
            Member.id.label("member_id"),
            Member.name,
            address_of_member(),
            Loan.id.label("loan_id"),
            Loan.due_on,
            Title.id.label("title_id"),
            Title.title,
            Copy.code,
            Reminder.created_at.label("reminded_at"),
            Mail.state,
            Mail.ended_at,
            Mail.expires_at,
            Mail.reason,
        )
        .join_from(Borrower, Loan, Borrower.loan_id == Loan.id)
        .join(Member, Borrower.member_id == Member.id)
        .join(Copy, Loan.copy_id == Copy.id)
        .join(Title, Copy.title_id == Title.id)
        .outerjoin(Reminder, (Reminder.loan_id == Loan.id) & (Reminder.stage == rules.OVERDUE))
        .outerjoin(Mail, Reminder.mail_id == Mail.id)
        .where(Loan.returned_at.is_(None), Loan.due_on < today)
    )


def _late_member(rows: Sequence[Row[Any]], today: date) -> LateMember:
    first = rows[0]
    return LateMember(first.member_id, first.name, first.email, tuple(_late_loan(row, today) for row in rows))


def _late_loan(row: Row[Any], today: date) -> LateLoan:
    reminded = row.reminded_at is not None
    progress = rules.progress(row.state, row.ended_at, row.expires_at) if reminded else "none"
    return LateLoan(
        id=row.loan_id,
        title_id=row.title_id,
        title=row.title,
        copy_code=row.code,
        due_on=row.due_on,
        days=days_late(row.due_on, today),
        progress=progress,
        reminded_at=row.reminded_at if progress != "none" else None,
        reason=row.reason,
    )


def loans_in(db: Session, mail_id: int) -> list[int]:
    """The loans in a mail that are still out."""
    return list(
        db.scalars(
            select(Loan.id)
            .join(Reminder, Reminder.loan_id == Loan.id)
            .where(Reminder.mail_id == mail_id, Loan.returned_at.is_(None))
        )
    )


def recipient_of(db: Session, mail_id: int) -> Member | None:
    """Who has the books a mail is about; None when all of them came back."""
    return db.scalars(
        select(Member)
        .join(Borrower, Borrower.member_id == Member.id)
        .join(Reminder, Reminder.loan_id == Borrower.loan_id)
        .where(Reminder.mail_id == mail_id)
    ).first()


def waiting_reason(db: Session) -> tuple[int, str | None]:
    """How many reminders wait to be sent, and why the last try went wrong, None when there was none."""
    waiting = Mail.kind == KIND, Mail.state.in_(("pending", "sending"))
    count = db.scalar(select(func.count(Mail.id)).where(*waiting)) or 0
    if not count:
        return 0, None
    reason = db.scalars(
        select(Mail.reason).where(*waiting, Mail.reason.is_not(None)).order_by(Mail.next_try_at.desc())
    ).first()
    return count, reason


def check(db: Session) -> list[str]:
    """What breaks the promise that reminders are about open loans and go to their borrowers, as `bibliothek verify` says it."""
    returned = select(Reminder.loan_id).join(Loan, Loan.id == Reminder.loan_id).where(Loan.returned_at.is_not(None))
    # Within the half minute in which a return can be undone, they stay with their borrower.
    returned = returned.join(Borrower, Borrower.loan_id == Loan.id).where(Borrower.forget_at.is_(None))
    waiting = Mail.state.in_(("pending", "sending"))
    astray = (
        select(Mail.id)
        .join(Reminder, Reminder.mail_id == Mail.id)
        .join(Borrower, Borrower.loan_id == Reminder.loan_id)
        .where((waiting & Mail.member_id.is_distinct_from(Borrower.member_id)) | (Mail.kind != KIND))
        .distinct()
    )
    return [f"reminder of loan {loan_id}" for loan_id in db.scalars(returned)] + [
        f"mail {mail_id}" for mail_id in db.scalars(astray)
    ]
