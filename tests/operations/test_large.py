"""The large library of `bibliothek demo --large` is a right one, on both databases."""

from __future__ import annotations

import os
from datetime import timedelta

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from bibliothek.catalogue import queries
from bibliothek.catalogue.actions import add_title
from bibliothek.catalogue.fields import TitleFields
from bibliothek.copies.models import Copy
from bibliothek.lending.actions import lend
from bibliothek.lending.holds import expire, serve_waiting
from bibliothek.lending.models import Hold, Loan, Renewal
from bibliothek.lending.queries import at_desk, count_open_loans
from bibliothek.members.models import Member
from bibliothek.operations import large
from bibliothek.operations.demo import NotEmpty
from bibliothek.operations.shape import check
from bibliothek.operations.verify import verify
from tests import make
from tests.conftest import Library

TORTURE = os.environ.get("TORTURE") == "1"
# More than one batch, in the long version.
TITLES = 25_000 if TORTURE else 2001


@pytest.fixture
def filled(both: Library) -> Library:
    with both.database.writing() as db:
        large.fill(db, TITLES, make.NOW, make.TODAY)
    return both


def test_it_has_what_it_says_and_every_invariant_holds(filled: Library) -> None:
    with filled.database.reading() as db:
        assert queries.count_titles(db) == TITLES
        assert db.scalar(select(func.count(Copy.id))) == TITLES * 6 // 5
        assert db.scalar(select(func.count(Member.id))) == TITLES // 20
        assert count_open_loans(db) == TITLES // 5
        assert 0.15 < count_open_loans(db, make.TODAY) / count_open_loans(db) < 0.25
        for model in (Renewal, Hold):
            assert db.scalar(select(func.count(model.id)))
        assert queries.search(db, "geschichte").total
        assert check(db) == []
        assert [broken for finding in verify(db, make.NOW) for broken in finding.broken] == []


def test_life_goes_on_in_it(filled: Library) -> None:
    with filled.database.writing() as db:
        assert expire(db, make.NOW, make.TODAY) == serve_waiting(db, make.NOW, make.TODAY) == 0
        made = add_title(db, TitleFields(title="Ganz neu"), make.NOW)
        assert made.id == TITLES + 1
        copy, member = make.copy(db, made), make.member(db)
        lent = lend(db, at_desk(db, copy.code), member, make.NOW, make.TODAY)
        assert lent.loan.due_on == make.TODAY + timedelta(days=28)
        assert lent.loan.id == db.scalar(select(func.max(Loan.id)))


def test_only_an_empty_library_is_filled(db: Session) -> None:
    make.title(db)
    with pytest.raises(NotEmpty):
        large.fill(db, 10, make.NOW, make.TODAY)
