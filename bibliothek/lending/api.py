"""Lending, returning, renewing and waiting, for programs."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Annotated, Any, Literal

import msgspec
from litestar.params import FromPath, JSONBody, QueryParameter
from msgspec import UNSET, UnsetType

from bibliothek.catalogue.fields import TitleAnswer
from bibliothek.catalogue.queries import title_answer
from bibliothek.codes import read
from bibliothek.copies.queries import copy_code, copy_ref
from bibliothek.lending import actions, holds, queries
from bibliothek.lending.models import Borrower
from bibliothek.lending.wording import note_sentences
from bibliothek.members.queries import MisreadCard, UnknownCard, member_ref
from bibliothek.web.calls import Call, Made, read_call, write_call
from bibliothek.web.sign_in import Audience

# Lists are counted exactly up to here.
MOST_COUNTED = 2000


class LoanCall(msgspec.Struct):
    """`copy` is the code on the label, `member` the code on the card, as scanned or typed."""

    copy: str
    member: str


class LoanAnswer(msgspec.Struct):
    """A loan; `due_on` is a date of the library. `notes` are sentences for the member."""

    id: int
    copy: str
    due_on: date
    notes: list[str]


class ReturnCall(msgspec.Struct):
    """`copy` is the code on the label."""

    copy: str


class NextHold(msgspec.Struct):
    """Somebody waits for the title; it is kept for them until then."""

    until: date


class ReturnAnswer(msgspec.Struct):
    """What came back. `already`: it was not on loan; then `returned_at` is that of its last loan, if there was one."""

    copy: str
    title: TitleAnswer
    returned_at: datetime | None
    already: bool
    next_hold: NextHold | None


class RenewalAnswer(msgspec.Struct):
    """The date that the loan has now, a date of the library."""

    due_on: date


class HoldCall(msgspec.Struct):
    """`title` is the number of a title, `member` the code on the card."""

    title: int
    member: str


class HoldAnswer(msgspec.Struct):
    """A place in the queue, from 1."""

    id: int
    position: int


class LoanTitle(msgspec.Struct):
    id: int
    title: str


class LoanMember(msgspec.Struct):
    id: int
    name: str


class LoanItem(msgspec.Struct):
    """An open loan, for librarians."""

    id: int
    copy: str
    title: LoanTitle
    member: LoanMember
    due_on: date


class LoanList(msgspec.Struct):
    """A page of open loans, the longest due first. `total` is exact up to 2,000; beyond, it is 2000 and `more` is true."""

    items: list[LoanItem]
    total: int
    page: int
    per_page: int
    more: bool | UnsetType = UNSET


def loan_answer(_call: Call, ids: dict[str, Any]) -> LoanAnswer:
    """The loan; everything it shows was known when it was made."""
    return LoanAnswer(ids["id"], ids["copy"], date.fromisoformat(ids["due_on"]), note_sentences(ids["notes"]))


@write_call("/loans", Audience.TOKENS, loan_answer, refuses=(404, 409), or_already=True)
def post_loan(call: Call, data: JSONBody[LoanCall]) -> Made:
    """Lend a copy to a member. 200 with the loan when they have it already, 409 when somebody else has it."""
    code, card = copy_code(data.copy), _card(data.member)
    lent = actions.lend_scanned(call.db, code, card, call.now, call.today)
    made = {"id": lent.loan.id, "copy": code, "due_on": lent.loan.due_on.isoformat(), "notes": list(lent.notes)}
    return Made(200 if lent.already else 201, made)


def _card(text: str) -> str:
    scanned = read(text)
    if scanned.kind == "misread":
        raise MisreadCard
    if scanned.kind != "card":
        raise UnknownCard
    return scanned.value


def return_answer(call: Call, ids: dict[str, Any]) -> ReturnAnswer:
    """What came back, with its title as it is now, but with the copies that were counted then. Raises NoSuchTitle."""
    counted = {ids["title_id"]: queries.Availability(*ids["copies"])}
    title = title_answer(call.db, ids["title_id"], counted)
    at, until = ids["returned_at"], ids["kept_until"]
    next_hold = NextHold(date.fromisoformat(until)) if until else None
    return ReturnAnswer(ids["copy"], title, datetime.fromisoformat(at) if at else None, ids["already"], next_hold)


@write_call("/returns", Audience.TOKENS, return_answer, status=200, refuses=(404,))
def post_return(call: Call, data: JSONBody[ReturnCall]) -> Made:
    """Take a copy back, whoever brings it. A copy that is not on loan is `already` back."""
    copy = copy_ref(call.db, data.copy)
    back = actions.give_back(call.db, copy, call.now, call.today)
    at = queries.last_return(call.db, copy.id) if back.already else call.now.astimezone(UTC)
    counted = queries.availability(call.db, [copy.title_id])[copy.title_id]
    return Made(
        200,
        {
            "copy": copy.code,
            "title_id": copy.title_id,
            "copies": [counted.available, counted.total],
            "already": back.already,
            "returned_at": at.isoformat() if at else None,
            "kept_until": back.kept_until.isoformat() if back.kept_until else None,
        },
    )


def renewal_answer(_call: Call, ids: dict[str, Any]) -> RenewalAnswer:
    return RenewalAnswer(date.fromisoformat(ids["due_on"]))


@write_call("/loans/{loan_id:int}/renewals", Audience.TOKENS, renewal_answer, refuses=(404, 409))
def post_renewal(call: Call, loan_id: FromPath[int]) -> Made:
    """Move the due date of a loan by the library's rules. 409 with the reason when that is not possible."""
    renewed = actions.renew(call.db, loan_id, call.now, call.today)
    return Made(201, {"due_on": renewed.due_on.isoformat()})


def hold_answer(_call: Call, ids: dict[str, Any]) -> HoldAnswer:
    return HoldAnswer(ids["id"], ids["position"])


@write_call("/holds", Audience.TOKENS, hold_answer, refuses=(404, 409), or_already=True)
def post_hold(call: Call, data: JSONBody[HoldCall]) -> Made:
    """A place in the queue for a title. 200 with the place when the member waits already, 409 when waiting makes no sense."""
    member = member_ref(call.db, _card(data.member))
    placed = holds.place(call.db, data.title, member.id, call.now, call.today)
    return Made(200 if placed.already else 201, {"id": placed.id, "position": placed.position})


def nothing(_call: Call, _ids: dict[str, Any]) -> None:
    """204 says all."""


@write_call("/holds/{hold_id:int}", Audience.TOKENS, nothing, method="DELETE", status=204, refuses=(404,))
def delete_hold(call: Call, hold_id: FromPath[int]) -> Made:
    """Leave the queue. 404 when the hold has ended."""
    holds.cancel(call.db, hold_id, call.now, call.today)
    return Made(204)


@read_call("/loans", Audience.LIBRARIAN_TOKENS)
def get_loans(
    call: Call,
    which: Annotated[Literal["open", "overdue"], QueryParameter(name="state")] = "open",
    page: Annotated[int, QueryParameter(ge=1, le=1_000_000)] = 1,
    per_page: Annotated[int, QueryParameter(ge=1, le=500)] = 50,
) -> LoanList:
    """Who has what, the longest due first."""
    overdue_on = call.today if which == "overdue" else None
    total = queries.count_open_loans(call.db, overdue_on, most=MOST_COUNTED + 1)
    loans = queries.open_loans(call.db, (page - 1) * per_page, per_page, overdue_on)
    more = True if total > MOST_COUNTED else UNSET
    return LoanList([_item(row) for row in loans], min(total, MOST_COUNTED), page, per_page, more)


def _item(row: Borrower) -> LoanItem:
    loan, title = row.loan, row.loan.copy.title
    member = LoanMember(row.member.id, row.member.name)
    return LoanItem(loan.id, loan.copy.code, LoanTitle(title.id, title.title), member, loan.due_on)


handlers = [post_loan, post_return, post_renewal, post_hold, delete_hold, get_loans]
