"""What a book's QR code opens."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy import select

from bibliothek.codes import Kind, new_code
from bibliothek.copies.models import Copy
from bibliothek.lending import holds
from bibliothek.lending.models import Borrower, Hold, Loan
from bibliothek.members.models import Member
from bibliothek.members.sign_in import new_link
from tests import make
from tests.client import HOST, Client, text_of
from tests.conftest import Library

NAME = "Ava Unverkennbar"


@dataclass
class Place:
    copy: str
    shelf: str
    librarian: Member
    reader: Member
    other: Member


@pytest.fixture
def place(both: Library) -> Place:
    with both.database.writing() as db:
        librarian = make.admin(db)
        shelf = make.shelf(db, "Romane")
        copy = make.copy(db, make.title(db, "Das andere Geschlecht"), shelf)
        return Place(copy.code, shelf.code, librarian, make.member(db, NAME), make.member(db))


def lent_to(library: Library, place: Place, member: Member) -> None:
    with library.database.writing() as db:
        make.loan(db, db.scalars(select(Copy).where(Copy.code == place.copy)).one(), member)


def press(client: Client, code: str, what: str, follow: bool = True) -> Any:
    """Press the button on the book's page that posts to `what`."""
    html = client.get(f"/c/{code}").text
    form = re.search(rf'<form[^>]*action="/c/{code}/{what}"[^>]*>(.*?)</form>', html, re.S)
    assert form, text_of(html)
    return client.submit(
        f"/c/{code}/{what}", follow, **dict(re.findall(r'name="(\w+)" value="([^"]*)"', form.group(1)))
    )


@pytest.mark.parametrize("path", ["/c/{}", "/C/{}"])
@pytest.mark.parametrize("change", [str, str.lower, lambda code: f"{code[:4]}-{code[4:]}"])
def test_the_code_opens_the_book_in_any_spelling(both: Library, place: Place, path: str, change: Any) -> None:
    with both.client() as client:
        answer = client.get(path.format(change(place.copy)))
        assert answer.status_code == 200
        assert "Das andere Geschlecht" in answer.text
        assert "Anmelden und ausleihen" in answer.text


def test_one_press_borrows(both: Library, place: Place) -> None:
    with both.client() as client:
        client.sign_in(place.reader)
        answer = press(client, place.copy, "ausleihen")
        assert "Ausgeliehen bis zum 21. Dezember 2026." in answer.text
        assert "bei dir bis 21. Dezember 2026" in answer.text
    with both.database.reading() as db:
        assert db.scalars(select(Borrower.member_id)).all() == [place.reader.id]


def test_one_press_brings_back(both: Library, place: Place) -> None:
    lent_to(both, place, place.reader)
    with both.client() as client:
        client.sign_in(place.reader)
        answer = press(client, place.copy, "zurueckgeben")
        assert "Zurückgegeben, danke! Stell es bitte in Regal Romane." in answer.text
        assert "Ausleihen" in answer.text
    with both.database.reading() as db:
        assert db.scalars(select(Borrower)).all() == []


def test_pressing_twice_borrows_once(both: Library, place: Place) -> None:
    with both.client() as client:
        client.sign_in(place.reader)
        html = client.get(f"/c/{place.copy}").text
        once = re.findall(r'name="once" value="([^"]+)"', html)[0]
        answers = [client.submit(f"/c/{place.copy}/ausleihen", False, once=once) for _ in range(2)]
        assert [answer.headers["location"] for answer in answers] == [f"/c/{place.copy}"] * 2
    with both.database.reading() as db:
        assert len(db.scalars(select(Loan)).all()) == 1


def test_who_has_a_book_is_never_said(both: Library, place: Place) -> None:
    lent_to(both, place, place.reader)
    with both.client() as client:
        for someone in (None, place.other, place.librarian):
            if someone:
                client.sign_in(someone)
            html = client.get(f"/c/{place.copy}").text
            assert NAME not in html
            assert "ausgeliehen bis 21. Dezember 2026" in html


def test_somebody_elses_book_in_the_hand_can_be_brought_back(both: Library, place: Place) -> None:
    lent_to(both, place, place.reader)
    with both.client() as client:
        client.sign_in(place.other)
        html = client.get(f"/c/{place.copy}").text
        assert "Ich habe es gerade in der Hand" in html
        assert "/ausleihen" not in html
        assert "Zurückgegeben" in press(client, place.copy, "zurueckgeben").text


def test_a_button_shown_before_ends_no_later_loan(both: Library, place: Place) -> None:
    lent_to(both, place, place.reader)
    with both.client() as client:
        client.sign_in(place.reader)
        html = client.get(f"/c/{place.copy}").text
        loan = re.findall(r'name="loan" value="(\d+)"', html)[0]
        press(client, place.copy, "zurueckgeben")
        lent_to(both, place, place.other)
        answer = client.submit(f"/c/{place.copy}/zurueckgeben", loan=loan)
        assert "Inzwischen hat es jemand anders ausgeliehen." in answer.text
    with both.database.reading() as db:
        assert db.scalars(select(Borrower.member_id)).all() == [place.other.id]


def test_borrowing_what_somebody_else_has_is_refused(both: Library, place: Place) -> None:
    lent_to(both, place, place.other)
    with both.client() as client:
        client.sign_in(place.reader)
        answer = client.submit(f"/c/{place.copy}/ausleihen", once="x" * 43)
        assert "gerade ein anderes Mitglied ausgeliehen" in answer.text


# ---- Not signed in ----


def test_strangers_sign_in_first_and_lend_nothing(both: Library, place: Place) -> None:
    with both.client() as client:
        answer = press(client, place.copy, "ausleihen", follow=False)
        assert answer.status_code == 303
        assert answer.headers["location"] == f"/anmelden?zurueck=/c/{place.copy}"
    with both.database.reading() as db:
        assert db.scalars(select(Loan)).all() == []


def test_signing_in_finishes_what_was_begun(both: Library, place: Place) -> None:
    with both.database.writing() as db:
        link = new_link(db, place.reader, both.clock())
    with both.client() as client:
        press(client, place.copy, "ausleihen", follow=False)
        assert client.submit(f"/anmelden/{link}", False).headers["location"] == f"/c/{place.copy}"
        assert "begonnen" not in client.cookies
        assert "Ausgeliehen bis zum 21. Dezember 2026." in text_of(client.get(f"/c/{place.copy}").text)
    with both.database.reading() as db:
        assert db.scalars(select(Borrower.member_id)).all() == [place.reader.id]


def test_what_somebody_else_took_meanwhile_is_said_after_signing_in(both: Library, place: Place) -> None:
    with both.database.writing() as db:
        link = new_link(db, place.reader, both.clock())
    with both.client() as client:
        press(client, place.copy, "ausleihen", follow=False)
        lent_to(both, place, place.other)
        answer = client.submit(f"/anmelden/{link}")
        assert "gerade ein anderes Mitglied ausgeliehen" in text_of(answer.text)
    with both.database.reading() as db:
        assert db.scalars(select(Borrower.member_id)).all() == [place.other.id]


@pytest.mark.parametrize(
    "value", ["B663SWF", "ausleihen-", "ausleihen-../konto", "stehlen-B663SWF", "ausleihen-B663SWF"]
)
def test_a_cookie_that_somebody_made_up_does_no_harm(both: Library, place: Place, value: str) -> None:
    with both.database.writing() as db:
        link = new_link(db, place.reader, both.clock())
    with both.client() as client:
        client.cookies.set("begonnen", value, domain=HOST)
        answer = client.submit(f"/anmelden/{link}", False)
        assert answer.status_code == 303
        assert answer.headers["location"] in ("/konto", "/c/B663SWF")
    with both.database.reading() as db:
        assert db.scalars(select(Loan)).all() == []


# ---- Waiting ----


def test_what_somebody_else_has_is_waited_for_with_one_press(both: Library, place: Place) -> None:
    lent_to(both, place, place.other)
    with both.client() as client:
        client.sign_in(place.reader)
        assert "Vorgemerkt. Du bist an Stelle 1" in text_of(press(client, place.copy, "vormerken").text)
        page = client.get(f"/c/{place.copy}").text
        assert "Nicht mehr warten" in page
        assert "/vormerken" not in page
    with both.database.reading() as db:
        assert db.scalars(select(Hold.member_id)).all() == [place.reader.id]


def test_signing_in_finishes_waiting_too(both: Library, place: Place) -> None:
    lent_to(both, place, place.other)
    with both.database.writing() as db:
        link = new_link(db, place.reader, both.clock())
    with both.client() as client:
        press(client, place.copy, "vormerken", follow=False)
        assert "Vorgemerkt. Du bist an Stelle 1" in text_of(client.submit(f"/anmelden/{link}").text)


def test_what_is_kept_for_somebody_else_is_waited_for_and_still_to_be_had(both: Library, place: Place) -> None:
    with both.database.writing() as db:
        title_id = db.scalars(select(Copy.title_id).where(Copy.code == place.copy)).one()
        holds.place(db, title_id, place.other.id, make.NOW, make.TODAY)
    with both.client() as client:
        client.sign_in(place.reader)
        page = client.get(f"/c/{place.copy}").text
        assert "wird für jemanden aufgehoben" in page
        assert "Vormerken" in page
        assert "jemand" in text_of(press(client, place.copy, "ausleihen").text)


def test_what_stays_in_the_room_is_taken_along_only_on_purpose(both: Library, place: Place) -> None:
    with both.database.writing() as db:
        db.scalars(select(Copy).where(Copy.code == place.copy)).one().is_reference = True
    with both.client() as client:
        client.sign_in(place.reader)
        assert "Ich muss es trotzdem mitnehmen" in client.get(f"/c/{place.copy}").text
        assert "eigentlich zum Lesen hier im Raum da" in text_of(press(client, place.copy, "ausleihen").text)


def test_strangers_may_not_bring_back_by_this_page(both: Library, place: Place) -> None:
    lent_to(both, place, place.reader)
    with both.client() as client:
        assert "zurueckgeben" not in client.get(f"/c/{place.copy}").text
        answer = client.submit(f"/c/{place.copy}/zurueckgeben", False, loan="1")
        assert answer.headers["location"] == f"/anmelden?zurueck=%2Fc%2F{place.copy}"
    with both.database.reading() as db:
        assert len(db.scalars(select(Borrower)).all()) == 1


# ---- States, shelves, tablets, nonsense ----


@pytest.mark.parametrize(("state", "word"), [("repair", "in Reparatur"), ("missing", "nicht auffindbar")])
def test_a_book_believed_away_can_be_borrowed_by_whoever_holds_it(
    both: Library, place: Place, state: str, word: str
) -> None:
    with both.database.writing() as db:
        db.scalars(select(Copy).where(Copy.code == place.copy)).one().state = state
    with both.client() as client:
        client.sign_in(place.reader)
        assert word in client.get(f"/c/{place.copy}").text
        assert "Ausgeliehen bis" in press(client, place.copy, "ausleihen").text


def test_a_withdrawn_book_has_no_button(both: Library, place: Place) -> None:
    with both.database.writing() as db:
        db.scalars(select(Copy).where(Copy.code == place.copy)).one().state = "withdrawn"
    with both.client() as client:
        client.sign_in(place.reader)
        html = client.get(f"/c/{place.copy}").text
        assert "gehört nicht mehr zum Bestand" in html
        assert f"/c/{place.copy}/" not in html
        assert "gehört nicht mehr zum Bestand" in client.submit(f"/c/{place.copy}/ausleihen").text


def test_an_overdue_book_says_so_and_never_that_it_is_lent_until_a_day_that_is_over(
    both: Library, place: Place
) -> None:
    lent_to(both, place, place.reader)
    both.clock.pass_time(days=40)
    with both.client() as client:
        client.sign_in(place.reader)
        mine = client.get(f"/c/{place.copy}").text
        assert "badge--late" in mine
        assert "bei dir, seit 21. Dezember 2026 zurückerwartet" in mine
        client.sign_in(place.other)
        for code in (place.copy, place.shelf):
            html = client.get(f"/c/{code}").text
            assert "seit 21. Dezember 2026 zurückerwartet" in html
            assert "ausgeliehen bis" not in html
        client.sign_in(place.librarian)
        care = client.get(f"/c/{place.copy}/bearbeiten").text
        assert care.count("seit 21. Dezember 2026 zurückerwartet") == care.count("seit dem 21. Dezember 2026") == 1


@pytest.mark.parametrize(
    ("number", "shown"), [("1", 1), ("2", 2), ("99", 2), ("x", 1), ("0", 1), ("", 1), ("9" * 5000, 2)]
)
def test_odd_page_numbers_of_a_shelf_lead_to_the_nearest_page(library: Library, number: str, shown: int) -> None:
    with library.database.writing() as db:
        make.admin(db)
        shelf = make.shelf(db)
        codes = [make.copy(db, shelf=shelf).code for _ in range(51)]
    with library.client() as client:
        assert f"Seite {shown} von 2" in text_of(client.get(f"/c/{shelf.code}", params={"seite": number}).text)
        assert client.get(f"/c/{codes[0]}", params={"seite": number}).status_code == 200


def test_a_shelf_shows_its_books(both: Library, place: Place) -> None:
    lent_to(both, place, place.reader)
    with both.client() as client:
        html = client.get(f"/C/{place.shelf}").text
        assert "Regal Romane" in html
        assert "Das andere Geschlecht" in html
        assert "ausgeliehen bis" in html
        assert NAME not in html


def test_on_the_tablet_a_books_address_shows_it_there(both: Library, place: Place) -> None:
    with both.client() as client:
        client.be_tablet()
        answer = client.get(f"/C/{place.copy}", follow_redirects=False)
        assert answer.headers["location"] == f"/kiosk?exemplar={place.copy}"
        shown = client.get(f"/C/{place.copy}")
        assert 'data-kind="copy"' in shown.text
        assert "Das andere Geschlecht" in shown.text
        assert 'data-kind="shelf"' in client.get(f"/C/{place.shelf}").text
        answer = client.submit(f"/c/{place.copy}/ausleihen", False)
        assert answer.headers["location"] == f"/kiosk?exemplar={place.copy}"
        assert client.submit(f"/c/{place.copy}/zurueckgeben", loan="1").status_code == 403


def test_whoever_enters_something_else_learns_what_it_is(both: Library, place: Place) -> None:
    with both.client() as client:
        assert "Das ist eine ISBN" in client.get("/c/978-3-551-55167-2").text
        nothing = client.get("/c/%00")
        assert (nothing.status_code, "Das ist kein Code von einem Etikett." in nothing.text) == (404, True)


def test_misread_and_unknown_codes_are_told_apart(both: Library, place: Place) -> None:
    wrong = place.copy[:-1] + ("1" if place.copy[-1] != "1" else "2")
    with both.client() as client:
        misread = client.get(f"/c/{wrong}")
        assert (misread.status_code, "falsch gelesen" in misread.text) == (422, True)
        for code in (new_code(Kind.COPY), new_code(Kind.SHELF), "irgendwas"):
            unknown = client.get(f"/c/{code}")
            assert (unknown.status_code, "falsch gelesen" in unknown.text) == (404, False)
            assert 'name="code"' in unknown.text


@pytest.mark.parametrize("tablet", [False, True])
@pytest.mark.parametrize("address", ["/c/{}", "/C/{}", "/c?code={}"])
def test_a_card_scanned_as_a_label_is_not_shown_again(library: Library, address: str, tablet: bool) -> None:
    with library.database.writing() as db:
        make.admin(db)
        card = make.card(db)
    with library.client() as client:
        if tablet:
            client.be_tablet()
        for typed in (card, card.lower(), card[:-1]):
            answer = client.get(address.format(typed), follow_redirects=False)
            assert (answer.status_code, answer.headers["location"]) == (303, "/c")
            assert typed not in str(answer.headers) + answer.text
            shown = client.get("/c")
            assert "Mitgliedskarte" in shown.text
            assert typed not in shown.text


@pytest.mark.parametrize(
    "code", ["x" * 10_000, "%00", "📚", "%3Cscript%3Ealert(1)%3C%2Fscript%3E", "%ff", "..", "%2e%2e"]
)
@pytest.mark.parametrize("path", ["/c/{}", "/c/{}/", "/c?code={}"])
def test_nonsense_is_answered_calmly(library: Library, code: str, path: str) -> None:
    with library.database.writing() as db:
        make.admin(db)
    with library.client() as client:
        answer = client.get(path.format(code))
        assert answer.status_code in (200, 404, 422)
        assert "<script>alert" not in answer.text
        answer = client.submit(f"/c/{code}/ausleihen")
        assert answer.status_code in (404, 405, 422)


def test_a_typed_code_opens_the_book(both: Library, place: Place) -> None:
    with both.client() as client:
        assert "Code vom Etikett" in client.get("/c").text
        assert "Das andere Geschlecht" in client.get("/c", params={"code": f" {place.copy.lower()} "}).text
