"""The librarians' page of loans."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from bibliothek.codes import Kind, new_code
from bibliothek.copies.models import Copy
from bibliothek.lending.models import Borrower, Hold, Loan
from bibliothek.members.models import Member
from tests import make
from tests.client import Client, text_of
from tests.conftest import Library
from tests.make import TODAY

PATH = "/verwaltung/ausleihen"


@dataclass
class Desk:
    client: Client
    library: Library
    copies: list[str]
    card: str
    members: list[Member]

    def loans(self) -> list[int]:
        with self.library.database.reading() as db:
            return list(db.scalars(select(Borrower.member_id).order_by(Borrower.loan_id)))

    def lend(self, copy: str = "", member: str = "", **more: str) -> Any:
        return self.client.submit(PATH, copy=copy, member=member, **more)

    def take_back(self, code: str) -> Any:
        return self.client.submit(f"{PATH}/zuruecknehmen", zurueck=code)


@pytest.fixture
def desk(both: Library) -> Iterator[Desk]:
    with both.database.writing() as db:
        librarian = make.member(db, "Betreuung", role="librarian")
        make.admin(db)
        copies = [make.copy(db, title=f"Buch {n}", shelf=make.shelf(db, f"R {n}")).code for n in range(3)]
        members = [make.member(db, name) for name in ("Mia Müller", "Kim Meier", "Kim Maier")]
        card = make.card(db, members[0])
    with both.client() as client:
        yield Desk(client.sign_in(librarian), both, copies, card, members)


def test_a_librarian_lends_by_card(desk: Desk) -> None:
    answer = desk.lend(desk.copies[0], desk.card)
    assert "Mia Müller hat jetzt „Buch 0“, bis zum 21. Dezember 2026." in answer.text
    assert desk.loans() == [desk.members[0].id]


def test_what_was_done_is_said_however_long_the_title_is(desk: Desk) -> None:
    with desk.library.database.writing() as db:
        code = make.copy(db, title="📚" * 1000).code
    assert "Mia Müller hat jetzt" in desk.lend(code, desk.card).text
    assert "ist zurück" in desk.take_back(code).text


@pytest.mark.parametrize("name", ["Müller", "mia", "müller mia"])
def test_a_librarian_lends_by_name(desk: Desk, name: str) -> None:
    desk.lend(desk.copies[0], name)
    assert desk.loans() == [desk.members[0].id]


def test_a_librarian_chooses_between_people_of_one_name(desk: Desk) -> None:
    answer = desk.lend(desk.copies[0], "Kim")
    assert answer.status_code == 422
    assert "Das passt auf mehrere Mitglieder" in answer.text
    assert f'value="{desk.copies[0]}"' in answer.text
    assert re.search(rf'type="radio"[^>]*value="{desk.members[2].id}"', answer.text)
    desk.lend(desk.copies[0], "Kim", member_id=str(desk.members[2].id))
    assert desk.loans() == [desk.members[2].id]


def test_a_choice_below_an_old_name_does_not_count(desk: Desk) -> None:
    desk.lend(desk.copies[0], "Mia", member_id=str(desk.members[2].id))
    assert desk.loans() == [desk.members[0].id]


def test_all_errors_are_said_at_once_and_what_was_typed_is_kept(desk: Desk) -> None:
    answer = desk.lend("B00000X", "Niemand")
    assert answer.status_code == 422
    assert "falsch gelesen" in answer.text
    assert "So heißt niemand." in answer.text
    assert 'value="B00000X"' in answer.text
    assert 'value="Niemand"' in answer.text


@pytest.mark.parametrize(
    ("copy", "member", "sentence"),
    [
        (new_code(Kind.COPY, lambda: 7), "Mia", "gibt es hier nicht"),
        (None, new_code(Kind.CARD, lambda: 7), "Diese Karte ist nicht bekannt"),
        (None, "M" + "0" * 27 + "X", "Diese Karte ist nicht bekannt"),
        (None, "", "So heißt niemand."),
        ("", "Mia", "Bitte fülle dieses Feld aus."),
        ("x" * 10_000, "Mia", "Das ist zu lang"),
        (None, "x" * 10_000, "Das ist zu lang"),
        ("<b>📚</b>", "<i>", "gibt es hier nicht"),
        ("978-3-551-55167-2", "Mia", "Das ist eine ISBN"),
        (new_code(Kind.SHELF, lambda: 7), "Mia", "Das ist der Code eines Regals."),
    ],
)
def test_what_does_not_fit_is_said_plainly(desk: Desk, copy: str | None, member: str, sentence: str) -> None:
    answer = desk.lend(desk.copies[0] if copy is None else copy, member)
    assert answer.status_code == 422
    assert sentence in text_of(answer.text)
    assert "<b>📚" not in answer.text
    assert desk.loans() == []


def test_a_copy_on_loan_is_not_lent_twice(desk: Desk) -> None:
    desk.lend(desk.copies[0], "Mia")
    answer = desk.lend(desk.copies[0], "Kim Meier")
    assert (answer.status_code, "gerade ein anderes Mitglied ausgeliehen" in answer.text) == (422, True)
    assert "Mia Müller hat „Buch 0“ schon" in desk.lend(desk.copies[0], "Mia").text


def test_taking_back_by_scan(desk: Desk) -> None:
    desk.lend(desk.copies[0], "Mia")
    answer = desk.take_back(desk.copies[0])
    assert "„Buch 0“ ist zurück. Es gehört in Regal R 0." in answer.text
    assert desk.loans() == []
    assert "„Buch 0“ war nicht ausgeliehen." in desk.take_back(desk.copies[0]).text
    # The cursor is where the next book is scanned.
    assert re.search(r'name="zurueck"[^>]*autofocus', answer.text)


@pytest.mark.parametrize("code", ["", "B00000X", new_code(Kind.COPY, lambda: 7), "📚" * 300])
def test_taking_back_what_no_copy_has(desk: Desk, code: str) -> None:
    answer = desk.take_back(code)
    assert answer.status_code == 422
    assert "field--wrong" in answer.text


def test_taking_back_by_button(desk: Desk) -> None:
    desk.lend(desk.copies[0], "Mia")
    html = desk.client.get(PATH).text
    path = re.findall(rf'action="({PATH}/\d+/zuruecknehmen)"', html)[0]
    once = "x" * 43
    assert "ist zurück" in desk.client.submit(path, once=once).text
    assert desk.client.submit(path, once=once).status_code == 200
    assert desk.loans() == []
    assert "schon beendet" in text_of(desk.client.submit(path).text)
    assert "schon beendet" in text_of(desk.client.submit(f"{PATH}/{2**70}/zuruecknehmen").text)


def test_pressing_lend_twice_lends_once(desk: Desk) -> None:
    for _ in range(2):
        assert "Mia Müller hat jetzt" in desk.lend(desk.copies[0], "Mia", once="x" * 43).text or desk.loans()
    with desk.library.database.reading() as db:
        assert len(db.scalars(select(Loan)).all()) == 1


def test_the_list_shows_who_is_late(desk: Desk) -> None:
    with desk.library.database.writing() as db:
        make.loan(db, make.copy(db, title="Alt"), desk.members[1], today=TODAY - timedelta(days=31))
        make.loan(db, make.copy(db, title="Neu"), desk.members[0])
    text = text_of(desk.client.get(PATH).text)
    assert "2 Ausleihen" in text
    assert "seit 3 Tagen" in text
    assert text.index("Alt") < text.index("Neu")
    late = text_of(desk.client.get(PATH, params={"nur": "ueberfaellig"}).text)
    assert "Kim Meier" in late
    assert "Neu" not in late


def test_the_list_is_searched_by_title_and_member(desk: Desk) -> None:
    desk.lend(desk.copies[0], "Mia")
    desk.lend(desk.copies[1], "Kim Meier")
    fragment = desk.client.get(PATH, params={"q": "kim"}, headers={"hx-request": "true"}).text
    assert "Buch 1" in fragment
    assert "Buch 0" not in fragment
    assert "<html" not in fragment
    assert "Nichts gefunden" in desk.client.get(PATH, params={"q": "zzz"}).text


@pytest.mark.parametrize(
    "query",
    ["seite=0", "seite=x", "seite=999999999999999999999", "seite=-1", "q=%00", "q=" + "x" * 5000, "nur=%F0%9F%93%9A"],
)
def test_odd_addresses_are_answered_calmly(desk: Desk, query: str) -> None:
    assert desk.client.get(f"{PATH}?{query}").status_code == 200


def test_loans_come_in_pages(desk: Desk) -> None:
    with desk.library.database.writing() as db:
        for _ in range(51):
            make.loan(db, to=desk.members[0])
    first, second = desk.client.get(PATH).text, desk.client.get(PATH, params={"seite": 2}).text
    assert "Seite 1 von 2" in text_of(first)
    assert first.count("table__action") == 50
    assert second.count("table__action") == 1


@pytest.mark.parametrize("path", [None, PATH, f"{PATH}/zuruecknehmen", f"{PATH}/1/zuruecknehmen"])
def test_loans_are_for_librarians(desk: Desk, path: str | None) -> None:
    desk.lend(desk.copies[0], "Mia")
    with desk.library.client() as stranger:

        def ask() -> Any:
            return stranger.submit(path, False) if path else stranger.get(PATH, follow_redirects=False)

        answer = ask()
        assert answer.status_code == 303
        assert "/anmelden" in answer.headers["location"]
        stranger.sign_in(desk.members[0])
        assert ask().status_code == 403
        stranger.be_tablet()
        assert ask().status_code == 403
    assert desk.loans() == [desk.members[0].id]


def test_what_speaks_against_a_loan_is_said_to_the_librarian(desk: Desk) -> None:
    desk.client.submit(f"/c/{desk.copies[0]}/vermerken", kind="repair")
    answer = text_of(desk.lend(desk.copies[0], "Mia").text)
    assert "Mia Müller hat jetzt „Buch 0“" in answer
    assert "Sollte repariert werden und wurde ausgeliehen." in answer
    assert "gehört nicht ins Regal" in text_of(desk.take_back(desk.copies[0]).text)


def test_what_somebody_waits_for_goes_to_the_pick_up_shelf(desk: Desk) -> None:
    desk.lend(desk.copies[0], "Mia")
    with desk.library.database.reading() as db:
        title = db.scalars(select(Copy.title_id).where(Copy.code == desk.copies[0])).one()
    assert f"/verwaltung/vormerkungen?titel={title}" in desk.client.get(f"/titel/{title}").text
    page = desk.client.get("/verwaltung/vormerkungen", params={"titel": title}).text
    assert "Für jemanden vormerken" in page
    answer = desk.client.submit("/verwaltung/vormerkungen", titel=str(title), member="Kim")
    assert answer.status_code == 422
    assert "Das passt auf mehrere Mitglieder" in text_of(answer.text)
    assert re.search(rf'type="radio"[^>]*value="{desk.members[2].id}"', answer.text)
    chosen = {"titel": str(title), "member": "Kim", "member_id": str(desk.members[2].id)}
    assert "Kim Maier wartet jetzt an Stelle 1." in text_of(
        desk.client.submit("/verwaltung/vormerkungen", **chosen).text
    )
    answer = desk.take_back(desk.copies[0])
    assert "Jemand wartet darauf: Leg es bis zum 30. November 2026 ins Abholfach." in text_of(answer.text)
    page = desk.client.get(f"/verwaltung/mitglieder/{desk.members[2].id}").text
    assert "liegt bis zum 30. November 2026 bereit" in text_of(page)
    end = re.findall(r'action="(/verwaltung/vormerkungen/\d+)"', page)[0]
    back = f"/verwaltung/mitglieder/{desk.members[2].id}"
    assert desk.client.submit(end, False, zurueck=back).headers["location"] == back


@pytest.mark.parametrize(
    ("titel", "member", "said"),
    [
        (None, "Mia", "Mia Müller hat dieses Buch gerade ausgeliehen."),
        (None, "Niemand", "So heißt niemand."),
        ("999999", "Mia", "Diesen Titel gibt es"),
        ("x", "Mia", ""),
        ("9" * 50, "Mia", ""),
    ],
)
def test_a_hold_that_cannot_be_is_refused(desk: Desk, titel: str | None, member: str, said: str) -> None:
    desk.lend(desk.copies[0], "Mia")
    with desk.library.database.reading() as db:
        title = db.scalars(select(Copy.title_id).where(Copy.code == desk.copies[0])).one()
    answer = desk.client.submit("/verwaltung/vormerkungen", titel=titel or str(title), member=member)
    assert answer.status_code in (404, 422)
    if titel is None:
        assert said in text_of(answer.text)
    with desk.library.database.reading() as db:
        assert db.scalars(select(Hold)).all() == []


def test_a_librarian_renews(desk: Desk) -> None:
    desk.lend(desk.copies[0], "Mia")
    html = desk.client.get(PATH).text
    path = re.findall(rf'action="({PATH}/\d+/verlaengern)"', html)[0]
    assert "noch nicht nötig" in text_of(desk.client.submit(path).text)
    desk.library.clock.pass_time(days=7)
    page = f"/verwaltung/mitglieder/{desk.members[0].id}"
    assert path in desk.client.get(page).text
    answer = desk.client.submit(path, zurueck=page)
    assert answer.url.path == page
    assert "Verlängert bis zum 28. Dezember 2026." in text_of(answer.text)
    assert desk.client.submit(f"{PATH}/{2**70}/verlaengern").status_code == 200


def test_what_was_settled_is_listed_with_who_did_it(desk: Desk) -> None:
    desk.client.submit(f"/c/{desk.copies[0]}/vermerken", kind="repair")
    desk.lend(desk.copies[0], "Mia")
    page = desk.client.get("/verwaltung/klaeren").text
    desk.client.submit(re.findall(r'action="(/verwaltung/klaeren/\d+)"', page)[0])
    page = text_of(desk.client.get("/verwaltung/klaeren").text)
    assert "Zuletzt erledigt Buch 0" in page
    assert "Betreuung, 23. November 2026" in page
    assert "Mia" not in page
