"""Who is late and with what."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from sqlalchemy import event, insert, select, update
from sqlalchemy.orm import Session

from bibliothek.copies.models import Copy
from bibliothek.lending import actions as lending
from bibliothek.lending.models import Borrower
from bibliothek.mail.models import Mail
from bibliothek.members import actions as members
from bibliothek.reminders.models import Reminder
from bibliothek.reminders.queries import check, count_late, count_to_remind, late_members, overdue_by_member, to_remind
from tests import make
from tests.conftest import Library
from tests.mail.server import Postbox
from tests.reminders.late import deliver, late, late_member, remind, remind_in, with_mail

LATER = make.NOW + timedelta(days=7)


def test_a_loan_is_late_from_the_day_after_it_is_due(db: Session) -> None:
    loan = make.loan(db, today=date(2026, 11, 1))
    assert overdue_by_member(db, loan.due_on) == []
    (member,) = overdue_by_member(db, loan.due_on + timedelta(days=1))
    assert [late_loan.days for late_loan in member.loans] == [1]


def test_the_late_are_listed_by_name_with_what_is_longest_due_first(db: Session) -> None:
    zoe, oezlem = make.member(db, "Mitglied Z"), make.member(db, "mitglied Ö")
    late(db, zoe, days=1, title="Erstes")
    late(db, oezlem, days=2, title="Zweites")
    late(db, zoe, days=9, title="Drittes")
    late(db, oezlem, days=0, title="Heute fällig")
    found = overdue_by_member(db, make.TODAY)
    assert [member.name for member in found] == ["mitglied Ö", "Mitglied Z"]
    assert [(loan.title, loan.days) for loan in found[1].loans] == [("Drittes", 9), ("Erstes", 1)]
    assert [loan.title for loan in found[0].loans] == ["Zweites"]
    assert found[0].open_ids == (found[0].loans[0].id,)


def test_what_came_back_is_not_listed(db: Session) -> None:
    loan = late(db)
    lending.give_back(db, db.get_one(Copy, loan.copy_id), make.NOW, make.TODAY)
    assert overdue_by_member(db, make.TODAY) == []


def test_without_an_address_nothing_can_be_sent(db: Session) -> None:
    late(db, make.member(db, email=None))
    (member,) = overdue_by_member(db, make.TODAY)
    assert member.email is None
    assert member.open_ids == ()


def test_how_far_each_reminder_has_come_is_said(both: Library, box: Postbox) -> None:
    library = with_mail(both, box.url)
    refused = late_member(library, email="weg@example.org", name="Mitglied A")
    reached = late_member(library, name="Mitglied B")
    box.refuse["weg@example.org"] = "550 unknown"
    remind(library)

    def progress() -> list[str]:
        with library.database.reading() as db:
            return [loan.progress for member in overdue_by_member(db, make.TODAY) for loan in member.loans]

    assert progress() == ["waiting", "waiting"]
    deliver(library)
    assert progress() == ["refused", "reminded"]
    with library.database.reading() as db:
        first, second = overdue_by_member(db, make.TODAY, [refused, reached])
    assert (first.is_refused, first.loans[0].reason) == (True, "550 unknown")
    assert second.loans[0].reminded_at == library.clock()


def test_whom_the_button_reminds_are_those_whose_loans_may_be_reminded(both: Library) -> None:
    ends = {
        "pending": None,
        "sending": None,
        "sent": make.NOW,
        "unknown": make.NOW,
        "cancelled": make.NOW,
        "failed": make.NOW,
        "expired": make.NOW + timedelta(days=9),
    }
    late_member(both, email=None)
    never_told, no_mail = late_member(both, 2), late_member(both)
    with both.database.writing() as db:
        kept = {"kind": "reminder", "tries": 0, "created_at": make.NOW, "next_try_at": make.NOW}
        for state, ended_at in ends.items():
            mail = Mail(state=state.replace("expired", "failed"), ended_at=ended_at, expires_at=LATER, **kept)
            db.add(mail)
            db.flush()
            told = {"loan_id": late(db).id, "stage": "overdue", "mail_id": mail.id, "created_at": make.NOW}
            db.execute(insert(Reminder).values(told))
        loan_id = db.scalars(select(Borrower.loan_id).where(Borrower.member_id == no_mail)).one()
        db.execute(insert(Reminder).values(loan_id=loan_id, stage="overdue", mail_id=None, created_at=make.NOW))
    with both.database.reading() as db:
        open_ids = [member.id for member in overdue_by_member(db, make.TODAY) if member.open_ids]
        assert to_remind(db, make.TODAY) == sorted(open_ids)
        assert never_told in open_ids
        assert len(open_ids) == count_to_remind(db, make.TODAY) == 3


@pytest.mark.parametrize("are_many", [False, True])
def test_the_late_are_listed_some_at_a_time(db: Session, are_many: bool) -> None:
    for name in "CADB":
        member = make.member(db, f"Mitglied {name}")
        for _loan in range(2):
            late(db, member, days=0 if name == "D" else 3)

    def listed(offset: int) -> list[str]:
        return [member.name for member in late_members(db, make.TODAY, offset, 2, are_many)]

    assert (listed(0), listed(2), listed(4)) == (["Mitglied A", "Mitglied B"], ["Mitglied C"], [])
    assert count_late(db, make.TODAY) == (3, 6)


def test_ten_late_members_cost_as_many_queries_as_twenty(both: Library) -> None:
    statements: list[str] = []

    def count() -> int:
        statements.clear()
        with both.database.reading() as db:
            event.listen(db.get_bind(), "before_cursor_execute", lambda *given: statements.append(given[2]))
            overdue_by_member(db, make.TODAY)
        return len(statements)

    for _ in range(10):
        late_member(both)
    ten = count()
    for _ in range(10):
        late_member(both, loans=2)
    statements.clear()
    with both.database.reading() as db:
        assert len(overdue_by_member(db, make.TODAY)) == 20
    assert len(statements) == ten


def test_check_finds_nothing_in_a_sound_library(both: Library, box: Postbox) -> None:
    library = with_mail(both, box.url)
    late_member(library, loans=2)
    late_member(library)
    remind(library)
    with library.database.reading() as db:
        assert check(db) == []


def test_check_finds_a_reminder_that_outlived_its_loan(db: Session, both: Library) -> None:
    loan = late(db)
    remind_in(db, both)
    other = make.member(db)
    copy = db.get_one(Copy, loan.copy_id)
    lending.give_back(db, copy, make.NOW, make.TODAY)
    assert check(db) == []
    db.execute(insert(Borrower).values(loan_id=loan.id, member_id=other.id))
    db.add(Reminder(loan_id=loan.id, stage="overdue", created_at=make.NOW))
    db.flush()
    assert check(db) == [f"reminder of loan {loan.id}"]


def test_check_finds_a_mail_that_goes_to_somebody_else(db: Session, both: Library) -> None:
    loan = late(db)
    mail_ids = remind_in(db, both).mail_ids
    other = members.add_member(db, "Mitglied X", None, "member", make.NOW)
    db.execute(update(Borrower).where(Borrower.loan_id == loan.id).values(member_id=other.id))
    assert check(db) == [f"mail {mail_ids[0]}"]


def test_check_finds_a_waiting_mail_that_goes_to_nobody_known(db: Session, both: Library) -> None:
    late(db)
    mail_ids = remind_in(db, both).mail_ids
    db.execute(update(Mail).where(Mail.id == mail_ids[0]).values(member_id=None))
    assert check(db) == [f"mail {mail_ids[0]}"]
