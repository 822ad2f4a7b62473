"""A tablet that was switched off: the server's round forgets who stood there, and settles what it still asked."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import func, select

from bibliothek.kiosk import actions
from bibliothek.kiosk.models import Device
from bibliothek.lending.models import Loan
from bibliothek.mail import rounds
from bibliothek.members import actions as members
from bibliothek.members import sign_in
from bibliothek.members.models import BrowserSession, SignIn
from bibliothek.web import once
from tests import make
from tests.conftest import NOON, Library
from tests.mail.server import wait_for


def tablet_with_a_card(library: Library) -> int:
    """A tablet at which somebody has just borrowed a book."""
    with library.database.writing() as db:
        actions.enrol(db, "Eingang", NOON)
        for code in (make.card(db), make.copy(db).code):
            actions.scan(db, 1, code, "", NOON, make.TODAY)
    return 1


def device(library: Library, number: int) -> Device:
    with library.database.reading() as db:
        return db.get_one(Device, number)


def test_the_server_forgets_who_stood_at_a_tablet(both: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rounds, "FIRST_AFTER", 0.01)
    monkeypatch.setattr(rounds, "EVERY", 0.05)
    number = tablet_with_a_card(both)
    assert device(both, number).member_id is not None
    with both.client():
        both.clock.pass_time(seconds=30 + 120)
        wait_for(lambda: device(both, number).member_id is None)
    assert device(both, number).last_scan is None


def test_the_server_forgets_keys_sign_ins_and_sessions(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rounds, "FIRST_AFTER", 0.01)
    with library.database.writing() as db:
        once.claim(db, once.key_of("form", "a"), NOON)
        member = make.member(db)
        sign_in.new_link(db, member, NOON)
        members.start_session(db, member, NOON)

    def left() -> int:
        with library.database.reading() as db:
            tables = (once.Once, SignIn, BrowserSession)
            return sum(db.scalar(select(func.count()).select_from(table)) or 0 for table in tables)

    assert left() == 3
    library.clock.now += members.SESSION_LASTS
    library.clock.pass_time(seconds=1)
    with library.client():
        wait_for(lambda: left() == 0)


def test_a_session_that_goes_on_is_left_alone(both: Library) -> None:
    number = tablet_with_a_card(both)
    with both.database.writing() as db:
        actions.forget_sessions(db, NOON + timedelta(seconds=29), make.TODAY)
    assert device(both, number).member_id is not None


def test_a_question_without_anybody_is_settled(both: Library) -> None:
    with both.database.writing() as db:
        actions.enrol(db, "Eingang", NOON)
        lent = make.loan(db)
        row = db.get_one(Device, 1)
        row.asked_loan_id, row.asked_until = lent.id, NOON + timedelta(seconds=10)
    with both.database.writing() as db:
        actions.forget_sessions(db, NOON + timedelta(seconds=11), make.TODAY)
    with both.database.reading() as db:
        assert db.get_one(Loan, lent.id).returned_at is not None
