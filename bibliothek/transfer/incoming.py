"""Rows come in: which of them are here already, and titles and copies of the others.

Rows are worked out without the database, then written a few dozen at a time, each handful in one short transaction, so that
nobody who lends meanwhile waits long. A run that was killed is begun again from the first row: what is here already is known.
"""

from __future__ import annotations

import logging
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy import insert, select, update
from sqlalchemy.orm import Session, selectinload

from bibliothek import codes
from bibliothek.catalogue import provenance
from bibliothek.catalogue.actions import add_titles, edit_title
from bibliothek.catalogue.fields import Origin, TitleFields, fields_of, subjects_of
from bibliothek.catalogue.models import Title, TitleIsbn
from bibliothek.catalogue.provenance import PERSON, SUBJECTS, is_gap, values_of
from bibliothek.copies.actions import add_shelf
from bibliothek.copies.models import Copy, PaperCode, Shelf
from bibliothek.db import Database
from bibliothek.donations.models import DonatedCopy, Donation
from bibliothek.i18n import _
from bibliothek.library.queries import library_for_change
from bibliothek.members.rules import sort_name
from bibliothek.transfer.entries import IMPORT, CopyFacts, Entry, NotTaken, read_entry
from bibliothek.transfer.formats import OWN, Plan
from bibliothek.transfer.models import ImportedRow
from bibliothek.transfer.same import Titles, told_by
from bibliothek.transfer.tables import Row, rows_of

log = logging.getLogger(__name__)

# How long a handful of rows may hold up others, in seconds, and how many rows it begins and ends with.
_HANDFUL_S = 0.09
_FIRST, _FEWEST, _MOST = 40, 5, 250
# After each handful: the time in which another program that waits for SQLite's lock looks again.
_PAUSE_S = 0.004
# The first rows as they would look.
SHOWN = 20


class Tally(msgspec.Struct, frozen=True, kw_only=True):
    """What a run did, or would do. `rows` are all rows that were read; `added` of the `copies` are of titles that were here."""

    rows: int = 0
    titles: int = 0
    copies: int = 0
    added: int = 0
    known: int = 0
    failed: int = 0
    skipped: int = 0
    remarks: int = 0
    shelves: tuple[str, ...] = ()

    def plus(self, **more: Any) -> Tally:
        return msgspec.structs.replace(self, **{name: getattr(self, name) + n for name, n in more.items()})


class Trouble(msgspec.Struct, frozen=True):
    """A row that failed, was skipped, or came in with a remark; `row` as spreadsheet programs count."""

    row: int
    kind: str
    reason: str
    cells: list[str]


class Look(msgspec.Struct, frozen=True):
    """A row as it would come in: `kind` is "title", "copy" or "known"."""

    row: int
    kind: str
    title: str
    entry: Entry


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """How far a run is after a handful of rows; `troubles` and `looks` are those of this handful."""

    tally: Tally
    troubles: list[Trouble]
    looks: list[Look]


Record = Callable[[Session, Progress], None]


def bring_in(
    database: Database,
    path: Path,
    plan: Plan,
    clock: Callable[[], datetime],
    *,
    dry: bool = False,
    counted: Tally | None = None,
    record: Record | None = None,
) -> Iterator[Progress]:
    """Take the rows of a file in, or with `dry` only say what would happen; yields after each handful.

    `counted` is the tally of a run that was interrupted: rows up to there are gone through, but not counted again. `record`
    writes the progress down in the same transaction (in one of its own when `dry`). Raises NoTable.
    """
    memory = _Memory(dry)
    tally, skip, size = counted or Tally(), counted.rows if counted else 0, _FIRST
    with rows_of(path, plan.reading) as rows:
        books = (row for row in rows if row.number > plan.reading.header)
        for handful in _handfuls(books, lambda: size):  # noqa: B023 (the size of the moment)
            read = [_read(row, plan) for row in handful]
            entries = [found for found in read if isinstance(found, Entry)]
            began = 0.0
            with database.reading() if dry else database.writing() as db:
                began = time.perf_counter()
                steps = _decide(db, entries, memory, plan)
                if not dry:
                    memory.note(steps, _write(db, steps, plan, clock()))
                new = max(0, len(handful) - skip)
                progress = _progress(tally, handful, read, steps, len(handful) - new)
                if record and not dry:
                    record(db, progress)
            took = time.perf_counter() - began
            if record and dry:
                with database.writing() as db:
                    record(db, progress)
            tally, skip = progress.tally, max(0, skip - len(handful))
            size = max(_FEWEST, min(_MOST, int(size * min(2.0, max(0.3, _HANDFUL_S / max(took, 0.001))))))
            yield progress
            if not dry:
                time.sleep(_PAUSE_S)


def _handfuls(rows: Iterator[Row], size: Callable[[], int]) -> Iterator[list[Row]]:
    handful: list[Row] = []
    for row in rows:
        handful.append(row)
        if len(handful) >= size():
            yield handful
            handful = []
    if handful:
        yield handful


def _read(row: Row, plan: Plan) -> Entry | Trouble:
    try:
        return read_entry(row, plan)
    except NotTaken as no:
        return Trouble(row.number, "skipped" if no.skipped else "failed", no.sentence, row.cells)
    except Exception:
        # A fault of ours costs this row, not the list.
        log.exception("import: row %s", row.number)
        return Trouble(row.number, "failed", _("Diese Zeile lässt sich nicht lesen."), row.cells)


def _progress(
    tally: Tally, handful: list[Row], read: Sequence[Entry | Trouble], steps: Sequence[_Step], skip: int
) -> Progress:
    """Count what happened to each row but the first `skip`."""
    by_row = {step.entry.row: step for step in steps}
    troubles, looks = [], []
    for row, found in zip(handful[skip:], read[skip:], strict=True):
        if isinstance(found, Trouble):
            troubles.append(found)
            tally = tally.plus(rows=1, **{found.kind: 1})
            continue
        step = by_row[row.number]
        if step.refused:
            troubles.append(Trouble(row.number, "failed", step.refused, row.cells))
            tally = tally.plus(rows=1, failed=1)
            continue
        added = 0 if step.is_new or step.twin is not None or step.is_ours else len(step.missing)
        more = {"titles": int(step.is_new), "copies": len(step.missing), "added": added, "known": int(step.is_known)}
        tally = tally.plus(rows=1, **more)
        if step.shelf_is_new and step.entry.facts.shelf not in tally.shelves:
            tally = msgspec.structs.replace(tally, shelves=(*tally.shelves, step.entry.facts.shelf or "")[:200])
        if found.remarks and not step.is_known:
            troubles.append(Trouble(row.number, "remark", " ".join(found.remarks), row.cells))
            tally = tally.plus(remarks=1)
        kind = "known" if step.is_known else "title" if step.is_new else "copy"
        looks.append(Look(row.number, kind, found.fields.title, found))
    return Progress(tally=tally, troubles=troubles, looks=looks)


# ---- What is here already ----


class _Step(msgspec.Struct, kw_only=True):
    """What is to be done with one row. `title_id` is that of a title that is here (negative: of one that a preview would have
    made), `twin` an earlier step of the same handful that makes it; without both, the step makes it itself. `missing` are the
    copies that are to come: which of its kind the row is, and the remembered row that said so for another copy. `again` are
    copies that are here, under the number that this row has, `mended` remembered rows of which nothing is left out any more.
    `is_ours`: the title came with this very list; `is_new`: it comes with this row.
    """

    entry: Entry
    title_id: int | None = None
    twin: _Step | None = None
    missing: list[tuple[int, int | None]] = []
    again: list[tuple[int, int]] = []
    mended: list[int] = []
    is_new: bool = False
    is_known: bool = False
    is_ours: bool = False
    shelf_is_new: bool = False
    refused: str | None = None


class _Memory:
    """What a run remembers from one handful to the next."""

    def __init__(self, dry: bool) -> None:
        self.dry = dry
        self.counts: dict[str, int] = {}
        # The copies that rows of this run are.
        self.claimed: set[int] = set()
        # The titles that this run made (negative: would have made).
        self.made: set[int] = set()
        # Of our own export: the title of each number, and which titles have one.
        self.numbers: dict[str, int] = {}
        self.taken: set[int] = set()
        # What a preview would have made.
        self.fresh = Titles()
        self.codes: set[str] = set()
        self.shelves: set[str] = set()

    def note(self, steps: Iterable[_Step], copy_ids: Iterable[int]) -> None:
        """What this handful has become: copies, titles that it made and, of our own export, the title of each number."""
        self.claimed |= set(copy_ids)
        for step in steps:
            if step.title_id is None:
                continue
            if step.is_new:
                self.made.add(step.title_id)
            if step.entry.number:
                self.numbers.setdefault(step.entry.number, step.title_id)
                self.taken.add(step.title_id)

    def nth(self, key: str, copies: int) -> list[int]:
        """The numbers of so many more rows that look the same."""
        first = self.counts.get(key, 0) + 1
        self.counts[key] = first + copies - 1
        return list(range(first, first + copies))


class _Here:
    """What the library knows of a handful of rows, asked for at once."""

    def __init__(self, db: Session, entries: Sequence[Entry], plan: Plan) -> None:
        self.titles = _titles(db, entries)
        columns = (
            ImportedRow.id,
            ImportedRow.key,
            ImportedRow.n,
            ImportedRow.heart,
            ImportedRow.is_partial,
            ImportedRow.title_id,
            ImportedRow.copy_id,
        )
        ours = select(*columns).where(ImportedRow.source == plan.source).order_by(ImportedRow.id)
        keys = {entry.key for entry in entries}
        self.rows = {(row.key, row.n): row for row in db.execute(ours.where(ImportedRow.key.in_(keys)))}
        # Copies of the titles that these rows may be, which came with this list.
        self.copies_of: dict[int, list[int]] = defaultdict(list)
        for row in db.execute(ours.where(ImportedRow.title_id.in_(self.titles.numbers()))):
            if row.copy_id is not None and row.copy_id not in self.copies_of[row.title_id]:
                self.copies_of[row.title_id].append(row.copy_id)
        given = {entry.facts.code for entry in entries if entry.facts.code}
        self.copies: dict[str, tuple[int, str]] = {}
        self.codes: set[str] = set()
        if given:
            found = db.execute(
                select(Copy.code, Copy.title_id, Title.title)
                .join(Title, Title.id == Copy.title_id)
                .where(Copy.code.in_(given))
            )
            self.copies = {code: (title_id, title) for code, title_id, title in found}
            self.codes = set(db.scalars(select(PaperCode.code).where(PaperCode.code.in_(given))))
        names = {sort_name(entry.facts.shelf) for entry in entries if entry.facts.shelf}
        self.shelves = set(db.scalars(select(Shelf.sort_name).where(Shelf.sort_name.in_(names)))) if names else set()


def _titles(db: Session, entries: Sequence[Entry]) -> Titles:
    """The titles that may be the ones of these rows, oldest first."""
    isbns = {isbn for entry in entries for isbn in entry.told.isbns}
    names = {name for entry in entries for name in (entry.told.sort_title, entry.told.core, entry.told.whole)}
    numbers = set(db.scalars(select(Title.id).where(Title.sort_title.in_(names))))
    if isbns:
        numbers |= set(db.scalars(select(TitleIsbn.title_id).where(TitleIsbn.isbn.in_(isbns))))
    found = Titles()
    if not numbers:
        return found
    parts = [selectinload(part) for part in (Title.contributors, Title.series, Title.isbns)]
    for title in db.scalars(select(Title).where(Title.id.in_(numbers)).order_by(Title.id).options(*parts)):
        found.put(title.id, told_by(fields_of(title), title.sort_title))
    return found


def _decide(db: Session, entries: Sequence[Entry], memory: _Memory, plan: Plan) -> list[_Step]:
    """What is to be done with each row, in order."""
    if not memory.dry:
        # One after the other, as in donations.actions.take_in; and none while two titles become one.
        library_for_change(db)
    here, steps, soon = _Here(db, entries, plan), [], _Soon()
    for entry in entries:
        step = _Step(entry=entry)
        (_own if plan.format == OWN else _listed)(step, here, soon, memory, plan)
        # Said before it is written: then it has its number.
        step.is_new = step.title_id is None and step.twin is None and not step.refused
        shelf = sort_name(entry.facts.shelf) if entry.facts.shelf and step.missing else None
        if shelf and shelf not in here.shelves | memory.shelves:
            step.shelf_is_new = True
            memory.shelves.add(shelf)
        steps.append(step)
    return steps


def _listed(step: _Step, here: _Here, soon: _Soon, memory: _Memory, plan: Plan) -> None:
    """A row of somebody's list: known by its key, else by its title, of which as many copies came with this list; each copy
    that is not known is to come."""
    entry = step.entry
    numbers = memory.nth(entry.key, entry.copies)
    for n in numbers:
        row = here.rows.get((entry.key, n))
        if row is None or row.copy_id in memory.claimed:
            step.missing.append((n, row.id if row else None))
            continue
        if row.heart != entry.heart and here.titles.like(entry.told) != row.title_id:
            step.refused = _(
                "Die Nummer gehörte in dieser Liste bisher zu einem anderen Buch. Gib einer anderen Liste einen eigenen Namen."
            )
            return
        step.title_id, step.is_ours = row.title_id, True
        memory.claimed.add(row.copy_id)
        if row.is_partial and not entry.remarks:
            step.mended.append(row.id)
    if step.missing and step.title_id is None:
        _find(step, here, soon, memory, ())
    if not entry.heart:
        _claim(step, here, memory)
    step.is_known = not step.missing
    if plan.only_new and step.title_id is not None and not step.is_ours:
        step.missing, step.is_known = [], True


def _claim(step: _Step, here: _Here, memory: _Memory) -> None:
    """What the row says has changed since it came in: copies of its title that no row of this run is so far are its own."""
    free = [copy_id for copy_id in here.copies_of.get(step.title_id or 0, ()) if copy_id not in memory.claimed]
    for copy_id in free[: len(step.missing)]:
        n, row_id = step.missing.pop(0)
        memory.claimed.add(copy_id)
        step.is_ours = True
        if row_id is None:
            step.again.append((n, copy_id))


def _own(step: _Step, here: _Here, soon: _Soon, memory: _Memory, plan: Plan) -> None:
    """A row of our own export: a copy is known by its code; titles with numbers of their own stay two."""
    entry = step.entry
    code = entry.facts.code
    if code in here.copies:
        title_id, title = here.copies[code or ""]
        is_other = told_by(TitleFields(title=title), "").core != entry.told.core and entry.number not in memory.numbers
        if is_other and here.titles.like(entry.told) != title_id:
            step.refused = _("Den Code {code} hat hier schon ein Exemplar von „{title}“.", code=code, title=title[:80])
            return
        step.title_id, step.is_known = title_id, True
    elif code and (code in here.codes or code in memory.codes):
        step.refused = _("Den Code {code} gibt es schon.", code=code)
        return
    else:
        step.missing = [(1, None)] if code else []
        if entry.number in memory.numbers:
            step.title_id = memory.numbers[entry.number]
        else:
            _find(step, here, soon, memory, memory.taken)
        if plan.only_new and step.title_id is not None and step.title_id not in memory.made:
            step.missing = []
        step.is_known = not step.missing and step.title_id is not None
    if code:
        memory.codes.add(code)
    if step.title_id is not None:
        memory.taken.add(step.title_id)
        if entry.number:
            memory.numbers.setdefault(entry.number, step.title_id)


def _find(step: _Step, here: _Here, soon: _Soon, memory: _Memory, but: Collection[int]) -> None:
    """The title of a row: one that is here, one that an earlier row makes, or a new one."""
    entry = step.entry
    found = here.titles.like(entry.told, but)
    if found is None and memory.dry:
        found = memory.fresh.like(entry.told, but)
    if found is not None:
        step.title_id, step.is_ours = found, found in memory.made
        return
    if memory.dry:
        made = -len(memory.made) - 1
        memory.made.add(made)
        memory.fresh.put(made, entry.told)
        if entry.number:
            memory.numbers[entry.number] = made
            memory.taken.add(made)
        return
    step.twin = _twin(entry, soon, step)


class _Maker(msgspec.Struct, frozen=True, eq=False):
    """A step among the titles; unlike the step it can be put into a set."""

    step: _Step


class _Soon(Titles):
    """The titles that steps of this handful make; of our own export also by their numbers there."""

    def __init__(self) -> None:
        super().__init__()
        self.by_number: dict[str, _Maker] = {}


def _twin(entry: Entry, soon: _Soon, step: _Step) -> _Step | None:
    """An earlier row of this handful that makes the title; of our own export, one with the same number. Else this one does."""
    found = soon.by_number.get(entry.number) if entry.number else soon.like(entry.told)
    if found is not None:
        return found.step
    soon.put(_Maker(step), entry.told)
    if entry.number:
        soon.by_number[entry.number] = _Maker(step)
    return None


# ---- Into the library ----


def _write(db: Session, steps: Sequence[_Step], plan: Plan, now: datetime) -> list[int]:
    """Do it; returns the numbers of the new copies."""
    makers = [step for step in steps if step.is_new]
    old = [step for step in steps if step.title_id is not None and (step.missing or step.again or step.mended)]
    ids = add_titles(db, [(step.entry.new, step.entry.title_created or now) for step in makers])
    for step, title_id in zip(makers, ids, strict=True):
        step.title_id = title_id
    for step in steps:
        if step.twin is not None:
            step.title_id = step.twin.title_id
    copy_ids = _add_copies(db, steps, now)
    if plan.format != OWN:
        _fill_gaps(db, old, now)
        _remember(db, steps, copy_ids, plan)
    return list(copy_ids.values())


def _add_copies(db: Session, steps: Sequence[_Step], now: datetime) -> dict[tuple[int, int], int]:
    """The copies that are to come; returns their numbers by row and place in it."""
    wanted = [(step, n) for step in steps for n, _row_id in step.missing]
    if not wanted:
        return {}
    shelves = _shelves(db, [step.entry.facts for step, _n in wanted], now)
    fresh = iter(_new_codes(db, sum(step.entry.facts.code is None for step, _n in wanted)))
    given = [step.entry.facts.code or next(fresh) for step, _n in wanted]
    connection = db.connection()
    created = [step.entry.facts.created or now for step, _n in wanted]
    connection.execute(
        insert(PaperCode), [{"code": code, "issued_at": at} for code, at in zip(given, created, strict=True)]
    )
    rows = []
    for (step, _n), code, at in zip(wanted, given, created, strict=True):
        facts = step.entry.facts
        is_withdrawn = facts.state == "withdrawn"
        rows.append({
            "code": code, "title_id": step.title_id, "shelf_id": shelves.get(facts.shelf or ""), "state": facts.state,
            "created_at": at, "labelled_at": facts.labelled, "condition": facts.condition,
            "withdrawn_at": facts.withdrawn if is_withdrawn else None,
            "withdrawn_reason": facts.reason if is_withdrawn else None,
        })  # fmt: skip
    connection.execute(insert(Copy), rows)
    numbers = {code: copy_id for copy_id, code in db.execute(select(Copy.id, Copy.code).where(Copy.code.in_(given)))}
    _thank(
        db,
        [
            (step.entry.facts.donor, at, numbers[code])
            for (step, _n), code, at in zip(wanted, given, created, strict=True)
        ],
    )
    return {(step.entry.row, n): numbers[code] for (step, n), code in zip(wanted, given, strict=True)}


def _new_codes(db: Session, count: int) -> list[str]:
    """So many codes that were never given out before."""
    found: set[str] = set()
    while len(found) < count:
        tried = {codes.new_code(codes.Kind.COPY) for _n in range(count - len(found))} - found
        found |= tried - set(db.scalars(select(PaperCode.code).where(PaperCode.code.in_(tried))))
    return list(found)


def _shelves(db: Session, all_facts: Sequence[CopyFacts], now: datetime) -> dict[str, int]:
    """The shelves of these copies by the names in the list, made where there is none of that name."""
    names = {facts.shelf: facts.shelf_code for facts in all_facts if facts.shelf}
    if not names:
        return {}
    there = {
        shelf.sort_name: shelf.id
        for shelf in db.scalars(select(Shelf).where(Shelf.sort_name.in_([sort_name(name) for name in names])))
    }
    found = {}
    for name, code in names.items():
        if sort_name(name) not in there:
            there[sort_name(name)] = _new_shelf(db, name, code, now)
        found[name] = there[sort_name(name)]
    return found


def _new_shelf(db: Session, name: str, code: str | None, now: datetime) -> int:
    """With the code that its label has, where no other thing has it."""
    if code is None or db.get(PaperCode, code) is not None:
        return add_shelf(db, name, now).id
    db.add(PaperCode(code=code, issued_at=now))
    db.flush()
    shelf = Shelf(code=code, name=name, sort_name=sort_name(name))
    db.add(shelf)
    db.flush()
    return shelf.id


def _thank(db: Session, given: Sequence[tuple[str | None, datetime, int]]) -> None:
    """A donation for each person and moment."""
    donations: dict[tuple[str, datetime], list[int]] = defaultdict(list)
    for donor, at, copy_id in given:
        if donor:
            donations[donor, at].append(copy_id)
    for (donor, at), copy_ids in donations.items():
        donation = Donation(state="received", donor_id=None, donor_name=donor, received_at=at)
        db.add(donation)
        db.flush()
        rows = [{"copy_id": copy_id, "donation_id": donation.id} for copy_id in copy_ids]
        db.connection().execute(insert(DonatedCopy), rows)


def _fill_gaps(db: Session, steps: Sequence[_Step], now: datetime) -> None:
    """What a title did not say so far, and the list says. What somebody left empty on purpose stays empty."""
    ids = {step.title_id for step in steps}
    if not ids:
        return
    parts = [selectinload(part) for part in (Title.contributors, Title.series, Title.isbns, Title.subjects)]
    titles = {title.id: title for title in db.scalars(select(Title).where(Title.id.in_(ids)).options(*parts))}
    for step in steps:
        title = titles.get(step.title_id or 0)
        if title is None:
            continue
        entry = step.entry
        ours = values_of(fields_of(title), subjects_of(title))
        theirs = values_of(entry.fields, entry.new.origin.subjects)
        gaps = {name for name, value in ours.items() if is_gap(value) and not is_gap(theirs[name])}
        if gaps:
            gaps -= {name for name, row in provenance.origins(db, title.id).items() if row.source == PERSON}
        if not gaps:
            continue
        subjects = theirs[SUBJECTS] if SUBJECTS in gaps else None
        fields = msgspec.structs.replace(fields_of(title), **{name: theirs[name] for name in gaps - {SUBJECTS}})
        edit_title(db, title, fields, now, subjects, Origin(fields=dict.fromkeys(gaps, IMPORT)))


def _remember(db: Session, steps: Sequence[_Step], copy_ids: dict[tuple[int, int], int], plan: Plan) -> None:
    """Write down which row is which copy. A copy may be known by several rows: as it was, and as it was mended."""
    new = []
    for step in steps:
        entry = step.entry
        for whole in step.mended:
            db.execute(update(ImportedRow).where(ImportedRow.id == whole).values(is_partial=False))
        copies = [(n, row_id, copy_ids[entry.row, n]) for n, row_id in step.missing]
        copies += [(n, None, copy_id) for n, copy_id in step.again]
        for n, row_id, copy_id in copies:
            said = {
                "title_id": step.title_id,
                "copy_id": copy_id,
                "heart": entry.heart,
                "is_partial": bool(entry.remarks),
            }
            if row_id is not None:
                db.execute(update(ImportedRow).where(ImportedRow.id == row_id).values(said))
            else:
                new.append({"source": plan.source, "key": entry.key, "n": n, **said})
    if new:
        db.connection().execute(insert(ImportedRow), new)
