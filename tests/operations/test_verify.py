"""`bibliothek verify` sees each broken invariant. The schema forbids most of them, so tests break the schema first."""

from __future__ import annotations

import pytest
from sqlalchemy import delete, text, update
from sqlalchemy.orm import Session

from bibliothek.catalogue.models import Title
from bibliothek.copies.models import Copy
from bibliothek.lending import actions as lending
from bibliothek.lending.models import Borrower, Loan
from bibliothek.operations.verify import verify
from tests import make


def broken(db: Session) -> list[str]:
    db.flush()
    return [finding.invariant for finding in verify(db) if finding.broken]


def test_a_library_in_use_is_sound(db: Session) -> None:
    copy = make.copy(db)
    make.loan(db, copy)
    lending.give_back(db, copy, make.NOW)
    make.loan(db, copy)
    assert broken(db) == []


def test_two_open_loans_of_a_copy_are_found(db: Session) -> None:
    loan = make.loan(db)
    db.execute(text("DROP INDEX one_open_loan_per_copy"))
    second = Loan(copy_id=loan.copy_id, lent_at=make.NOW, due_on=make.TODAY)
    db.add(second)
    db.flush()
    db.add(Borrower(loan_id=second.id, member_id=make.member(db).id))
    assert broken(db) == ["Jedes Exemplar ist höchstens einmal verliehen"]


def test_an_open_loan_without_borrower_is_found(db: Session) -> None:
    loan = make.loan(db)
    db.execute(delete(Borrower).where(Borrower.loan_id == loan.id))
    assert broken(db) == ["Jede offene Ausleihe gehört zu einem Mitglied"]


def test_a_closed_loan_that_still_knows_its_reader_is_found(db: Session) -> None:
    loan = make.loan(db)
    db.execute(update(Loan).where(Loan.id == loan.id).values(returned_at=make.NOW))
    assert broken(db) == ["Keine beendete Ausleihe führt zu einem Mitglied"]


def test_a_withdrawn_copy_on_loan_is_found(db: Session) -> None:
    loan = make.loan(db)
    db.execute(update(Copy).where(Copy.id == loan.copy_id).values(state="withdrawn"))
    assert broken(db) == ["Kein ausgesondertes Exemplar ist verliehen"]


def test_a_title_that_the_search_does_not_know_is_found(db: Session) -> None:
    title = make.title(db, "Das Kapital")
    db.execute(update(Title).where(Title.id == title.id).values(title="Ganz anders"))
    assert broken(db) == ["Die Suche weiß, was im Katalog steht"]


@pytest.mark.parametrize("code", ["BAAAAAA", "XYZ"])
def test_a_wrong_code_is_found(db: Session, code: str) -> None:
    db.execute(text("INSERT INTO paper_code (code, issued_at) VALUES (:code, :now)"), {"code": code, "now": make.NOW})
    assert broken(db) == ["Jeder gedruckte Code ist richtig und gehört zu einer Sache"]
