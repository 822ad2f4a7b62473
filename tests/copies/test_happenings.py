"""What librarians and members say of a copy: damaged, missing, found, lost, to stay in the room; and what its history shows."""

from __future__ import annotations

import time
from typing import Any

import pytest
from sqlalchemy import select

from bibliothek.app import _pictures_elsewhere
from bibliothek.catalogue import covers
from bibliothek.codes import new_card_code
from bibliothek.copies.models import Copy, CopyEvent
from bibliothek.lending.models import Borrower, Flag, Loan
from bibliothek.members.models import Member
from bibliothek.operations.verify import verify
from tests import make
from tests.catalogue import drawn
from tests.client import Client, text_of
from tests.conftest import NOON, Library
from tests.copies.conftest import Desk

READER = "Ava Unverkennbar"


def lent(library: Library, code: str) -> Member:
    with library.database.writing() as db:
        reader = make.member(db, READER)
        make.loan(db, db.scalars(select(Copy).where(Copy.code == code)).one(), reader)
        return reader


def events(library: Library) -> list[tuple[str, str | None]]:
    with library.database.reading() as db:
        return [(event.kind, event.note) for event in db.scalars(select(CopyEvent).order_by(CopyEvent.id))]


def is_sound(library: Library) -> bool:
    with library.database.reading() as db:
        return not any(finding.broken for finding in verify(db, NOON))


def send(client: Client, path: str, picture: bytes | None = None, **fields: str) -> Any:
    return client.post(
        path,
        data=fields,
        files={"picture": ("x.jpg", picture or b"", "image/jpeg")},
        headers={"sec-fetch-site": "same-origin"},
        follow_redirects=True,
    )


@pytest.mark.parametrize(
    ("kind", "state", "condition", "here"),
    [
        ("damaged", "intake", "damaged", 1),
        ("repair", "repair", "damaged", 0),
        ("missing", "missing", None, 0),
    ],
)
def test_what_happened_to_a_copy_decides_where_it_stands(
    desk: Desk,
    kind: str,
    state: str,
    condition: str | None,
    here: int,
) -> None:
    said = text_of(desk.do("vermerken", kind=kind, words="Seite 12 ist lose").text)
    assert f"Eingetragen: {desk.code}" in said
    assert "„Seite 12 ist lose“" in said
    assert (desk.copy().state, desk.copy().condition) == (state, condition)
    assert desk.counts()[0] == here
    assert events(desk.library) == [(kind, "Seite 12 ist lose")]
    assert is_sound(desk.library)


@pytest.mark.parametrize(("first", "then"), [("missing", "found"), ("repair", "mended"), ("reference", "lendable")])
def test_and_back(desk: Desk, first: str, then: str) -> None:
    desk.do("vermerken", kind=first)
    assert desk.counts()[0] == 0
    assert f'value="{then}"' in desk.client.get(f"/c/{desk.code}/bearbeiten").text
    desk.do("vermerken", kind=then)
    assert desk.counts()[0] == 1
    assert (desk.copy().state, desk.copy().condition, desk.copy().is_reference) == ("intake", None, False)


def test_what_makes_no_sense_now_is_said_and_changes_nothing(desk: Desk) -> None:
    for kind in ("found", "mended", "lendable", "lost"):
        answer = desk.do("vermerken", kind=kind)
        assert answer.status_code == 409
        assert "Das passt nicht mehr" in text_of(answer.text)
    assert desk.do("vermerken", kind="verbrannt").status_code == 422
    assert "Bitte wähle aus, was ist." in text_of(desk.do("vermerken").text)
    assert events(desk.library) == []


def test_a_lost_book_ends_its_loan_and_any_scan_heals_it(desk: Desk) -> None:
    reader = lent(desk.library, desk.code)
    assert 'value="missing"' not in desk.client.get(f"/c/{desk.code}/bearbeiten").text
    desk.do("vermerken", kind="lost", words="im Zug")
    with desk.library.database.reading() as db:
        assert db.scalars(select(Loan.ended_as)).all() == ["lost"]
        assert db.scalars(select(Borrower)).all() == []
    assert desk.copy().state == "missing"
    answer = desk.client.sign_in(reader).submit(f"/c/{desk.code}/gefunden")
    assert "Gefunden, danke!" in text_of(answer.text)
    assert desk.copy().state == "active"
    assert events(desk.library) == [("lost", "im Zug"), ("found", None)]


def test_a_photo_of_the_damage_is_kept_and_only_librarians_see_it(desk: Desk) -> None:
    send(desk.client, f"/c/{desk.code}/vermerken", drawn.book(600, 900), kind="damaged", words="")
    with desk.library.database.reading() as db:
        digest = db.scalar(select(CopyEvent.photo))
        folder = covers.folder_of(desk.library.settings)
        tomorrow = time.time() + 2 * covers.A_DAY_S
        assert covers.tidy(db, folder, tomorrow, _pictures_elsewhere) == 0
    path = f"/c/{desk.code}/foto/{digest}-l"
    assert path in desk.client.get(f"/c/{desk.code}/bearbeiten").text
    assert desk.client.get(path).content[8:12] == b"WEBP"
    with desk.library.database.writing() as db:
        other, member = make.copy(db).code, make.member(db)
    assert desk.client.get(f"/c/{other}/foto/{digest}-l").status_code == 404
    assert desk.client.get(f"/c/{desk.code}/foto/..-l").status_code == 404
    assert desk.client.sign_in(member).get(path).status_code == 403


def test_the_history_says_what_happened_and_never_who_read_it(desk: Desk) -> None:
    lent(desk.library, desk.code)
    page = text_of(desk.client.get(f"/c/{desk.code}/bearbeiten").text)
    assert "23.11.2026 ausgeliehen bis 21. Dezember 2026" in page
    desk.library.clock.pass_time(days=3)
    desk.client.submit("/verwaltung/ausleihen/zuruecknehmen", zurueck=desk.code)
    desk.do("vermerken", kind="missing")
    desk.do("aussondern", reason="lost")
    desk.do("zurueckholen")
    page = text_of(desk.client.get(f"/c/{desk.code}/bearbeiten").text)
    assert "23.11.2026 – 26.11.2026 ausgeliehen" in page
    assert "zuletzt gesehen am 26. November 2026" in page
    order = [page.index(words) for words in ("gehört wieder zum Bestand", "wurde ausgesondert", "war nicht zu finden")]
    assert order == sorted(order)
    assert READER not in page
    assert is_sound(desk.library)


def test_a_card_scanned_into_the_words_is_neither_kept_nor_shown(desk: Desk) -> None:
    card = new_card_code()
    answer = desk.do("vermerken", kind="damaged", words=f"bei {card}")
    assert answer.status_code == 422
    assert card not in answer.text
    assert events(desk.library) == []


# ---- Members ----


@pytest.fixture
def reader(desk: Desk) -> Client:
    with desk.library.database.writing() as db:
        member = make.member(db, READER)
    return desk.client.sign_in(member)


def test_a_member_reports_damage_and_the_librarians_see_it_in_their_list(desk: Desk, reader: Client) -> None:
    answer = send(reader, f"/c/{desk.code}/beschaedigt", drawn.book(600, 900), words="Umschlag ab")
    assert "Danke, dass du es sagst." in text_of(answer.text)
    with desk.library.database.reading() as db:
        assert [(flag.kind, flag.note) for flag in db.scalars(select(Flag))] == [("damaged", "Umschlag ab")]
        event = db.scalars(select(CopyEvent)).one()
        assert (event.kind, event.by_id, bool(event.photo)) == ("damaged", None, True)
    assert desk.copy().state == "intake"


@pytest.mark.parametrize(
    ("picture", "words", "said"),
    [
        (None, "", "Bitte schreib in ein paar Worten"),
        (b"kein Bild", "", "kein Foto, das die Bibliothek lesen kann"),
        (None, "x" * 201, "höchstens 200 Zeichen"),
    ],
)
def test_a_report_that_says_nothing_is_asked_for_again(
    desk: Desk,
    reader: Client,
    picture: bytes | None,
    words: str,
    said: str,
) -> None:
    answer = send(reader, f"/c/{desk.code}/beschaedigt", picture, words=words)
    assert answer.status_code == 422
    assert said in text_of(answer.text)
    assert events(desk.library) == []


def test_who_is_not_signed_in_reports_nothing(desk: Desk) -> None:
    with desk.library.client() as client:
        for what in ("beschaedigt", "gefunden", "vermerken"):
            answer = client.submit(f"/c/{desk.code}/{what}", False, words="x", kind="missing")
            assert answer.headers["location"].startswith("/anmelden")
    assert events(desk.library) == []


def test_found_ends_no_loan_that_began_meanwhile(desk: Desk, reader: Client) -> None:
    lent(desk.library, desk.code)
    reader.submit(f"/c/{desk.code}/gefunden")
    with desk.library.database.reading() as db:
        assert len(db.scalars(select(Borrower)).all()) == 1


def test_a_member_who_does_not_find_a_book_says_so_and_keeps_the_loan(desk: Desk) -> None:
    member = lent(desk.library, desk.code)
    desk.client.sign_in(member)
    with desk.library.database.reading() as db:
        loan = db.scalars(select(Loan.id)).one()
    for _twice in range(2):
        assert "Die Betreuung meldet sich" in text_of(desk.client.submit("/konto/verloren", loan=str(loan)).text)
    with desk.library.database.reading() as db:
        assert [flag.kind for flag in db.scalars(select(Flag))] == ["lost"]
        assert len(db.scalars(select(Borrower)).all()) == 1
    with desk.library.database.writing() as db:
        other = make.member(db)
    assert "schon beendet" in text_of(desk.client.sign_in(other).submit("/konto/verloren", loan=str(loan)).text)
