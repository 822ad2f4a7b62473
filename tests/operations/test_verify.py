"""`bibliothek verify` sees each broken invariant. The schema forbids most of them, so tests break the schema first."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from sqlalchemy import delete, func, select, text, update
from sqlalchemy.orm import Session

from bibliothek.catalogue.models import Title
from bibliothek.copies.models import Copy, CopyEvent
from bibliothek.kiosk import actions as kiosk
from bibliothek.kiosk.models import Device, GivenAnswer
from bibliothek.lending import actions as lending
from bibliothek.lending import closures, holds
from bibliothek.lending.models import Borrower, Hold, Loan, Renewal
from bibliothek.mail import outbox
from bibliothek.mail.message import Message
from bibliothek.mail.models import Mail
from bibliothek.members.actions import SESSION_LASTS, start_session
from bibliothek.members.models import Card, SignIn
from bibliothek.members.rules import COUNTED
from bibliothek.operations.verify import REQUESTS_KEPT, verify
from bibliothek.tokens import hashed
from bibliothek.web import once
from tests import make

A_DAY = timedelta(days=1)
A_MINUTE = timedelta(minutes=1)


def broken(db: Session) -> list[str]:
    db.flush()
    return [finding.invariant for finding in verify(db, make.NOW) if finding.broken]


def test_a_library_in_use_is_sound(db: Session) -> None:
    copy = make.copy(db)
    make.loan(db, copy)
    lending.give_back(db, copy, make.NOW, make.TODAY)
    make.loan(db, copy)
    assert broken(db) == []


def test_two_open_loans_of_a_copy_are_found(db: Session) -> None:
    loan = make.loan(db)
    db.execute(text("DROP INDEX one_open_loan_per_copy"))
    second = Loan(copy_id=loan.copy_id, lent_at=make.NOW, due_on=make.TODAY)
    db.add(second)
    db.flush()
    db.add(Borrower(loan_id=second.id, member_id=make.member(db).id))
    assert broken(db) == ["Die Datenbank setzt alle ihre Regeln durch", "Jedes Exemplar ist höchstens einmal verliehen"]


def test_two_valid_cards_of_a_member_are_found(db: Session) -> None:
    member = make.member(db)
    make.card(db, member)
    db.execute(text("DROP INDEX one_valid_card_per_member"))
    db.add(Card(member_id=member.id, code_hash="other", created_at=make.NOW))
    assert broken(db) == [
        "Die Datenbank setzt alle ihre Regeln durch",
        "Jedes Mitglied hat höchstens eine gültige Karte",
    ]


def test_a_library_without_settings_is_found(db: Session) -> None:
    db.execute(text("DELETE FROM library"))
    assert broken(db) == ["Die Einstellungen der Bibliothek sind da"]


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


SOON, LATER = make.TODAY + timedelta(days=5), make.TODAY + timedelta(days=9)


@pytest.mark.parametrize("change", [{"due_before": make.TODAY}, {"due_on": make.TODAY}, {"due_on": LATER}])
def test_renewals_that_do_not_lead_to_the_due_date_are_found(db: Session, change: dict[str, date]) -> None:
    """The second of two moves that does not begin where the first ended, goes back, or ends elsewhere than the loan."""
    loan = make.loan(db)
    lending.renew(db, loan.id, make.NOW, SOON)
    closures.set_days(db, [SOON + timedelta(days=28)], False, "zu", make.NOW, make.TODAY)
    assert broken(db) == []
    last = select(Renewal.id).order_by(Renewal.id.desc()).limit(1).scalar_subquery()
    db.execute(update(Renewal).where(Renewal.id == last).values(**change))
    assert broken(db) == ["Verlängerungen führen Schritt für Schritt zum Datum der Ausleihe"]


@pytest.mark.parametrize("moved", ["the loan", "a step is gone", "back"])
def test_a_due_date_that_no_renewal_explains_is_found(db: Session, moved: str) -> None:
    loan = make.loan(db)
    for day in (SOON, LATER):
        lending.renew(db, loan.id, make.NOW, day)
    assert broken(db) == []
    first = select(func.min(Renewal.id)).scalar_subquery()
    if moved == "the loan":
        db.execute(update(Loan).values(due_on=LATER))
    elif moved == "a step is gone":
        db.execute(delete(Renewal).where(Renewal.id != first))
    else:
        db.execute(update(Renewal).where(Renewal.id == first).values(due_before=LATER + timedelta(days=90)))
    assert broken(db) == ["Verlängerungen führen Schritt für Schritt zum Datum der Ausleihe"]


def kept(db: Session) -> Hold:
    """For somebody a copy is set aside, until in a week."""
    placed = holds.place(db, make.copy(db).title_id, make.member(db).id, make.NOW, make.TODAY)
    assert broken(db) == []
    return db.get_one(Hold, placed.id)


def test_somebody_who_waits_for_what_they_have_is_found(db: Session) -> None:
    hold = kept(db)
    copy = make.copy(db, make.db_title(db, hold.title_id))
    loan = make.loan(db, copy)
    assert broken(db) == []
    db.execute(update(Borrower).where(Borrower.loan_id == loan.id).values(member_id=hold.member_id))
    assert broken(db) == ["Kein Mitglied wartet auf ein Buch, das es schon hat"]


def test_a_copy_set_aside_that_somebody_has_is_found(db: Session) -> None:
    hold = kept(db)
    db.execute(update(Loan).where(Loan.id == make.loan(db).id).values(copy_id=hold.copy_id))
    assert broken(db) == ["Was für jemanden bereitliegt, ist da"]


def test_a_copy_of_another_title_set_aside_is_found(db: Session) -> None:
    kept(db).title_id = make.title(db).id
    assert broken(db) == ["Was für jemanden bereitliegt, ist da"]


@pytest.mark.parametrize("change", [{"is_reference": True}, {"state": "repair"}, {"state": "withdrawn"}])
def test_a_copy_set_aside_that_cannot_be_lent_is_found_after_a_day(db: Session, change: dict[str, object]) -> None:
    hold = kept(db)
    db.execute(update(Copy).where(Copy.id == hold.copy_id).values(withdrawn_at=make.NOW - A_DAY, **change))
    hold.ready_at = make.NOW - 3 * A_DAY
    assert broken(db) == []
    db.execute(update(Copy).where(Copy.id == hold.copy_id).values(withdrawn_at=make.NOW - A_DAY - A_MINUTE))
    assert broken(db) == ["Nichts liegt nach einem Tag noch bereit, was nicht verliehen werden kann"]
    db.add(CopyEvent(copy_id=hold.copy_id, kind="damaged", at=make.NOW - A_DAY + A_MINUTE))
    assert broken(db) == []


def test_a_hold_that_should_have_expired_is_found(db: Session) -> None:
    hold = kept(db)
    hold.ready_until = make.TODAY - 2 * A_DAY
    assert broken(db) == []
    hold.ready_until = make.TODAY - 3 * A_DAY
    assert broken(db) == ["Nichts liegt noch bereit, dessen Frist vorgestern vorbei war"]


def test_a_title_that_the_search_does_not_know_is_found(db: Session) -> None:
    title = make.title(db, "Das Kapital")
    db.execute(update(Title).where(Title.id == title.id).values(title="Ganz anders"))
    assert broken(db) == ["Die Suche weiß, was im Katalog steht"]


@pytest.mark.parametrize("code", ["BAAAAAA", "XYZ"])
def test_a_wrong_code_is_found(db: Session, code: str) -> None:
    db.execute(text("INSERT INTO paper_code (code, issued_at) VALUES (:code, :now)"), {"code": code, "now": make.NOW})
    assert broken(db) == ["Jeder gedruckte Code ist richtig und gehört zu einer Sache"]


def waiting_mail(db: Session) -> Mail:
    member = make.member(db)
    message = Message("s", "t", "h")
    return outbox.queue(
        db, kind="greeting", member_id=member.id, address=member.email or "", message=message, now=make.NOW
    )


@pytest.mark.parametrize("change", [{"address": "fremd@example.org"}, {"member_id": None}])
def test_a_waiting_mail_to_somebody_else_is_found(db: Session, change: dict[str, str | None]) -> None:
    mail = waiting_mail(db)
    assert broken(db) == []
    db.execute(update(Mail).where(Mail.id == mail.id).values(**change))
    assert broken(db) == ["Wartende Nachrichten gehen an die Adresse ihres Mitglieds"]


def test_an_ended_mail_that_kept_its_subject_is_found(db: Session) -> None:
    mail = waiting_mail(db)
    outbox.cancel(mail, make.NOW)
    assert broken(db) == []
    mail.subject = "Grüße"
    assert broken(db) == ["Erledigte Nachrichten sind geleert"]


def test_a_copy_with_a_label_that_is_still_in_intake_is_found(db: Session) -> None:
    make.copy(db).labelled_at = make.NOW
    assert broken(db) == ["Jedes Exemplar mit Etikett ist aufgenommen"]


@pytest.mark.parametrize("hours", [None, 25])
def test_a_tablet_that_still_knows_somebody_of_yesterday_is_found(db: Session, hours: int | None) -> None:
    token = kiosk.enrol(db, "Eingang", make.NOW - timedelta(days=30))
    device = db.scalars(select(Device).where(Device.token_hash == hashed(token))).one()
    device.member_id, device.member_until = make.member(db).id, make.NOW - timedelta(hours=23)
    assert broken(db) == []
    device.member_until = make.NOW - timedelta(hours=hours) if hours else None
    assert broken(db) == ["Kein Tablet weiß nach einem Tag noch, wer davor stand"]


def test_a_tablet_that_still_knows_a_scan_of_yesterday_is_found(db: Session) -> None:
    token = kiosk.enrol(db, "Eingang", make.NOW - timedelta(days=30))
    device = db.scalars(select(Device).where(Device.token_hash == hashed(token))).one()
    kiosk.scan(db, device.id, make.copy(db).code, "1", make.NOW, make.TODAY)
    assert broken(db) == []
    assert device.last_scan
    found = verify(db, make.NOW + timedelta(hours=25))
    assert [one.broken for one in found if one.broken] == [[f"tablet {device.id}"]]


def test_a_sign_in_that_still_leads_from_a_book_to_a_member_is_found(db: Session) -> None:
    """So is one without a way back, when it is no longer counted either."""
    expires = make.NOW - A_DAY + A_MINUTE
    found = SignIn(member_id=make.member(db).id, link_hash="x", return_to="/c/B234567", created_at=expires)
    found.expires_at = expires
    db.add(found)
    assert broken(db) == []
    found.expires_at = make.NOW - A_DAY - A_MINUTE
    assert broken(db) == ["Keine alte Anmeldung führt noch von einem Buch zu einem Mitglied"]
    found.return_to = None
    assert broken(db) == []
    found.created_at = make.NOW - COUNTED - A_DAY - A_MINUTE
    assert broken(db) == ["Keine alte Anmeldung führt noch von einem Buch zu einem Mitglied"]


def test_a_session_of_a_browser_that_is_long_over_is_found(db: Session) -> None:
    began = make.NOW - SESSION_LASTS - A_DAY
    start_session(db, make.member(db), began + A_MINUTE, "yesterday")
    assert broken(db) == []
    start_session(db, make.member(db), began - A_MINUTE, "the day before")
    assert broken(db) == ["Abgelaufene Anmeldungen im Browser sind vergessen"]


def test_a_request_that_is_remembered_too_long_is_found(db: Session) -> None:
    once.claim(db, once.key_of("form", "a"), make.NOW - once.KEPT - A_DAY + A_MINUTE)
    assert broken(db) == []
    once.claim(db, once.key_of("form", "b"), make.NOW - once.KEPT - A_DAY - A_MINUTE)
    assert broken(db) == ["Anfragen von vorgestern sind vergessen"]
    assert once.KEPT == REQUESTS_KEPT


def test_an_answer_of_a_tablet_that_is_kept_too_long_is_found(db: Session) -> None:
    kiosk.enrol(db, "Eingang", make.NOW - timedelta(days=30))
    device_id = db.scalars(select(Device.id)).one()
    given = GivenAnswer(device_id=device_id, number_hash="x", answer="{}", given_at=make.NOW - 2 * A_DAY + A_MINUTE)
    db.add(given)
    assert broken(db) == []
    given.given_at = make.NOW - 2 * A_DAY - A_MINUTE
    assert broken(db) == ["Antworten, die Tablets vorgestern gaben, sind vergessen"]
