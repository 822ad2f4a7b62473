"""The library's clock goes on by itself while the machine's is behind."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from bibliothek.clock import SteadyClock, is_behind
from tests.conftest import NOON, Clock

AN_HOUR, A_DAY = timedelta(hours=1), timedelta(days=1)
# As clocks are wrong: without a battery, after daylight saving done twice, after a day without current.
WRONG = [datetime(1970, 1, 1, 0, 0, 20, tzinfo=UTC), NOON - AN_HOUR, NOON - A_DAY]


@dataclass
class Seconds:
    """What `time.monotonic` says."""

    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


def clock_at(moment: datetime) -> tuple[SteadyClock, Clock, Seconds]:
    machine, seconds = Clock(moment), Seconds()
    return SteadyClock(machine, seconds), machine, seconds


def test_it_says_what_the_machine_says() -> None:
    steady, machine, seconds = clock_at(NOON)
    machine.pass_time(minutes=5)
    seconds.now += 300
    assert steady() == NOON + timedelta(minutes=5)
    assert not is_behind(steady)


@pytest.mark.parametrize("wrong", WRONG)
def test_behind_what_was_seen_it_goes_on_from_there(wrong: datetime) -> None:
    steady, machine, seconds = clock_at(wrong)
    steady.learn(NOON)
    assert is_behind(steady)
    machine.pass_time(seconds=90)
    seconds.now += 90
    # Half as fast where the machine may be right and only what was seen wrong.
    assert steady() == NOON + timedelta(seconds=90 if wrong.year == 1970 else 45)
    machine.now = NOON + timedelta(minutes=3)
    assert steady() == NOON + timedelta(minutes=3)
    assert not is_behind(steady)


@pytest.mark.parametrize("back", [AN_HOUR, A_DAY])
def test_a_clock_that_is_set_back_while_the_server_runs_is_noticed(back: timedelta) -> None:
    steady, machine, seconds = clock_at(NOON)
    machine.now -= back
    seconds.now += 1
    assert is_behind(steady)
    assert steady.behind() == back + timedelta(seconds=1)
    assert steady() == NOON + timedelta(seconds=1)


@pytest.mark.parametrize("ahead", [AN_HOUR, A_DAY])
def test_a_clock_that_once_went_ahead_catches_up_by_itself(ahead: timedelta) -> None:
    steady, machine, seconds = clock_at(NOON + ahead)
    steady()
    machine.now = NOON
    said = []
    for _ in range(2 * int(ahead / timedelta(minutes=1)) + 1):
        machine.pass_time(minutes=1)
        seconds.now += 60
        said.append(steady())
    assert said == sorted(set(said))
    assert not is_behind(steady)
    assert steady() == machine.now


def test_a_time_server_may_set_it_back_a_little() -> None:
    steady, machine, _ = clock_at(NOON)
    machine.now -= timedelta(seconds=30)
    assert not is_behind(steady)
    assert steady() == NOON


def test_it_never_goes_back_nor_stands_still() -> None:
    steady, machine, seconds = clock_at(NOON)
    said = []
    for jump in (0, -3600, 7200, -86400, 3, 86400 * 2, -5):
        machine.pass_time(seconds=jump)
        seconds.now += 1
        said.append(steady())
    assert said == sorted(set(said))
