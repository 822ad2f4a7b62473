"""The line of writers on SQLite: many with one commit, and each of them as if it had been alone."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import event, select, text
from sqlalchemy.exc import OperationalError

from bibliothek.copies.actions import add_shelf
from bibliothek.copies.models import Shelf
from bibliothek.problems import Problem
from bibliothek.web import line
from bibliothek.web.line import Line, Outcome
from tests import make
from tests.conftest import Library


@pytest.fixture(autouse=True)
def _no_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a busy machine a shelf may take longer than there is time for many of them."""
    monkeypatch.setattr(line, "LONGEST_TOGETHER", 5.0)


def adds(library: Library, name: str) -> Callable[[], str]:
    def work() -> str:
        with library.database.writing() as db:
            add_shelf(db, name, library.clock())
        return name

    return work


def refuses(library: Library, name: str) -> Callable[[], str]:
    def work() -> str:
        with library.database.writing() as db:
            add_shelf(db, name, library.clock())
            db.flush()
            raise Problem("Nein.")

    return work


def shelves(library: Library) -> set[str]:
    with library.database.reading() as db:
        return set(db.scalars(select(Shelf.name)))


def commits(library: Library) -> list[object]:
    seen: list[object] = []
    event.listen(library.database.engine, "commit", seen.append)
    return seen


def done(library: Library, works: list[Callable[[], object]], seconds: float = 5) -> list[object]:
    """What those get, or what kind of error, who come at the same time."""
    waiting = Line()

    async def all_at_once() -> list[object]:
        turns = [waiting.stand(library.database, work) for work in works]
        return await asyncio.wait_for(asyncio.gather(*turns, return_exceptions=True), seconds)

    return [type(answer) if isinstance(answer, BaseException) else answer for answer in asyncio.run(all_at_once())]


def test_many_write_with_one_commit(library: Library) -> None:
    seen = commits(library)
    assert done(library, [adds(library, name) for name in "ABC"]) == ["A", "B", "C"]
    assert shelves(library) == {"A", "B", "C"}
    assert len(seen) == 1


def test_what_one_is_refused_undoes_nothing_of_the_others(library: Library) -> None:
    works = [adds(library, "A"), refuses(library, "B"), adds(library, "C")]
    assert done(library, works) == ["A", Problem, "C"]
    assert shelves(library) == {"A", "C"}


def test_a_fault_of_one_is_its_own(library: Library) -> None:
    def breaks() -> None:
        with library.database.writing() as db:
            add_shelf(db, "B", library.clock())
            db.execute(text("INSERT INTO nowhere VALUES (1)"))

    works = [adds(library, "A"), breaks, adds(library, "C")]
    assert done(library, works) == ["A", OperationalError, "C"]
    assert shelves(library) == {"A", "C"}


def test_a_transaction_that_sqlite_gave_up_takes_nobody_along(library: Library) -> None:
    """When the disk is full SQLite rolls back all that was written so far, not only the statement."""

    def gives_up() -> None:
        with library.database.writing() as db:
            db.connection().exec_driver_sql("ROLLBACK")
            raise OperationalError("INSERT", None, Exception("database or disk is full"))

    works = [adds(library, "A"), gives_up, adds(library, "C")]
    assert done(library, works) == ["A", OperationalError, "C"]
    assert shelves(library) == {"A", "C"}


def test_a_full_disk_is_said_to_whom_it_concerns(library: Library) -> None:
    def large() -> None:
        with library.database.writing() as db:
            db.execute(text("UPDATE library SET name = :name"), {"name": "x" * 3_000_000})

    with library.database.writing() as db:
        make.admin(db)
    with library.database.engine.connect() as connection:
        connection.exec_driver_sql("COMMIT")
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        connection.exec_driver_sql(f"PRAGMA max_page_count={pages + 50}")
    assert done(library, [adds(library, "A"), large, adds(library, "C")]) == ["A", OperationalError, "C"]
    assert shelves(library) == {"A", "C"}


def test_a_commit_that_fails_is_nobodys_success(library: Library) -> None:
    failures = [1]

    @event.listens_for(library.database.engine, "commit")
    def _fail(_connection: object) -> None:
        if failures:
            failures.pop()
            raise OperationalError("COMMIT", None, Exception("disk I/O error"))

    seen: list[set[str]] = []

    def looks() -> None:
        seen.append(shelves(library))

    assert done(library, [adds(library, "A"), looks, adds(library, "C")]) == ["A", None, "C"]
    # Done together first, when nobody could see it; then one by one.
    assert seen == [set(), {"A"}]
    assert shelves(library) == {"A", "C"}


def test_pages_write_on_while_programs_stand_in_line(library: Library) -> None:
    """A thread that writes for itself meanwhile is no part of what others write together."""
    began, go_on = threading.Event(), threading.Event()

    def slow() -> None:
        with library.database.writing() as db:
            add_shelf(db, "A", library.clock())
            db.flush()
            began.set()
            go_on.wait(5)

    with ThreadPoolExecutor(2) as threads:
        line_done = threads.submit(done, library, [slow, refuses(library, "B")])
        assert began.wait(5)
        page_done = threads.submit(adds(library, "C"))
        go_on.set()
        assert line_done.result(5) == [None, Problem]
        assert page_done.result(5) == "C"
    assert shelves(library) == {"A", "C"}


def test_sixteen_programs_at_once_get_what_is_theirs(library: Library) -> None:
    with library.database.writing() as db:
        copies, card = [make.copy(db).code for _ in range(12)], make.card(db)
    asked = [*copies, *copies[:2], "nothing", "else"]
    with library.client() as client, ThreadPoolExecutor(16) as threads:
        client.with_token()
        seen = commits(library)
        lend = lambda copy: client.post("/api/v1/loans", json={"copy": copy, "member": card})  # noqa: E731
        answers = list(threads.map(lend, asked))
    assert Counter(answer.status_code for answer in answers) == {201: 12, 200: 2, 404: 2}
    assert [answer.json()["copy"] for answer in answers[:14]] == asked[:14]
    assert len(seen) < 16


def test_the_same_key_twice_in_one_transaction_is_one_effect_with_one_answer(library: Library) -> None:
    with library.database.writing() as db:
        copy, card = make.copy(db).code, make.card(db)
    body, headers = {"copy": copy, "member": card}, {"idempotency-key": "a"}
    with library.client() as client, ThreadPoolExecutor(16) as threads:
        client.with_token()
        answers = list(threads.map(lambda _n: client.post("/api/v1/loans", json=body, headers=headers), range(16)))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.text for answer in answers}) == 1


def test_the_line_goes_on_after_a_fault(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> list[Outcome]:
        raise RuntimeError("cannot schedule new futures")

    with library.database.writing() as db:
        loan = {"copy": make.copy(db).code, "member": make.card(db)}
    with library.client() as client:
        client.with_token()
        with monkeypatch.context() as broken:
            broken.setattr(line, "_each_for_itself", fails)
            assert client.post("/api/v1/loans", json=loan).status_code == 500
        assert client.post("/api/v1/loans", json=loan).status_code == 201


def test_slow_work_does_not_hold_up_those_who_write_on_pages(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who writes slowly goes in alone, and gives way between one and the next."""
    monkeypatch.setattr(line, "LONGEST_TOGETHER", 0.02)

    def slow(name: str) -> Callable[[], str]:
        def work() -> str:
            with library.database.writing() as db:
                add_shelf(db, name, library.clock())
                time.sleep(0.05)
            return name

        return work

    seen = commits(library)
    assert done(library, [slow(name) for name in "ABCD"]) == list("ABCD")
    assert len(seen) == 4


def test_when_somebody_else_writes_for_too_long_all_hear_it_at_once(library: Library) -> None:
    with library.database.engine.connect() as connection:
        connection.exec_driver_sql("COMMIT")
        connection.exec_driver_sql("PRAGMA busy_timeout=200")
    other = sqlite3.connect(library.settings.sqlite_file, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    began = time.monotonic()
    assert done(library, [adds(library, str(n)) for n in range(16)], 20) == [OperationalError] * 16
    other.close()
    # Not one after the other.
    assert time.monotonic() - began < 16 * 0.2


def test_what_no_future_can_hold_stops_nobody(library: Library) -> None:
    def stops() -> None:
        next(iter([]))

    assert done(library, [stops, adds(library, "A")]) == [RuntimeError, "A"]
    assert done(library, [stops]) == [RuntimeError]
