"""What is lent for how long, to whom, and when it is late. Pure: no session, no clock; dates are local dates of the library."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta
from typing import Any, Literal

import msgspec

from bibliothek.lending.opening import Calendar

# What is said to whoever borrows, and what a librarian is to look at afterwards. The loan is recorded all the same.
Note = Literal["over_limit", "passed_over", "was_missing", "in_repair", "reference"]


class Rule(msgspec.Struct, frozen=True):
    """What is different for a group of members, a kind of material, or both; None in the rest stays as it is for everybody."""

    group_id: int | None
    material_id: int | None
    loan_days: int | None = None
    renewals: int | None = None
    loan_limit: int | None = None


class Policy(msgspec.Struct, frozen=True):
    """What holds for one member and one title. `limit` counts all they have, `material_limit` only what is of this material;
    None for no limit."""

    loan_days: int
    renewals: int
    limit: int | None = None
    material_limit: int | None = None


class Terms(msgspec.Struct, frozen=True):
    """All rules of a library: for everybody, and what is different for some; when it is open; how long holds are kept (days)."""

    loan_days: int = 28
    renewals: int = 2
    renew_from: str = "today"
    loan_limit: int | None = None
    hold_days: int = 7
    rules: tuple[Rule, ...] = ()
    calendar: Calendar = Calendar()

    @property
    def ask_who(self) -> bool:
        """Whether it matters who borrows, and how many books they have."""
        return self.loan_limit is not None or bool(self.rules)

    def policy(self, group_id: int | None = None, material_id: int | None = None) -> Policy:
        """What holds for a member of this group and a title of this material, the most special rule first: for both, then for
        the group, then for the material."""
        own = [
            rule for rule in self.rules if rule.group_id in (None, group_id) and rule.material_id in (None, material_id)
        ]
        own.sort(key=lambda rule: (rule.group_id is None, rule.material_id is None))
        return Policy(
            loan_days=_first((rule.loan_days for rule in own), self.loan_days),
            renewals=_first((rule.renewals for rule in own), self.renewals),
            limit=_first((rule.loan_limit for rule in own if rule.material_id is None), self.loan_limit),
            material_limit=_first((rule.loan_limit for rule in own if rule.material_id is not None), None),
        )

    def due_on(self, today: date, policy: Policy | None = None) -> date:
        """When a loan that begins `today` is due: an opening day, and it may be kept all of that day."""
        return self.calendar.open_from(later(today, policy.loan_days if policy else self.loan_days))

    def renewed_until(self, today: date, due: date, policy: Policy) -> date:
        """When a loan that is due on `due` is due once it is renewed `today`: counted from either, as the library has it, but
        from today for whoever is late already."""
        start = max(due, today) if self.renew_from == "due" else today
        return self.calendar.open_from(later(start, policy.loan_days))

    def kept_until(self, today: date) -> date:
        """The last day on which what is set aside `today` is kept: an opening day."""
        return self.calendar.open_from(later(today, self.hold_days))


def _first(values: Iterable[int | None], default: Any) -> Any:
    """The first value that somebody has set."""
    return next((value for value in values if value is not None), default)


def later(day: date, days: int) -> date:
    """The date `days` after `day`, at most the last one there is."""
    return day + timedelta(days=min(days, (date.max - day).days))


def is_over_limit(policy: Policy, loans: int, of_material: int) -> bool:
    """Whether one more is too many for somebody who has `loans`, of which `of_material` are of this material."""
    return (policy.limit is not None and loans >= policy.limit) or (
        policy.material_limit is not None and of_material >= policy.material_limit
    )


def notes(state: str, is_reference: bool, is_over_limit: bool, somebody_waits: bool) -> tuple[Note, ...]:
    """What is to be said about a loan of a copy in this state. None of it keeps the book from whoever has it in their hands."""
    found: list[Note] = []
    if state == "missing":
        found.append("was_missing")
    if state == "repair":
        found.append("in_repair")
    if is_reference:
        found.append("reference")
    if somebody_waits:
        found.append("passed_over")
    if is_over_limit:
        found.append("over_limit")
    return tuple(found)


Refusal = Literal["waited_for", "used_up", "too_early"]


def why_not_renew(policy: Policy, renewed: int, somebody_waits: bool, due: date, would_be: date) -> Refusal | None:
    """Why a loan that was renewed `renewed` times keeps its date, None when it can have the date `would_be`."""
    if somebody_waits:
        return "waited_for"
    if renewed >= policy.renewals:
        return "used_up"
    return "too_early" if would_be <= due else None


def is_overdue(due: date, today: date) -> bool:
    """Overdue from 00:00 local time of the day after `due`."""
    return today > due


def days_late(due: date, today: date) -> int:
    """Whole days since `due`, 0 while it is not overdue."""
    return max(0, (today - due).days)
