"""Four hundred days in Berlin, through three clock changes and a leap day: no date is wrong, nobody is late too early.

What is expected is worked out here anew, from the law on summer time and by counting days; the odd hours are those in which
local and universal dates differ, or in which an hour is missing or comes twice.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from random import Random
from types import SimpleNamespace
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from bibliothek.copies.models import Copy
from bibliothek.lending import actions, closures, holds, queries
from bibliothek.lending.models import Hold, Loan
from bibliothek.lending.rules import days_late, is_overdue
from bibliothek.library.models import Library as Settings
from bibliothek.members.models import Member
from bibliothek.operations.rounds import _with_date
from bibliothek.operations.verify import CHECKS
from bibliothek.problems import Problem
from bibliothek.reminders.queries import overdue_by_member
from bibliothek.web.visit import Visit
from tests import make
from tests.conftest import Library

TORTURE = os.environ.get("TORTURE") == "1"
BERLIN = ZoneInfo("Europe/Berlin")
FIRST, DAYS = date(2027, 10, 1), 400
LEAP_DAY = date(2028, 2, 29)
FOLDS, GAP = (date(2027, 10, 31), date(2028, 10, 29)), date(2028, 3, 26)
LOAN_DAYS, HOLD_DAYS, RENEWALS = 28, 7, 2
A_DAY, AN_HOUR, A_MOMENT = timedelta(days=1), timedelta(hours=1), timedelta(microseconds=1)
JUMPS = (-A_DAY, -AN_HOUR, AN_HOUR, A_DAY)
TUESDAY, WEDNESDAY, THURSDAY, SUNDAY = 1, 2, 3, 6


def local_date(instant: datetime) -> date:
    """The date in Berlin: summer time is from the last Sunday in March to that in October, each at one o'clock UTC."""
    is_summer = _last_sunday(instant.year, 3) <= instant < _last_sunday(instant.year, 10)
    return (instant + timedelta(hours=2 if is_summer else 1)).date()


def _last_sunday(year: int, month: int) -> datetime:
    last = date(year, month, 31)
    return datetime.combine(last - timedelta(days=last.isoweekday() % 7), time(1), UTC)


def odd_moments(day: date) -> Iterator[datetime]:
    """Midnight, half past two, for the second time where the hour comes twice, and the last minute of a local day, in UTC."""
    for at in (time(0), time(2, 30), *([time(2, 30, fold=1)] if day in FOLDS else ()), time(23, 59)):
        yield datetime.combine(day, at, BERLIN).astimezone(UTC)


def test_the_odd_moments_are_odd() -> None:
    assert [f"{moment:%d %H:%M}" for moment in odd_moments(FOLDS[0])] == [
        "30 22:00",
        "31 00:30",
        "31 01:30",
        "31 22:59",
    ]
    assert [f"{moment:%d %H:%M}" for moment in odd_moments(GAP)] == ["25 23:00", "26 01:30", "26 21:59"]
    assert all(local_date(moment) == day for day in (*FOLDS, GAP, LEAP_DAY) for moment in odd_moments(day))


@dataclass
class Diary:
    """What somebody with pencil and calendar notes down about the library: nothing in it comes from the library's own rules."""

    library: Library
    db: Session
    chance: Random
    copies: Sequence[Copy]
    people: Sequence[Member]
    renew_from: str = "today"
    weekdays: tuple[int, ...] = (TUESDAY, THURSDAY, SUNDAY)
    closed: set[date] = field(default_factory=set)
    opened: set[date] = field(default_factory=set)
    # Loans by number, with their dates and copies; then the holds for which a copy is set aside.
    due: dict[int, date] = field(default_factory=dict)
    out: dict[int, int] = field(default_factory=dict)
    kept: dict[int, date] = field(default_factory=dict)
    aside: set[int] = field(default_factory=set)
    seen: dict[str, int] = field(default_factory=dict)

    @property
    def now(self) -> datetime:
        return self.library.clock()

    @property
    def today(self) -> date:
        """What the library takes for today's date; it is compared with what the diary says whenever it is asked."""
        said = Visit(SimpleNamespace(settings=self.library.settings), None, self.now).today
        assert said == local_date(self.now)
        return said

    def count(self, what: str) -> None:
        self.seen[what] = self.seen.get(what, 0) + 1

    # ---- The calendar ----

    def is_open(self, day: date) -> bool:
        return day in self.opened or (day not in self.closed and day.weekday() in self.weekdays)

    def open_from(self, day: date) -> date:
        while not self.is_open(day):
            day += A_DAY
        return day

    def close(self, *days: date) -> None:
        closures.set_days(self.db, days, False, "zu", self.now, self.today)
        self.closed.update(days)
        self.opened.difference_update(days)
        self.move_dates()

    def open(self, day: date) -> None:
        closures.set_days(self.db, [day], True, "offen", self.now, self.today)
        self.opened.add(day)

    def open_on(self, *weekdays: int) -> None:
        closures.set_weekdays(self.db, sum(2**weekday for weekday in weekdays), self.now, self.today)
        self.weekdays = weekdays
        self.move_dates()

    def renew_from_due_dates(self) -> None:
        self.renew_from = "due"
        self.db.execute(update(Settings).values(renew_from="due"))

    def move_dates(self) -> None:
        for dates in (self.due, self.kept):
            for number, day in dates.items():
                moved = self.open_from(day) if day >= local_date(self.now) else day
                self.count("moved") if moved != day else None
                dates[number] = moved

    # ---- What people do ----

    def act(self) -> None:
        for do in self.chance.choices((self.lend, self.renew, self.give_back, self.wait), (4, 2, 3, 1), k=3):
            do()
        self.note_holds()

    def lend(self) -> None:
        """Most people leave alone what is kept for others."""
        not_here = {*self.out.values(), *(self.aside if self.chance.random() < 0.9 else ())}
        here = [copy for copy in self.copies if copy.id not in not_here]
        if not here:
            return
        copy = self.chance.choice(here)
        loan = actions.lend(self.db, copy, self.chance.choice(self.people), self.now, self.today).loan
        assert loan.due_on == self.open_from(local_date(self.now) + timedelta(days=LOAN_DAYS))
        self.due[loan.id], self.out[loan.id] = loan.due_on, copy.id
        self.count("lent")

    def renew(self) -> None:
        number = self.any_loan()
        if number is None:
            return
        start = local_date(self.now)
        if self.renew_from == "due":
            start = max(start, self.due[number])
        try:
            renewed = actions.renew(self.db, number, self.now, self.today)
        except actions.NotRenewed:
            return
        assert renewed.due_on == self.open_from(start + timedelta(days=LOAN_DAYS)) > self.due[number]
        self.due[number] = renewed.due_on
        self.count("renewed")

    def any_loan(self) -> int | None:
        """But for the three oldest, which are forgotten and get late."""
        others = sorted(self.due)[3:]
        return self.chance.choice(others) if others else None

    def give_back(self) -> None:
        number = self.any_loan()
        if number is not None:
            copy = next(copy for copy in self.copies if copy.id == self.out[number])
            actions.give_back(self.db, copy, self.now, self.today)
            del self.due[number], self.out[number]

    def wait(self) -> None:
        """For anything that makes sense."""
        with suppress(Problem):
            title_id = self.chance.choice(self.copies).title_id
            holds.place(self.db, title_id, self.chance.choice(self.people).id, self.now, self.today)

    def note_holds(self) -> None:
        """A hold that has been set aside just now is kept for a week, and until an opening day."""
        ready = select(Hold.id, Hold.placed_at, Hold.ready_at, Hold.ready_until, Hold.copy_id)
        before, self.kept, self.aside = self.kept, {}, set()
        for number, placed_at, at, until, copy_id in self.db.execute(ready.where(Hold.ready_until.is_not(None))):
            new = number not in before or before[number] != until
            expected = self.open_from(local_date(self.now) + timedelta(days=HOLD_DAYS)) if new else before[number]
            assert until == expected
            assert not new or at in (self.now, placed_at)
            self.kept[number] = until
            self.aside.add(copy_id)
            self.count("set aside") if new else None

    # ---- What time does ----

    def go_round(self) -> None:
        """As the server does every minute. What was kept long enough expires, and nothing else does."""
        over = {number for number, until in self.kept.items() if until < local_date(self.now)}
        for do in (holds.expire, holds.serve_waiting, closures.settle_dates):
            _with_date(do, self.library.settings)(self.db, self.now)
        expired = select(Hold.id).where(Hold.ended_as == "expired", Hold.ended_at == self.now)
        assert set(self.db.scalars(expired)) >= over
        assert set(self.db.scalars(expired.where(Hold.id.in_(self.kept.keys() - over)))) == set()
        self.seen["expired"] = self.seen.get("expired", 0) + len(over)
        self.note_holds()

    def go_on(self, moment: datetime) -> None:
        """One odd moment; now and then the clock is wrong just then, and put right afterwards."""
        self.library.clock.now = moment
        if self.chance.random() < 0.2:
            with self.clock_off_by(self.chance.choice(JUMPS)):
                self.act()
                self.go_round()
                self.check()
        self.act()
        self.go_round()
        self.check()

    @contextmanager
    def clock_off_by(self, jump: timedelta) -> Iterator[None]:
        self.library.clock.now += jump
        yield
        self.library.clock.now -= jump

    # ---- What is true ever after ----

    def check(self) -> None:
        """Every date is the expected one, and who is late is late."""
        today = local_date(self.now)
        found = select(Loan.id, Loan.due_on).where(Loan.returned_at.is_(None))
        assert {row.id: row.due_on for row in self.db.execute(found)} == self.due
        late = {number: (today - due).days for number, due in self.due.items() if due < today}
        shown = {loan.id: loan.days for who in overdue_by_member(self.db, self.today) for loan in who.loans}
        assert shown == late
        assert queries.count_open_loans(self.db, self.today) == len(late)
        assert all(self.is_open(due) for due in [*self.due.values(), *self.kept.values()] if due >= today)
        self.seen["late"] = max(self.seen.get("late", 0), len(late))

    def check_last_minute_of(self, due: date) -> None:
        """Not late in the last moment of the day on which it is due, late in the first of the next."""
        midnight = datetime.combine(due + A_DAY, time(0), BERLIN).astimezone(UTC)
        for instant, days in ((midnight - A_MOMENT, 0), (midnight, 1)):
            self.library.clock.now = instant
            assert is_overdue(due, self.today) == bool(days)
            assert days_late(due, self.today) == days


def open_library(library: Library, db: Session, seed: int) -> Diary:
    """On the first day; six titles with three copies each, and eight people."""
    library.clock.now = next(odd_moments(FIRST))
    terms = {"loan_days": LOAN_DAYS, "hold_days": HOLD_DAYS, "renewals": RENEWALS}
    db.execute(update(Settings).values(**terms))
    copies = [make.copy(db, title) for title in [make.title(db) for _ in range(6)] for _ in range(3)]
    diary = Diary(library, db, Random(seed), copies, [make.member(db) for _ in range(8)])
    diary.open_on(*diary.weekdays)
    return diary


# What the library decides in the course of the year, often for a day on which something is due by then.
EVENTS: dict[date, Callable[[Diary], None]] = {
    date(2027, 11, 20): lambda diary: diary.close(*(date(2027, 12, 21) + n * A_DAY for n in range(14))),
    date(2027, 12, 30): lambda diary: diary.open(date(2028, 1, 1)),
    date(2028, 1, 10): lambda diary: diary.open(LEAP_DAY - A_DAY),
    date(2028, 2, 20): Diary.renew_from_due_dates,
    date(2028, 3, 25): lambda diary: diary.close(GAP, GAP + 2 * A_DAY),
    date(2028, 6, 1): lambda diary: diary.open_on(WEDNESDAY, SUNDAY),
    date(2028, 9, 1): lambda diary: diary.open_on(TUESDAY, THURSDAY, SUNDAY),
    date(2028, 10, 20): lambda diary: diary.close(date(2028, 10, 24), date(2028, 10, 26)),
}


def test_for_400_days_no_date_is_wrong(library: Library) -> None:
    for seed in range(20 if TORTURE else 1):
        with library.database.writing() as db:
            live_through(open_library(library, db, seed))
            assert {name: broken for name, check in CHECKS.items() if (broken := check(db))} == {}
            db.rollback()


def live_through(diary: Diary) -> None:
    given: set[date] = set()
    busy = {LEAP_DAY, *FOLDS, GAP, *EVENTS}
    # Four weeks before, so that something is due on each of these days.
    busy |= {day - timedelta(days=LOAN_DAYS) for day in busy}
    for day in (FIRST + n * A_DAY for n in range(DAYS)):
        moments = list(odd_moments(day))
        if day in EVENTS:
            diary.library.clock.now = moments[0]
            EVENTS[day](diary)
        for moment in moments if TORTURE or day in busy else [diary.chance.choice(moments)]:
            diary.go_on(moment)
            given.update(diary.due.values())
    for due in sorted(given):
        diary.check_last_minute_of(due)
    assert {LEAP_DAY, *FOLDS, GAP} & given == {LEAP_DAY, *FOLDS, GAP}
    enough = {"lent": 300, "renewed": 100, "set aside": 100, "expired": 30, "moved": 8, "late": 3}
    assert {what: diary.seen.get(what, 0) for what in enough if diary.seen.get(what, 0) < enough[what]} == {}


@pytest.mark.parametrize("due", [*FOLDS, GAP, LEAP_DAY, date(2027, 12, 31)], ids=str)
def test_all_that_librarians_see_is_late_from_midnight_on(library: Library, due: date) -> None:
    with library.database.writing() as db:
        admin, begins = make.admin(db), due - timedelta(days=LOAN_DAYS)
        loan = make.loan(db, today=begins, now=datetime.combine(begins, time(12), BERLIN).astimezone(UTC))
    assert loan.due_on == due
    midnight = datetime.combine(due + A_DAY, time(0), BERLIN).astimezone(UTC)
    library.clock.now = midnight - A_MOMENT
    with library.client() as browser, library.client() as program:
        browser.sign_in(admin)
        program.with_token()
        for is_late in (False, True):
            listed = program.get("/api/v1/loans", params={"state": "overdue"}).json()
            assert [item["id"] for item in listed["items"]] == [loan.id] * is_late
            assert ("seit 1 Tag" in browser.get("/verwaltung/ausleihen").text) == is_late
            library.clock.now = midnight
