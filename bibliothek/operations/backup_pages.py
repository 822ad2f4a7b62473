"""The page about backups: when the last ones were made, whether they hold, and what to do when they do not."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import msgspec
from litestar.params import FromPath

from bibliothek.i18n import _
from bibliothek.operations import nightly
from bibliothek.operations.rotation import moment_of, next_night
from bibliothek.problems import NotFound
from bibliothek.web.routes import action, page
from bibliothek.web.sign_in import Audience
from bibliothek.web.visit import Download, Page, Redirect, Visit

PIECE = 1 << 20


class NoSuchBackup(NotFound):
    """It was removed to make room, or lies on another machine."""

    code = "no-such-backup"

    def __init__(self) -> None:
        super().__init__(_("Diese Sicherung gibt es hier nicht, oder nicht mehr."))


class Row(msgspec.Struct, frozen=True):
    """A backup in the list. `is_sound` is None where it was not rehearsed; `why` are sentences about what is wrong."""

    name: str
    made_at: datetime
    size: int
    is_sound: bool | None
    why: list[str]
    is_here: bool


@page("/verwaltung/sicherungen", Audience.LIBRARIANS)
def backups(visit: Visit) -> Page:
    """The newest first. Whoever looks learns nothing of what is in them."""
    settings = visit.settings
    return visit.page(
        "operations/backups.html",
        is_on=settings.backups is not None,
        last=nightly.last_backup(visit.db, visit.now),
        is_under_way=nightly.is_under_way(visit.db, visit.now),
        is_alarming=nightly.is_alarming(visit.db, settings, visit.now),
        rows=_rows(visit),
        next_at=next_night(visit.now, settings).astimezone(settings.timezone),
        keep=settings.backup_keep,
        goes_elsewhere=settings.backup_to is not None,
    )


def _rows(visit: Visit) -> list[Row]:
    here = nightly.local_files(visit.settings)
    zone = visit.settings.timezone
    known = {
        made.name: Row(
            made.name,
            made.made_at.astimezone(zone),
            made.size,
            made.is_sound,
            [made.trouble]
            if made.trouble
            else [_("Es gilt nicht: {rule}", rule=_(invariant)) for invariant in made.broken],
            made.name in here,
        )
        for made in nightly.account(visit.db).backups
    }
    for name in here.keys() - known:
        moment = moment_of(name)
        assert moment is not None
        known[name] = Row(name, moment.astimezone(zone), _size(here[name]), None, [], True)
    return [known[name] for name in sorted(known, reverse=True)]


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except FileNotFoundError:
        return 0


@action("/verwaltung/sicherungen/jetzt", Audience.LIBRARIANS, again=backups)
def now(visit: Visit) -> Redirect:
    """Let one begin; it takes seconds to minutes, and the page says so as long."""
    if visit.settings.backups is not None:
        nightly.now_please(visit.db, visit.now)
    return visit.redirect("/verwaltung/sicherungen")


@page("/verwaltung/sicherungen/{name:str}", Audience.ADMINS)
def one(visit: Visit, name: FromPath[str]) -> Download:
    """All of the library as a file: only for those who may also see everything else."""
    file = nightly.file_of(visit.settings, name)
    if file is None:
        raise NoSuchBackup
    return Download(_pieces(file), "application/zip", name)


def _pieces(file: Path) -> Iterator[bytes]:
    with file.open("rb") as content:
        while piece := content.read(PIECE):
            yield piece


handlers = [backups, now, one]
