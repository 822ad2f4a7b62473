"""What members are told by mail: all of it in one, once, and without naming a book."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from bibliothek.copies.models import Copy
from bibliothek.lending import actions, holds, notices
from bibliothek.lending.models import NOTICES, Loan, Notice
from bibliothek.mail import outbox
from bibliothek.mail.outbox import Delivered
from bibliothek.members.actions import change_member, remove_member
from bibliothek.members.models import Member
from bibliothek.operations.verify import verify
from tests import make
from tests.conftest import Library
from tests.mail import server
from tests.mail.server import Postbox, texts
from tests.reminders.late import TEMPLATES, mails, with_mail

A_DAY = date(2027, 1, 4)


@pytest.fixture
def box() -> Iterator[Postbox]:
    with server.postbox() as made:
        yield made


def round_(library: Library) -> int:
    with library.database.writing() as db:
        return notices.mail_them(TEMPLATES, library.settings, db, library.clock())


def deliver(library: Library) -> Delivered:
    return outbox.deliver(library.database, library.settings, library.clock, {})


def member_told(library: Library, *kinds: str, email: str | None = "mitglied@example.org") -> int:
    with library.database.writing() as db:
        member = make.member(db, name="Mitglied Jürgen", email=email)
        for kind in kinds:
            day = A_DAY if kind in ("hold_ready", "due_moved") else None
            notices.tell(db, member.id, kind, day, library.clock())
        return member.id


def come_back_for(library: Library, db: Session, member: Member, title: str | None = None) -> Copy:
    """A book comes back for which the member waits."""
    copy = make.copy(db, title=title)
    make.loan(db, copy)
    holds.place(db, copy.title_id, member.id, library.clock(), make.TODAY)
    actions.give_back(db, copy, library.clock(), make.TODAY)
    return copy


def left(library: Library) -> list[str]:
    with library.database.reading() as db:
        return list(db.scalars(select(Notice.kind).order_by(Notice.id)))


def test_all_that_a_member_is_to_be_told_comes_in_one_mail(both: Library, box: Postbox) -> None:
    library = with_mail(both, box.url)
    member_told(library, "due_moved", "taken_over", "hold_moved", "hold_expired", "taken_over")
    library.clock.pass_time(minutes=1)
    assert round_(library) == 1
    assert left(library) == []
    assert deliver(library) == Delivered(sent=1)
    (mail,) = box.received
    assert mail["to"] == "mitglied@example.org"
    assert mail["subject"] == "Neues zu deinen Büchern bei Bibliothek"
    for text in texts(mail):
        assert "Hallo Mitglied Jürgen," in text
        assert "Ein Buch, das für dich bereitlag, wurde nicht abgeholt" in text
        assert "Du wartest wieder, an deinem alten Platz." in text
        assert "2 Bücher, die noch für dich eingetragen waren, hat jemand anders mitgenommen" in text
        assert "4. Januar 2027" in text or "04.01.2027" in text
        assert "https://bibliothek.example.org/konto" in text
    assert round_(library) == 0


def test_what_is_set_aside_is_told_with_its_date_and_without_its_title(both: Library, box: Postbox) -> None:
    library = with_mail(both, box.url)
    with library.database.writing() as db:
        come_back_for(library, db, make.member(db), title="Das Kapital")
    library.clock.pass_time(minutes=1)
    assert round_(library) == 1
    deliver(library)
    plain, html = texts(box.received[0])
    assert "Ein Buch, auf das du gewartet hast, liegt bis zum" in plain
    assert "Kapital" not in plain + html
    assert b"Kapital" not in box.raw[0]


def test_nobody_is_told_that_something_is_ready_once_they_have_fetched_it(both: Library, box: Postbox) -> None:
    library = with_mail(both, box.url)
    with library.database.writing() as db:
        member = make.member(db)
        copy = come_back_for(library, db, member)
        actions.lend(db, copy, member, library.clock(), make.TODAY)
    assert left(library) == ["hold_ready"]
    library.clock.pass_time(minutes=1)
    assert round_(library) == 0
    assert (left(library), mails(library)) == ([], [])


def test_a_notice_waits_a_minute_so_that_it_can_be_taken_back(both: Library, box: Postbox) -> None:
    library = with_mail(both, box.url)
    member_id = member_told(library, "due_moved")
    library.clock.pass_time(seconds=59)
    assert round_(library) == 0
    with library.database.writing() as db:
        assert notices.untell(db, member_id, "due_moved", A_DAY)
        assert not notices.untell(db, member_id, "due_moved", A_DAY)
    library.clock.pass_time(seconds=1)
    assert round_(library) == 0


def test_without_an_address_or_without_smtp_it_stays_for_thirty_days(both: Library, box: Postbox) -> None:
    library = with_mail(both, box.url)
    member_told(library, "taken_over", email=None)
    member_told(both, "due_moved")
    library.clock.pass_time(minutes=5)
    assert round_(with_mail(both, None)) == 0
    assert left(library) == ["taken_over", "due_moved"]
    assert round_(library) == 1
    for days, there in ((29, ["taken_over"]), (2, [])):
        library.clock.pass_time(days=days)
        with library.database.writing() as db:
            notices.forget(db, library.clock())
        assert left(library) == there


@pytest.mark.parametrize("kind", NOTICES)
def test_every_kind_says_something(kind: str, library: Library) -> None:
    point = notices.Point(kind, A_DAY, 1)
    with_it = notices.message(TEMPLATES, library.settings, "Bibliothek", "Mitglied 1", [point])
    without = notices.message(TEMPLATES, library.settings, "Bibliothek", "Mitglied 1", [])
    assert len(with_it.text) > len(without.text) + 40
    assert len(with_it.html) > len(without.html) + 40


def test_a_mail_that_waits_follows_its_member(both: Library, box: Postbox) -> None:
    library = with_mail(both, box.url)
    moves, goes = member_told(library, "due_moved"), member_told(library, "due_moved", email="zwei@example.org")
    library.clock.pass_time(minutes=1)
    assert round_(library) == 2
    with library.database.writing() as db:
        change_member(db, moves, "Mitglied", "neu@example.org", "member", library.clock())
        remove_member(db, goes, library.clock())
        assert [finding.invariant for finding in verify(db, library.clock()) if finding.broken] == []
    deliver(library)
    assert [mail["to"] for mail in box.received] == ["neu@example.org"]


def test_what_no_mail_tells_has_no_moment_in_common_with_the_return_it_is_about(both: Library) -> None:
    with both.database.writing() as db:
        copy, before = make.copy(db), make.member(db, email=None)
        loan = make.loan(db, copy, before)
        actions.take_over(db, copy, make.member(db), both.clock(), make.TODAY, loan.id)
    both.clock.pass_time(minutes=2)
    with both.database.writing() as db:
        notices.forget(db, both.clock())
        assert db.scalars(select(Notice.member_id)).all() == [before.id]
        assert db.scalars(select(Notice).join(Loan, Loan.returned_at == Notice.created_at)).all() == []
