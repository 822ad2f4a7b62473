"""The one scan field: what is scanned, with whose card before it, and what comes of it."""

from __future__ import annotations

import re
from html import unescape

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from bibliothek.codes import Kind, command_code, new_code
from bibliothek.copies.models import Copy, Shelf
from bibliothek.kiosk import actions
from bibliothek.kiosk.models import Device
from bibliothek.lending.models import Borrower, Loan
from bibliothek.lending.queries import AtDesk
from tests import make
from tests.kiosk.conftest import NAMES, Tablet


def device_of(tablet: Tablet) -> Device:
    with tablet.library.database.reading() as db:
        return db.scalars(select(Device)).one()


# ---- Borrowing ----


def test_two_scans_borrow(tablet: Tablet) -> None:
    greeting = tablet.scan(tablet.cards[0])
    assert (greeting.result, greeting.kind) == ("ok", "card")
    assert NAMES[0] in greeting.text
    lent = tablet.scan(tablet.copies[0])
    assert (lent.result, lent.kind) == ("ok", "lent")
    assert 'datetime="2026-12-21"' in lent.html
    assert "Mo, 21. Dez." in lent.text
    assert "Buch Nummer 0" in lent.text
    assert tablet.open_loans() == [(tablet.copies[0], 2)]


def test_a_card_lends_one_book_after_the_other(tablet: Tablet) -> None:
    tablet.scan(tablet.cards[0])
    kinds = [tablet.scan(code).kind for code in tablet.copies[:3]]
    assert kinds == ["lent", "lent", "lent"]
    assert len(tablet.open_loans()) == 3


def test_the_qr_code_of_a_book_is_read_like_its_code(tablet: Tablet) -> None:
    tablet.scan(tablet.cards[0].lower())
    assert tablet.scan(f"HTTPS://BIBLIOTHEK.EXAMPLE.ORG/C/{tablet.copies[0]}").kind == "lent"


def test_the_first_loan_makes_a_copy_active(tablet: Tablet) -> None:
    tablet.scan(tablet.cards[0])
    tablet.scan(tablet.copies[0])
    with tablet.library.database.reading() as db:
        assert db.scalars(select(Copy.state).where(Copy.code == tablet.copies[0])).one() == "active"


def test_another_card_begins_another_session(tablet: Tablet) -> None:
    tablet.scan(tablet.cards[0])
    assert NAMES[1] in tablet.scan(tablet.cards[1]).text
    answer = tablet.scan(tablet.copies[0])
    assert NAMES[0] not in answer.text
    assert tablet.open_loans() == [(tablet.copies[0], 3)]


def test_a_session_ends_thirty_seconds_after_the_last_scan(tablet: Tablet) -> None:
    tablet.scan(tablet.cards[0])
    tablet.wait(29)
    assert tablet.scan(tablet.copies[0]).kind == "lent"
    tablet.wait(29)
    assert tablet.scan(tablet.copies[1]).kind == "lent"
    tablet.wait(31)
    answer = tablet.scan(tablet.copies[2])
    assert answer.kind == "basket"
    assert NAMES[0] not in answer.html
    assert len(tablet.open_loans()) == 2


def test_an_unknown_card_ends_the_session_before_it(tablet: Tablet) -> None:
    tablet.scan(tablet.cards[0])
    answer = tablet.scan(new_code(Kind.CARD))
    assert (answer.result, answer.kind) == ("stop", "unknown")
    assert "Karte" in answer.text
    assert tablet.scan(tablet.copies[0]).kind == "basket"


@pytest.mark.parametrize("lost", [None, 0, 5, 28])
def test_a_misread_card_ends_the_session_before_it(tablet: Tablet, lost: int | None) -> None:
    """One symbol is wrong, or was lost on the way."""
    tablet.scan(tablet.cards[0])
    card = tablet.cards[1]
    misread = card[:-1] + ("1" if card[-1] != "1" else "2") if lost is None else card[:lost] + card[lost + 1 :]
    answer = tablet.scan(misread)
    assert answer.kind == "misread"
    assert "Scanne sie noch einmal" in answer.text
    assert "Gerade gilt keine Karte mehr" in answer.text
    assert "Etikett" not in answer.text
    assert tablet.scan(tablet.copies[0]).kind == "basket"
    assert tablet.open_loans() == []


def test_a_replaced_card_is_unknown(tablet: Tablet) -> None:
    with tablet.library.database.writing() as db:
        from bibliothek.members.models import Member

        make.card(db, db.get_one(Member, 2))
    assert tablet.scan(tablet.cards[0]).kind == "unknown"


# ---- Bringing back ----


def borrow(tablet: Tablet, copy: int = 0, card: int = 0) -> None:
    tablet.scan(tablet.cards[card])
    assert tablet.scan(tablet.copies[copy]).kind == "lent"
    tablet.press("/kiosk/fertig")


def test_one_scan_brings_back(tablet: Tablet) -> None:
    borrow(tablet)
    answer = tablet.scan(tablet.copies[0])
    assert (answer.result, answer.kind) == ("ok", "returned")
    assert "Buch Nummer 0" in answer.text
    assert "Danke" in answer.text
    assert "Romane" in answer.text
    assert tablet.open_loans() == []


def test_bringing_back_cuts_the_link_to_the_borrower_once_it_cannot_be_undone(tablet: Tablet) -> None:
    borrow(tablet)
    tablet.scan(tablet.copies[0])
    tablet.wait(30)
    tablet.forget_what_is_over()
    with tablet.library.database.reading() as db:
        assert db.scalars(select(Borrower)).all() == []
        assert db.scalars(select(Loan)).one().returned_at is not None


def test_who_had_it_is_never_said(tablet: Tablet) -> None:
    borrow(tablet)
    answer = tablet.scan(tablet.copies[0], page=True)
    assert not any(name in answer.html for name in NAMES)
    tablet.scan(tablet.cards[1])
    borrow(tablet, 1)
    tablet.scan(tablet.cards[1])
    other = tablet.scan(tablet.copies[1], page=True)
    assert other.kind == "other"
    assert NAMES[0] not in other.html


def test_a_copy_that_is_here_waits_for_a_card_and_nothing_is_done(tablet: Tablet) -> None:
    answer = tablet.scan(tablet.copies[0])
    assert (answer.result, answer.kind) == ("look", "basket")
    assert "Karte" in answer.text
    assert tablet.open_loans() == []


def test_the_members_own_book_is_shown_and_nothing_done(tablet: Tablet) -> None:
    borrow(tablet)
    tablet.wait(60)
    tablet.scan(tablet.cards[0])
    own = tablet.scan(tablet.copies[0])
    assert (own.result, own.kind) == ("look", "own")
    assert 'datetime="2026-12-21"' in own.html
    assert len(tablet.open_loans()) == 1
    back = tablet.press("/kiosk/zurueck", **tablet.button(own, "/kiosk/zurueck"))
    assert (back.result, back.kind) == ("ok", "returned")
    assert tablet.open_loans() == []


# ---- Somebody else's book under a card ----


def ask(tablet: Tablet) -> object:
    borrow(tablet, card=0)
    tablet.wait(60)
    tablet.scan(tablet.cards[1])
    said = tablet.scan(tablet.copies[0])
    assert (said.result, said.kind) == ("look", "other")
    assert len(tablet.open_loans()) == 1
    return said


def test_somebody_elses_book_can_be_taken_along(tablet: Tablet) -> None:
    said = ask(tablet)
    taken = tablet.press("/kiosk/mitnehmen", **tablet.button(said, "/kiosk/mitnehmen"))  # type: ignore[arg-type]
    assert (taken.result, taken.kind) == ("ok", "lent")
    assert tablet.open_loans() == [(tablet.copies[0], 3)]
    with tablet.library.database.reading() as db:
        assert len(db.scalars(select(Loan)).all()) == 2


def test_pressing_take_along_twice_does_it_once(tablet: Tablet) -> None:
    fields = tablet.button(ask(tablet), "/kiosk/mitnehmen")  # type: ignore[arg-type]
    assert [tablet.press("/kiosk/mitnehmen", **fields).kind for _ in range(2)] == ["lent", "lent"]
    with tablet.library.database.reading() as db:
        assert len(db.scalars(select(Loan)).all()) == 2


def test_somebody_elses_book_can_be_brought_back(tablet: Tablet) -> None:
    said = ask(tablet)
    assert tablet.press("/kiosk/zurueck", **tablet.button(said, "/kiosk/zurueck")).kind == "returned"  # type: ignore[arg-type]
    assert tablet.open_loans() == []


def test_the_next_scan_answers_the_question_with_brought_back(tablet: Tablet) -> None:
    ask(tablet)
    tablet.wait(4)
    answer = tablet.scan(tablet.copies[1])
    assert answer.kind == "lent"
    assert "„Buch Nummer 0“ ist zurückgegeben." in answer.text
    assert tablet.open_loans() == [(tablet.copies[1], 3)]


@pytest.mark.parametrize("path", ["/kiosk/fertig"])
def test_ending_the_session_answers_the_question_with_brought_back(tablet: Tablet, path: str) -> None:
    ask(tablet)
    said = tablet.press(path)
    assert tablet.open_loans() == []
    assert (said.kind, "data-session" in said.html) == ("returned", False)
    assert "Buch Nummer 0" in said.text
    assert tablet.press(path).kind == ""


def test_enter_alone_says_nothing(tablet: Tablet) -> None:
    tablet.scan(tablet.cards[0])
    for page in (False, True):
        said = tablet.scan("  ", page=page)
        assert (said.status, said.kind) == (200, "")
        assert "data-session" in said.html


def test_a_misread_code_leaves_the_question_open(tablet: Tablet) -> None:
    ask(tablet)
    answer = tablet.scan("B00000X")
    assert answer.kind == "misread"
    assert "data-question" in answer.html
    assert len(tablet.open_loans()) == 1


def test_somebodys_card_even_misread_answers_the_question(tablet: Tablet) -> None:
    ask(tablet)
    tablet.scan("M" + "0" * 27 + "X")
    assert tablet.open_loans() == []


def test_the_same_book_again_asks_again(tablet: Tablet) -> None:
    ask(tablet)
    tablet.wait(5)
    again = tablet.scan(tablet.copies[0])
    assert again.kind == "other"
    assert len(tablet.open_loans()) == 1


def test_a_late_press_ends_no_later_loan(tablet: Tablet) -> None:
    fields = tablet.button(ask(tablet), "/kiosk/zurueck")  # type: ignore[arg-type]
    tablet.press("/kiosk/fertig")
    borrow(tablet, card=1)
    late = tablet.press("/kiosk/zurueck", **fields)
    assert (late.result, late.kind) == ("look", "copy")
    assert "ist ausgeliehen" in late.text
    assert tablet.open_loans() == [(tablet.copies[0], 3)]


def test_taking_along_needs_a_session(tablet: Tablet) -> None:
    fields = tablet.button(ask(tablet), "/kiosk/mitnehmen")  # type: ignore[arg-type]
    tablet.wait(40)
    assert tablet.press("/kiosk/mitnehmen", **fields).kind == "expired"
    assert tablet.open_loans() == [(tablet.copies[0], 2)]


def test_the_question_survives_a_reload(tablet: Tablet) -> None:
    ask(tablet)
    assert "data-question" in tablet.look().html


def test_a_return_by_itself_does_not_lengthen_the_session(tablet: Tablet) -> None:
    fields = tablet.button(ask(tablet), "/kiosk/zurueck")  # type: ignore[arg-type]
    tablet.wait(10)
    answer = tablet.press("/kiosk/zurueck", von_selbst="1", **fields)
    assert answer.kind == "returned"
    assert 'data-session="20"' in answer.html


# ---- The same scan twice ----


def test_a_scanner_that_reads_twice_returns_once(tablet: Tablet) -> None:
    borrow(tablet)
    assert [tablet.scan(tablet.copies[0]).kind for _ in range(3)] == ["returned"] * 3
    tablet.wait(4)
    assert tablet.scan(tablet.copies[0]).kind == "copy"


def test_a_scanner_that_reads_twice_lends_once(tablet: Tablet) -> None:
    tablet.scan(tablet.cards[0])
    assert [tablet.scan(tablet.copies[0]).kind for _ in range(2)] == ["lent", "lent"]
    assert len(tablet.open_loans()) == 1


def test_a_scan_sent_again_for_want_of_an_answer_is_answered_alike(tablet: Tablet) -> None:
    borrow(tablet)
    assert tablet.scan(tablet.copies[0], number="abc").kind == "returned"
    tablet.wait(25)
    assert tablet.scan(tablet.copies[0], number="abc").kind == "returned"
    assert tablet.scan(tablet.copies[0], number="abd").kind == "copy"


def test_the_same_number_with_another_code_is_another_scan(tablet: Tablet) -> None:
    tablet.scan(tablet.cards[0], number="abc")
    assert tablet.scan(tablet.copies[0], number="abc").kind == "lent"


def test_after_the_end_the_same_card_begins_anew(tablet: Tablet) -> None:
    tablet.scan(tablet.cards[0])
    tablet.press("/kiosk/fertig")
    assert NAMES[0] in tablet.scan(tablet.cards[0]).text


# ---- Other things to scan ----


def test_an_isbn_shows_its_title(tablet: Tablet) -> None:
    answer = tablet.scan(tablet.isbn)
    assert (answer.result, answer.kind) == ("look", "title")
    assert "Buch mit ISBN" in answer.text
    assert "Es ist da." in answer.text


def test_an_isbn_nobody_gave_yet_may_be_donated(tablet: Tablet) -> None:
    answer = tablet.scan("978-3-499-62347-9")
    assert (answer.result, answer.kind) == ("look", "title")
    assert "spenden" in answer.text
    assert tablet.button(answer, "/spenden") == {"isbn": "9783499623479"}


def test_a_shelf_shows_its_books(tablet: Tablet) -> None:
    with tablet.library.database.reading() as db:
        code = db.scalars(select(Shelf.code)).one()
    answer = tablet.scan(code)
    assert (answer.result, answer.kind) == ("look", "shelf")
    assert "Romane: 4 Bücher" in answer.text
    assert "Buch Nummer 3" in answer.text


def test_a_shelf_shows_a_title_once_and_leads_to_all_of_them(tablet: Tablet) -> None:
    with tablet.library.database.writing() as db:
        shelf = db.scalars(select(Shelf)).one()
        often = make.title(db, "Atlas")
        for _n in range(3):
            make.copy(db, often, shelf)
        make.copy(db, make.title(db, "Ein Band mehr"), shelf)
        make.copy(db, make.title(db, "Zuletzt"), shelf)
        make.copy(db, often)
        code = shelf.code
    answer = tablet.scan(code)
    assert "Romane: 9 Bücher" in answer.text
    assert answer.text.count("Atlas") == 1
    assert "3 Exemplare" in answer.text
    assert ("Buch Nummer 3" in answer.text, "Zuletzt" in answer.text) == (True, False)
    assert "Alle 7 Titel ansehen" in answer.text
    found = re.search('href="(/katalog[^"]+)"', answer.html)
    assert found
    listed = tablet.client.get(unescape(found[1])).text
    assert ("Atlas" in listed, "Zuletzt" in listed, "Buch mit ISBN" in listed) == (True, True, False)


@pytest.mark.parametrize("kind", list(Kind))
def test_codes_that_nothing_has_are_unknown(tablet: Tablet, kind: Kind) -> None:
    answer = tablet.scan(new_code(kind))
    assert (answer.result, answer.kind) == ("stop", "unknown")


def test_misread_and_unknown_codes_are_told_apart(tablet: Tablet) -> None:
    code = tablet.copies[0]
    misread = tablet.scan(code[:-1] + ("1" if code[-1] != "1" else "2"))
    assert (misread.result, misread.kind) == ("stop", "misread")
    assert "Falsch gelesen" in misread.text
    unknown = tablet.scan("4006381333931")
    assert (unknown.result, unknown.kind) == ("stop", "unknown")
    assert "Falsch gelesen" not in unknown.text


ODD = [
    "",
    " ",
    "x" * 10_000,
    "📚" * 500,
    "<script>alert(1)</script>",
    "'; DROP TABLE loan;--",
    "\u202e\u0000\ufeff",
    "{{ 7*7 }}",
]


@pytest.mark.parametrize("text", ODD)
@pytest.mark.parametrize("page", [True, False])
def test_odd_input_is_answered_calmly(tablet: Tablet, text: str, page: bool) -> None:
    answer = tablet.scan(text, page=page)
    assert answer.status in (200, 422)
    assert "<script>alert" not in answer.html
    assert "49" not in text or answer.status == 200


@pytest.mark.parametrize(
    "fields", [{}, {"copy": "x", "loan": "1"}, {"copy": "B00000X", "loan": "9" * 30}, {"loan": "-1"}]
)
@pytest.mark.parametrize("path", ["/kiosk/zurueck", "/kiosk/mitnehmen"])
def test_buttons_made_up_are_refused(tablet: Tablet, path: str, fields: dict[str, str]) -> None:
    assert tablet.press(path, **fields).status in (404, 422)


def test_a_withdrawn_copy_is_not_lent(tablet: Tablet) -> None:
    with tablet.library.database.writing() as db:
        db.scalars(select(Copy).where(Copy.code == tablet.copies[0])).one().state = "withdrawn"
    assert tablet.scan(tablet.copies[0]).kind == "withdrawn"
    tablet.scan(tablet.cards[0])
    answer = tablet.scan(tablet.copies[0])
    assert (answer.result, answer.kind) == ("stop", "withdrawn")


# ---- Forgetting ----


def test_nobody_is_left_on_the_page_or_the_device_when_the_session_ends(tablet: Tablet) -> None:
    borrow(tablet)
    device = device_of(tablet)
    assert (device.member_id, device.member_until, device.last_scan) == (None, None, None)
    page = tablet.look()
    assert not any(name in page.html for name in NAMES)
    assert "Buch Nummer" not in page.html.partition("<template")[0].partition('id="result"')[2].partition("board")[0]


def test_a_page_loaded_after_the_time_is_up_shows_nobody(tablet: Tablet) -> None:
    tablet.scan(tablet.cards[0])
    assert NAMES[0] in tablet.look().html
    tablet.wait(31)
    assert NAMES[0] not in tablet.look().html


def test_pages_of_the_tablet_are_kept_nowhere(tablet: Tablet) -> None:
    answer = tablet.client.get("/kiosk")
    assert answer.headers["cache-control"] == "no-store"


def test_a_touch_lengthens_the_session(tablet: Tablet) -> None:
    tablet.scan(tablet.cards[0])
    tablet.wait(20)
    assert NAMES[0] in tablet.press("/kiosk/weiter").text
    tablet.wait(20)
    assert tablet.scan(tablet.copies[0]).kind == "lent"


def test_a_touch_brings_no_ended_session_back(tablet: Tablet) -> None:
    tablet.scan(tablet.cards[0])
    tablet.wait(31)
    answer = tablet.press("/kiosk/weiter")
    assert NAMES[0] not in answer.html
    assert tablet.scan(tablet.copies[0]).kind == "basket"


def test_sessions_left_behind_are_forgotten_at_night(tablet: Tablet) -> None:
    ask(tablet)
    tablet.wait(3600)
    with tablet.library.database.writing() as db:
        actions.forget_sessions(db, tablet.library.clock(), make.TODAY)
    assert device_of(tablet).member_id is None
    assert tablet.open_loans() == []


def test_a_member_who_was_erased_is_not_here(tablet: Tablet) -> None:
    from bibliothek.members.actions import remove_member

    tablet.scan(tablet.cards[0])
    with tablet.library.database.writing() as db:
        remove_member(db, 2, tablet.library.clock())
    assert tablet.scan(tablet.copies[0]).kind == "basket"


def test_a_loan_that_began_on_a_phone_in_that_blink_goes_on(tablet: Tablet, monkeypatch: pytest.MonkeyPatch) -> None:
    at_desk = actions.at_desk

    def slowly(db: Session, code: str) -> AtDesk:
        copy = at_desk(db, code)
        if not copy.on_loan:
            make.loan(db, db.get_one(Copy, copy.id), now=tablet.library.clock())
        return copy

    monkeypatch.setattr(actions, "at_desk", slowly)
    assert tablet.scan(tablet.copies[0]).kind == "copy"
    assert [copy for copy, _member in tablet.open_loans()] == [tablet.copies[0]]


def test_a_withdrawn_copy_is_not_taken_along(tablet: Tablet) -> None:
    fields = tablet.button(ask(tablet), "/kiosk/mitnehmen")  # type: ignore[arg-type]
    with tablet.library.database.writing() as db:
        db.execute(update(Copy).values(state="withdrawn"))
    said = tablet.press("/kiosk/mitnehmen", **fields)
    assert (said.status, said.kind) == (200, "returned")
    assert "Betreuung hin" in said.text
    assert tablet.open_loans() == []


def test_every_scan_notes_when_a_copy_was_seen(tablet: Tablet) -> None:
    def seen(code: str) -> bool:
        with tablet.library.database.reading() as db:
            when = db.scalars(select(Copy.seen_at).where(Copy.code == code)).one()
            return when == tablet.library.clock()

    mine, theirs, gone = tablet.copies[:3]
    tablet.scan(tablet.cards[1])
    tablet.scan(theirs)
    tablet.scan(tablet.cards[0])
    assert tablet.scan(mine).kind == "lent"
    with tablet.library.database.writing() as db:
        db.scalars(select(Copy).where(Copy.code == gone)).one().state = "withdrawn"
    for kind, code in (("own", mine), ("withdrawn", gone), ("other", theirs)):
        tablet.wait(4)
        assert tablet.scan(code).kind == kind
        assert seen(code)
    tablet.wait(15)
    assert tablet.scan(gone).kind == "withdrawn"
    assert seen(gone)


def test_undoing_the_first_loan_leaves_a_copy_as_new_as_it_was(tablet: Tablet) -> None:
    tablet.scan(tablet.cards[0])
    tablet.scan(tablet.copies[0])
    tablet.scan(command_code("undo"))
    with tablet.library.database.reading() as db:
        assert db.scalars(select(Copy.state).where(Copy.code == tablet.copies[0])).one() == "intake"
