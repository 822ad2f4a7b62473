"""When a loan is due and when it is late."""

from __future__ import annotations

from datetime import date

from hypothesis import given
from hypothesis import strategies as st

from bibliothek.lending.rules import Terms, days_late, is_overdue


def test_a_loan_may_be_kept_all_of_its_last_day() -> None:
    due = Terms(loan_days=28).due_on(date(2026, 11, 23))
    assert due == date(2026, 12, 21)
    assert not is_overdue(due, date(2026, 12, 21))
    assert is_overdue(due, date(2026, 12, 22))


@given(st.dates(date(2000, 1, 1), date(2100, 1, 1)), st.integers(1, 365), st.integers(-400, 400))
def test_days_late_are_whole_days_after_the_last(today: date, loan_days: int, later: int) -> None:
    due = Terms(loan_days=loan_days).due_on(today)
    then = date.fromordinal(due.toordinal() + later)
    assert days_late(due, then) == max(0, later)
    assert is_overdue(due, then) == (later > 0)
