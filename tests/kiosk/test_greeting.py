"""Without a card: a member's own phone, or a guest's first name and contact."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from sqlalchemy import select, update

from bibliothek.kiosk import guests
from bibliothek.kiosk.models import Device
from bibliothek.lending.models import Borrower
from bibliothek.library.models import Library as Settings
from bibliothek.members.models import Member
from bibliothek.members.queries import without_card
from tests import make
from tests.client import Client, text_of
from tests.kiosk.conftest import Tablet

GUEST = {"name": "Gast", "contact": "0351 123456"}


def token_of(tablet: Tablet) -> str:
    found = re.search(r'data-greeting="([^"]+)"', tablet.client.get("/kiosk").text)
    assert found
    return found[1]


@pytest.fixture
def member(tablet: Tablet) -> Member:
    with tablet.library.database.writing() as db:
        return make.member(db, name="Mitglied 17")


@pytest.fixture
def phone(tablet: Tablet, member: Member) -> Iterator[Client]:
    with tablet.library.client() as client:
        client.sign_in(member)
        yield client


def borrower_of(tablet: Tablet) -> list[int]:
    with tablet.library.database.reading() as db:
        return list(db.scalars(select(Borrower.member_id).where(Borrower.forget_at.is_(None))))


def welcome_guests(tablet: Tablet) -> None:
    with tablet.library.database.writing() as db:
        db.execute(update(Settings).values(takes_guests=True))


def test_the_phone_gives_the_tablet_its_member(tablet: Tablet, phone: Client, member: Member) -> None:
    path = "/kiosk/hallo/" + token_of(tablet)
    assert "Stehst du vor dem Tablet?" in text_of(phone.get(path).text)
    assert "data-somebody" not in tablet.client.get("/kiosk/hallo").text
    assert "kennt dich jetzt" in text_of(phone.submit(path).text)
    assert "data-somebody" in tablet.client.get("/kiosk/hallo").text
    tablet.library.clock.pass_time(seconds=89)
    assert tablet.scan(tablet.copies[0]).kind == "lent"
    assert borrower_of(tablet) == [member.id]


def test_but_for_ninety_seconds_only(tablet: Tablet, phone: Client) -> None:
    phone.submit("/kiosk/hallo/" + token_of(tablet))
    tablet.library.clock.pass_time(seconds=90)
    assert tablet.scan(tablet.copies[0]).kind != "lent"


def test_the_phone_takes_the_tablet_from_nobody_who_stands_there(tablet: Tablet, phone: Client, member: Member) -> None:
    path = "/kiosk/hallo/" + token_of(tablet)
    tablet.scan(tablet.cards[0])
    refused = phone.submit(path)
    assert refused.status_code == 409
    assert "gerade jemand anderes" in text_of(refused.text)
    assert "Ja, ich stehe davor" in refused.text
    assert tablet.scan(tablet.copies[0]).kind == "lent"
    assert borrower_of(tablet) != [member.id]
    tablet.press("/kiosk/fertig")
    assert "kennt dich jetzt" in text_of(phone.submit(path).text)


def test_pressing_twice_on_the_phone_greets_twice(tablet: Tablet, phone: Client) -> None:
    path = "/kiosk/hallo/" + token_of(tablet)
    assert [phone.submit(path).status_code for _ in range(2)] == [200, 200]


def test_looking_at_the_address_does_nothing(tablet: Tablet, phone: Client) -> None:
    phone.get("/kiosk/hallo/" + token_of(tablet))
    with tablet.library.database.reading() as db:
        assert db.scalars(select(Device.member_id)).all() == [None]


def test_an_old_photo_of_the_code_is_no_use(tablet: Tablet, phone: Client) -> None:
    path = "/kiosk/hallo/" + token_of(tablet)
    tablet.library.clock.pass_time(minutes=10)
    assert phone.get(path).status_code == 409
    assert phone.submit(path).status_code == 409


@pytest.mark.parametrize("token", ["1-abc", "x", "999999999999-0", "²-0", "-", "0-0"])
def test_nor_is_one_made_up(tablet: Tablet, phone: Client, token: str) -> None:
    assert phone.submit("/kiosk/hallo/" + token).status_code == 409


def test_strangers_sign_in_first(tablet: Tablet) -> None:
    path = "/kiosk/hallo/" + token_of(tablet)
    with tablet.library.client() as stranger:
        assert stranger.get(path, follow_redirects=False).headers["location"].startswith("/anmelden?zurueck=")
        assert stranger.get("/kiosk/hallo", follow_redirects=False).status_code == 303
        assert stranger.submit(path, False).status_code == 303
    with tablet.library.database.reading() as db:
        assert db.scalars(select(Device.member_id)).all() == [None]


def test_guests_come_only_where_they_are_welcome(tablet: Tablet) -> None:
    assert tablet.client.get("/kiosk/gast").status_code == 403
    assert tablet.client.submit("/kiosk/gast", **GUEST).status_code == 403
    assert "Als Gast" not in tablet.client.get("/kiosk").text
    welcome_guests(tablet)
    assert "Als Gast" in tablet.client.get("/kiosk").text


def test_a_guest_borrows_and_is_forgotten_with_the_last_book(tablet: Tablet) -> None:
    welcome_guests(tablet)
    tablet.client.submit("/kiosk/gast", **GUEST)
    assert tablet.scan(tablet.copies[0]).kind == "lent"
    tablet.library.clock.pass_time(minutes=20)
    with tablet.library.database.writing() as db:
        guests.forget(db, tablet.library.clock())
        assert len(db.scalars(select(Member).where(Member.guest_contact.is_not(None))).all()) == 1
        assert all(member.guest_contact is None for member in without_card(db))
    assert tablet.scan(tablet.copies[0]).kind == "returned"
    tablet.library.clock.pass_time(minutes=20)
    tablet.forget_what_is_over()
    with tablet.library.database.reading() as db:
        assert db.scalars(select(Member).where(Member.guest_contact.is_not(None))).all() == []


def test_a_guest_who_scans_the_book_first_is_asked_for_no_card_alone(tablet: Tablet) -> None:
    assert "Als Gast" not in tablet.scan(tablet.copies[0]).text
    welcome_guests(tablet)
    assert "Als Gast" in tablet.scan(tablet.copies[1]).text
    tablet.client.submit("/kiosk/gast", **GUEST)
    assert len(borrower_of(tablet)) == 2


def test_a_guest_who_has_begun_is_told_of_no_card(tablet: Tablet) -> None:
    welcome_guests(tablet)
    page = tablet.client.submit("/kiosk/gast", **GUEST).text
    assert "Hallo, " in page
    # What is shown when nobody is here any more lies ready behind it.
    assert "Erst deine Karte" not in page.split('<template id="nobody">')[0]


def test_a_guest_who_comes_again_is_the_same(tablet: Tablet) -> None:
    welcome_guests(tablet)
    for copy in tablet.copies[:2]:
        tablet.client.submit("/kiosk/gast", **GUEST)
        assert tablet.scan(copy).kind == "lent"
        tablet.press("/kiosk/fertig")
        tablet.library.clock.pass_time(minutes=5)
    assert len(set(borrower_of(tablet))) == 1


def test_a_guest_who_takes_nothing_is_forgotten(tablet: Tablet) -> None:
    welcome_guests(tablet)
    tablet.client.submit("/kiosk/gast", **GUEST)
    tablet.press("/kiosk/fertig")
    tablet.library.clock.pass_time(minutes=11)
    with tablet.library.database.writing() as db:
        guests.forget(db, tablet.library.clock())
        assert db.scalars(select(Member).where(Member.guest_contact.is_not(None))).all() == []


@pytest.mark.parametrize(
    "wrong",
    [{"name": ""}, {"name": "x" * 101}, {"contact": ""}, {"contact": "wo"}, {"contact": "a@"}, {"contact": "1" * 201}],
)
def test_what_is_missing_is_said(tablet: Tablet, wrong: dict[str, str]) -> None:
    welcome_guests(tablet)
    answer = tablet.client.submit("/kiosk/gast", **(GUEST | wrong))
    assert answer.status_code == 422
    assert "passt noch nicht" in text_of(answer.text)


def test_only_the_tablet_takes_guests(tablet: Tablet, phone: Client) -> None:
    welcome_guests(tablet)
    assert phone.get("/kiosk/gast").status_code == 403
    assert phone.submit("/kiosk/gast", **GUEST).status_code == 403


def test_a_place_for_returns_serves_nobody_however_they_come(tablet: Tablet, phone: Client) -> None:
    welcome_guests(tablet)
    path = "/kiosk/hallo/" + token_of(tablet)
    with tablet.library.database.writing() as db:
        db.execute(update(Device).values(only_returns=True))
    assert phone.submit(path).status_code == 409
    assert tablet.client.submit("/kiosk/gast", **GUEST).status_code == 403
    assert "data-greeting" not in tablet.client.get("/kiosk").text


def test_at_a_place_for_returns_no_guest_fills_in_a_form_in_vain(tablet: Tablet) -> None:
    welcome_guests(tablet)
    assert tablet.client.get("/kiosk/gast", follow_redirects=False).status_code == 200
    with tablet.library.database.writing() as db:
        db.execute(update(Device).values(only_returns=True))
    assert tablet.client.get("/kiosk/gast", follow_redirects=False).headers["location"] == "/kiosk"
