"""Two at once at one tablet: presses, a scan while somebody is erased, a button while the tablet is revoked."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Event
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from bibliothek.copies.models import Copy
from bibliothek.kiosk import actions, queries
from bibliothek.kiosk.models import Device
from bibliothek.labels.actions import print_labels
from bibliothek.lending import actions as lending
from bibliothek.lending.models import Loan
from bibliothek.members.models import Member
from tests import make
from tests.client import Client
from tests.conftest import NOON, Library
from tests.kiosk.test_tablets import once_of
from tests.race import until_another_waits

LATER = NOON + timedelta(seconds=5)


@pytest.fixture
def librarian(both: Library) -> Member:
    with both.database.writing() as db:
        make.admin(db)
        return make.member(db, role="librarian")


def while_a_scan_runs(library: Library, scan: Callable[[Session], Any], other: Callable[[], Any]) -> tuple[Any, Any]:
    """What both answered: `other` begins when the scan has locked its tablet, and the scan goes on when `other` waits."""
    begun = Event()

    def slowly() -> Any:
        with library.database.writing() as db:
            queries.device_for_change(db, 1)
            begun.set()
            until_another_waits(library.database)
            return scan(db)

    def meanwhile() -> Any:
        begun.wait(5)
        return other()

    with ThreadPoolExecutor(2) as pool:
        first, second = pool.submit(slowly), pool.submit(meanwhile)
        return first.result(), second.result()


def test_pressing_twice_at_once_makes_one_tablet(
    both: Library, librarian: Member, monkeypatch: pytest.MonkeyPatch
) -> None:
    enrol = actions.enrol

    def slowly(*given: Any) -> str:
        until_another_waits(both.database)
        return enrol(*given)

    monkeypatch.setattr(actions, "enrol", slowly)
    with both.client() as client:
        client.sign_in(librarian)
        session = dict(client.cookies)
        once = once_of(client.get("/kiosk").text)

        def press(_number: int) -> tuple[int, str]:
            with both.client() as browser:
                browser.cookies.update(session)
                answer = browser.submit("/verwaltung/tablet", False, name="Eingang", once=once)
                return answer.status_code, browser.cookies["tablet"]

        with ThreadPoolExecutor(2) as pool:
            answers = list(pool.map(press, range(2)))
    assert answers[0] == answers[1]
    assert answers[0][0] == 303
    with both.database.reading() as db:
        assert len(db.scalars(select(Device)).all()) == 1


def at_the_tablet(library: Library) -> tuple[int, str]:
    """The number of a member who stands at tablet 1, and the code of a copy that is here."""
    with library.database.writing() as db:
        member = make.member(db)
        copy = make.copy(db).code
        actions.enrol(db, "Eingang", NOON)
        actions.scan(db, 1, make.card(db, member), "", NOON, make.TODAY)
        return member.id, copy


def erase(client: Client, member_id: int) -> int:
    return int(client.submit(f"/verwaltung/mitglieder/{member_id}/loeschen", False).status_code)


def test_whoever_borrows_while_being_erased_stays(both: Library, librarian: Member) -> None:
    member_id, copy = at_the_tablet(both)
    with both.client() as client:
        client.sign_in(librarian)
        answer, status = while_a_scan_runs(
            both,
            lambda db: actions.scan(db, 1, copy, "", LATER, make.TODAY),
            lambda: erase(client, member_id),
        )
    assert (answer.kind, status) == ("lent", 409)


def test_a_program_may_erase_while_somebody_borrows(both: Library, librarian: Member) -> None:
    member_id, copy = at_the_tablet(both)
    with both.client() as client:
        client.with_token()
        answer, status = while_a_scan_runs(
            both,
            lambda db: actions.scan(db, 1, copy, "", LATER, make.TODAY),
            lambda: client.delete(f"/api/v1/members/{member_id}").status_code,
        )
    assert (answer.kind, status) == ("lent", 409)


def test_whoever_is_erased_is_at_no_tablet(both: Library, librarian: Member) -> None:
    member_id, copy = at_the_tablet(both)
    with both.client() as client:
        client.sign_in(librarian)
        assert erase(client, member_id) == 303
    with both.database.writing() as db:
        device = db.get_one(Device, 1)
        assert (device.member_id, device.member_until, device.last_scan) == (None, None, None)
        assert actions.scan(db, 1, copy, "", LATER, make.TODAY).kind == "basket"


def test_somebody_who_could_not_be_erased_is_still_at_the_tablet(both: Library, librarian: Member) -> None:
    member_id, copy = at_the_tablet(both)
    with both.database.writing() as db:
        actions.scan(db, 1, copy, "", LATER, make.TODAY)
    with both.client() as client:
        client.sign_in(librarian)
        assert erase(client, member_id) == 409
    with both.database.reading() as db:
        assert db.get_one(Device, 1).member_id == member_id


def while_books_are_given_back(
    library: Library, monkeypatch: pytest.MonkeyPatch, one: Callable[[Session], Any], other: Callable[[], Any]
) -> tuple[Any, Any]:
    """What both answered: `other` begins when `one` has given back a first book, and `one` goes on when `other` waits."""
    begun, give_back = Event(), lending.give_back

    def slowly(*given: Any) -> Any:
        back = give_back(*given)
        if not begun.is_set():
            begun.set()
            until_another_waits(library.database)
        return back

    def first() -> Any:
        with library.database.writing() as db:
            return one(db)

    def second() -> Any:
        begun.wait(5)
        return other()

    monkeypatch.setattr(lending, "give_back", slowly)
    with ThreadPoolExecutor(2) as pool:
        answers = pool.submit(first), pool.submit(second)
        return answers[0].result(), answers[1].result()


def asks_about(db: Session, device_id: int, copy: Copy) -> None:
    """Tablet `device_id`, before which somebody stands, asks about `copy`, which somebody else has."""
    make.loan(db, copy)
    actions.scan(db, device_id, make.card(db), "", NOON, make.TODAY)
    assert actions.scan(db, device_id, copy.code, "", NOON, make.TODAY).kind == "other"


def test_a_scan_that_answers_a_question_and_the_printing_of_labels_do_not_block_each_other(
    both: Library, librarian: Member, monkeypatch: pytest.MonkeyPatch
) -> None:
    with both.database.writing() as db:
        here, asked = make.copy(db), make.copy(db, title="Zurück")
        actions.enrol(db, "Eingang", NOON)
        asks_about(db, 1, asked)
    answer, pdf = while_books_are_given_back(
        both,
        monkeypatch,
        lambda db: actions.scan(db, 1, here.code, "", LATER, make.TODAY),
        lambda: print_labels(
            both.database, [here.code, asked.code], "L7160", 1, base_url="https://b.example.org", now=LATER
        ),
    )
    assert (answer.kind, answer.settled) == ("lent", "Zurück")
    assert pdf.startswith(b"%PDF")


def test_forgetting_what_was_left_behind_and_the_printing_of_labels_do_not_block_each_other(
    both: Library, librarian: Member, monkeypatch: pytest.MonkeyPatch
) -> None:
    with both.database.writing() as db:
        first, second = make.copy(db), make.copy(db)
        for device_id, copy in ((1, second), (2, first)):
            actions.enrol(db, "Eingang", NOON)
            asks_about(db, device_id, copy)
    _nothing, pdf = while_books_are_given_back(
        both,
        monkeypatch,
        lambda db: actions.forget_sessions(db, NOON + timedelta(hours=1), make.TODAY),
        lambda: print_labels(
            both.database, [first.code, second.code], "L7160", 1, base_url="https://b.example.org", now=LATER
        ),
    )
    assert pdf.startswith(b"%PDF")
    with both.database.reading() as db:
        assert db.scalars(select(Loan).where(Loan.returned_at.is_(None))).all() == []


def test_a_button_pressed_while_the_tablet_is_revoked_is_answered(both: Library, librarian: Member) -> None:
    at_the_tablet(both)
    with both.database.writing() as db:
        copy = make.copy(db)
        loan, code = make.loan(db, copy), copy.code
        assert actions.scan(db, 1, code, "", LATER, make.TODAY).kind == "other"
    with both.client() as client:
        client.sign_in(librarian)
        answer, status = while_a_scan_runs(
            both,
            lambda db: actions.bring_back(db, 1, code, loan.id, LATER, make.TODAY),
            lambda: client.submit("/verwaltung/tablets/1/sperren", False).status_code,
        )
    assert (answer.kind, status) == ("returned", 303)
