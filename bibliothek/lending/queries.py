"""What can be asked about loans."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime

import msgspec
from sqlalchemy import ColumnElement, Select, bindparam, exists, func, or_, select
from sqlalchemy.orm import Session, contains_eager, joinedload

from bibliothek.catalogue.models import Title
from bibliothek.catalogue.rules import one_line
from bibliothek.copies.models import Copy, Shelf
from bibliothek.copies.queries import UnknownCopy, copy_code
from bibliothek.lending.looking import looked_for
from bibliothek.lending.models import Borrower, Hold, Loan
from bibliothek.letters import LONGEST_QUERY

# In these states a copy can be lent when nobody has it.
LENDABLE = ("intake", "active")
# Of loans that are looked for, as many are shown.
MOST_FOUND = 500


class Availability(msgspec.Struct, frozen=True):
    """How many copies a title has in the library, and how many of them can be lent now."""

    available: int
    total: int


NONE = Availability(0, 0)


class AtDesk(msgspec.Struct, frozen=True):
    """A copy as somebody who holds it in their hands needs it.

    `loan_id`, `due_on` and `member_id` (never to be shown to others) are those of its open loan, None while it is here.
    `kept_for` is the member for whom it is set aside (never to be shown to others either), until the date `kept_until`.
    """

    id: int
    code: str
    state: str
    title_id: int
    title: str
    shelf: str | None
    loan_id: int | None
    due_on: date | None
    member_id: int | None
    is_reference: bool = False
    kept_for: int | None = None
    kept_until: date | None = None

    @property
    def on_loan(self) -> bool:
        return self.loan_id is not None

    @property
    def is_available(self) -> bool:
        """Whether anybody may take it now: see the function of this name."""
        return self.state in LENDABLE and not (self.is_reference or self.on_loan or self.kept_until)


# Asked with every scan, so built once.
_AT_DESK = (
    select(
        Copy.id,
        Copy.code,
        Copy.state,
        Copy.title_id,
        Title.title,
        Shelf.name.label("shelf"),
        Loan.id.label("loan_id"),
        Loan.due_on,
        Borrower.member_id,
        Copy.is_reference,
        Hold.member_id.label("kept_for"),
        Hold.ready_until,
    )
    .join(Title, Title.id == Copy.title_id)
    .outerjoin(Shelf, Shelf.id == Copy.shelf_id)
    .outerjoin(Loan, (Loan.copy_id == Copy.id) & Loan.returned_at.is_(None))
    .outerjoin(Borrower, Borrower.loan_id == Loan.id)
    .outerjoin(Hold, Hold.copy_id == Copy.id)
)
_BY_CODE = _AT_DESK.where(Copy.code == bindparam("code"))
_BY_LOAN = _AT_DESK.where(Loan.id == bindparam("loan_id"))


def at_desk(db: Session, text: str) -> AtDesk:
    """The copy with this code. Raises MisreadCode, UnknownCopy."""
    code = copy_code(text)
    row = db.connection().execute(_BY_CODE, {"code": code}).first()
    if row is None:
        raise UnknownCopy(code)
    return AtDesk(*row)


def copies_at_desk(db: Session, codes: Sequence[str]) -> list[AtDesk]:
    """The copies with these codes, those that there are."""
    return [AtDesk(*row) for row in db.execute(_AT_DESK.where(Copy.code.in_(codes)))]


def at_desk_by_loan(db: Session, loan_id: int) -> AtDesk | None:
    """The copy of this loan, while it is open."""
    row = db.connection().execute(_BY_LOAN, {"loan_id": loan_id}).first()
    return AtDesk(*row) if row else None


def last_return(db: Session, copy_id: int) -> datetime | None:
    """When a copy came back last, None if it never did."""
    came_back = Loan.returned_at.is_not(None) & Loan.ended_as.is_(None)
    returned = select(Loan.returned_at).where(Loan.copy_id == copy_id, came_back)
    return db.scalars(returned.order_by(Loan.returned_at.desc()).limit(1)).first()


def on_loan(copy_ids: Sequence[int], db: Session) -> dict[int, date]:
    """Of these copies, those on loan, with the date they are due."""
    if not copy_ids:
        return {}
    rows = db.execute(select(Loan.copy_id, Loan.due_on).where(Loan.copy_id.in_(copy_ids), Loan.returned_at.is_(None)))
    return {row.copy_id: row.due_on for row in rows}


def set_aside(copy_ids: Sequence[int], db: Session) -> set[int]:
    """Of these copies, those that are kept for somebody."""
    if not copy_ids:
        return set()
    return set(db.scalars(select(Hold.copy_id).where(Hold.copy_id.in_(copy_ids))))


def is_available() -> ColumnElement[bool]:
    """SQL: this Copy can be lent now."""
    lent = exists().where(Loan.copy_id == Copy.id, Loan.returned_at.is_(None))
    kept = exists().where(Hold.copy_id == Copy.id)
    return may_be_lent() & ~lent & ~kept


def may_be_lent() -> ColumnElement[bool]:
    """SQL: this Copy is one that can be lent, wherever it is now."""
    # Not in_(): SQLAlchemy would write its list into the statement anew at every execution.
    return or_(*(Copy.state == state for state in LENDABLE)) & ~Copy.is_reference


def copy_counts() -> tuple[ColumnElement[int], ColumnElement[int]]:
    """SQL: how many copies of a Title can be lent now, and how many there are. For `catalogue.queries.search(also=…)`."""
    copies = select(func.count(Copy.id)).where(Copy.title_id == Title.id)
    return (
        copies.where(is_available()).scalar_subquery().label("available"),
        copies.where(Copy.state != "withdrawn").scalar_subquery().label("total_copies"),
    )


# Asked with every return, so built once.
_AVAILABILITY = (
    select(Copy.title_id, func.count().filter(is_available()), func.count())
    .where(Copy.title_id.in_(bindparam("title_ids", expanding=True)), Copy.state != "withdrawn")
    .group_by(Copy.title_id)
)


def availability(db: Session, title_ids: Sequence[int]) -> dict[int, Availability]:
    """How many copies there are of each title, in one query. Titles without copies have `NONE`."""
    if not title_ids:
        return {}
    rows = db.connection().execute(_AVAILABILITY, {"title_ids": title_ids})
    found = {title_id: Availability(available, total) for title_id, available, total in rows}
    return {title_id: found.get(title_id, NONE) for title_id in title_ids}


class LoanPage(msgspec.Struct, frozen=True):
    """A page of loans; `total` is exact, or of those looked for MOST_FOUND where there are `more`."""

    rows: Sequence[Borrower]
    total: int
    number: int
    pages: int
    more: bool


def page_of_loans(db: Session, number: int, per_page: int, overdue_on: date | None = None, q: str = "") -> LoanPage:
    """Page `number` of `open_loans`, or the last one when there are not so many; with words in `q` only those that
    `looked_for` finds. For librarians."""
    q = one_line(q[:LONGEST_QUERY])
    found = looked_for(db, _in_order(overdue_on), q, MOST_FOUND + 1) if q else None
    total = count_open_loans(db, overdue_on) if found is None else min(len(found), MOST_FOUND)
    pages = max(1, -(-total // per_page))
    number = min(number, pages)
    first = (number - 1) * per_page
    rows = (
        open_loans(db, first, per_page, overdue_on)
        if found is None
        else _loans(db, found[first : min(first + per_page, MOST_FOUND)])
    )
    return LoanPage(rows, total, number, pages, found is not None and len(found) > MOST_FOUND)


def open_loans(db: Session, offset: int = 0, limit: int = 50, overdue_on: date | None = None) -> Sequence[Borrower]:
    """Open loans with copy, title and member, the longest due first; only those overdue on `overdue_on`, if given.

    For librarians.
    """
    # First which ones, out of an index of open loans, then what belongs to them: a late page needs no more rows than the first.
    return _loans(db, _in_order(overdue_on).offset(offset).limit(limit))


def _loans(db: Session, ids: Sequence[int] | Select[int]) -> Sequence[Borrower]:
    return db.scalars(
        select(Borrower)
        .join(Borrower.loan)
        .join(Loan.copy)
        .join(Copy.title)
        .join(Borrower.member)
        .where(Loan.id.in_(ids))
        .options(
            contains_eager(Borrower.loan).contains_eager(Loan.copy).contains_eager(Copy.title),
            contains_eager(Borrower.member),
        )
        .order_by(Loan.due_on, Loan.id)
    ).all()


def count_open_loans(db: Session, overdue_on: date | None = None, most: int | None = None) -> int:
    """How many there are; counting stops at `most`."""
    some = _open(overdue_on)
    return db.scalar(select(func.count()).select_from((some.limit(most) if most else some).subquery())) or 0


def loans_of(db: Session, member_id: int) -> Sequence[Loan]:
    """What a member has at home, the first due first, with copy and title."""
    return db.scalars(
        select(Loan)
        .join(Borrower, Borrower.loan_id == Loan.id)
        .where(Borrower.member_id == member_id, Loan.returned_at.is_(None))
        .options(joinedload(Loan.copy).joinedload(Copy.title))
        .order_by(Loan.due_on, Loan.id)
    ).all()


def _in_order(overdue_on: date | None) -> Select[int]:
    return _open(overdue_on).order_by(Loan.due_on, Loan.id)


def _open(overdue_on: date | None) -> Select[int]:
    """SQL: the numbers of open loans."""
    query = select(Loan.id).where(Loan.returned_at.is_(None))
    return query.where(Loan.due_on < overdue_on) if overdue_on else query
