"""What the backups that are made by themselves are called, whose they are, when the next one is due, and which of them stay."""

from __future__ import annotations

import re
import secrets
from collections.abc import Collection, Hashable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from bibliothek.migrations import revisions
from bibliothek.problems import Failed
from bibliothek.settings import Keep, Settings, make_once

# Earlier versions wrote no id.
_WHOSE = r"(?:-(?P<library>[0-9a-f]{8}))?\.zip"
NAME = re.compile(rf"bibliothek-(?P<moment>\d{{8}}T\d{{6}})Z{_WHOSE}")
_NAME_BEFORE = re.compile(rf"vor-(?P<revision>\w+){_WHOSE}")
# What is still on its way to another place, under a name that is no backup's.
_HALF = re.compile(rf"\.({NAME.pattern})\.half")
# In the data folder and not in the database: a backup that is restored elsewhere, for trial, makes another library.
ID_FILE = "library-id"

# By then nobody is still bringing it.
STALE = timedelta(days=1)

# What is later than now by more was made by a clock that was wrong.
AHEAD = timedelta(minutes=2)


def name_at(moment: datetime, library: str) -> str:
    """The moment comes first: names in their order are backups in theirs."""
    return f"bibliothek-{moment.astimezone(UTC):%Y%m%dT%H%M%S}Z-{library}.zip"


def half_of(name: str) -> str:
    return f".{name}.half"


def folder_before(settings: Settings) -> Path:
    """Where one is written before an upgrade, also while none are made by themselves."""
    return settings.backups or settings.data / "backups"


def name_before(revision: str, library: str) -> str:
    return f"vor-{revision}-{library}.zip"


def is_before(name: str) -> bool:
    """Whether it was made before an upgrade, whosever it is. Somebody's own may be called nearly so."""
    return _made_before(name) is not None


def _made_before(name: str) -> re.Match[str] | None:
    found = _NAME_BEFORE.fullmatch(name)
    return found if found and found["revision"] in revisions() else None


def moment_of(name: str) -> datetime | None:
    """When it was made, or None where it is not one of ours."""
    found = NAME.fullmatch(name)
    try:
        return datetime.fromisoformat(found["moment"]).replace(tzinfo=UTC) if found else None
    except ValueError:
        return None


def is_left_over(name: str, settings: Settings, now: datetime) -> bool:
    """Whether it is the half of a backup of ours that is so old that whoever brought it was ended."""
    found = _HALF.fullmatch(name)
    moment = moment_of(found[1]) if found else None
    return bool(found and moment and is_ours(found[1], settings) and now - moment > STALE)


def own_id(settings: Settings) -> str:
    """By which backups of several libraries in one place are told apart: eight signs at random, made where there are none.

    Raises Failed where somebody wrote something else into the file.
    """
    file = settings.data / ID_FILE
    found = _id_in(file)
    if found == "":
        # Not where there was no file: another process may have made one since.
        file.unlink(missing_ok=True)
    if not found:
        make_once(file, secrets.token_hex(4) + "\n")
        found = _id_in(file)
    return found or ""


def _id_in(file: Path) -> str | None:
    """None where there is no file, nothing where it is empty. People write into it, with whatever editor. Raises Failed."""
    try:
        found = file.read_text(encoding="utf-8-sig", errors="replace").strip().lower()
    except FileNotFoundError:
        return None
    if found and not re.fullmatch("[0-9a-f]{8}", found):
        raise Failed(
            f"In {file.resolve()} steht keine Kennung. Hinein gehören nur die acht Zeichen (0 bis 9, a bis f), die am Ende der "
            "Namen ihrer Sicherungen stehen. Kennst du sie nicht, lösche die Datei: Dann bekommt die Bibliothek eine neue."
        )
    return found


def is_ours(name: str, settings: Settings, folder: Path | None = None) -> bool:
    """Whether it is one of ours of this library: only then may we count, show or remove it.

    One without an id may be anybody's, unless it lies in a `folder` within our data folder. Raises Failed (own_id).
    """
    found = NAME.fullmatch(name) or _made_before(name)
    if found is None:
        return False
    if found["library"] is None:
        return folder is not None and is_own_folder(folder, settings)
    return found["library"] == own_id(settings)


def is_own_folder(folder: Path, settings: Settings) -> bool:
    """Whether it is in the data folder, where no other library is."""
    return folder.resolve().is_relative_to(settings.data.resolve())


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
