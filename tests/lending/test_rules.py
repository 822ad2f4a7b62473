"""When a loan is due and when it is late."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bibliothek.lending.opening import Calendar, weekdays
from bibliothek.lending.rules import (
    Policy,
    Rule,
    Terms,
    days_late,
    is_over_limit,
    is_overdue,
    later,
    notes,
    why_not_renew,
)


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


GROUP, MATERIAL = 1, 2
MONDAY, TUESDAY = date(2026, 11, 23), date(2026, 11, 24)


def test_what_nobody_has_set_is_as_for_everybody() -> None:
    terms = Terms(loan_days=14, renewals=3, loan_limit=5, rules=(Rule(GROUP, None),))
    assert terms.policy(GROUP, MATERIAL) == terms.policy() == Policy(14, 3, 5, None)
    assert Terms() == Terms(28, 2, "today", None, 7, (), Calendar())


def test_the_most_special_rule_comes_first() -> None:
    rules = (
        Rule(None, MATERIAL, loan_days=7, renewals=0, loan_limit=1),
        Rule(GROUP, None, loan_days=60, renewals=5, loan_limit=20),
        Rule(GROUP, MATERIAL, loan_days=10),
    )
    for order in (rules, rules[::-1]):
        terms = Terms(rules=order, loan_limit=9)
        assert terms.policy(GROUP, MATERIAL) == Policy(10, 5, 20, 1)
        assert terms.policy(GROUP) == terms.policy(GROUP, 99) == Policy(60, 5, 20, None)
        assert terms.policy(None, MATERIAL) == terms.policy(99, MATERIAL) == Policy(7, 0, 9, 1)


def test_a_limit_for_both_counts_more_than_that_of_the_material() -> None:
    terms = Terms(rules=(Rule(None, MATERIAL, loan_limit=1), Rule(GROUP, MATERIAL, loan_limit=0)))
    assert terms.policy(GROUP, MATERIAL).material_limit == 0
    assert terms.policy(None, MATERIAL).material_limit == 1


def test_who_borrows_matters_only_with_a_limit_or_a_rule() -> None:
    assert not Terms().ask_who
    assert Terms(loan_limit=1).ask_who
    assert Terms(rules=(Rule(GROUP, None),)).ask_who


def test_every_date_is_an_opening_day() -> None:
    terms = Terms(loan_days=1, hold_days=2, calendar=Calendar(weekdays([0])))
    policy = Policy(8, 1)
    assert terms.due_on(MONDAY) == date(2026, 11, 30)
    assert terms.due_on(MONDAY, policy) == date(2026, 12, 7)
    assert terms.renewed_until(MONDAY, MONDAY, policy) == date(2026, 12, 7)
    assert terms.kept_until(MONDAY) == date(2026, 11, 30)


@pytest.mark.parametrize(
    ("renew_from", "due", "until"),
    [
        ("today", date(2026, 11, 30), date(2026, 12, 1)),
        ("due", date(2026, 11, 30), date(2026, 12, 7)),
        ("due", date(2026, 11, 1), date(2026, 12, 1)),
        ("today", date(2026, 11, 1), date(2026, 12, 1)),
    ],
)
def test_a_renewal_counts_from_where_the_library_has_it(renew_from: str, due: date, until: date) -> None:
    assert Terms(renew_from=renew_from).renewed_until(TUESDAY, due, Policy(7, 1)) == until


def test_no_date_is_after_the_last() -> None:
    assert later(date.max, 3) == later(date(9999, 12, 30), 1) == date.max
    assert later(MONDAY, 1) == TUESDAY


@pytest.mark.parametrize(
    ("policy", "loans", "of_material", "is_over"),
    [
        (Policy(7, 1), 99, 99, False),
        (Policy(7, 1, limit=2), 1, 1, False),
        (Policy(7, 1, limit=2), 2, 0, True),
        (Policy(7, 1, limit=2), 3, 0, True),
        (Policy(7, 1, material_limit=2), 9, 1, False),
        (Policy(7, 1, material_limit=2), 2, 2, True),
        (Policy(7, 1, material_limit=2), 3, 3, True),
        (Policy(7, 1, limit=0), 0, 0, True),
    ],
)
def test_one_more_than_the_limit_is_too_many(policy: Policy, loans: int, of_material: int, is_over: bool) -> None:
    assert is_over_limit(policy, loans, of_material) == is_over


def test_what_is_said_about_a_loan() -> None:
    assert notes("active", False, False, False) == ()
    assert notes("missing", True, True, True) == ("was_missing", "reference", "passed_over", "over_limit")
    assert notes("repair", False, False, False) == ("in_repair",)
    assert notes("active", True, False, False) == ("reference",)
    assert notes("active", False, True, False) == ("over_limit",)
    assert notes("active", False, False, True) == ("passed_over",)


def test_why_a_loan_is_not_renewed() -> None:
    policy = Policy(7, renewals=2)
    assert why_not_renew(policy, 0, True, MONDAY, TUESDAY) == "waited_for"
    assert why_not_renew(policy, 2, False, MONDAY, TUESDAY) == "used_up"
    assert why_not_renew(policy, 3, False, MONDAY, TUESDAY) == "used_up"
    assert why_not_renew(policy, 1, False, MONDAY, MONDAY) == "too_early"
    assert why_not_renew(policy, 1, False, MONDAY, TUESDAY) is None
    assert why_not_renew(policy, 1, False, TUESDAY, MONDAY) == "too_early"
    assert why_not_renew(policy, 2, True, TUESDAY, MONDAY) == "waited_for"
