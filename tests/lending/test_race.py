"""Many people, one copy, at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

from sqlalchemy import select

from bibliothek.lending import actions, closures
from bibliothek.lending.models import Borrower, Loan, Renewal
from tests import make
from tests.client import Client
from tests.conftest import Library
from tests.race import until_another_waits

PEOPLE = 24


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


def test_of_24_people_who_lend_one_copy_at_once_one_gets_it(both: Library) -> None:
    with both.database.writing() as db:
        make.admin(db)
        copy = make.copy(db).code
        cards = [make.card(db) for _ in range(PEOPLE)]
    with both.client() as client:
        client.with_token()
        assert all_at_once(lambda n: lend(client, copy, cards[n])) == {201: 1, 409: PEOPLE - 1}
    with both.database.reading() as db:
        assert len(db.scalars(select(Loan)).all()) == 1
        assert len(db.scalars(select(Borrower)).all()) == 1


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


def test_a_loan_renewed_while_its_day_is_closed_keeps_the_later_date(both: Library) -> None:
    """Whoever closes the day waits for the renewal, and then finds nothing due on it any more."""
    with both.database.writing() as db:
        loan = make.loan(db)

    def close_day() -> None:
        with both.database.writing() as db:
            closures.set_days(db, [loan.due_on], False, "zu", make.NOW, make.TODAY)

    with ThreadPoolExecutor(1) as other:
        with both.database.writing() as db:
            renewed = actions.renew(db, loan.id, make.NOW, make.TODAY + timedelta(days=5))
            closing = other.submit(close_day)
            until_another_waits(both.database)
        closing.result()
    with both.database.reading() as db:
        assert db.scalars(select(Renewal.kind)).all() == ["renewal"]
        assert db.scalars(select(Loan.due_on)).all() == [renewed.due_on]
