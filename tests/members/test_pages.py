"""The own account and the librarians' list of members, in the browser. On both databases."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from bibliothek.labels.pdf import CardText
from bibliothek.lending.actions import NoSuchLoan
from bibliothek.members import pages, queries
from bibliothek.members.models import Card, Member
from bibliothek.tokens import hashed
from tests import make
from tests.client import text_of
from tests.conftest import Library
from tests.counting import count
from tests.members.mails import once_of

LIST = "/verwaltung/mitglieder"


def a_guest(db: Session) -> Member:
    guest = make.member(db, "Gesa", email=None)
    guest.guest_contact = "0351 123456"
    db.flush()
    return guest


def hidden_fields(html: str, action: str) -> dict[str, str]:
    """What the form with this action sends by itself."""
    form = re.search(rf'<form[^>]*action="{action}">(.*?)</form>', html, re.S)
    assert form
    return dict(re.findall(r'name="(\w+)" value="([^"]*)"', form[1]))


def by_role(library: Library) -> dict[str, Member]:
    """One person of each role."""
    with library.database.writing() as db:
        return {role: make.member(db, role=role) for role in ("admin", "librarian", "member")}


@pytest.fixture
def people(both: Library) -> dict[str, Member]:
    return by_role(both)


def test_the_account_shows_what_i_have_at_home_and_nobody_elses(both: Library, people: dict[str, Member]) -> None:
    with both.database.writing() as db:
        make.loan(db, make.copy(db, title="Das andere Geschlecht"), people["member"])
        make.loan(db, make.copy(db, title="Momo"), people["librarian"])
    with both.client() as client:
        page = text_of(client.sign_in(people["member"]).get("/konto").text)
    assert "Das andere Geschlecht" in page
    assert "21. Dezember 2026" in page
    assert people["member"].email in page  # type: ignore[operator]
    assert "Momo" not in page


def test_the_account_says_that_a_book_is_late(both: Library, people: dict[str, Member]) -> None:
    with both.database.writing() as db:
        make.loan(db, to=people["member"])
    both.clock.pass_time(days=27)
    with both.client() as client:
        client.sign_in(people["member"])
        assert "bald fällig" in client.get("/konto").text
        both.clock.pass_time(days=2)
        assert "überfällig" in client.get("/konto").text


@pytest.mark.parametrize("who", ["nobody", "member", "tablet"])
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", ""),
        ("GET", "/neu"),
        ("GET", "/1"),
        ("POST", "/neu"),
        ("POST", "/1"),
        ("POST", "/1/loeschen"),
        ("POST", "/1/qr"),
        ("POST", "/1/karte"),
        ("POST", "/karten"),
    ],
)
def test_only_librarians_see_and_change_members(library: Library, who: str, method: str, path: str) -> None:
    people = by_role(library)
    with library.client() as client:
        if who == "member":
            client.sign_in(people["member"])
        elif who == "tablet":
            client.be_tablet()
        answer = client.request(
            method, LIST + path, headers={"sec-fetch-site": "same-origin"}, data={}, follow_redirects=False
        )
    if who == "nobody":
        assert answer.status_code == 303
        assert answer.headers["location"].startswith("/anmelden?zurueck=")
    else:
        assert answer.status_code == 403
    with library.database.reading() as db:
        assert queries.count_members(db) == 3
        assert db.scalar(select(func.count()).select_from(Card)) == 0


def test_a_librarian_adds_a_member_and_is_led_to_the_card(both: Library, people: dict[str, Member]) -> None:
    with both.client() as client:
        client.sign_in(people["librarian"])
        answer = client.submit(f"{LIST}/neu", name="Mitglied Neu", email="Neu@example.org")
    assert re.fullmatch(rf"{LIST}/\d+", answer.url.path)
    assert "Karte drucken" in answer.text
    with both.database.reading() as db:
        made = queries.member_by_email(db, "neu@example.org")
        assert made is not None
        assert made.role == "member"


def test_a_bad_form_shows_all_errors_at_once_and_keeps_what_was_typed(both: Library, people: dict[str, Member]) -> None:
    with both.client() as client:
        client.sign_in(people["admin"])
        answer = client.submit(f"{LIST}/neu", name="", email="keine-adresse", role="kaiser")
    assert answer.status_code == 422
    assert "3 Felder passen noch nicht" in answer.text
    assert 'value="keine-adresse"' in answer.text


def test_a_taken_address_is_said_at_the_field(both: Library, people: dict[str, Member]) -> None:
    with both.client() as client:
        client.sign_in(people["admin"])
        answer = client.submit(f"{LIST}/neu", name="Mitglied X", email=people["member"].email)
    assert answer.status_code == 409
    assert "gibt es schon" in answer.text
    assert 'value="Mitglied X"' in answer.text
    assert 'id="f-email-error"' in answer.text


def test_pressing_add_twice_adds_one(both: Library, people: dict[str, Member]) -> None:
    with both.client() as client:
        client.sign_in(people["admin"])
        first = client.submit(f"{LIST}/neu", name="Mitglied Neu", once="12345678901234567890")
        second = client.submit(f"{LIST}/neu", name="Mitglied Neu", once="12345678901234567890")
    assert first.url == second.url
    with both.database.reading() as db:
        assert queries.count_members(db, "Mitglied Neu") == 1


@pytest.mark.parametrize("role", ["librarian", "admin"])
def test_only_admins_make_librarians_and_admins(both: Library, people: dict[str, Member], role: str) -> None:
    with both.client() as client:
        client.sign_in(people["librarian"])
        assert 'name="role"' not in client.get(f"{LIST}/neu").text
        assert client.submit(f"{LIST}/neu", name="Mitglied Neu", role=role).status_code == 403
        member = people["member"]
        assert client.submit(f"{LIST}/{member.id}", name=member.name, email=member.email, role=role).status_code == 403
        client.sign_in(people["admin"])
        assert client.submit(f"{LIST}/neu", name="Mitglied Neu", role=role).status_code == 200
        assert client.submit(f"{LIST}/{member.id}", name=member.name, email=member.email, role=role).status_code == 200
    with both.database.reading() as db:
        assert queries.member(db, member.id).role == role


@pytest.mark.parametrize("what", ["", "/loeschen", "/qr"])
@pytest.mark.parametrize("whose", ["librarian", "admin"])
def test_a_librarian_does_nothing_to_librarians_and_admins(
    both: Library, people: dict[str, Member], whose: str, what: str
) -> None:
    with both.database.writing() as db:
        someone = make.member(db, role=whose)
    with both.client() as client:
        client.sign_in(people["librarian"])
        answer = client.submit(f"{LIST}/{someone.id}{what}", name="Anders", email="mein@example.org", role=whose)
        assert answer.status_code == 403
        assert "<svg xmlns" not in answer.text
    with both.database.reading() as db:
        assert queries.member(db, someone.id).name == someone.name


def test_changing_a_member_keeps_the_role_that_the_form_does_not_name(both: Library, people: dict[str, Member]) -> None:
    admin = people["admin"]
    with both.client() as client:
        client.sign_in(admin)
        client.submit(f"{LIST}/{admin.id}", name="Mitglied Eins", email=admin.email)
    with both.database.reading() as db:
        assert (queries.member(db, admin.id).name, queries.member(db, admin.id).role) == ("Mitglied Eins", "admin")


def test_the_last_admin_is_told_why_not(both: Library, people: dict[str, Member]) -> None:
    admin = people["admin"]
    with both.client() as client:
        client.sign_in(admin)
        for path, fields in (("", {"name": admin.name, "role": "member"}), ("/loeschen", {})):
            answer = client.submit(f"{LIST}/{admin.id}{path}", **fields)
            assert answer.status_code == 409
            assert "Ohne Admin geht es nicht" in answer.text


def test_a_members_book_is_taken_back_on_their_page(both: Library, people: dict[str, Member]) -> None:
    with both.database.writing() as db:
        loans = [make.loan(db, make.copy(db, title=name), people["member"]) for name in ("Momo", "Die Welle")]
    mine = f"{LIST}/{people['member'].id}"
    take_back = f"/verwaltung/ausleihen/{loans[0].id}/zuruecknehmen"
    with both.client() as client:
        page = client.sign_in(people["librarian"]).get(mine).text
        answer = client.submit(take_back, **hidden_fields(page, take_back))
        assert answer.url.path == mine
        assert "„Momo“ ist zurück." in text_of(answer.text)
        assert (take_back in answer.text, "Die Welle" in answer.text) == (False, True)


def test_the_last_book_of_a_guest_leads_to_no_page_that_is_gone(library: Library) -> None:
    people = by_role(library)
    with library.database.writing() as db:
        guest = a_guest(db)
        loans = [make.loan(db, to=guest) for _ in range(2)]
    mine = f"{LIST}/{guest.id}"
    with library.client() as client:
        page = client.sign_in(people["librarian"]).get(mine).text
        # Both from the page as it was before the first came back; and once more, when neither is on loan.
        for loan, way, path, said in (
            (loans[0], "zuruecknehmen", mine, "ist zurück."),
            (loans[1], "zuruecknehmen", "/verwaltung/ausleihen", "ist zurück."),
            (loans[1], "verlaengern", "/verwaltung/ausleihen", NoSuchLoan().sentence),
        ):
            press = f"/verwaltung/ausleihen/{loan.id}/{way}"
            answer = client.submit(press, **hidden_fields(page, press))
            assert (answer.status_code, answer.url.path) == (200, path)
            assert said in text_of(answer.text)
        assert client.get(mine).status_code == 404


def test_a_member_with_a_book_at_home_is_not_deleted(both: Library, people: dict[str, Member]) -> None:
    member = people["member"]
    with both.database.writing() as db:
        make.loan(db, make.copy(db, title="Momo"), member)
    with both.client() as client:
        client.sign_in(people["librarian"])
        assert "Momo" in client.get(f"{LIST}/{member.id}").text
        answer = client.submit(f"{LIST}/{member.id}/loeschen")
        assert answer.status_code == 409
        assert "noch Bücher zu Hause" in answer.text
        assert f'value="{member.name}"' in answer.text


def test_deleting_a_member_says_so_and_signs_them_out(both: Library, people: dict[str, Member]) -> None:
    member = people["member"]
    with both.client() as client, both.client() as gone:
        gone.sign_in(member)
        client.sign_in(people["librarian"])
        answer = client.submit(f"{LIST}/{member.id}/loeschen")
        assert answer.url.path == LIST
        assert "ist gelöscht" in answer.text
        assert client.get(f"{LIST}/{member.id}").status_code == 404
        assert gone.get("/konto", follow_redirects=False).status_code == 303


def test_a_card_is_printed_and_the_old_one_stops_working(both: Library, people: dict[str, Member]) -> None:
    member = people["member"]
    with both.database.writing() as db:
        old = make.card(db, member)
    with both.client() as client:
        client.sign_in(people["librarian"])
        assert "Die alte Karte gilt danach sofort nicht mehr" in client.get(f"{LIST}/{member.id}").text
        answer = client.submit(f"{LIST}/{member.id}/karte")
    assert answer.headers["content-type"] == "application/pdf"
    assert answer.content.startswith(b"%PDF")
    with both.database.reading() as db, pytest.raises(queries.UnknownCard):
        queries.member_by_card(db, old)


def test_cards_of_several_members_come_as_one_pdf(both: Library, people: dict[str, Member]) -> None:
    with both.client() as client:
        client.sign_in(people["librarian"])
        answer = client.submit(f"{LIST}/karten", mitglied=[people["member"].id, people["admin"].id, "x", "9" * 5000])
        assert answer.content.startswith(b"%PDF")
        with both.database.reading() as db:
            assert set(queries.with_card(db, [one.id for one in people.values()])) == {
                people["member"].id,
                people["admin"].id,
            }
        assert client.submit(f"{LIST}/karten", wer="ohne").content.startswith(b"%PDF")
        with both.database.reading() as db:
            assert db.scalar(select(func.count()).select_from(Card)) == 3
        answer = client.submit(f"{LIST}/karten")
        assert answer.status_code == 422
        assert "Kreuze zuerst an" in answer.text
        answer = client.submit(f"{LIST}/karten", wer="ohne")
        assert answer.status_code == 422
        assert "Alle haben schon eine Karte" in answer.text


def valid_cards(library: Library) -> set[str]:
    with library.database.reading() as db:
        return set(db.scalars(select(Card.code_hash).where(Card.revoked_at.is_(None))))


def drawn(monkeypatch: pytest.MonkeyPatch, together: int = 1) -> list[set[str]]:
    """The hashes of the codes on each PDF that is drawn from now on, the first `together` of them at the same time."""
    pdfs: list[set[str]] = []
    all_draw = Barrier(together)

    def member_cards(texts: list[CardText], library: str) -> bytes:
        pdfs.append({hashed(text.code) for text in texts})
        if len(pdfs) <= together:
            all_draw.wait(20)
        return b"%PDF"

    monkeypatch.setattr(pages, "member_cards", member_cards)
    return pdfs


def test_a_card_printed_twice_by_one_press_is_one_card(
    both: Library, people: dict[str, Member], monkeypatch: pytest.MonkeyPatch
) -> None:
    pdfs, path = drawn(monkeypatch, together=2), f"{LIST}/{people['member'].id}"
    with both.client() as client:
        client.sign_in(people["librarian"])
        once = once_of(client.get(path).text.partition("/karte")[2])
        with ThreadPoolExecutor(2) as pool:
            answers = list(pool.map(lambda _: client.submit(f"{path}/karte", once=once), range(2)))
        answers.append(client.submit(f"{path}/karte", once=once))
        assert {answer.content for answer in answers} == {b"%PDF"}
    assert pdfs == [valid_cards(both)] * 3
    with both.database.reading() as db:
        assert db.scalar(select(func.count()).select_from(Card)) == 1


@pytest.mark.parametrize("by_two_threads", [True, False])
def test_cards_for_all_who_have_none_printed_twice_by_one_press_are_the_same(
    both: Library, people: dict[str, Member], monkeypatch: pytest.MonkeyPatch, by_two_threads: bool
) -> None:
    threads = 2 if by_two_threads else 1
    pdfs = drawn(monkeypatch, threads)
    with both.client() as client:
        client.sign_in(people["librarian"])
        once = once_of(client.get(LIST).text.partition("/karten")[2])
        with ThreadPoolExecutor(threads) as pool:
            answers = list(pool.map(lambda _: client.submit(f"{LIST}/karten", wer="ohne", once=once), range(2)))
        assert [answer.status_code for answer in answers] == [200, 200]
    assert pdfs == [valid_cards(both)] * 2
    assert len(pdfs[0]) == len(people)


def test_a_page_left_open_prints_a_new_card(
    both: Library, people: dict[str, Member], monkeypatch: pytest.MonkeyPatch
) -> None:
    pdfs, path = drawn(monkeypatch), f"{LIST}/{people['member'].id}/karte"
    with both.client() as client:
        client.sign_in(people["librarian"])
        client.submit(path, once="x" * 43)
        both.clock.pass_time(minutes=2)
        client.submit(path, once="x" * 43)
        assert pdfs[0] != pdfs[1] == valid_cards(both)
        client.submit(path, once="y" * 43)
        client.submit(path, once="x" * 43)
    assert pdfs[-1] == valid_cards(both)
    assert len(set(map(frozenset, pdfs))) == 4


def test_a_shown_qr_signs_in_the_phone_that_scans_it(both: Library, people: dict[str, Member]) -> None:
    with both.database.writing() as db:
        member = make.member(db, email=None)
    with both.client() as client, both.client() as phone:
        client.sign_in(people["librarian"])
        page = client.submit(f"{LIST}/{member.id}/qr").text
        assert "<svg xmlns" in page
        link = re.search(r"http://testserver\.local(/anmelden/[\w-]+)", page)
        assert link
        phone.submit(link[1])
        assert member.name in phone.get("/konto").text
        assert client.get(f"{LIST}/{member.id}/qr", follow_redirects=False).headers["location"] == f"{LIST}/{member.id}"


def test_the_list_is_searched_and_paged(both: Library, people: dict[str, Member]) -> None:
    with both.database.writing() as db:
        for number in range(60):
            make.member(db, f"Zett {number:02}")
    with both.client() as client:
        client.sign_in(people["librarian"])
        first = client.get(f"{LIST}?q=zett")
        assert "60 Mitglieder" in first.text
        assert "Zett 49" in first.text
        assert "Zett 50" not in first.text
        assert f"{LIST}?q=zett&amp;seite=2" in first.text
        assert "Zett 50" in client.get(f"{LIST}?q=zett&seite=2").text
        assert "Zett 59" in client.get(f"{LIST}?q=zett&seite=99").text
        assert "Zett 49" in client.get(f"{LIST}?q=zett&seite=x").text
        part = client.get(f"{LIST}?q=zett", headers={"hx-request": "true"})
        assert "<html" not in part.text
        assert "Niemanden gefunden" in client.get(f"{LIST}?q=gibtesnicht").text


def test_guests_are_told_apart_and_counted_by_themselves(both: Library, people: dict[str, Member]) -> None:
    with both.database.writing() as db:
        number = a_guest(db).id
    with both.client() as client:
        page = client.sign_in(people["librarian"]).get(LIST).text
        assert "3 Mitglieder · 1 Gast" in text_of(page)
        row = page[page.index(f'{LIST}/{number}"') :].partition("</tr>")[0]
        assert "Gast" in row
        assert not any(word in row for word in ("Mitglied<", 'type="checkbox"'))
        overview = text_of(client.get("/verwaltung").text)
        assert ("3 Mitglieder" in overview, "1 Gast" in overview) == (True, True)
        with both.database.writing() as db:
            db.execute(delete(Member).where(Member.id == number))
        assert "Gast" not in text_of(client.get(LIST).text) + text_of(client.get("/verwaltung").text)


def test_ten_and_twenty_members_take_the_same_number_of_queries(both: Library, people: dict[str, Member]) -> None:
    with both.client() as client:
        client.sign_in(people["librarian"])
        counts = []
        client.get(LIST)
        for _round in range(2):
            with both.database.writing() as db:
                for _member in range(10):
                    make.card(db)
            counts.append(count(lambda: client.get(LIST)))
    assert counts[0] == counts[1]
