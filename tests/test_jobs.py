"""Work that the server does by itself: once, however many processes there are."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

from bibliothek import jobs
from tests.conftest import NOON, Library

LEASE = timedelta(minutes=5)


def claim(library: Library, after: timedelta = timedelta()) -> bool:
    with library.database.writing() as db:
        return jobs.claim(db, "work", NOON + after, LEASE)


def test_of_eight_processes_that_try_at_once_one_gets_the_job(both: Library) -> None:
    for after in (timedelta(), timedelta(hours=1)):
        start = Barrier(8)

        def one(_n: int, after: timedelta = after, start: Barrier = start) -> bool:
            start.wait()
            return claim(both, after)

        with ThreadPoolExecutor(8) as threads:
            assert sorted(threads.map(one, range(8))) == [False] * 7 + [True]


def test_a_job_is_taken_up_again_when_its_process_died(both: Library) -> None:
    assert claim(both)
    assert not claim(both, LEASE - timedelta(seconds=1))
    assert claim(both, LEASE)


def test_a_finished_job_waits_until_it_is_due(both: Library) -> None:
    assert claim(both)
    with both.database.writing() as db:
        jobs.finish(db, "work", NOON, NOON + timedelta(days=1), "ok")
    assert not claim(both, timedelta(hours=23))
    with both.database.reading() as db:
        found = jobs.find(db, "work")
    assert found
    assert (found.began_at, found.ended_at, found.outcome) == (NOON, NOON, "ok")
    assert claim(both, timedelta(days=1))


def test_the_last_instant_is_that_of_the_latest_job(both: Library) -> None:
    with both.database.writing() as db:
        assert jobs.last_instant(db) is None
        jobs.claim(db, "one", NOON, LEASE)
        jobs.claim(db, "two", NOON + timedelta(hours=1), LEASE)
        jobs.finish(db, "one", NOON + timedelta(hours=2), NOON)
        assert jobs.last_instant(db) == NOON + timedelta(hours=2)


def test_what_was_done_later_than_now_counts_as_done_now(both: Library) -> None:
    with both.database.writing() as db:
        jobs.claim(db, "work", NOON + timedelta(days=300), LEASE)
        jobs.set_back(db, NOON)
        assert jobs.last_instant(db) == NOON
    assert claim(both)
