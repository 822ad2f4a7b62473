"""Lend, give back, take over."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from sqlalchemy import insert, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from bibliothek.lending import actions
from bibliothek.lending.models import Borrower, Loan
from bibliothek.library.queries import library
from tests import make
from tests.make import NOW, TODAY


def test_a_copy_is_lent_for_the_librarys_loan_period(db: Session) -> None:
    library(db).loan_days = 14
    db.flush()
    lent = actions.lend(db, make.copy(db), make.member(db), NOW, TODAY)
    assert (lent.already, lent.loan.due_on) == (False, date(2026, 12, 7))


def test_the_first_loan_makes_a_copy_active(db: Session) -> None:
    copy = make.copy(db)
    assert copy.state == "intake"
    make.loan(db, copy)
    db.refresh(copy)
    assert copy.state == "active"


def test_a_copy_on_loan_is_refused(db: Session) -> None:
    copy = make.copy(db)
    make.loan(db, copy)
    with pytest.raises(actions.CopyOnLoan):
        actions.lend(db, copy, make.member(db), NOW, TODAY)


def test_lending_somebody_what_they_have_changes_nothing(db: Session) -> None:
    copy, member = make.copy(db), make.member(db)
    first = make.loan(db, copy, member)
    later = actions.lend(db, copy, member, NOW, TODAY + timedelta(days=9))
    assert (later.already, later.loan) == (True, first)


def test_a_withdrawn_copy_is_refused(db: Session) -> None:
    copy = make.copy(db)
    copy.state = "withdrawn"
    db.flush()
    with pytest.raises(actions.CopyWithdrawn):
        make.loan(db, copy)


@pytest.mark.parametrize("state", ["repair", "missing"])
def test_the_book_in_the_hand_is_right(db: Session, state: str) -> None:
    copy = make.copy(db)
    copy.state = state
    db.flush()
    assert make.loan(db, copy).id


def test_giving_back_cuts_the_link_to_the_borrower(db: Session) -> None:
    copy = make.copy(db)
    loan = make.loan(db, copy)
    back = actions.give_back(db, copy, NOW, TODAY)
    assert (back.loan_id, back.already) == (loan.id, False)
    assert db.get_one(Loan, loan.id).returned_at == NOW
    assert db.scalars(select(Borrower)).all() == []


def test_giving_back_twice_changes_nothing(db: Session) -> None:
    copy = make.copy(db)
    make.loan(db, copy)
    actions.give_back(db, copy, NOW, TODAY)
    again = actions.give_back(db, copy, NOW + timedelta(hours=1), TODAY)
    assert (again.loan_id, again.already) == (None, True)
    assert db.scalars(select(Loan.returned_at)).all() == [NOW]


def test_only_the_loan_that_was_meant_is_ended(db: Session) -> None:
    copy = make.copy(db)
    first = make.loan(db, copy)
    actions.give_back(db, copy, NOW, TODAY)
    second = make.loan(db, copy)
    assert actions.give_back(db, copy, NOW, TODAY, first.id).already
    assert not actions.give_back(db, copy, NOW, TODAY, second.id).already


def test_a_copy_that_came_back_can_be_lent_again(db: Session) -> None:
    copy = make.copy(db)
    make.loan(db, copy)
    actions.give_back(db, copy, NOW, TODAY)
    assert make.loan(db, copy).id


def test_taking_over_ends_the_loan_before(db: Session) -> None:
    copy, member = make.copy(db), make.member(db)
    before = make.loan(db, copy)
    lent = actions.take_over(db, copy, member, NOW, TODAY, before.id)
    assert not lent.already
    assert db.execute(select(Borrower.loan_id, Borrower.member_id)).all() == [(lent.loan.id, member.id)]


def test_taking_over_twice_changes_nothing(db: Session) -> None:
    copy, member = make.copy(db), make.member(db)
    before = make.loan(db, copy)
    first = actions.take_over(db, copy, member, NOW, TODAY, before.id)
    second = actions.take_over(db, copy, member, NOW, TODAY, before.id)
    assert (second.already, second.loan) == (True, first.loan)


def test_nothing_is_taken_over_from_a_third_person(db: Session) -> None:
    copy = make.copy(db)
    before = make.loan(db, copy)
    actions.give_back(db, copy, NOW, TODAY)
    make.loan(db, copy)
    with pytest.raises(actions.CopyOnLoan):
        actions.take_over(db, copy, make.member(db), NOW, TODAY, before.id)


def test_the_database_itself_refuses_a_second_open_loan(db: Session) -> None:
    loan = make.loan(db)
    with pytest.raises(IntegrityError), db.begin_nested():
        db.execute(insert(Loan).values(copy_id=loan.copy_id, lent_at=NOW, due_on=TODAY))
