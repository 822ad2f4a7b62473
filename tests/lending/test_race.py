"""Many people at once: one copy, or few of them and all that can be done with them."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier, Event
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from bibliothek.catalogue import merging
from bibliothek.copies.queries import copy_for_change
from bibliothek.lending import actions as lending
from bibliothek.lending import closures, holds
from bibliothek.lending.models import Borrower, Hold, Loan, Renewal
from bibliothek.library.queries import library_for_change
from bibliothek.members.actions import remove_member
from bibliothek.members.models import Member
from bibliothek.operations import verify
from tests import make
from tests.client import Client
from tests.conftest import Library
from tests.race import until_another_waits
from tests.serving import Program, serving
from tests.traffic import Book, Things, assert_done_once, assert_sound, furnish, operate

TORTURE = os.environ.get("TORTURE") == "1"
PEOPLE = 24
PROGRAMS, ROUNDS = 32, 1000 if TORTURE else 20
MANY_PROGRAMS, OPERATIONS = 64, 100_000 if TORTURE else 512


def all_at_once(do: Callable[[int], int]) -> Counter[int]:
    """What `do(0)` to `do(23)` answered, begun together."""
    start = Barrier(PEOPLE)

    def one(n: int) -> int:
        start.wait()
        return do(n)

    with ThreadPoolExecutor(PEOPLE) as threads:
        return Counter(threads.map(one, range(PEOPLE)))


def lend(client: Client, copy: str, card: str) -> int:
    return int(client.post("/api/v1/loans", json={"copy": copy, "member": card}).status_code)


def test_one_person_who_lends_one_copy_24_times_at_once_has_it_once(both: Library) -> None:
    with both.database.writing() as db:
        make.admin(db)
        copy, card = make.copy(db).code, make.card(db)
    with both.client() as client:
        client.with_token()
        assert all_at_once(lambda _n: lend(client, copy, card)) == {201: 1, 200: PEOPLE - 1}


def test_24_people_who_lend_24_copies_at_once_all_get_one(both: Library) -> None:
    with both.database.writing() as db:
        make.admin(db)
        copies = [make.copy(db).code for _ in range(PEOPLE)]
        cards = [make.card(db) for _ in range(PEOPLE)]
    with both.client() as client:
        client.with_token()
        assert all_at_once(lambda n: lend(client, copies[n], cards[n])) == {201: PEOPLE}


def test_of_24_returns_at_once_one_ends_the_loan(both: Library) -> None:
    with both.database.writing() as db:
        make.admin(db)
        copy = make.copy(db)
        make.loan(db, copy)
    with both.client() as client:
        client.with_token()

        def give_back(_n: int) -> int:
            answer = client.post("/api/v1/returns", json={"copy": copy.code})
            assert answer.status_code == 200
            return int(answer.json()["already"])

        assert all_at_once(give_back) == {0: 1, 1: PEOPLE - 1}


def test_a_tablet_that_is_scanned_at_on_two_sides_at_once_loses_nothing(both: Library) -> None:
    with both.database.writing() as db:
        make.admin(db)
        copies = [make.copy(db).code for _ in range(PEOPLE)]
        card = make.card(db)
    with both.client() as client:
        client.be_tablet()
        client.submit("/kiosk", scan=card)
        assert all_at_once(lambda n: int(client.submit("/kiosk", scan=copies[n]).status_code)) == {200: PEOPLE}
    with both.database.reading() as db:
        assert len(db.scalars(select(Borrower)).all()) == PEOPLE


def test_whoever_leaves_a_queue_and_whoever_takes_the_copy_set_aside_do_not_block_each_other(
    both: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The copy goes on to the next in line just while it is being lent to somebody else."""
    with both.database.writing() as db:
        title = make.title(db)
        here, lent = make.copy(db, title), make.copy(db, title)
        make.loan(db, lent)
        first, second = (holds.place(db, title.id, make.member(db).id, make.NOW, make.TODAY) for _ in range(2))
        other = make.member(db)
    assert (first.ready_until, second.ready_until) == (make.TODAY + timedelta(days=7), None)
    locked, left, at_loan = Event(), Event(), holds.at_loan

    def slowly(*given: Any) -> holds.AtLoan:
        locked.set()
        # On SQLite whoever leaves has to wait until we are through.
        assert both.database.is_sqlite or left.wait(5)
        return at_loan(*given)

    def take() -> None:
        with both.database.writing() as db:
            lending.lend(db, here, other, make.NOW, make.TODAY)

    def leave() -> None:
        locked.wait(5)
        with both.database.writing() as db:
            holds.cancel(db, first.id, make.NOW, make.TODAY)
        left.set()

    monkeypatch.setattr(holds, "at_loan", slowly)
    with ThreadPoolExecutor(2) as threads:
        for one in [threads.submit(take), threads.submit(leave)]:
            one.result()
    with both.database.reading() as db:
        assert db.get_one(Hold, first.id).ended_as == "cancelled"
        assert db.get_one(Hold, second.id).copy_id is None
        assert verify._kept_copies_are_here(db) == []


def test_a_loan_renewed_while_its_day_is_closed_keeps_the_later_date(both: Library) -> None:
    """Whoever closes the day waits for the renewal, and then finds nothing due on it any more."""
    with both.database.writing() as db:
        loan = make.loan(db)

    def close_day() -> None:
        with both.database.writing() as db:
            closures.set_days(db, [loan.due_on], False, "zu", make.NOW, make.TODAY)

    with ThreadPoolExecutor(1) as other:
        with both.database.writing() as db:
            renewed = lending.renew(db, loan.id, make.NOW, make.TODAY + timedelta(days=5))
            closing = other.submit(close_day)
            until_another_waits(both.database)
        closing.result()
    with both.database.reading() as db:
        assert db.scalars(select(Renewal.kind)).all() == ["renewal"]
        assert db.scalars(select(Loan.due_on)).all() == [renewed.due_on]


# ---- With a real server ----


def lend_in_rounds(port: int, things: Things, copies: list[str]) -> list[Counter[int]]:
    """What all programs were told who lent the first copy at once, then the second and so on, each to another member."""
    told: list[Counter[int]] = [Counter() for _ in copies]
    start = Barrier(PROGRAMS)

    def rounds(card: str) -> list[int]:
        program = Program(port, things.token)
        statuses = []
        for copy in copies:
            start.wait(60)
            statuses.append(program.send("POST", "/api/v1/loans", {"copy": copy, "member": card}).status)
        program.close()
        return statuses

    with ThreadPoolExecutor(PROGRAMS) as threads:
        for statuses in threads.map(rounds, things.cards):
            for counter, status in zip(told, statuses, strict=True):
                counter[status] += 1
    return told


def test_of_32_programs_that_lend_one_copy_at_once_one_gets_it(both: Library) -> None:
    things = furnish(both)
    with both.database.writing() as db:
        title = make.title(db)
        copies = [make.copy(db, title).code for _ in range(ROUNDS)]
        things.cards = [make.card(db) for _ in range(PROGRAMS)]
    with serving(both) as server:
        assert lend_in_rounds(server.port, things, copies) == [{201: 1, 409: PROGRAMS - 1}] * ROUNDS
        assert server.bugs() == []
    with both.database.reading() as db:
        assert len(db.scalars(select(Loan)).all()) == ROUNDS
        assert len(db.scalars(select(Borrower)).all()) == ROUNDS


def test_64_programs_that_do_all_they_can_with_few_books_break_nothing(both: Library) -> None:
    book = Book(furnish(both))
    with serving(both) as server, ThreadPoolExecutor(MANY_PROGRAMS) as threads:
        programs = [Program(server.port, book.things.token) for _ in range(MANY_PROGRAMS)]
        running = [threads.submit(operate, book, program, OPERATIONS // MANY_PROGRAMS) for program in programs]
        for one in running:
            one.result()
        assert server.bugs() == []
    assert_sound(both)
    assert_done_once(both, book.so_far())


def one_waits_for_the_other(
    both: Library,
    lock: Callable[[Session], object],
    go_on: Callable[[Session], object],
    other: Callable[[Session], object],
) -> None:
    """Lock something, let another transaction do `other`, and go on as soon as that waits: neither is to wait for ever."""

    def meanwhile() -> None:
        with both.database.writing() as db:
            other(db)

    with ThreadPoolExecutor(1) as threads:
        with both.database.writing() as db:
            lock(db)
            waiting = threads.submit(meanwhile)
            until_another_waits(both.database)
            go_on(db)
        waiting.result(timeout=30)


def test_who_is_erased_while_the_calendar_changes_leaves_their_queue(both: Library) -> None:
    with both.database.writing() as db:
        make.admin(db)
        title_id, member_id = make.copy(db).title_id, make.member(db).id
        holds.place(db, title_id, member_id, make.NOW, make.TODAY)

    def erase(db: Session) -> None:
        lending.leave(db, member_id, make.NOW, make.TODAY)
        remove_member(db, member_id, make.NOW)

    one_waits_for_the_other(both, library_for_change, lambda db: holds.queue_of(db, title_id), erase)
    with both.database.reading() as db:
        assert db.get(Member, member_id) is None


def test_a_book_comes_back_while_its_title_becomes_part_of_another(both: Library) -> None:
    with both.database.writing() as db:
        make.admin(db)
        kept_id, copy = make.title(db).id, make.copy(db)
        gone_id = copy.title_id
        make.loan(db, copy)
        placed = holds.place(db, gone_id, make.member(db).id, make.NOW, make.TODAY)

    def merge(db: Session) -> None:
        holds.join_queues(db, kept_id, gone_id, make.NOW, make.TODAY)
        merging.merge(db, kept_id, gone_id, make.NOW)

    one_waits_for_the_other(
        both,
        lambda db: copy_for_change(db, copy.code),
        lambda db: lending.give_back(db, copy, make.NOW, make.TODAY),
        merge,
    )
    with both.database.reading() as db:
        hold = db.get_one(Hold, placed.id)
        assert (hold.title_id, hold.copy_id) == (kept_id, copy.id)
