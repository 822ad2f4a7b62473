"""Move the due date of a loan: by renewing it, and because the library is closed; and undo what was just done."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from bibliothek.lending import actions, closures, holds
from bibliothek.lending.models import Borrower, LendingRule, Loan, Notice
from bibliothek.lending.opening import weekdays
from bibliothek.lending.terms import changed
from bibliothek.library.models import Library
from bibliothek.members.models import GroupMember, Member, MemberGroup
from tests import make
from tests.make import NOW, TODAY

MONTH = TODAY + timedelta(days=28)
SOON = TODAY + timedelta(days=10)
UNDO = timedelta(seconds=30)


def lend(db: Session, member: Member | None = None) -> actions.OpenLoan:
    return make.loan(db, make.copy(db), member)


def test_a_renewal_counts_from_today(db: Session) -> None:
    loan = lend(db)
    renewed = actions.renew(db, loan.id, NOW, SOON)
    assert (renewed.due_on, renewed.left) == (SOON + timedelta(days=28), 1)


def test_or_from_the_due_date(db: Session) -> None:
    db.execute(update(Library).values(renew_from="due"))
    assert actions.renew(db, lend(db).id, NOW, SOON).due_on == MONTH + timedelta(days=28)


def test_it_may_be_used_up(db: Session) -> None:
    loan = lend(db)
    for days in (1, 2):
        actions.renew(db, loan.id, NOW, TODAY + timedelta(days=days))
    with pytest.raises(actions.NotRenewed, match="Mehr als 2-mal"):
        actions.renew(db, loan.id, NOW, SOON)


def test_what_gains_nothing_is_not_counted(db: Session) -> None:
    loan = lend(db)
    with pytest.raises(actions.NotRenewed, match="noch nicht nötig"):
        actions.renew(db, loan.id, NOW, TODAY)


def test_not_while_somebody_waits(db: Session) -> None:
    copy = make.copy(db)
    loan = make.loan(db, copy)
    holds.place(db, copy.title_id, make.member(db).id, NOW, TODAY)
    with pytest.raises(actions.NotRenewed, match="jemand wartet"):
        actions.renew(db, loan.id, NOW, SOON)


def test_only_ones_own(db: Session) -> None:
    with pytest.raises(actions.NoSuchLoan):
        actions.renew(db, lend(db).id, NOW, SOON, make.member(db).id)


def test_a_group_has_rules_of_its_own(db: Session) -> None:
    member = make.member(db)
    group = MemberGroup(name="Kinder", sort_name="kinder")
    db.add(group)
    db.flush()
    db.add_all(
        [
            GroupMember(member_id=member.id, group_id=group.id),
            LendingRule(group_id=group.id, loan_days=7, renewals=0, loan_limit=1),
        ]
    )
    changed(db)
    loan = lend(db, member)
    assert loan.due_on == TODAY + timedelta(days=7)
    with pytest.raises(actions.NotRenewed, match="geht bei diesem Buch nicht"):
        actions.renew(db, loan.id, NOW, SOON)
    assert actions.lend(db, make.copy(db), member, NOW, TODAY).notes == ("over_limit",)
    assert lend(db).due_on == MONTH


def test_a_due_date_is_an_opening_day(db: Session) -> None:
    closures.set_weekdays(db, weekdays([1]), NOW, TODAY)  # Tuesdays
    assert lend(db).due_on == date(2026, 12, 22)


def test_a_sudden_closure_moves_dates_and_tells_once(db: Session) -> None:
    member = make.member(db)
    first, second = lend(db, member), lend(db, member)
    late = make.loan(db, to=member, today=TODAY - timedelta(days=60))
    assert closures.set_days(db, [MONTH, MONTH + timedelta(days=1)], False, "Wasserschaden", NOW, TODAY) == 1
    due = {row.id: row.due_on for row in db.execute(select(Loan.id, Loan.due_on))}
    assert due == {first.id: date(2026, 12, 23), second.id: date(2026, 12, 23), late.id: late.due_on}
    assert db.execute(select(Notice.member_id, Notice.kind, Notice.day)).all() == [
        (member.id, "due_moved", date(2026, 12, 23))
    ]
    assert closures.settle_dates(db, NOW, TODAY) == 0


def test_a_closure_is_no_renewal(db: Session) -> None:
    loan = lend(db)
    closures.set_days(db, [MONTH], False, "zu", NOW, TODAY)
    assert actions.renew(db, loan.id, NOW, SOON).left == 1


def test_a_renewal_undone(db: Session) -> None:
    loan = lend(db)
    until = actions.renew(db, loan.id, NOW, SOON).due_on
    assert actions.undo_renewal(db, loan.id, until) == MONTH
    assert db.get_one(Loan, loan.id, populate_existing=True).due_on == MONTH
    with pytest.raises(actions.TooLateToUndo):
        actions.undo_renewal(db, loan.id, until)


def test_a_return_undone_within_its_time(db: Session) -> None:
    copy, member = make.copy(db), make.member(db)
    loan = make.loan(db, copy, member)
    actions.give_back(db, copy, NOW, TODAY, undo_within=UNDO)
    assert actions.undo_return(db, loan.id, NOW + UNDO - timedelta(seconds=1), TODAY) == loan
    assert db.execute(select(Borrower.member_id, Borrower.forget_at)).all() == [(member.id, None)]


def test_but_not_later_and_then_it_is_forgotten(db: Session) -> None:
    copy = make.copy(db)
    loan = make.loan(db, copy)
    actions.give_back(db, copy, NOW, TODAY, undo_within=UNDO)
    with pytest.raises(actions.TooLateToUndo):
        actions.undo_return(db, loan.id, NOW + UNDO, TODAY)
    actions.forget_returned(db, NOW + UNDO)
    assert db.scalars(select(Borrower.loan_id)).all() == []


def test_nor_when_somebody_else_has_borrowed_it_since(db: Session) -> None:
    copy = make.copy(db)
    loan = make.loan(db, copy)
    actions.give_back(db, copy, NOW, TODAY, undo_within=UNDO)
    make.loan(db, copy)
    with pytest.raises(actions.TooLateToUndo):
        actions.undo_return(db, loan.id, NOW, TODAY)


def test_a_loan_undone_is_no_loan(db: Session) -> None:
    copy = make.copy(db)
    loan = make.loan(db, copy)
    actions.undo_loan(db, loan.id, NOW, TODAY)
    ended = db.get_one(Loan, loan.id, populate_existing=True)
    assert (ended.ended_as, ended.returned_at) == ("undone", NOW)
    assert db.scalars(select(Borrower.loan_id)).all() == []
    assert make.loan(db, copy).id
