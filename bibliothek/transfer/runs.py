"""From a file that somebody brought to books in the catalogue: what is written down about it, and the background run that works
on it.

The file lies in a folder of its own beside the database, readable for nobody else, until it is done with. One file is worked on
at a time, by one thread of one process: it holds a lease, which ends by itself when the process dies; another one then begins
again.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy import delete, event, insert, select, update
from sqlalchemy.exc import OperationalError, SQLAlchemyError
from sqlalchemy.orm import Session

from bibliothek import codes, i18n
from bibliothek.catalogue.wording import byline
from bibliothek.db import LARGEST_ID, Database
from bibliothek.i18n import _
from bibliothek.library.queries import library_for_change
from bibliothek.problems import NotFound, Problem
from bibliothek.settings import Settings
from bibliothek.transfer.formats import Plan
from bibliothek.transfer.incoming import SHOWN, Look, Progress, Tally, bring_in
from bibliothek.transfer.models import ImportProblem, ImportRun
from bibliothek.transfer.tables import NoTable, rows_of

FOLDER = "imports"
LEASE = timedelta(seconds=60)
# How often to look for what another process was told, and to tidy up.
EVERY_S = 10.0
# Not at once after the start: the first page comes first.
FIRST_AFTER_S = 1.0
# A list that nobody went on with is dropped.
OPEN_FOR = timedelta(days=7)
# What did not come in, and what the file was called: who wanted to mend it has done so by then. Which rows are here already
# is remembered apart from this.
KEPT = timedelta(days=90)
# A file without a run is one whose upload broke off.
STRAY_AFTER = timedelta(hours=6)
# Rows that are written down for mending. Where more fail, it is the wrong column.
MOST_PROBLEMS = 10_000
WORKED_ON = ("checking", "running")

log = logging.getLogger(__name__)
_told = threading.Event()


class Shown(msgspec.Struct, frozen=True):
    """A row as it would come in, for the preview; `kind` is that of `incoming.Look`."""

    row: int
    kind: str
    title: str
    byline: str
    printed: str
    shelf: str
    copies: int


class Account(msgspec.Struct, frozen=True):
    """What a run has counted so far, the first rows as they would look, and the headings of the file, which itself goes."""

    tally: Tally = Tally()
    looks: list[Shown] = []
    headings: list[str] = []


class NoSuchRun(NotFound):
    """The list was removed, or never was."""

    code = "no-such-import"

    def __init__(self) -> None:
        super().__init__(_("Diese Liste gibt es nicht, oder nicht mehr."))


class NotNow(Problem):
    """The list is in another state than the page that was sent showed."""

    code = "import-has-moved-on"

    def __init__(self) -> None:
        super().__init__(_("Mit dieser Liste ist es inzwischen weitergegangen. So steht es jetzt um sie."))


class _Over(Exception):
    """Somebody dropped the run, or another process has it."""


# ---- What is known ----


def run_by(db: Session, run_id: int, for_change: bool = False) -> ImportRun:
    """Raises NoSuchRun."""
    found = db.get(ImportRun, run_id, with_for_update=for_change) if run_id <= LARGEST_ID else None
    if found is None:
        raise NoSuchRun
    return found


def newest(db: Session, count: int) -> Sequence[ImportRun]:
    """The runs that were begun last, but for those that were dropped."""
    wanted = select(ImportRun).where(ImportRun.state != "dropped")
    return db.scalars(wanted.order_by(ImportRun.id.desc()).limit(count)).all()


def problems_of(db: Session, run_id: int, kind: str, after: int = 0, count: int = 200) -> Sequence[ImportProblem]:
    """The rows that did not come in (or with a remark), in the order of the file, beyond the problem `after`."""
    wanted = select(ImportProblem).where(ImportProblem.run_id == run_id, ImportProblem.id > after)
    return db.scalars(wanted.where(ImportProblem.kind == kind).order_by(ImportProblem.id).limit(count)).all()


def plan_of(run: ImportRun) -> Plan:
    return msgspec.json.decode(run.plan, type=Plan)


def account_of(run: ImportRun) -> Account:
    return msgspec.json.decode(run.tally, type=Account)


def folder_of(settings: Settings) -> Path:
    return settings.data / FOLDER


def file_of(settings: Settings, run_id: int) -> Path:
    return folder_of(settings) / f"{run_id}.table"


# ---- What people do ----


def begin(
    db: Session, settings: Settings, path: Path, name: str, plan: Plan, headings: list[str], now: datetime
) -> ImportRun:
    """A file that was just sent and looks like a table: it is kept until it is done with."""
    run = ImportRun(
        state="new",
        file_name=_kept([name[:200]])[0],
        plan=_json(plan),
        tally=_json(Account(headings=_kept(headings))),
        trouble=None,
        created_at=now,
        changed_at=now,
        lease_until=None,
    )
    db.add(run)
    db.flush()
    # Where the transaction fails after this, the file is tidied up as one without a run.
    path.replace(file_of(settings, run.id))
    return run


def read_anew(db: Session, run_id: int, plan: Plan, headings: list[str], now: datetime) -> None:
    """The file is read in another way. Raises NoSuchRun, NotNow."""
    run = _in_state(db, run_id, "new", "checking", "checked")
    run.plan, run.tally = _json(plan), _json(Account(headings=_kept(headings)))
    _move(run, "new", now)
    _begin_again(db, run)


def check(db: Session, run_id: int, plan: Plan, now: datetime) -> None:
    """What the columns hold is said: look what would come in. Raises NoSuchRun, NotNow."""
    run = _in_state(db, run_id, "new", "checking", "checked")
    run.plan = _json(plan)
    _move(run, "checking", now)
    _begin_again(db, run)
    soon(db)


def take_in(db: Session, run_id: int, now: datetime) -> None:
    """What the preview showed shall happen. Raises NoSuchRun, NotNow."""
    run = _in_state(db, run_id, "checked")
    _move(run, "running", now)
    _begin_again(db, run)
    soon(db)


def drop(db: Session, settings: Settings, run_id: int, now: datetime) -> None:
    """Away with the file. What has come in already stays. Raises NoSuchRun, NotNow."""
    run = _in_state(db, run_id, "new", "checking", "checked", "running")
    if run.state == "running":
        _move(run, "failed", now)
        run.trouble = _("Jemand hat angehalten. Was bis dahin aufgenommen war, ist aufgenommen.")
    else:
        _move(run, "dropped", now)
        _forget_looks(run)
        db.execute(delete(ImportProblem).where(ImportProblem.run_id == run.id))
    _forget_file(db, settings, run_id)


def _in_state(db: Session, run_id: int, *states: str) -> ImportRun:
    run = run_by(db, run_id, for_change=True)
    if run.state not in states:
        raise NotNow
    return run


def _move(run: ImportRun, state: str, now: datetime) -> None:
    run.state, run.changed_at, run.lease_until = state, now, None


def _begin_again(db: Session, run: ImportRun) -> None:
    run.tally = _json(Account(headings=account_of(run).headings))
    run.rows_done, run.trouble = 0, None
    db.execute(delete(ImportProblem).where(ImportProblem.run_id == run.id))


def _forget_looks(run: ImportRun) -> None:
    """Once a list is in or dropped, nobody looks at its preview any more."""
    run.tally = _json(msgspec.structs.replace(account_of(run), looks=[]))


def _forget_file(db: Session, settings: Settings, run_id: int) -> None:
    """With the transaction: a file whose run goes on must not be missing."""
    path = file_of(settings, run_id)
    event.listen(db, "after_commit", lambda _session: path.unlink(missing_ok=True), once=True)


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


# ---- The background run ----


def soon(db: Session) -> None:
    """What this transaction left to be done is begun as soon as it is committed."""
    event.listen(db, "after_commit", lambda _session: _told.set(), once=True)


class Runs:
    """The thread of one process."""

    def __init__(self, database: Database, settings: Settings, clock: Callable[[], datetime]) -> None:
        self._database, self._settings, self._clock = database, settings, clock
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        self._stop.clear()
        self._thread = threading.Thread(target=self._go_on, name="imports", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Ask the thread to end after the rows that it has in hand; the next start goes on."""
        self._stop.set()
        _told.set()
        if self._thread:
            self._thread.join(timeout=5)

    def _go_on(self) -> None:
        self._stop.wait(FIRST_AFTER_S)
        i18n.use_language(self._settings.language)
        while not self._stop.is_set():
            _told.clear()
            if not self._one():
                _told.wait(EVERY_S)

    def _one(self) -> bool:
        """Work on one list; False when none waits. What fails here is tried again when its lease ends."""
        try:
            return work_on_one(self._database, self._settings, self._clock, self._stop.is_set)
        except SQLAlchemyError as error:
            if not self._stop.is_set():
                log.error("import: %s", type(error).__name__)
        except Exception:
            log.exception("import")
        return False


def work_on_one(
    database: Database, settings: Settings, clock: Callable[[], datetime], is_over: Callable[[], bool] = lambda: False
) -> bool:
    """Tidy up, then work on the list that waits longest, to its end or until `is_over`; False when none waits."""
    now = clock()
    tidy_up(database, settings, now)
    with database.reading() as db:
        if db.scalar(_waiting(now).limit(1)) is None:
            return False
    with database.writing() as db:
        claimed = _claim(db, now)
    if claimed is None:
        return False
    job = _Job(database, settings, clock, is_over, claimed)
    try:
        job.work()
    except _Over:
        log.info("import %s: somebody else has it", claimed.id)
    except NoTable as no:
        job.end("failed", no.sentence)
    except OperationalError:
        # The database is away or full: once more when the lease ends.
        raise
    except FileNotFoundError:
        job.end(
            "failed",
            _("Die Datei ist nicht mehr da. Bring sie noch einmal: Was schon aufgenommen ist, kommt nicht doppelt."),
        )
    except Exception:
        # Ended, or it would be begun again for ever, and no other list would have its turn.
        log.exception("import %s", claimed.id)
        job.end("failed", _("Dabei ist ein Fehler aufgetreten. Was bis dahin aufgenommen war, ist aufgenommen."))
    return True


def _waiting(now: datetime) -> Any:
    is_free = ImportRun.lease_until.is_(None) | (ImportRun.lease_until < now)
    return (
        select(ImportRun.id).where(ImportRun.state.in_(WORKED_ON), is_free).order_by(ImportRun.changed_at, ImportRun.id)
    )


def _claim(db: Session, now: datetime) -> ImportRun | None:
    """The list to work on; None where another process is at one."""
    library_for_change(db)
    is_busy = select(ImportRun.id).where(ImportRun.state.in_(WORKED_ON), ImportRun.lease_until >= now)
    run_id = db.scalar(_waiting(now).limit(1))
    if run_id is None or db.scalar(is_busy.limit(1)) is not None:
        return None
    run = run_by(db, run_id)
    run.lease_until = now + LEASE
    if run.state == "checking":
        _begin_again(db, run)
    return run


class _Job:
    """The work on one list, from the claim to its end. A preview begins again; a run counts on from where it was."""

    def __init__(
        self,
        database: Database,
        settings: Settings,
        clock: Callable[[], datetime],
        is_over: Callable[[], bool],
        run: ImportRun,
    ) -> None:
        self._database, self._settings, self._clock, self._is_over = database, settings, clock, is_over
        self._id, self._state, self._lease = run.id, run.state, run.lease_until
        self._path, self._plan, self._account = file_of(settings, run.id), plan_of(run), account_of(run)

    def work(self) -> None:
        """Raises NoTable, FileNotFoundError, and _Over where the run is somebody else's."""
        is_dry = self._state == "checking"
        if is_dry:
            self._count()
        counted = None if is_dry else self._account.tally
        progress = bring_in(
            self._database, self._path, self._plan, self._clock, dry=is_dry, counted=counted, record=self._record
        )
        for _handful in progress:
            if self._is_over():
                break
        if self._is_over():
            self._release()
        else:
            self.end("checked" if is_dry else "done")

    def _count(self) -> None:
        """How many rows there are; said now and then, so that the lease does not end meanwhile."""
        count = 0
        with rows_of(self._path, self._plan.reading) as rows:
            for row in rows:
                count += row.number > self._plan.reading.header
                if count and count % 5000 == 0:
                    self._say(count)
                    if self._is_over():
                        return
        self._say(count)

    def _say(self, total: int) -> None:
        with self._database.writing() as db:
            self._note(db, rows_total=total)

    def _note(self, db: Session, **what: Any) -> None:
        """How far it is, and the lease once more. Raises _Over where somebody changed or dropped the run meanwhile."""
        until = self._clock() + LEASE
        ours = update(ImportRun).where(
            ImportRun.id == self._id, ImportRun.state == self._state, ImportRun.lease_until == self._lease
        )
        if not db.execute(ours.values(lease_until=until, **what).returning(ImportRun.id)).all():
            raise _Over
        self._lease = until

    def _record(self, db: Session, progress: Progress) -> None:
        before, looks = self._account, self._account.looks
        if self._state == "checking":
            looks = [*looks, *map(_shown, progress.looks[: SHOWN - len(looks)])]
        self._account = Account(progress.tally, looks, self._account.headings)
        self._note(db, tally=_json(self._account), rows_done=progress.tally.rows)
        _write_troubles(db, self._id, before.tally, progress)

    def _release(self) -> None:
        """The process ends: whoever starts next need not wait for the lease."""
        with self._database.writing() as db:
            ours = update(ImportRun).where(ImportRun.id == self._id, ImportRun.lease_until == self._lease)
            db.execute(ours.values(lease_until=None))

    def end(self, state: str, trouble: str | None = None) -> None:
        with self._database.writing() as db:
            run = run_by(db, self._id, for_change=True)
            if run.state != self._state or run.lease_until != self._lease:
                return
            _move(run, state, self._clock())
            run.trouble = trouble
            if state != "checked":
                _forget_looks(run)
                _forget_file(db, self._settings, run.id)


def _write_troubles(db: Session, run_id: int, before: Tally, progress: Progress) -> None:
    """Rows to be mended. Those that were left out on purpose are only counted."""
    room = MOST_PROBLEMS - before.failed - before.remarks
    wrong = [trouble for trouble in progress.troubles if trouble.kind != "skipped"][: max(0, room)]
    if wrong:
        rows = [
            {"run_id": run_id, "row": one.row, "kind": one.kind, "reason": one.reason, "cells": _json(_kept(one.cells))}
            for one in wrong
        ]
        db.connection().execute(insert(ImportProblem), rows)


def _kept(cells: list[str]) -> list[str]:
    """Without the codes of member cards, which are kept nowhere."""
    return ["" if codes.holds_card(cell) else cell for cell in cells]


def _shown(look: Look) -> Shown:
    fields = look.entry.fields
    printed = ", ".join(str(part) for part in (fields.publisher, fields.place, fields.year) if part)
    return Shown(
        look.row,
        look.kind,
        look.title,
        byline(fields.contributors),
        printed,
        look.entry.facts.shelf or "",
        look.entry.copies,
    )


def tidy_up(database: Database, settings: Settings, now: datetime) -> None:
    """Drop what nobody went on with, forget old rows, and delete files that belong to nothing."""
    is_left = ImportRun.state.in_(("new", "checked")) & (ImportRun.changed_at < now - OPEN_FOR)
    is_old = ImportRun.state.in_(("done", "failed", "dropped")) & (ImportRun.changed_at < now - KEPT)
    with database.reading() as db:
        left = db.scalars(select(ImportRun.id).where(is_left)).all()
        has_old = db.scalar(select(ImportRun.id).where(is_old).limit(1))
    for run_id in left:
        with database.writing() as db:
            run = run_by(db, run_id, for_change=True)
            if run.state in ("new", "checked"):
                drop(db, settings, run_id, now)
    if has_old:
        with database.writing() as db:
            db.execute(delete(ImportProblem).where(ImportProblem.run_id.in_(select(ImportRun.id).where(is_old))))
            db.execute(delete(ImportRun).where(is_old))
    _delete_strays(database, settings)


def _delete_strays(database: Database, settings: Settings) -> None:
    folder = folder_of(settings)
    files = list(folder.iterdir()) if folder.is_dir() else []
    if not files:
        return
    with database.reading() as db:
        open_runs = db.scalars(select(ImportRun.id).where(ImportRun.state.in_(("new", "checked", *WORKED_ON))))
        wanted = {file_of(settings, run_id) for run_id in open_runs}
    # By the clock of the disk, which is that of the files.
    long_ago = time.time() - STRAY_AFTER.total_seconds()
    for path in files:
        try:
            if path not in wanted and path.stat().st_mtime < long_ago:
                path.unlink()
        except FileNotFoundError:
            continue
