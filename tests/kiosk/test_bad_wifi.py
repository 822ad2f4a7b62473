"""Bad Wi-Fi: what is sent again is done once, and what arrives late counts for whoever stood there."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import func, select

from bibliothek.kiosk import actions, rules
from bibliothek.kiosk.models import Device, GivenAnswer
from bibliothek.lending.models import Loan
from tests import make
from tests.kiosk.conftest import NAMES, Said, Tablet


def pass_with_rounds(tablet: Tablet, **span: float) -> None:
    """Let time pass, a round of the server every minute of it."""
    left = timedelta(**span)
    while left:
        step = min(left, timedelta(minutes=1)) if left < timedelta(hours=1) else min(left, timedelta(hours=1))
        tablet.wait(step.total_seconds())
        with tablet.library.database.writing() as db:
            actions.forget_sessions(db, tablet.library.clock(), make.TODAY)
        left -= step


def late(tablet: Tablet, text: str, seconds: float) -> Said:
    return tablet.press("/kiosk", scan=text, nummer=f"{text}{seconds}", alter=str(int(seconds * 1000)))


def device_of(tablet: Tablet) -> Device:
    with tablet.library.database.reading() as db:
        return db.scalars(select(Device)).one()


def count_loans(tablet: Tablet) -> int:
    with tablet.library.database.reading() as db:
        return db.scalar(select(func.count()).select_from(Loan)) or 0


# ---- Sent again ----


@pytest.mark.parametrize("span", [{"seconds": 40}, {"seconds": 95}, {"minutes": 10}, {"hours": 23}])
def test_a_loan_whose_answer_got_lost_is_not_returned_when_it_is_sent_again(
    tablet: Tablet, span: dict[str, float]
) -> None:
    tablet.scan(tablet.cards[0])
    assert tablet.scan(tablet.copies[0], number="n2").kind == "lent"
    pass_with_rounds(tablet, **span)
    again = tablet.scan(tablet.copies[0], number="n2")
    assert again.kind == "lent"
    assert not any(name in again.html for name in NAMES)
    assert tablet.open_loans() == [(tablet.copies[0], 2)]


def test_a_return_whose_answer_got_lost_is_a_return_when_it_is_sent_again(tablet: Tablet) -> None:
    tablet.scan(tablet.cards[0])
    tablet.scan(tablet.copies[0])
    tablet.press("/kiosk/fertig")
    assert tablet.scan(tablet.copies[0], number="n3").kind == "returned"
    tablet.scan(tablet.cards[1], number="n4")
    pass_with_rounds(tablet, seconds=95)
    assert tablet.scan(tablet.copies[0], number="n3").kind == "returned"
    assert tablet.open_loans() == []


def test_an_older_scan_sent_again_is_known_too(tablet: Tablet) -> None:
    tablet.scan(tablet.cards[0], number="n1")
    kinds = [tablet.scan(tablet.copies[n], number=f"c{n}").kind for n in range(3)]
    tablet.press("/kiosk/fertig")
    pass_with_rounds(tablet, minutes=3)
    assert [tablet.scan(tablet.copies[n], number=f"c{n}").kind for n in range(3)] == kinds == ["lent"] * 3
    assert len(tablet.open_loans()) == 3


def test_the_numbers_of_one_tablet_are_not_those_of_another(tablet: Tablet) -> None:
    tablet.scan(tablet.cards[0])
    assert tablet.scan(tablet.copies[0], number="n2").kind == "lent"
    with tablet.library.client() as other:
        second = Tablet(other.be_tablet("Küche"), tablet.library, tablet.copies, tablet.cards, tablet.isbn)
        assert second.scan(tablet.copies[0], number="n2").kind == "returned"


def test_a_scan_that_a_quick_scanner_made_twice_is_answered_alike_later(tablet: Tablet) -> None:
    tablet.scan(tablet.cards[0])
    tablet.scan(tablet.copies[0])
    tablet.press("/kiosk/fertig")
    assert [tablet.scan(tablet.copies[0], number=number).kind for number in ("a", "b")] == ["returned"] * 2
    tablet.wait(20)
    assert [tablet.scan(tablet.copies[0], number=number).kind for number in ("a", "b")] == ["returned"] * 2


def test_a_press_whose_answer_got_lost_is_answered_alike_after_the_session(tablet: Tablet) -> None:
    tablet.scan(tablet.cards[0])
    tablet.scan(tablet.copies[0])
    tablet.scan(tablet.cards[1])
    fields = tablet.button(tablet.scan(tablet.copies[0]), "/kiosk/mitnehmen")
    tablet.wait(4)
    assert tablet.press("/kiosk/mitnehmen", nummer="p1", **fields).kind == "lent"
    pass_with_rounds(tablet, minutes=5)
    assert tablet.press("/kiosk/mitnehmen", nummer="p1", **fields).kind == "lent"
    assert count_loans(tablet) == 2


def test_answers_are_forgotten_after_a_day_and_name_nobody(tablet: Tablet) -> None:
    tablet.scan(tablet.cards[0], number="n1")
    tablet.scan(tablet.copies[0], number="n2")
    with tablet.library.database.reading() as db:
        kept = db.scalars(select(GivenAnswer)).all()
    assert len(kept) == 2
    assert not any(name in answer.answer for name in NAMES for answer in kept)
    assert not any(tablet.cards[0] in answer.answer for answer in kept)
    pass_with_rounds(tablet, hours=25)
    with tablet.library.database.reading() as db:
        assert db.scalars(select(GivenAnswer)).all() == []


def test_a_question_that_was_settled_meanwhile_says_so_when_it_is_asked_again(tablet: Tablet) -> None:
    tablet.scan(tablet.cards[0])
    tablet.scan(tablet.copies[0])
    tablet.scan(tablet.cards[1])
    assert tablet.scan(tablet.copies[0], number="q").kind == "other"
    pass_with_rounds(tablet, minutes=2)
    again = tablet.scan(tablet.copies[0], number="q")
    assert again.kind == "other"
    assert "Ohne Antwort gilt es als zurückgegeben." in again.text
    assert tablet.open_loans() == []


# ---- Arriving late ----


def test_a_book_scanned_in_time_is_lent_though_it_arrives_late(tablet: Tablet) -> None:
    tablet.scan(tablet.cards[0])
    pass_with_rounds(tablet, seconds=100)
    first, second = late(tablet, tablet.copies[0], 90), late(tablet, tablet.copies[1], 65)
    assert (first.kind, second.kind) == ("lent", "lent")
    assert not any(name in first.html + second.html for name in NAMES)
    assert [copy for copy, _member in tablet.open_loans()] == sorted(tablet.copies[:2])


def test_a_card_and_a_book_scanned_in_a_gap_make_a_loan(tablet: Tablet) -> None:
    pass_with_rounds(tablet, minutes=10)
    card, book = late(tablet, tablet.cards[0], 400), late(tablet, tablet.copies[0], 395)
    assert (card.kind, book.kind) == ("card", "lent")
    assert not any(name in card.html + book.html for name in NAMES)


def test_a_card_that_arrives_late_asks_for_the_card_again(tablet: Tablet) -> None:
    card = late(tablet, tablet.cards[0], 45)
    assert (card.result, card.kind) == ("look", "card")
    assert "Scanne deine Karte noch einmal." in card.text
    assert tablet.scan(tablet.copies[0]).kind == "basket"


@pytest.mark.parametrize("on_loan", [False, True])
def test_a_book_that_arrives_too_late_is_said_to_be_late_and_nothing_is_done(tablet: Tablet, on_loan: bool) -> None:
    tablet.scan(tablet.cards[0])
    if on_loan:
        tablet.scan(tablet.copies[0])
    before = tablet.open_loans()
    pass_with_rounds(tablet, minutes=5)
    for _time in range(2):
        answer = late(tablet, tablet.copies[0], 4 * 60 + 50)
        assert (answer.result, answer.kind) == ("look", "late")
        assert "Scanne deine Karte noch einmal" in answer.text
        tablet.wait(4)
    assert tablet.open_loans() == before


def test_a_return_scanned_without_a_card_is_done_however_late_it_arrives(tablet: Tablet) -> None:
    tablet.scan(tablet.cards[0])
    tablet.scan(tablet.copies[0])
    pass_with_rounds(tablet, minutes=30)
    assert late(tablet, tablet.copies[0], 20 * 60).kind == "returned"
    assert tablet.open_loans() == []


def test_after_fertig_nothing_late_counts_for_whoever_was_here(tablet: Tablet) -> None:
    tablet.scan(tablet.cards[0])
    tablet.press("/kiosk/fertig")
    assert late(tablet, tablet.copies[0], 1).kind == "basket"
    assert tablet.open_loans() == []


def test_a_book_scanned_just_now_is_not_lent_to_whoever_was_here_a_minute_ago(tablet: Tablet) -> None:
    tablet.scan(tablet.cards[0])
    pass_with_rounds(tablet, seconds=60)
    assert tablet.scan(tablet.copies[0]).kind == "basket"


def test_a_touch_that_arrives_late_keeps_the_session(tablet: Tablet) -> None:
    tablet.scan(tablet.cards[0])
    tablet.wait(40)
    assert NAMES[0] in tablet.press("/kiosk/weiter", alter="15000").text


def test_a_press_that_arrives_late_takes_the_book_along(tablet: Tablet) -> None:
    tablet.scan(tablet.cards[0])
    tablet.scan(tablet.copies[0])
    tablet.scan(tablet.cards[1])
    fields = tablet.button(tablet.scan(tablet.copies[0]), "/kiosk/mitnehmen")
    pass_with_rounds(tablet, seconds=60)
    assert tablet.press("/kiosk/mitnehmen", alter="50000", **fields).kind == "lent"
    assert tablet.open_loans() == [(tablet.copies[0], 3)]


def test_an_undoing_that_arrives_late_is_done_and_leaves_the_session_to_what_was_scanned_after_it(
    tablet: Tablet,
) -> None:
    tablet.scan(tablet.cards[0])
    tablet.scan(tablet.copies[0])
    tablet.wait(60)
    assert "Rückgängig gemacht" in tablet.press("/kiosk/rueckgaengig", alter="55000").text
    assert late(tablet, tablet.copies[1], 50).kind == "lent"
    assert tablet.open_loans() == [(tablet.copies[1], 2)]


def test_a_return_that_arrives_after_the_book_was_taken_along_says_that_it_is_lent(tablet: Tablet) -> None:
    tablet.scan(tablet.cards[0])
    tablet.scan(tablet.copies[0])
    tablet.scan(tablet.cards[1])
    asked = tablet.scan(tablet.copies[0])
    take_along, bring_back = (tablet.button(asked, path) for path in ("/kiosk/mitnehmen", "/kiosk/zurueck"))
    pass_with_rounds(tablet, seconds=40)
    assert tablet.open_loans() == []
    assert tablet.press("/kiosk/mitnehmen", alter="35000", **take_along).kind == "lent"
    for _again in range(2):
        back = tablet.press("/kiosk/zurueck", alter="35000", **bring_back)
        assert (back.result, back.kind) == ("look", "copy")
    assert tablet.open_loans() == [(tablet.copies[0], 3)]


@pytest.mark.parametrize("text", ["", "-1", "1.5", "x", "²", "٣"])
def test_what_is_no_age_is_none(text: str) -> None:
    assert rules.age_of(text) == timedelta(0)


def test_no_page_can_claim_to_be_older_than_a_day() -> None:
    assert rules.age_of("9" * 400) == timedelta(days=1)
    assert rules.age_of("1500") == timedelta(seconds=1.5)


# ---- Forgetting ----


def test_who_stood_there_is_forgotten_once_nothing_can_arrive_in_time(tablet: Tablet) -> None:
    tablet.scan(tablet.cards[0])
    pass_with_rounds(tablet, minutes=2)
    assert device_of(tablet).member_id == 2
    assert not any(name in tablet.look().html for name in NAMES)
    pass_with_rounds(tablet, minutes=1)
    device = device_of(tablet)
    assert (device.member_id, device.last_scan) == (None, None)


def test_a_scan_without_a_card_is_forgotten_too(tablet: Tablet) -> None:
    tablet.scan(tablet.copies[0])
    assert device_of(tablet).last_scan is not None
    pass_with_rounds(tablet, minutes=1)
    assert device_of(tablet).last_scan is None
