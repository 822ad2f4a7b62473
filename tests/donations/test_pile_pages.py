"""The pile as a browser without scripts sees it, and the small answers that the page asks for."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import select

from bibliothek.catalogue.models import Title
from bibliothek.copies.models import Copy
from bibliothek.copies.rules import CONDITIONS
from bibliothek.donations import looking
from bibliothek.donations.models import Donation, PileBook
from tests import make
from tests.client import Client, text_of
from tests.conftest import Library
from tests.counting import count
from tests.lookup import marcxml
from tests.lookup.stand_in import StandIn

ISBN, OTHER, UNKNOWN = "9783551551672", "9783499623479", "9791090636071"
FRAGMENT = {"hx-request": "true", "sec-fetch-site": "same-origin"}


@pytest.fixture(autouse=True)
def _no_background(monkeypatch: pytest.MonkeyPatch) -> None:
    """A test looks up when it says so."""
    monkeypatch.setattr(looking.Looking, "start", lambda _self: None)


@pytest.fixture
def donor(asking: Library) -> Iterator[Client]:
    """A signed-in member in a library that is set up."""
    with asking.database.writing() as db:
        make.admin(db)
        member = make.member(db, "Mitglied 7")
    with asking.client() as client:
        yield client.sign_in(member)


def look(client: Client) -> None:
    library = client.library
    while looking.look_one_up(library.database, library.settings, library.clock):
        pass


def once(html: str) -> str:
    found = re.search(r'name="once" value="([^"]+)"', html)
    assert found
    return found.group(1)


def rows(html: str) -> list[tuple[str, str]]:
    """ISBN and state of every row, as the contract names them."""
    return re.findall(r'data-isbn="(\d*)"\s+data-state="(\w+)"', html)


def book(client: Client, isbn: str = ISBN) -> PileBook:
    with client.library.database.reading() as db:
        return db.scalars(select(PileBook).where(PileBook.isbn == isbn)).one()


def copies(client: Client) -> list[Copy]:
    with client.library.database.reading() as db:
        return list(db.scalars(select(Copy).order_by(Copy.id)))


def press(client: Client, what: str, isbn: str = ISBN, **fields: Any) -> Any:
    return client.submit(f"/spenden/stapel/{book(client, isbn).id}/{what}", **fields)


@pytest.mark.parametrize("path", ["/spenden", "/spenden/stapel"])
def test_a_scan_lies_on_the_pile_at_once_and_is_filled_in_later(donor: Client, path: str) -> None:
    shown = donor.submit(path, isbn=ISBN)
    assert shown.status_code == 200
    assert rows(shown.text) == [(ISBN, "looking")]
    look(donor)
    assert rows(donor.get("/spenden").text) == [(ISBN, "found")]


def test_the_newest_stands_on_top(donor: Client) -> None:
    for isbn in (ISBN, OTHER, UNKNOWN):
        donor.submit("/spenden/stapel", isbn=isbn)
    assert [isbn for isbn, _state in rows(donor.get("/spenden").text)] == [UNKNOWN, OTHER, ISBN]


def test_a_script_gets_the_row_and_how_far_the_pile_is(donor: Client) -> None:
    answer = donor.post("/spenden/stapel", data={"isbn": ISBN, "nummer": "abc", "alter": "1500"}, headers=FRAGMENT)
    again = donor.post("/spenden/stapel", data={"isbn": ISBN, "nummer": "abc"}, headers=FRAGMENT)
    for shown in (answer, again):
        assert shown.status_code == 200
        assert rows(shown.text) == [(ISBN, "looking")]
        assert 'data-number="abc"' in shown.text
        assert 'id="pile-summary"' in shown.text
        assert "<html" not in shown.text
    assert (donor.library.clock.now - book(donor).scanned_at).total_seconds() == 1.5


def test_all_rows_that_are_looked_up_are_one_question(donor: Client) -> None:
    for isbn in (ISBN, OTHER):
        donor.submit("/spenden/stapel", isbn=isbn)
    look(donor)
    ids = f"{book(donor).id},{book(donor, OTHER).id}"
    shown = donor.get("/spenden/zeilen", params={"zeilen": ids}, headers=FRAGMENT)
    assert rows(shown.text) == [(ISBN, "found"), (OTHER, "found")]
    assert rows(donor.get("/spenden/zeilen?zeilen=x,,99999999999,-1").text) == []


@pytest.mark.parametrize("isbn", ["", "9783551551673", "61120081", "9,78355E+12", "<script>", "x" * 5000])
def test_what_is_no_isbn_is_said_and_nothing_lies_there(donor: Client, isbn: str) -> None:
    shown = donor.submit("/spenden/stapel", isbn=isbn)
    assert shown.status_code == 422
    assert "pile-isbn-error" in shown.text
    assert "<script>" not in shown.text.replace('<script src="', "")
    small = donor.post("/spenden/stapel", data={"isbn": isbn, "nummer": "abc"}, headers=FRAGMENT)
    assert small.status_code == 422
    assert 'data-number="abc"' in small.text
    assert rows(donor.get("/spenden").text) == []


def test_a_code_of_our_own_is_told_where_it_belongs_and_a_card_is_not_shown(donor: Client) -> None:
    with donor.library.database.writing() as db:
        card, code = make.card(db), make.copy(db).code
    for scanned in (card, code, f"http://bibliothek.local/c/{code}"):
        shown = donor.submit("/spenden/stapel", isbn=scanned)
        assert shown.status_code == 422
        assert "„Scannen“" in shown.text
        assert card not in shown.text


def test_what_is_found_is_shown_with_its_source_and_taken_in(donor: Client) -> None:
    donor.submit("/spenden/stapel", isbn=ISBN)
    look(donor)
    shown = donor.get("/spenden")
    assert "Deutsche Nationalbibliothek" in text_of(shown.text)
    thanks = donor.submit("/spenden/stapel/aufnehmen", once=once(shown.text))
    assert "1 Buch aus diesem Stapel" in text_of(thanks.text)
    assert rows(thanks.text) == [(ISBN, "saved")]
    (copy,) = copies(donor)
    assert (copy.state, copy.labelled_at) == ("intake", None)
    with donor.library.database.reading() as db:
        assert db.get_one(Title, copy.title_id).source == "dnb"


def test_pressing_twice_is_one_donation(donor: Client) -> None:
    donor.submit("/spenden/stapel", isbn=ISBN)
    look(donor)
    token = once(donor.get("/spenden").text)
    first = donor.submit("/spenden/stapel/aufnehmen", False, once=token)
    second = donor.submit("/spenden/stapel/aufnehmen", False, once=token)
    assert first.headers["location"] == second.headers["location"]
    assert len(copies(donor)) == 1
    assert donor.submit("/spenden/stapel/aufnehmen").status_code == 422


def test_what_is_not_known_stays_on_the_pile(donor: Client) -> None:
    donor.submit("/spenden/stapel", isbn=ISBN)
    donor.submit("/spenden/stapel", isbn=UNKNOWN)
    look(donor)
    shown = donor.get("/spenden")
    assert rows(shown.text) == [(UNKNOWN, "missing"), (ISBN, "found")]
    assert "Eins muss jemand selbst eintragen" in text_of(shown.text)
    thanks = donor.submit("/spenden/stapel/aufnehmen", once=once(shown.text))
    assert "Eins liegt noch auf dem Stapel" in text_of(thanks.text)
    assert rows(donor.get("/spenden").text) == [(UNKNOWN, "missing")]


def test_a_missing_book_is_typed_with_its_isbn_kept(donor: Client) -> None:
    donor.submit("/spenden/stapel", isbn=UNKNOWN)
    look(donor)
    form = donor.get(f"/spenden/stapel/{book(donor, UNKNOWN).id}")
    assert f'value="{UNKNOWN}"' in form.text
    wrong = donor.submit(f"/spenden/stapel/{book(donor, UNKNOWN).id}", title="", year="bald", isbn=UNKNOWN)
    assert wrong.status_code == 422
    assert {'id="f-title-error"', 'id="f-year-error"'} <= set(re.findall(r'id="f-\w+-error"', wrong.text))
    shown = donor.submit(f"/spenden/stapel/{book(donor, UNKNOWN).id}", title="Sonderdruck", isbn=UNKNOWN)
    assert rows(shown.text) == [(UNKNOWN, "found")]
    assert "Sonderdruck" in shown.text


def test_several_books_under_one_isbn_are_buttons(donor: Client, sources: StandIn) -> None:
    for year in ("1990", "2010"):
        printed = marcxml.field("264", f"c {year}", ind=" 1")
        sources.add_record(
            ISBN,
            marcxml.record(
                marcxml.control("001", year),
                marcxml.field("020", f"a {ISBN}"),
                marcxml.field("245", "a Momo", ind="10"),
                printed,
                marcxml.field("338", "a Band", "b nc", "2 rdacarrier"),
            ),
        )
    donor.submit("/spenden/stapel", isbn=ISBN)
    look(donor)
    shown = donor.get("/spenden")
    assert rows(shown.text) == [(ISBN, "choose")]
    assert "1990" in shown.text
    assert "2010" in shown.text
    assert press(donor, "wahl", wahl="9").status_code == 422
    assert rows(press(donor, "wahl", wahl="1").text) == [(ISBN, "found")]


def test_where_none_of_the_titles_here_is_right_it_is_looked_up(donor: Client) -> None:
    with donor.library.database.writing() as db:
        for name in ("Momo", "Jim Knopf"):
            make.title(db, name, isbns=(ISBN,))
    shown = donor.submit("/spenden/stapel", isbn=ISBN)
    assert rows(shown.text) == [(ISBN, "choose")]
    assert "Keins davon: nachschlagen" in text_of(shown.text)
    assert rows(press(donor, "nachschlagen").text) == [(ISBN, "looking")]
    look(donor)
    assert rows(donor.get("/spenden").text) == [(ISBN, "found")]
    donor.submit("/spenden/stapel/aufnehmen")
    with donor.library.database.reading() as db:
        assert len(db.scalars(select(Title)).all()) == 3


def test_what_the_sources_offer_to_choose_from_is_not_looked_up_once_more(donor: Client, sources: StandIn) -> None:
    for title in ("Momo", "Jim Knopf"):
        sources.add(ISBN, title)
    donor.submit("/spenden/stapel", isbn=ISBN)
    look(donor)
    shown = donor.get("/spenden")
    assert rows(shown.text) == [(ISBN, "choose")]
    assert "Keins davon" not in shown.text
    assert "Selbst eintragen" in shown.text


def test_one_more_copy_of_a_title_here_is_said_in_the_form_of_a_book_that_was_not_found(donor: Client) -> None:
    with donor.library.database.writing() as db:
        title = make.title(db, "Die unendliche Geschichte")
    donor.submit("/spenden/stapel", isbn=UNKNOWN)
    look(donor)
    number = book(donor, UNKNOWN).id
    form = re.search(r'<form id="one-more" method="post" action="([^"]+)"', donor.get(f"/spenden/stapel/{number}").text)
    assert form
    shown = donor.submit(form[1], titel=str(title.id), nummer=book(donor, UNKNOWN).number)
    assert rows(shown.text) == [(UNKNOWN, "found")]
    assert "noch ein Exemplar" in text_of(shown.text)


def test_a_condition_that_there_is_not_is_refused(donor: Client) -> None:
    donor.submit("/spenden/stapel", isbn=ISBN)
    look(donor)
    for word in CONDITIONS.values():
        assert f">{word}</option>" in donor.get("/spenden").text
    assert press(donor, "platz", condition="good").status_code == 200
    assert press(donor, "platz", condition="shiny").status_code == 422
    assert book(donor).condition == "good"


def test_a_book_that_is_here_is_one_more_copy_or_another_book(donor: Client) -> None:
    with donor.library.database.writing() as db:
        make.copy(db, make.title(db, "Tschick", isbns=(ISBN,)))
    shown = donor.submit("/spenden/stapel", isbn=ISBN)
    assert rows(shown.text) == [(ISBN, "found")]
    assert "noch ein Exemplar" in text_of(shown.text)
    assert "1 Exemplar ist hier" in text_of(shown.text)
    assert rows(press(donor, "nachschlagen").text) == [(ISBN, "looking")]
    look(donor)
    donor.submit("/spenden/stapel/aufnehmen")
    with donor.library.database.reading() as db:
        assert len(db.scalars(select(Title)).all()) == 2


def test_a_row_is_taken_off_and_put_back(donor: Client) -> None:
    donor.submit("/spenden/stapel", isbn=ISBN)
    look(donor)
    assert "Nicht aufgenommen" in text_of(press(donor, "weg").text)
    assert donor.submit("/spenden/stapel/aufnehmen").status_code == 422
    press(donor, "zurueck")
    donor.submit("/spenden/stapel/aufnehmen")
    assert len(copies(donor)) == 1


def test_shelf_condition_and_donor(donor: Client) -> None:
    with donor.library.database.writing() as db:
        novels, _comics = make.shelf(db, "Romane"), make.shelf(db, "Comics")
    donor.submit("/spenden/stapel", isbn=ISBN)
    look(donor)
    donor.submit("/spenden/stapel/angaben", shelf=novels.code, from_me="1")
    press(donor, "platz", condition="good")
    assert "von dir" in text_of(donor.get("/spenden").text)
    donor.submit("/spenden/stapel/aufnehmen")
    (copy,) = copies(donor)
    assert (copy.shelf_id, copy.condition) == (novels.id, "good")
    with donor.library.database.reading() as db:
        assert db.scalars(select(Donation.donor_id)).one() is not None


def test_the_shelf_that_fits_the_subject_is_suggested_not_forced(donor: Client, sources: StandIn) -> None:
    with donor.library.database.writing() as db:
        history = make.shelf(db, "Geschichte")
    sources.add(ISBN, "Weimar", "Person 1", marcxml.field("082", "a 943", "2 23sdnb", ind="74"))
    donor.submit("/spenden/stapel", isbn=ISBN)
    look(donor)
    assert "Vorschlag: Geschichte" in text_of(donor.get("/spenden").text)
    assert book(donor).shelf_id is None
    donor.submit("/spenden/stapel/vorschlaege")
    assert book(donor).shelf_id == history.id


def test_a_book_without_isbn_needs_only_its_title(donor: Client) -> None:
    assert donor.submit("/spenden/stapel/buch", title="").status_code == 422
    fields = {"title": "Zine Nr. 3", "nummer": "abc"}
    for _press in range(2):
        shown = donor.submit("/spenden/stapel/buch", **fields)
    assert rows(shown.text) == [("", "found")]
    donor.submit("/spenden/stapel/aufnehmen")
    assert len(copies(donor)) == 1


def test_while_a_title_is_typed_those_like_it_are_offered_as_one_more_copy(donor: Client) -> None:
    with donor.library.database.writing() as db:
        title = make.title(db, "Die unendliche Geschichte")
    for name in ("titel", "title"):
        offered = donor.get("/spenden/aehnliche", params={name: "unendliche Ges"}).text
        assert f'name="titel" value="{title.id}"' in offered
    for text in ("", "Di", "x" * 9000, "Schach"):
        assert "button" not in donor.get("/spenden/aehnliche", params={"titel": text}).text
    assert "Die unendliche Geschichte" in donor.submit("/spenden/stapel", titel=str(title.id)).text
    donor.submit("/spenden/stapel/aufnehmen")
    assert [copy.title_id for copy in copies(donor)] == [title.id]
    for nothing in ("x", "99", "99999999999"):
        assert donor.submit("/spenden/stapel", titel=nothing).status_code == 404


def test_while_the_sources_are_down_the_row_says_so_and_comes_in_anyway(donor: Client, sources: StandIn) -> None:
    sources.behave("both", "html")
    donor.submit("/spenden/stapel", isbn=ISBN)
    look(donor)
    shown = donor.get("/spenden")
    assert rows(shown.text) == [(ISBN, "looking")]
    assert "von selbst wieder versucht" in text_of(shown.text)
    thanks = donor.submit("/spenden/stapel/aufnehmen", auch_unbekannte="1")
    assert "wird nachgeschlagen" in text_of(thanks.text)
    sources.behave("both")
    donor.library.clock.pass_time(minutes=2)
    look(donor)
    with donor.library.database.reading() as db:
        assert "ISBN" not in db.scalars(select(Title.title)).one()


def test_nobody_sees_or_touches_the_pile_of_somebody_else(donor: Client) -> None:
    donor.submit("/spenden/stapel", isbn=ISBN)
    look(donor)
    number = book(donor).id
    with donor.library.database.writing() as db:
        other = make.member(db)
    with donor.library.client() as stranger:
        assert "/anmelden" in stranger.submit("/spenden/stapel", False, isbn=ISBN).headers["location"]
        stranger.sign_in(other)
        assert rows(stranger.get("/spenden").text) == []
        assert rows(stranger.get(f"/spenden/zeilen?zeilen={number}").text) == []
        for what in ("/weg", "/zurueck", "/platz", "/wahl", "/nachschlagen", ""):
            assert stranger.submit(f"/spenden/stapel/{number}{what}", title="A").status_code == 404
        assert stranger.get(f"/spenden/stapel/{number}").status_code == 404
        assert stranger.submit("/spenden/stapel/aufnehmen").status_code == 422
    pile_id = book(donor).pile_id
    donor.submit("/spenden/stapel/aufnehmen")
    assert donor.get(f"/spenden/aufgenommen/{pile_id}").status_code == 200
    with donor.library.client() as stranger:
        assert stranger.sign_in(other).get(f"/spenden/aufgenommen/{pile_id}").status_code == 404


def test_the_pile_of_a_tablet_belongs_to_the_tablet_and_names_nobody(donor: Client) -> None:
    with donor.library.database.writing() as db:
        card = make.card(db, make.member(db, "Mitglied 8"))
    with donor.library.client() as tablet:
        tablet.be_tablet()
        tablet.submit("/spenden/stapel", isbn=ISBN)
        assert rows(donor.get("/spenden").text) == []
        look(donor)
        shown = tablet.submit("/spenden/stapel/angaben", donor=card)
        assert "Mitglied 8" not in shown.text
        assert card not in shown.text
        assert "ein Name ist notiert" in text_of(shown.text)
        tablet.submit("/spenden/stapel/angaben", donor="Haus 7")
        assert "Haus 7" not in tablet.get("/spenden").text
        # An hour and another person later it still lies there.
        tablet.library.clock.pass_time(hours=1)
        assert rows(tablet.get("/spenden").text) == [(ISBN, "found")]
        thanks = tablet.submit("/spenden/stapel/aufnehmen")
        assert "/etiketten" not in thanks.text
    with donor.library.database.reading() as db:
        assert db.scalars(select(Donation.donor_name)).one() == "Haus 7"


def test_a_librarian_is_led_to_the_labels(donor: Client) -> None:
    with donor.library.database.writing() as db:
        librarian = make.member(db, role="librarian")
    with donor.library.client() as client:
        client.sign_in(librarian).submit("/spenden/stapel/buch", title="Zine")
        assert "/etiketten" in client.submit("/spenden/stapel/aufnehmen").text


@pytest.mark.parametrize("piece", ["A", "1", "A ", "\u0301\u0323"])
def test_a_field_however_long_is_answered_quickly(donor: Client, piece: str) -> None:
    long = piece * (100_000 // len(piece))
    assert donor.submit("/spenden/stapel", isbn=long).status_code == 422
    assert donor.submit("/spenden/stapel/buch", title=long, persons=long).status_code == 422
    assert donor.submit("/spenden/stapel/angaben", donor=long).status_code == 422
    assert donor.get("/spenden/aehnliche", params={"titel": long[:10_000]}).status_code == 200


def test_twenty_rows_ask_the_database_as_often_as_ten(donor: Client) -> None:
    with donor.library.database.writing() as db:
        for n in range(2):
            make.title(db, f"Titel {n}", isbns=(OTHER,))
        make.copy(db, make.title(db, "Tschick", isbns=(ISBN,)))

    def asked(rows_more: int) -> int:
        for n in range(rows_more):
            donor.submit("/spenden/stapel", isbn=(ISBN, OTHER, UNKNOWN)[n % 3])
        assert donor.get("/spenden").status_code == 200
        return count(lambda: donor.get("/spenden"))

    assert asked(10) == asked(10)
