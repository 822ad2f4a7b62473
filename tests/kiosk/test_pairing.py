"""A device becomes the tablet: it shows a code and a number, a librarian approves it on their own phone."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from sqlalchemy import select

from bibliothek.kiosk import pairing
from bibliothek.kiosk.models import Device, Pairing
from bibliothek.mail.models import Mail
from bibliothek.members.models import BrowserSession, Member
from tests import make
from tests.client import Client, text_of
from tests.conftest import Library

APPROVE = "/verwaltung/tablets/koppeln"


@pytest.fixture
def librarian(both: Library) -> Member:
    with both.database.writing() as db:
        make.admin(db)
        return make.member(db, role="librarian", name="Betreuung 7")


def begin(device: Client) -> tuple[str, str]:
    """The code and the number that the device shows."""
    html = device.submit("/kiosk/koppeln").text
    code, number = re.search(r"data-code>([^<]+)<", html), re.search(r"data-number>(\d+)<", html)
    assert code
    assert number
    return code[1].strip(), number[1]


def numbers(phone: Client, code: str) -> list[str]:
    return re.findall(r'name="number" value="(\d+)"', phone.submit(APPROVE, code=code).text)


def is_tablet(device: Client) -> bool:
    return 'name="scan"' in device.get("/kiosk").text


def test_a_device_becomes_the_tablet_and_every_librarian_is_told(both: Library, librarian: Member) -> None:
    with both.client() as device, both.client() as phone:
        code, number = begin(device)
        phone.sign_in(librarian)
        offered = numbers(phone, code.lower().replace("-", " "))
        assert number in offered
        assert len(set(offered)) == 3
        assert not is_tablet(device)
        page = phone.submit(APPROVE + "/ja", code=code, number=number, name="Eingang")
        assert "„Eingang“ ist jetzt ein Tablet" in text_of(page.text)
        assert is_tablet(device)
        assert "kopplung" not in device.cookies
    with both.database.reading() as db:
        mails = db.scalars(select(Mail).order_by(Mail.id)).all()
        assert len(mails) == 2
        assert all("„Eingang“" in (mail.text or "") and mail.kind == "tablet" for mail in mails)


def test_revoking_it_works_at_once(both: Library, librarian: Member) -> None:
    with both.client() as device, both.client() as phone:
        code, number = begin(device)
        phone.sign_in(librarian)
        phone.submit(APPROVE + "/ja", code=code, number=number, name="Eingang")
        assert is_tablet(device)
        phone.submit("/verwaltung/tablets/1/sperren")
        assert not is_tablet(device)


def test_a_wrong_number_refuses_the_device(both: Library, librarian: Member) -> None:
    with both.client() as device, both.client() as phone:
        code, number = begin(device)
        phone.sign_in(librarian)
        wrong = next(other for other in numbers(phone, code) if other != number)
        answer = phone.submit(APPROVE + "/ja", code=code, number=wrong, name="Eingang")
        assert answer.status_code == 409
        assert "nicht die Zahl" in text_of(answer.text)
        assert phone.submit(APPROVE + "/ja", code=code, number=number, name="Eingang").status_code == 422
        assert "Das hat nicht geklappt" in text_of(device.get("/kiosk").text)
    with both.database.reading() as db:
        assert db.scalars(select(Device)).all() == []


def test_five_wrong_codes_end_it(both: Library, librarian: Member) -> None:
    with both.client() as device, both.client() as phone:
        code, _number = begin(device)
        phone.sign_in(librarian)
        for _ in range(pairing.MOST_TRIES):
            answer = phone.submit(APPROVE, code="ABCD-1234")
            assert answer.status_code == 422
            assert "wartet kein Gerät" in text_of(answer.text)
        assert numbers(phone, code) == []


def test_a_code_lasts_ten_minutes(both: Library, librarian: Member) -> None:
    with both.client() as device, both.client() as phone:
        code, _number = begin(device)
        phone.sign_in(librarian)
        both.clock.pass_time(minutes=9, seconds=59)
        assert len(numbers(phone, code)) == 3
        both.clock.pass_time(seconds=1)
        assert numbers(phone, code) == []


def test_a_bad_name_is_said_and_nothing_is_lost(both: Library, librarian: Member) -> None:
    with both.client() as device, both.client() as phone:
        code, number = begin(device)
        phone.sign_in(librarian)
        assert phone.submit(APPROVE + "/ja", code=code, number=number, name=" ").status_code == 422
        assert phone.submit(APPROVE + "/ja", code=code, number="siebzehn", name="Eingang").status_code == 422
        assert phone.submit(APPROVE + "/ja", code=code, number=number, name="Eingang").status_code == 200
        assert is_tablet(device)


def test_who_was_signed_in_on_the_device_is_not_any_more(both: Library, librarian: Member) -> None:
    with both.client() as device:
        device.sign_in(librarian)
        begin(device)
        assert device.get("/konto", follow_redirects=False).status_code == 303
    with both.database.reading() as db:
        assert db.scalars(select(BrowserSession)).all() == []


def test_only_librarians_approve(both: Library, librarian: Member) -> None:
    with both.database.writing() as db:
        stranger = make.member(db)
    with both.client() as device, both.client() as phone:
        code, number = begin(device)
        form = {"code": code, "number": number, "name": "Eingang"}
        assert phone.submit(APPROVE + "/ja", False, **form).status_code == 303
        phone.sign_in(stranger)
        for path in (APPROVE, APPROVE + "/ja"):
            assert phone.submit(path, **form).status_code == 403
            assert phone.get(path).status_code == 403
        assert not is_tablet(device)


def test_giving_up_leaves_an_ordinary_browser(both: Library, librarian: Member) -> None:
    with both.client() as device, both.client() as phone:
        code, _number = begin(device)
        assert "soll das Tablet werden" in text_of(device.submit("/kiosk/koppeln/abbrechen").text)
        phone.sign_in(librarian)
        assert numbers(phone, code) == []


def test_not_more_devices_wait_than_anybody_needs(both: Library, librarian: Member) -> None:
    with both.client() as device:
        for _ in range(pairing.MOST_WAITING):
            begin(device)
        assert device.submit("/kiosk/koppeln").status_code == 429
        both.clock.pass_time(minutes=10)
        begin(device)


def test_what_is_over_is_forgotten_and_never_known_in_the_clear(both: Library, librarian: Member) -> None:
    with both.client() as device:
        code, _number = begin(device)
    with both.database.writing() as db:
        row = db.scalars(select(Pairing)).one()
        assert code.replace("-", "") not in f"{row.code_hash}{row.token_hash}".upper()
        pairing.forget(db, both.clock() + timedelta(minutes=19))
        assert len(db.scalars(select(Pairing)).all()) == 1
        pairing.forget(db, both.clock() + timedelta(minutes=21))
        assert db.scalars(select(Pairing)).all() == []


def test_a_number_pressed_twice_makes_one_tablet_and_both_say_so(both: Library, librarian: Member) -> None:
    with both.client() as device, both.client() as phone:
        code, number = begin(device)
        phone.sign_in(librarian)
        for _twice in range(2):
            answer = phone.submit(APPROVE + "/ja", code=code, number=number, name="Eingang")
            assert "„Eingang“ ist jetzt ein Tablet." in text_of(answer.text)
            both.clock.pass_time(seconds=1)
        both.clock.pass_time(minutes=2)
        assert phone.submit(APPROVE + "/ja", code=code, number=number, name="Eingang").status_code == 422
    with both.database.reading() as db:
        assert len(db.scalars(select(Device)).all()) == 1
        assert len(db.scalars(select(Mail)).all()) == 2
