"""A backup each night, made by the server itself, restored for trial, and brought to another place.

Of several processes one does it (jobs.py). What came of it stands in the outcome of the job, for the page of librarians, `/readyz`
and `doctor`.
"""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import TypeVar

import msgspec
from sqlalchemy import event, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from bibliothek import jobs
from bibliothek.db import Database
from bibliothek.library.models import Library
from bibliothek.operations.apart import Answer, Made, tidy_before
from bibliothek.operations.rotation import AHEAD, folder_before, is_ours, moment_of, next_night, to_keep
from bibliothek.problems import Failed
from bibliothek.settings import PREFIX, Settings

JOB, SENDING = "backup", "backup elsewhere"
# Longer than it takes with a million titles, or with a slow line. One that died is done again after it; one that takes longer hangs
# (a share that is gone), and is ended: the next night would wait for it, too.
LEASE, SENDING_LEASE = timedelta(hours=3), timedelta(hours=20)
# After trouble.
AGAIN = timedelta(hours=1)
# Not at once after the start: the first page comes first.
FIRST_AFTER_S, EVERY_S = 15.0, 60.0
# Without a good backup for so long somebody should look.
TOO_OLD = timedelta(days=2)

log = logging.getLogger(__name__)
_told = threading.Event()
S = TypeVar("S", bound=msgspec.Struct)


class Account(msgspec.Struct, frozen=True):
    """The outcome of the job: the backups that stay, the newest first, and why the last try made none, if it did not."""

    backups: list[Made] = []
    trouble: str | None = None


class Sending(msgspec.Struct, frozen=True):
    """The outcome of the other one: when all was last brought to the other place, and why the last try failed, if it did."""

    sent_at: datetime | None = None
    trouble: str | None = None


class LastBackup(msgspec.Struct, frozen=True):
    """How backing up goes. `good_at` is the moment of the newest one that was restored for trial and found sound; `newest` the
    newest of all. `trouble` is why the last try made none; `sent_at` and `sending_trouble` are about the other place."""

    good_at: datetime | None
    newest: Made | None
    trouble: str | None
    sent_at: datetime | None
    sending_trouble: str | None

    def is_too_old(self, now: datetime) -> bool:
        return self.good_at is None or now - self.good_at > TOO_OLD


# ---- What can be asked ----


def account(db: Session) -> Account:
    return _outcome(jobs.find(db, JOB), Account)


def last_backup(db: Session, now: datetime) -> LastBackup:
    done, sending = account(db), _outcome(jobs.find(db, SENDING), Sending)
    # One that a wrong clock dated later says nothing about the days up to now.
    backups = [made for made in done.backups if made.made_at - now <= AHEAD]
    good = [made.made_at for made in backups if made.is_sound]
    newest = backups[0] if backups else None
    return LastBackup(max(good, default=None), newest, done.trouble, sending.sent_at, sending.trouble)


def is_under_way(db: Session, now: datetime) -> bool:
    """Whether one is being made, or will be within a minute."""
    job = jobs.find(db, JOB)
    return job is not None and (_is_running(job) or job.next_at <= now)


def is_alarming(db: Session, settings: Settings, now: datetime) -> bool:
    """Whether somebody should look why there is no good backup of the last days. Not in a library that is younger than that."""
    if settings.backups is None or not last_backup(db, now).is_too_old(now):
        return False
    set_up_at = db.scalar(select(Library.set_up_at))
    return set_up_at is not None and now - set_up_at > TOO_OLD


def _outcome(job: jobs.Job | None, kind: type[S]) -> S:
    return msgspec.json.decode(job.outcome, type=kind) if job and job.outcome else kind()


def _is_running(job: jobs.Job | None) -> bool:
    return bool(job and job.began_at and (job.ended_at is None or job.ended_at < job.began_at))


def file_of(settings: Settings, name: str) -> Path | None:
    """The backup of that name, where it lies on this machine."""
    return local_files(settings).get(name)


# ---- What can be done ----


def now_please(db: Session, now: datetime) -> None:
    """Let a backup begin at once, unless one is just being made."""
    job = jobs.find(db, JOB)
    if _is_running(job) and job and job.next_at > now:
        return
    if job is None:
        jobs.claim(db, JOB, now, timedelta())
    jobs.make_due(db, JOB, now)
    event.listen(db, "after_commit", lambda _session: _told.set(), once=True)


# ---- What the server does by itself ----


class Nights:
    """A background thread of the server; what takes long it leaves to a process (apart.py)."""

    def __init__(self, database: Database, settings: Settings, clock: Callable[[], datetime]) -> None:
        self._database, self._settings, self._clock = database, settings, clock
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        if self._settings.backups is None:
            # Before an upgrade there is one all the same.
            with suppress(OSError, Failed):
                tidy_before(folder_before(self._settings), self._settings)
            return
        self._stop.clear()
        self._thread = threading.Thread(target=self._go_on, name="backup", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End at once: a backup that is half made is none, and is made again."""
        self._stop.set()
        _told.set()
        if self._process:
            self._process.kill()
        if self._thread:
            self._thread.join(timeout=10)

    def _go_on(self) -> None:
        pause = FIRST_AFTER_S
        while not self._stop.is_set():
            _told.wait(pause)
            _told.clear()
            pause = EVERY_S
            if self._stop.is_set():
                return
            try:
                self.do_what_is_due()
            except SQLAlchemyError as error:
                log.error("no backup: %s", getattr(error, "orig", type(error).__name__))
            except Exception:
                # The lease brings the next try.
                log.exception("no backup")

    def do_what_is_due(self) -> None:
        """Make the backup of this night, and bring to the other place what is not there, if nobody else is at it.

        Also while the machine's clock is behind: it may be for long, and the library's own goes on.
        """
        if self._claim(JOB, LEASE, next_night(self._clock(), self._settings)):
            self._make()
        if self._settings.backup_to and self._claim(SENDING, SENDING_LEASE, self._clock()):
            self._send()

    def _claim(self, name: str, lease: timedelta, first_at: datetime) -> bool:
        """Whether the job is due and ours. One that was never done is due at `first_at`."""
        now = self._clock()
        with self._database.reading() as db:
            job = jobs.find(db, name)
            if job and job.next_at > now:
                return False
        with self._database.writing() as db:
            if not jobs.claim(db, name, now, lease):
                return False
            if job is None and first_at > now:
                jobs.finish(db, name, now, first_at)
                return False
            return True

    def _give_back(self, name: str) -> None:
        """Let the next server begin with it at once, and not when the lease ends."""
        with self._database.writing() as db:
            jobs.make_due(db, name, self._clock())

    def _make(self) -> None:
        now = self._clock()
        answer = self._ask(LEASE, "make", now.isoformat())
        if answer is None:
            self._give_back(JOB)
            return
        done, ended = self._settled(answer), self._clock()
        log.log(
            logging.INFO if answer.made and answer.made.is_sound else logging.ERROR,
            "backup: %s",
            answer.trouble or (answer.made and (answer.made.trouble or ", ".join(answer.made.broken))) or "sound",
        )
        # One that is not sound because the library is not will be the same in an hour.
        is_over = answer.made is not None and answer.made.trouble is None
        with self._database.writing() as db:
            again = next_night(ended, self._settings) if is_over else ended + AGAIN
            jobs.finish(db, JOB, ended, again, msgspec.json.encode(done).decode())
            if answer.made:
                jobs.make_due(db, SENDING, ended)

    def _settled(self, answer: Answer) -> Account:
        """The account with what was just made; what is too old is removed."""
        with self._database.reading() as db:
            before = account(db)
        if answer.made is None:
            return Account(before.backups, answer.trouble)
        # A library that was restored knows those of the one that it was.
        backups = [made for made in before.backups if is_ours(made.name, self._settings, self._settings.backups)]
        known = {made.name: made for made in [answer.made, *backups]}
        here = local_files(self._settings)
        bad = {made.name for made in known.values() if not made.is_sound}
        kept = to_keep({*known, *here}, self._settings.backup_keep, self._settings.timezone, self._clock(), bad)
        # Until the next one, whatever came of it: a bad one after a good one of the same day must not go unseen.
        kept.add(answer.made.name)
        for name in here.keys() - kept:
            here[name].unlink(missing_ok=True)
        return Account([known[name] for name in sorted(known.keys() & kept, reverse=True)])

    def _send(self) -> None:
        with self._database.reading() as db:
            bad = [made.name for made in account(db).backups if not made.is_sound]
        answer = self._ask(SENDING_LEASE, "send", self._clock().isoformat(), *bad)
        if answer is None:
            self._give_back(SENDING)
            return
        ended = self._clock()
        with self._database.writing() as db:
            before = _outcome(jobs.find(db, SENDING), Sending)
            done = Sending(before.sent_at if answer.trouble else ended, answer.trouble)
            if answer.trouble:
                log.error("backup elsewhere: %s", answer.trouble)
            # After success only the next backup makes it due.
            again = ended + (AGAIN if answer.trouble else timedelta(days=1))
            jobs.finish(db, SENDING, ended, again, msgspec.json.encode(done).decode())

    def _ask(self, patience: timedelta, *arguments: str) -> Answer | None:
        """What the process answers, which is ended when it takes longer than `patience`; None when the server ends."""
        self._process = subprocess.Popen(  # noqa: S603 (no word of anybody else is in it)
            [sys.executable, "-m", "bibliothek.operations.apart", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, **_environment(self._settings)},
        )
        with self._process as process:
            if self._stop.is_set():
                process.kill()
            assert process.stdout
            end = threading.Timer(patience.total_seconds(), process.kill)
            end.daemon = True
            end.start()
            said = process.stdout.read()
            end.cancel()
        if self._stop.is_set():
            return None
        if process.returncode or not said:
            return Answer(trouble=f"Das Sichern brach ab ({process.returncode}).")
        return msgspec.json.decode(said, type=Answer)


def local_files(settings: Settings) -> dict[str, Path]:
    """The backups of this library that lie on this machine, by name."""
    folder = settings.backups
    found = [file for file in folder.iterdir() if moment_of(file.name)] if folder and folder.is_dir() else []
    try:
        return {file.name: file for file in found if is_ours(file.name, settings, folder)}
    except Failed:
        # Without an id none is surely ours. The next backup says what is wrong with it.
        return {}


def _environment(settings: Settings) -> dict[str, str]:
    """The settings that the process needs, as these are and not as its surroundings would have them."""
    keep = settings.backup_keep
    said = {
        "DATA": str(settings.data.absolute()),
        "DATABASE_URL": settings.database_url or "",
        "TIMEZONE": settings.timezone.key,
        "LANGUAGE": settings.language,
        "BACKUP_DIR": str(settings.backups.absolute()) if settings.backups else "off",
        "BACKUP_KEEP": f"{keep.days},{keep.weeks}",
        "BACKUP_TO": settings.backup_to or "",
    }
    # A file that the surroundings name for the same would be one too many.
    return {
        PREFIX + name + ending: value
        for name, said_here in said.items()
        for ending, value in (("", said_here), ("_FILE", ""))
    }
