"""On which days the library is open. Pure: local dates in, local dates out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, timedelta

import msgspec

EVERY_DAY = 127
A_DAY = timedelta(days=1)


class Calendar(msgspec.Struct, frozen=True):
    """The weekdays on which the library is open (1 for Monday, 2 for Tuesday, 4, 8 …, added up; one of them at least), and the
    days on which that is different: {date: whether it is open}."""

    weekdays: int = EVERY_DAY
    special: Mapping[date, bool] = {}

    def is_open(self, day: date) -> bool:
        return self.special.get(day, bool(self.weekdays >> day.weekday() & 1))

    def open_from(self, day: date) -> date:
        """`day`, or the first opening day after it.

        There is one within a week after the last special day. On the last days of the calendar it is the day itself.
        """
        last = max([day, *self.special]) + 7 * A_DAY if day < date.max - 7 * A_DAY else day
        while day < last and not self.is_open(day):
            day += A_DAY
        return day


def weekdays(days: Iterable[int]) -> int:
    """The number that stands for these weekdays, 0 being Monday."""
    return sum(1 << day for day in set(days))
