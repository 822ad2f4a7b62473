"""Several processes of one library at a source: together they ask as one would."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from threading import Lock

from sqlalchemy import update

from bibliothek.db import open_database
from bibliothek.lookup import turns
from bibliothek.lookup.models import SourceTurn
from bibliothek.lookup.politeness import Politeness
from bibliothek.lookup.turns import Later, Turn, Turns
from tests.conftest import Library

SOURCE = "https://source.example"
PROCESSES, REQUESTS, APART_S = 3, 9, 0.15


@contextmanager
def processes(library: Library, apart: float = APART_S) -> Iterator[list[Politeness]]:
    """What three processes know of one source, each with connections of its own."""
    settings = library.settings
    own = [open_database(settings.database_url, settings.sqlite_file) for _ in range(PROCESSES)]
    try:
        yield [Politeness(apart, 2, Turns(database, SOURCE, apart)) for database in own]
    finally:
        for database in own:
            database.close()


def test_three_processes_together_ask_no_more_often_than_one_and_two_at_a_time_at_most(both: Library) -> None:
    start, on_their_way, most, lock = time.monotonic(), 0, 0, Lock()

    def ask(politeness: Politeness) -> None:
        nonlocal on_their_way, most
        with politeness.turn(time.monotonic() + 60) as ours:
            assert ours
            with lock:
                on_their_way += 1
                most = max(most, on_their_way)
            time.sleep(APART_S)
            with lock:
                on_their_way -= 1

    with processes(both) as three, ThreadPoolExecutor(REQUESTS) as threads:
        for asked in [threads.submit(ask, three[n % PROCESSES]) for n in range(REQUESTS)]:
            asked.result()
    assert most <= 2
    # The last one began so long after the first, and then took its time.
    assert time.monotonic() - start >= REQUESTS * APART_S


def test_what_a_wrong_clock_put_off_for_years_holds_nobody_up(both: Library) -> None:
    years = datetime.now(UTC) + timedelta(days=4000)
    with processes(both) as (one, other, _third):
        with one.turn(time.monotonic() + 5) as ours:
            assert ours
        for column in ("next_at", "first_until", "second_until", "rests_until"):
            with both.database.writing() as db:
                db.execute(update(SourceTurn).values(first_until=years, second_until=years))
                db.execute(update(SourceTurn).values({column: years}))
            with other.turn(time.monotonic() + 2) as ours:
                assert ours, column


def test_a_source_in_trouble_is_left_alone_by_all_processes_and_their_failures_count_together(both: Library) -> None:
    now = datetime.now(UTC)
    with processes(both, 0.0) as (one, other, third):
        assert one.fail("unavailable", None, now, now) == 60
        with other.turn(time.monotonic() + 5) as ours:
            assert not ours
        rest = other.breaker.rest(datetime.now(UTC))
        assert rest
        assert (rest.trouble, 55 < rest.seconds <= 60) == ("unavailable", True)
        with both.database.writing() as db:
            db.execute(update(SourceTurn).values(rests_until=now))
        with third.turn(time.monotonic() + 5) as ours:
            assert ours
        assert third.fail("unavailable", None, now, now) == 5 * 60
        with both.database.writing() as db:
            db.execute(update(SourceTurn).values(rests_until=now))
        with other.turn(time.monotonic() + 5) as ours:
            assert ours
            other.succeed()
        with one.turn(time.monotonic() + 5) as ours:
            assert ours
        assert one.fail("unavailable", None, now, now) == 60


def test_the_turn_of_a_process_that_died_is_free_again_when_its_lease_ends(both: Library) -> None:
    shared = Turns(both.database, SOURCE, 0.0)
    lost, other = shared.claim(5), shared.claim(5)
    assert isinstance(lost, Turn)
    assert isinstance(other, Turn)
    assert shared.claim(5) == Later(turns.LOOK_AGAIN_S)
    with both.database.writing() as db:
        db.execute(update(SourceTurn).values({lost.place: datetime.now(UTC) - timedelta(seconds=1)}))
    again = shared.claim(5)
    assert isinstance(again, Turn)
    assert again.place == lost.place
    # Whoever was believed dead and comes back takes nothing from those who came after.
    shared.give_back(lost)
    assert shared.claim(5) == Later(turns.LOOK_AGAIN_S)
    shared.give_back(again)
    assert isinstance(shared.claim(5), Turn)
