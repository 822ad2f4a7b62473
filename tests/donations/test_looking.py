"""The background run against the stand-in: it asks each book once, and outlives its own death."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import select

from bibliothek.donations import looking, piles
from bibliothek.donations.models import PileBook
from bibliothek.donations.piles import Owner
from bibliothek.lookup import actions as lookup
from tests import make
from tests.conftest import NOON, Library
from tests.lookup.stand_in import StandIn

ISBN, OTHER = "9783551551672", "9783499623479"


class Died(Exception):
    """The machine was switched off."""


def scan(library: Library, isbn: str = ISBN, number: str = "1") -> Owner:
    with library.database.writing() as db:
        owner = Owner(member_id=make.member(db).id)
        piles.scan(db, owner, number, isbn, NOON)
    return owner


def states(library: Library) -> list[str]:
    with library.database.reading() as db:
        return list(db.scalars(select(PileBook.state).order_by(PileBook.id)))


def look(library: Library) -> bool:
    return looking.look_one_up(library.database, library.settings, library.clock)


def test_what_waits_is_looked_up_and_then_nothing_waits(asking: Library) -> None:
    scan(asking)
    scan(asking, "9791090636071")
    assert look(asking)
    assert look(asking)
    assert not look(asking)
    assert states(asking) == ["found", "missing"]


def test_the_book_of_a_runner_that_died_is_looked_up_when_its_lease_ends(
    asking: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(*_given: object) -> None:
        raise Died

    scan(asking)
    with monkeypatch.context() as dying:
        dying.setattr(lookup, "find", die)
        with pytest.raises(Died):
            look(asking)
    assert not look(asking)
    assert states(asking) == ["looking"]
    asking.clock.pass_time(seconds=looking.LEASE.total_seconds())
    assert look(asking)
    assert states(asking) == ["found"]


def test_while_the_sources_are_down_it_stays_and_is_filled_in_when_they_are_back(
    asking: Library, sources: StandIn
) -> None:
    sources.behave("both", "html")
    scan(asking)
    assert look(asking)
    assert states(asking) == ["looking"]
    sources.behave("both")
    asking.clock.pass_time(minutes=2)
    assert look(asking)
    assert states(asking) == ["found"]


def test_a_number_that_no_book_has_ends_missing(asking: Library) -> None:
    scan(asking, "9781111111113")
    assert look(asking)
    assert states(asking) == ["missing"]


def test_the_threads_look_up_what_is_scanned_and_end_when_told(asking: Library) -> None:
    run = looking.Looking(asking.database, asking.settings, asking.clock)
    run.start()
    try:
        time.sleep(looking.FIRST_AFTER_S)
        scan(asking)
        scan(asking, OTHER)
        assert until(lambda: states(asking) == ["found", "found"])
    finally:
        run.stop()


def test_two_processes_ask_for_each_book_once(asking: Library, sources: StandIn) -> None:
    for n in range(10):
        scan(asking, ISBN, str(n))
    runs = [looking.Looking(asking.database, asking.settings, asking.clock) for _ in range(2)]
    for run in runs:
        run.start()
    try:
        assert until(lambda: set(states(asking)) == {"found"})
    finally:
        for run in runs:
            run.stop()
    assert len([asked for asked in sources.asked if asked.source == "dnb"]) == 1


def until(is_so: Callable[[], bool], seconds: float = 10) -> bool:
    end = time.monotonic() + seconds
    while not is_so() and time.monotonic() < end:
        time.sleep(0.02)
    return is_so()


def test_a_lease_is_longer_than_any_look_up() -> None:
    assert timedelta(seconds=15) < looking.LEASE
