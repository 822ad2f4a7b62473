"""What the backups that are made by themselves are called, when the next one is due, and which of them stay."""

from __future__ import annotations

import re
from collections.abc import Collection, Hashable
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from bibliothek.settings import Keep, Settings

NAME = re.compile(r"bibliothek-(\d{8}T\d{6})Z\.zip")
# Of those that are made before an upgrade; somebody's own may be called nearly so.
NAME_BEFORE = re.compile(r"vor-\d{4}_\d\d_\d\d_\w+\.zip")

# What is later than now by more was made by a clock that was wrong.
AHEAD = timedelta(minutes=2)


def name_at(moment: datetime) -> str:
    return f"bibliothek-{moment.astimezone(UTC):%Y%m%dT%H%M%S}Z.zip"


def moment_of(name: str) -> datetime | None:
    """When it was made, or None where it is not one of ours."""
    found = NAME.fullmatch(name)
    try:
        return datetime.fromisoformat(found[1]).replace(tzinfo=UTC) if found else None
    except ValueError:
        return None


def next_night(now: datetime, settings: Settings) -> datetime:
    """The next moment at which the clock on the wall says `backup_at`."""
    local = now.astimezone(settings.timezone)
    due = datetime.combine(local.date(), settings.backup_at, settings.timezone)
    if due <= local:
        due = datetime.combine(local.date() + timedelta(days=1), settings.backup_at, settings.timezone)
    return due.astimezone(UTC)


def to_keep(
    names: Collection[str], keep: Keep, timezone: ZoneInfo, now: datetime, bad: Collection[str] = ()
) -> set[str]:
    """The newest of each of the last days and weeks that have one, a sound one before one that is `bad`; and the newest sound one.

    Days are counted, not subtracted from today: a clock that is a year ahead must not make everything too old. Those that were
    made with such a clock count by themselves: they must not take the places of those made with the right one.
    """
    made = {name: moment.astimezone(timezone) for name in names if (moment := moment_of(name))}
    later = {name: moment for name, moment in made.items() if moment - now > AHEAD}
    return _best({name: made[name] for name in made.keys() - later}, keep, bad) | _best(later, keep, bad)


def _best(made: dict[str, datetime], keep: Keep, bad: Collection[str]) -> set[str]:
    best_first = sorted(made, key=lambda name: (name not in bad, made[name]), reverse=True)
    days = _first_of_each({name: made[name].date() for name in best_first})
    weeks = _first_of_each({name: made[name].isocalendar()[:2] for name in best_first})
    return {*_newest(days, keep.days), *_newest(weeks, keep.weeks), *best_first[:1]}


def _first_of_each(spans: dict[str, Hashable]) -> dict[Any, str]:
    first: dict[Any, str] = {}
    for name, span in spans.items():
        first.setdefault(span, name)
    return first


def _newest(spans: dict[Any, str], count: int) -> list[str]:
    return [spans[span] for span in sorted(spans, reverse=True)[:count]]
