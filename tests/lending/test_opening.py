"""On which days the library is open."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bibliothek.lending.opening import EVERY_DAY, Calendar, weekdays

MONDAY = date(2026, 11, 23)
DAYS = st.dates(date(2026, 1, 1), date(2027, 12, 31))


def day(number: int) -> date:
    return MONDAY + timedelta(days=number)


def test_without_a_word_it_is_open_every_day() -> None:
    assert all(Calendar().is_open(day(number)) for number in range(7))


@pytest.mark.parametrize("number", range(7))
def test_a_weekday_is_its_own_bit(number: int) -> None:
    calendar = Calendar(weekdays([number, number]))
    assert [calendar.is_open(day(other)) for other in range(14)] == [other % 7 == number for other in range(14)]
    assert calendar.weekdays == (1, 2, 4, 8, 16, 32, 64)[number]


def test_all_weekdays_together() -> None:
    assert weekdays(range(7)) == EVERY_DAY == 127
    assert weekdays([]) == 0


def test_a_special_day_counts_more_than_its_weekday() -> None:
    calendar = Calendar(weekdays([0]), {day(0): False, day(1): True})
    assert [calendar.is_open(day(number)) for number in range(8)] == [False, True, *[False] * 5, True]


def test_the_next_opening_day() -> None:
    calendar = Calendar(weekdays([0, 3]), {day(3): False, day(7): False})
    assert calendar.open_from(day(0)) == day(0)
    assert calendar.open_from(day(1)) == day(10)
    assert calendar.open_from(day(11)) == day(14)


def test_after_a_closure_of_a_year_it_is_the_first_weekday_that_is_open() -> None:
    calendar = Calendar(weekdays([6]), {day(number): False for number in range(366)})
    assert calendar.open_from(day(0)) == day(370)
    assert day(370).weekday() == 6


def test_a_special_day_long_ago_hides_no_opening_day() -> None:
    assert Calendar(weekdays([0]), {day(-100): False}).open_from(day(1)) == day(7)


def test_on_the_last_days_of_the_calendar_it_is_the_day_itself() -> None:
    last = date.max
    nothing = Calendar(weekdays([(last.weekday() + 1) % 7]))
    for before in range(8):
        assert nothing.open_from(last - timedelta(days=before)) == last - timedelta(days=before)
    eight = last - timedelta(days=8)
    assert nothing.open_from(eight) == last - timedelta(days=6)


@given(st.integers(1, 127), st.dictionaries(DAYS, st.booleans(), max_size=20), DAYS)
def test_it_is_the_first_open_day_and_none_before(bits: int, special: dict[date, bool], start: date) -> None:
    calendar = Calendar(bits, special)
    found = calendar.open_from(start)
    assert found >= start
    assert calendar.is_open(found)
    assert not any(calendar.is_open(start + timedelta(days=n)) for n in range((found - start).days))
