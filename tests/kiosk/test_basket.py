"""Books before the card: a basket. And what can be undone at the tablet, by button and by command card."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select, update

from bibliothek.codes import COMMANDS, Kind, command_code, new_code, read
from bibliothek.copies.models import Copy
from bibliothek.kiosk import actions
from bibliothek.kiosk.models import Device
from bibliothek.lending import holds
from bibliothek.lending.models import Flag, Hold, Loan, Notice
from bibliothek.library.models import Library as Settings
from tests import make
from tests.client import text_of
from tests.counting import statements
from tests.kiosk.conftest import NAMES, Tablet

UNDO = command_code("undo")


def test_books_first_and_then_the_card(tablet: Tablet) -> None:
    first = tablet.scan(tablet.copies[0])
    assert (first.result, first.kind) == ("look", "basket")
    assert "dann ist das Buch für dich eingetragen" in first.text
    tablet.wait(19)
    second = tablet.scan(tablet.copies[1])
    assert second.kind == "basket"
    assert "dann sind die 2 Bücher für dich eingetragen" in second.text
    assert all(f"Buch Nummer {n}" in second.text for n in (0, 1))
    assert tablet.open_loans() == []
    tablet.wait(19)
    lent = tablet.scan(tablet.cards[0])
    assert (lent.result, lent.kind) == ("ok", "lent")
    assert all(f"Buch Nummer {n}" in lent.text for n in (0, 1))
    assert sorted(tablet.open_loans()) == sorted([(tablet.copies[0], 2), (tablet.copies[1], 2)])


@pytest.mark.parametrize(("scanned", "kind"), [("B00000X", "misread"), ("", "unknown"), ("9783551551672", "title")])
def test_whatever_is_scanned_next_the_basket_stays_in_sight(tablet: Tablet, scanned: str, kind: str) -> None:
    tablet.scan(tablet.copies[0])
    tablet.scan(tablet.copies[1])
    said = tablet.scan(scanned or new_code(Kind.COPY))
    assert said.kind == kind
    assert all(f"Buch Nummer {n}" in said.text for n in (0, 1))
    assert said.html.count("data-basket") == said.text.count("Doch nicht") == 1
    lent = tablet.scan(tablet.cards[0])
    assert (lent.kind, "data-basket" in lent.html) == ("lent", False)


def test_a_page_loaded_anew_still_shows_the_basket(tablet: Tablet) -> None:
    tablet.scan(tablet.copies[0])
    assert tablet.look().kind == "basket"
    assert "Buch Nummer 0" in tablet.look().text
    tablet.wait(20)
    assert "data-basket" not in tablet.look().html


def test_of_a_large_basket_the_last_books_are_named(tablet: Tablet) -> None:
    for copy in tablet.copies:
        tablet.scan(copy)
    said = tablet.scan("B00000X").text
    assert "Diese 5 Bücher warten" in said
    assert [f"Buch Nummer {n}" in said for n in range(4)] == [False, False, True, True]
    assert "und 2 weitere" in said


def test_a_basket_waits_twenty_seconds(tablet: Tablet) -> None:
    tablet.scan(tablet.copies[0])
    tablet.wait(20)
    assert tablet.scan(tablet.cards[0]).kind == "card"
    assert tablet.open_loans() == []


def test_a_basket_is_lent_once(tablet: Tablet) -> None:
    tablet.scan(tablet.copies[0])
    tablet.scan(tablet.cards[0])
    assert tablet.scan(tablet.cards[1]).kind == "card"
    assert tablet.open_loans() == [(tablet.copies[0], 2)]


def test_what_came_back_just_now_never_enters_a_basket(tablet: Tablet) -> None:
    borrow(tablet)
    tablet.scan(tablet.copies[0])
    tablet.wait(60)
    again = tablet.scan(tablet.copies[0])
    assert (again.kind, "Schon zurück" in again.text) == ("copy", True)
    assert tablet.scan(tablet.cards[1]).kind == "card"
    assert tablet.open_loans() == []
    tablet.press("/kiosk/fertig")
    tablet.wait(300)
    assert tablet.scan(tablet.copies[0]).kind == "basket"


def test_the_round_of_the_server_leaves_a_basket_alone(tablet: Tablet) -> None:
    tablet.scan(tablet.copies[0])
    for seconds, kind in ((19, "lent"), (20, "card")):
        tablet.scan(tablet.copies[1])
        tablet.wait(seconds)
        with tablet.library.database.writing() as db:
            actions.forget_sessions(db, tablet.library.clock(), make.TODAY)
        assert tablet.scan(tablet.cards[0]).kind == kind
        tablet.press("/kiosk/fertig")
        tablet.press("/kiosk/rueckgaengig")


def test_a_touch_gives_the_basket_its_time_again(tablet: Tablet) -> None:
    tablet.scan(tablet.copies[0])
    tablet.wait(15)
    assert tablet.press("/kiosk/weiter").kind == "basket"
    tablet.wait(15)
    assert tablet.scan(tablet.cards[0]).kind == "lent"


def test_undoing_leaves_a_question_open(tablet: Tablet) -> None:
    borrow(tablet)
    tablet.scan(tablet.cards[1])
    tablet.scan(tablet.copies[1])
    tablet.scan(tablet.copies[0])
    assert "data-question" in tablet.press("/kiosk/rueckgaengig").html


@pytest.mark.parametrize("command", ["undo", "language", "large"])
def test_so_does_a_command_card(tablet: Tablet, command: str) -> None:
    borrow(tablet)
    tablet.scan(tablet.cards[1])
    tablet.scan(tablet.copies[1])
    tablet.scan(tablet.copies[0])
    answer = tablet.scan(command_code(command))
    assert "data-question" in answer.html
    assert "ist zurückgegeben" not in answer.text
    assert (tablet.copies[0], 2) in tablet.open_loans()
    tablet.scan(command_code("done"))
    assert (tablet.copies[0], 2) not in tablet.open_loans()


def test_fertig_empties_the_basket(tablet: Tablet) -> None:
    tablet.scan(tablet.copies[0])
    tablet.scan(command_code("done"))
    assert tablet.scan(tablet.cards[0]).kind == "card"


def test_what_somebody_else_took_from_the_basket_is_left_out(tablet: Tablet) -> None:
    tablet.scan(tablet.copies[0])
    tablet.scan(tablet.copies[1])
    with tablet.library.database.writing() as db:
        make.loan(db, db.scalars(select(Copy).where(Copy.code == tablet.copies[0])).one())
    lent = tablet.scan(tablet.cards[0])
    assert lent.kind == "lent"
    assert "Buch Nummer 0" not in lent.text
    assert len(tablet.open_loans()) == 2


def borrow(tablet: Tablet, card: int = 0) -> None:
    tablet.scan(tablet.cards[card])
    assert tablet.scan(tablet.copies[0]).kind == "lent"
    tablet.press("/kiosk/fertig")


# ---- Undo ----


def test_a_loan_is_undone(tablet: Tablet) -> None:
    tablet.scan(tablet.cards[0])
    lent = tablet.scan(tablet.copies[0])
    assert "Rückgängig" in lent.text
    undone = tablet.press("/kiosk/rueckgaengig")
    assert (undone.result, "Buch Nummer 0" in undone.text) == ("ok", True)
    assert tablet.open_loans() == []
    with tablet.library.database.reading() as db:
        assert db.scalars(select(Loan.ended_as)).all() == ["undone"]


def test_a_whole_basket_is_undone_by_the_card(tablet: Tablet) -> None:
    tablet.scan(tablet.copies[0])
    tablet.scan(tablet.copies[1])
    tablet.scan(tablet.cards[0])
    assert tablet.scan(UNDO).result == "ok"
    assert tablet.open_loans() == []
    assert (tablet.scan(UNDO.lower()).result, tablet.open_loans()) == ("ok", [])  # the same card within three seconds
    tablet.wait(4)
    assert "Nichts rückgängig zu machen" in tablet.scan(UNDO).text


def test_a_return_is_undone_and_says_nothing_about_whose_it_is(tablet: Tablet) -> None:
    borrow(tablet)
    tablet.scan(tablet.copies[0])
    tablet.wait(29)
    undone = tablet.scan(UNDO)
    assert undone.result == "ok"
    assert not any(name in undone.html for name in NAMES)
    assert tablet.open_loans() == [(tablet.copies[0], 2)]


def test_a_return_can_be_undone_after_a_reload_also_while_a_basket_waits(tablet: Tablet) -> None:
    borrow(tablet)
    tablet.press("/kiosk/fertig")
    tablet.scan(tablet.copies[1])
    assert tablet.scan(tablet.copies[0]).kind == "returned"
    loaded = tablet.look()
    assert (loaded.kind, loaded.html.count("data-undo=")) == ("basket", 1)
    tablet.press("/kiosk/rueckgaengig")
    assert tablet.open_loans() == [(tablet.copies[0], 2)]
    assert tablet.look().html.count("data-undo=") == 0


def test_the_next_card_undoes_nothing_of_the_one_before(tablet: Tablet) -> None:
    borrow(tablet)
    tablet.scan(tablet.cards[1])
    assert "/kiosk/rueckgaengig" not in tablet.look().html
    undone = tablet.scan(UNDO)
    assert (undone.result, "Buch Nummer 0" in undone.text) == ("look", False)
    assert tablet.open_loans() == [(tablet.copies[0], 2)]


def test_ones_own_card_may_come_before_the_undoing(tablet: Tablet) -> None:
    borrow(tablet)
    tablet.scan(tablet.cards[0])
    assert tablet.scan(UNDO).result == "ok"
    assert tablet.open_loans() == []


def test_but_not_after_thirty_seconds(tablet: Tablet) -> None:
    borrow(tablet)
    tablet.scan(tablet.copies[0])
    tablet.wait(30)
    assert tablet.scan(UNDO).result == "look"
    assert tablet.open_loans() == []


def test_taking_along_is_undone(tablet: Tablet) -> None:
    borrow(tablet)
    tablet.scan(tablet.cards[1])
    asked = tablet.scan(tablet.copies[0])
    fields = tablet.button(asked, "/kiosk/mitnehmen")
    assert tablet.press("/kiosk/mitnehmen", **fields).kind == "lent"
    assert tablet.open_loans() == [(tablet.copies[0], 3)]
    assert tablet.scan(UNDO).result == "ok"
    assert tablet.open_loans() == [(tablet.copies[0], 2)]
    with tablet.library.database.reading() as db:
        assert db.scalars(select(Notice)).all() == []


def test_whoever_waited_for_what_they_took_along_waits_again_when_it_is_undone(tablet: Tablet) -> None:
    borrow(tablet)
    wait_for_first(tablet)
    tablet.scan(tablet.cards[1])
    asked = tablet.scan(tablet.copies[0])
    tablet.press("/kiosk/mitnehmen", **tablet.button(asked, "/kiosk/mitnehmen"))
    assert tablet.scan(UNDO).result == "ok"
    with tablet.library.database.reading() as db:
        waiting = select(Hold.member_id, Hold.copy_id).where(Hold.ended_at.is_(None))
        assert [tuple(row) for row in db.execute(waiting)] == [(3, None)]
        assert db.scalars(select(Notice)).all() == []


def test_a_late_undo_undoes_nothing_of_somebody_else(tablet: Tablet) -> None:
    borrow(tablet)
    tablet.scan(tablet.copies[0])
    with tablet.library.database.writing() as db:
        copy = db.scalars(select(Copy).where(Copy.code == tablet.copies[0])).one()
        make.loan(db, copy, now=tablet.library.clock())
    assert tablet.scan(UNDO).result == "look"
    assert len(tablet.open_loans()) == 1


# ---- One's own book ----


def test_ones_own_book_is_renewed(tablet: Tablet) -> None:
    borrow(tablet)
    tablet.library.clock.pass_time(days=10)
    tablet.scan(tablet.cards[0])
    own = tablet.scan(tablet.copies[0])
    assert (own.result, own.kind) == ("look", "own")
    fields = tablet.button(own, "/kiosk/verlaengern")
    renewed = tablet.press("/kiosk/verlaengern", **fields)
    assert (renewed.result, renewed.kind) == ("ok", "renewed")
    assert "31. Dez" in renewed.text
    assert tablet.scan(UNDO).result == "ok"
    with tablet.library.database.reading() as db:
        assert db.scalars(select(Loan.due_on)).one() == make.TODAY + timedelta(days=28)


def test_or_the_reason_is_said(tablet: Tablet) -> None:
    borrow(tablet)
    wait_for_first(tablet)
    tablet.library.clock.pass_time(days=10)
    tablet.scan(tablet.cards[0])
    own = tablet.scan(tablet.copies[0])
    assert "jemand wartet" in own.text
    assert "/kiosk/verlaengern" not in own.html


# ---- Holds, notes and states ----


@pytest.mark.parametrize("waits", [True, False])
def test_what_the_next_scan_gives_back_goes_to_the_pick_up_shelf_when_somebody_waits(
    tablet: Tablet, waits: bool
) -> None:
    borrow(tablet)
    if waits:
        wait_for_first(tablet, 1)
    tablet.scan(tablet.cards[1])
    assert tablet.scan(tablet.copies[0]).kind == "other"
    following = tablet.scan(tablet.copies[1])
    assert "„Buch Nummer 0“ ist zurückgegeben." in following.text
    assert ("Abholfach" in following.text) == waits
    assert not any(name in following.html for name in NAMES[:1])


def test_what_the_end_gives_back_goes_to_the_pick_up_shelf_when_somebody_waits(tablet: Tablet) -> None:
    borrow(tablet)
    wait_for_first(tablet, 1)
    tablet.scan(tablet.cards[1])
    assert tablet.scan(tablet.copies[0]).kind == "other"
    ended = tablet.press("/kiosk/fertig")
    assert (ended.kind, "Abholfach" in ended.text) == ("returned", True)


def test_what_somebody_waits_for_goes_to_the_pick_up_shelf(tablet: Tablet) -> None:
    borrow(tablet)
    wait_for_first(tablet)
    back = tablet.scan(tablet.copies[0])
    assert (back.result, back.kind) == ("ok", "returned")
    assert "Abholfach" in back.text
    assert not any(name in back.html for name in NAMES)
    tablet.wait(40)
    greeted = tablet.scan(tablet.cards[1])
    assert "1 Buch liegt für dich bereit" in greeted.text
    assert tablet.scan(tablet.copies[0]).kind == "lent"


def test_a_note_is_said_and_a_flag_put_up(tablet: Tablet) -> None:
    wait_for_first(tablet)
    tablet.scan(tablet.cards[0])
    lent = tablet.scan(tablet.copies[0])
    assert (lent.result, lent.kind) == ("ok", "lent")
    assert "wartet jemand" in lent.text
    with tablet.library.database.reading() as db:
        assert db.scalars(select(Flag.kind)).all() == ["passed_over"]


def test_over_the_limit_is_said_of_a_basket_too(tablet: Tablet) -> None:
    with tablet.library.database.writing() as db:
        db.execute(update(Settings).values(loan_limit=1))
    for copy in tablet.copies[:2]:
        tablet.scan(copy)
    assert "mehr Bücher, als vorgesehen" in tablet.scan(tablet.cards[0]).text
    assert len(tablet.open_loans()) == 2


def test_any_scan_finds_what_was_missing(tablet: Tablet) -> None:
    with tablet.library.database.writing() as db:
        db.execute(update(Copy).values(state="missing"))
    tablet.scan(tablet.copies[0])
    with tablet.library.database.reading() as db:
        copy = db.scalars(select(Copy).where(Copy.code == tablet.copies[0])).one()
        assert (copy.state, copy.seen_at) == ("active", tablet.library.clock())


def test_what_is_in_repair_goes_to_the_librarians(tablet: Tablet) -> None:
    borrow(tablet)
    with tablet.library.database.writing() as db:
        db.execute(update(Copy).values(state="repair"))
    assert "der Betreuung hin" in tablet.scan(tablet.copies[0]).text


def wait_for_first(tablet: Tablet, member_id: int = 3) -> None:
    with tablet.library.database.writing() as db:
        copy = db.scalars(select(Copy).where(Copy.code == tablet.copies[0])).one()
        holds.place(db, copy.title_id, member_id, tablet.library.clock(), make.TODAY)


# ---- Commands ----


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_is_read_however_it_is_typed(name: str) -> None:
    code = command_code(name)
    assert all(read(text).value == name for text in (code, code.lower(), f" {code} ", f"]Q3{code}"))
    assert read(code[:-1] + ("0" if code[-1] != "0" else "1")).kind != "command"


@pytest.mark.parametrize("word", ["Karla", "Krimi", "KAREN", "Kafka", "K1234"])
def test_words_with_a_k_are_no_commands(word: str) -> None:
    assert read(word).kind == "unknown"


def test_the_language_card_changes_the_page(tablet: Tablet) -> None:
    assert "data-reload" in tablet.scan(command_code("language")).html
    assert "Hier scannen" not in text_of(tablet.client.get("/kiosk").text)
    tablet.wait(4)
    tablet.scan(command_code("done"))
    assert "Hier scannen" in text_of(tablet.client.get("/kiosk").text)


@pytest.mark.parametrize(("command", "mark"), [("language", 'lang="en"'), ("large", "kiosk--large")])
def test_a_command_card_that_is_read_twice_is_obeyed_once(tablet: Tablet, command: str, mark: str) -> None:
    for number in ("a", "b"):
        tablet.scan(command_code(command), number)
    assert mark in tablet.client.get("/kiosk").text


def test_the_card_for_large_letters_lasts_for_the_session(tablet: Tablet) -> None:
    tablet.scan(command_code("large"))
    assert "kiosk--large" in tablet.client.get("/kiosk").text
    tablet.press("/kiosk/fertig")
    assert "kiosk--large" not in tablet.client.get("/kiosk").text


def test_a_place_for_returns_takes_no_card(tablet: Tablet) -> None:
    borrow(tablet)
    with tablet.library.database.writing() as db:
        db.execute(update(Device).values(only_returns=True))
    assert "Nur Rückgabe" in tablet.scan(tablet.cards[0]).text
    assert tablet.scan(tablet.copies[0]).kind == "returned"
    assert tablet.scan(tablet.copies[1]).kind == "copy"
    assert tablet.open_loans() == []


def test_a_basket_asks_as_often_for_three_books_as_for_two(tablet: Tablet) -> None:
    counts = []
    for copy in tablet.copies[:3]:
        with statements() as asked:
            tablet.scan(copy)
        counts.append(len(asked))
    assert counts[1] == counts[2]


def test_undoing_a_loan_that_passed_somebody_over_takes_back_what_they_were_to_be_told(tablet: Tablet) -> None:
    with tablet.library.database.writing() as db:
        title_id = db.scalar(select(Copy.title_id).where(Copy.code == tablet.copies[0]))
        assert title_id
        holds.place(db, title_id, 3, tablet.library.clock(), tablet.library.clock().date())
    borrow(tablet)
    with tablet.library.database.reading() as db:
        assert db.scalars(select(Notice.kind)).all() == ["hold_moved"]
    assert tablet.scan(UNDO).result == "ok"
    with tablet.library.database.reading() as db:
        assert db.scalars(select(Notice.kind)).all() == ["hold_ready"]
