"""Leaving a source in trouble alone: one, five, thirty minutes; a good answer ends it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from bibliothek.lookup import politeness
from bibliothek.lookup import sources as module
from bibliothek.lookup.actions import find
from bibliothek.lookup.ask import look_up
from bibliothek.lookup.breaker import Breaker, Rest
from bibliothek.lookup.merge import LookupResult
from bibliothek.lookup.politeness import politeness_of
from bibliothek.lookup.sources import Source
from tests.conftest import NOON, Library
from tests.lookup.stand_in import StandIn

FRENCH = "9782070291342"
GERMAN = "9783453416017"


def after(**span: float) -> datetime:
    return NOON + timedelta(**span)


def test_a_source_rests_for_one_then_five_then_thirty_minutes() -> None:
    breaker, now = Breaker(), NOON
    for minutes in (1, 5, 30, 30):
        assert breaker.rest(now) is None
        assert breaker.fail("unavailable", None, now, now) == minutes * 60
        assert breaker.rest(now) == Rest("unavailable", minutes * 60)
        now += timedelta(minutes=minutes)
        assert breaker.rest(now - timedelta(seconds=1)) == Rest("unavailable", 1)
        assert breaker.rest(now) is None
        now += timedelta(seconds=1)


def test_a_good_answer_ends_it() -> None:
    breaker = Breaker()
    breaker.fail("unavailable", None, NOON, NOON)
    breaker.fail("unavailable", None, after(minutes=2), after(minutes=2))
    breaker.succeed()
    assert breaker.rest(after(minutes=3)) is None
    assert breaker.fail("unavailable", None, after(minutes=4), after(minutes=4)) == 60


@pytest.mark.parametrize(("wished", "kept"), [(7, 7), (900, 900), (999_999, 3600)])
def test_what_the_source_wishes_counts_longer_or_shorter(wished: int, kept: int) -> None:
    breaker = Breaker()
    assert breaker.fail("throttled", wished, NOON, NOON) == kept
    assert breaker.rest(after(seconds=kept - 1)) == Rest("throttled", 1)
    assert breaker.rest(after(seconds=kept)) is None


def test_several_who_asked_at_the_same_time_make_one_failure() -> None:
    breaker = Breaker()
    for seconds in (1, 2, 3):
        assert breaker.fail("unavailable", None, NOON, after(seconds=seconds)) == 60
    assert breaker.fail("unavailable", None, after(minutes=2), after(minutes=2)) == 300


def test_a_clock_that_was_put_back_keeps_no_source_away_for_ever() -> None:
    breaker = Breaker()
    breaker.fail("unavailable", None, NOON, NOON)
    assert breaker.rest(after(days=-400)) is None


# --- asking ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def server() -> Iterator[StandIn]:
    with StandIn() as stand_in:
        yield stand_in


def ask(sources: tuple[Source, ...], now: datetime, isbn: str = FRENCH) -> LookupResult:
    return look_up(isbn, sources, now=now, deadline_s=4)


def asked(server: StandIn) -> list[str]:
    names = [request.source for request in server.asked]
    server.asked.clear()
    return names


def test_a_source_in_trouble_is_not_asked_and_counts_as_unavailable(server: StandIn) -> None:
    sources = server.sources()
    server.behave("dnb", "error")
    assert ask(sources, NOON).outcome == "unavailable"
    assert asked(server) == ["dnb", "openlibrary"]
    server.behave("dnb")
    again = ask(sources, after(seconds=30), GERMAN)
    assert (again.outcome, again.sources) == ("unavailable", (("dnb", "unavailable"), ("openlibrary", "not_found")))
    assert again.retry_after is not None
    assert 25 <= again.retry_after <= 31
    assert asked(server) == ["openlibrary"]
    assert ask(sources, after(seconds=62), GERMAN).outcome == "found"
    assert asked(server) == ["dnb"]


def test_429_is_throttled_for_as_long_as_it_says(server: StandIn) -> None:
    sources = server.sources()
    server.behave("both", "throttle")
    assert ask(sources, NOON).outcome == "throttled"
    asked(server)
    again = ask(sources, after(seconds=3))
    assert (again.outcome, asked(server)) == ("throttled", [])
    assert again.retry_after is not None
    assert 3 <= again.retry_after <= 5
    ask(sources, after(seconds=9))
    assert asked(server) == ["dnb", "openlibrary"]


def test_a_source_that_is_too_slow_is_left_alone_until_its_late_answer_comes(
    server: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "ENOUGH_S", 0.2)
    (dnb,) = server.sources(names=("dnb",))
    server.slow_s = 1.5
    server.behave("dnb", "slow")
    assert look_up(GERMAN, [dnb], now=NOON, deadline_s=0.5).outcome == "unavailable"
    time.sleep(0.2)
    assert asked(server) == ["dnb"]
    again = look_up(FRENCH, [dnb], now=after(seconds=2), deadline_s=0.5)
    assert (again.outcome, asked(server)) == ("unavailable", [])
    for _ in range(100):
        if dnb.resting(after(seconds=2)) is None:
            break
        time.sleep(0.05)
    assert dnb.resting(after(seconds=2)) is None


def test_who_got_hardly_any_time_is_not_blamed(server: StandIn) -> None:
    (dnb,) = server.sources(names=("dnb",))
    server.slow_s = 1.0
    server.behave("dnb", "slow")
    assert look_up(GERMAN, [dnb], now=NOON, deadline_s=0.3).outcome == "unavailable"
    time.sleep(0.2)
    assert dnb.resting(after(seconds=1)) is None


def test_two_libraries_with_other_sources_know_nothing_of_each_others_troubles(library: Library) -> None:
    with StandIn() as one, StandIn() as other:
        here = replace(library.settings, **one.settings("dnb"))  # type: ignore[arg-type]
        there = replace(library.settings, **other.settings("dnb"))  # type: ignore[arg-type]
        one.behave("dnb", "error")
        assert find(library.database, here, GERMAN, NOON).outcome == "unavailable"
        assert find(library.database, there, GERMAN, NOON).outcome == "found"
        assert politeness_of(str(here.dnb_url)).breaker.rest(NOON + timedelta(seconds=5)) is not None
        politeness.forget()
        assert politeness_of(str(here.dnb_url)).breaker.rest(NOON + timedelta(seconds=5)) is None
