"""Is all well? What keeps the library from serving, and what somebody should look at before it does. Says nothing of people."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Literal

import msgspec
from sqlalchemy import or_, select, text
from sqlalchemy.exc import DBAPIError, TimeoutError
from sqlalchemy.orm import Session

from bibliothek import jobs
from bibliothek.clock import is_behind
from bibliothek.db import Database
from bibliothek.jobs import Job
from bibliothek.mail import rounds
from bibliothek.mail.models import Mail
from bibliothek.migrations import current, newest
from bibliothek.operations import nightly
from bibliothek.settings import Settings

log = logging.getLogger("bibliothek")

Status = Literal["ok", "warning", "failed"]

# In bytes. A backup needs as much as the database, pictures come in by megabytes: time to act before the disk is full.
LITTLE_ROOM = 500_000_000
# The round goes once a minute.
ROUND_AT_LEAST = timedelta(minutes=5)
# One a night, which may begin late and take long.
BACKUP_AT_LEAST = timedelta(hours=36)
LONG_WAIT = timedelta(hours=1)
# A server that wants a second try at each mail (greylisting) is nothing to look at.
MANY_TRIES = 3


class Check(msgspec.Struct, frozen=True):
    """One thing looked at. Only `failed` keeps the library from serving; `reason` is empty where it is `ok`."""

    name: str
    status: Status = "ok"
    reason: str = ""


def look(database: Database, settings: Settings, clock: Callable[[], datetime]) -> Sequence[Check]:
    """All checks; what keeps from serving comes first. Without the database there is not much to be known."""
    try:
        trouble = _why_not_writable(database)
        found = (
            [trouble]
            if trouble
            else [Check("database"), Check("migrations"), *_from_database(database, settings, clock)]
        )
    except (DBAPIError, TimeoutError) as error:
        log.error("not ready: %s", getattr(error, "orig", error))
        found = [Check("database", "failed", "the database cannot be written")]
    return sorted([*found, disk(database, settings), _machine_clock(clock)], key=lambda check: check.status != "failed")


def _why_not_writable(database: Database) -> Check | None:
    with database.writing() as db:
        if current(db.connection()) != newest():
            return Check("migrations", "failed", "migrations are missing")
        _try_to_write(db)
    return None


def refuse_read_only(database: Database) -> None:
    """Raises DBAPIError where the library of this version cannot be written."""
    with database.writing() as db:
        _try_to_write(db)


def _try_to_write(db: Session) -> None:
    """Written and taken back: a database that is locked or read-only shows here, and only by writing. A full disk does not, because
    SQLite writes nothing before it commits."""
    db.execute(text("UPDATE library SET name = name"))
    db.rollback()


def _from_database(database: Database, settings: Settings, clock: Callable[[], datetime]) -> Iterator[Check]:
    with database.reading() as db:
        now = clock()
        yield last_round(jobs.find(db, rounds.JOB), now)
        yield last_backup(db, settings, now)
        yield mails(db, settings, now)


def disk(database: Database, settings: Settings) -> Check:
    if not database.has_room():
        return Check("disk", "failed", "the disk is full")
    if settings.data.exists() and shutil.disk_usage(settings.data).free < LITTLE_ROOM:
        return Check("disk", "warning", "the disk is nearly full")
    return Check("disk")


def _machine_clock(clock: Callable[[], datetime]) -> Check:
    if is_behind(clock):
        return Check("clock", "warning", "the clock is behind: nothing is judged by the date and no mail is sent")
    return Check("clock")


def last_round(job: Job | None, now: datetime) -> Check:
    """Also a warning in the first seconds after a start: nothing was forgotten or mailed for a while."""
    if job is None or job.ended_at is None:
        return Check("round", "warning", "no round has ended yet")
    if now - job.ended_at > ROUND_AT_LEAST:
        return Check("round", "warning", f"the last round ended {_ago(now - job.ended_at)} ago")
    return Check("round")


def last_backup(db: Session, settings: Settings, now: datetime) -> Check:
    """By the newest one that was restored for trial and found sound, wherever the server makes them itself."""
    known = nightly.last_backup(db, now)
    if settings.backups is None:
        return Check("backup")
    if known.trouble:
        return Check("backup", "warning", "the last try made no backup")
    if known.newest is None:
        return Check("backup", "warning", "no backup yet")
    age = now - known.newest.made_at
    if not known.newest.is_sound:
        return Check("backup", "warning", f"the last backup, {_ago(age)} ago, is not good")
    if age > BACKUP_AT_LEAST:
        return Check("backup", "warning", f"the last backup is {_ago(age)} old")
    if known.sending_trouble:
        return Check("backup", "warning", "the last backup did not get to the other place")
    return Check("backup")


def mails(db: Session, settings: Settings, now: datetime) -> Check:
    """Without a mail server, mails wait for nothing: that is no news."""
    stuck = or_(Mail.created_at < now - LONG_WAIT, Mail.tries >= MANY_TRIES)
    if settings.mail_is_possible and db.scalar(select(Mail.id).where(Mail.state == "pending", stuck).limit(1)):
        return Check("mail", "warning", "mail waits: the mail server does not take it")
    return Check("mail")


def _ago(span: timedelta) -> str:
    hours = span / timedelta(hours=1)
    if hours < 2:
        return f"{hours * 60:.0f} minutes"
    return f"{hours:.0f} hours" if hours < 72 else f"{hours / 24:.0f} days"
