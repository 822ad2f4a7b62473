"""Rows come in: which of them are here already, and titles and copies of the others.

Rows are worked out without the database, then written a few dozen at a time, each handful in one short transaction, so that
nobody who lends meanwhile waits long. A run that was killed is begun again from the first row: what is here already is known.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy import insert, select, update
from sqlalchemy.orm import Session, selectinload

from bibliothek import codes
from bibliothek.catalogue import provenance
from bibliothek.catalogue.actions import add_titles, edit_title
from bibliothek.catalogue.fields import Origin, fields_of, subjects_of
from bibliothek.catalogue.models import Contributor, Title, TitleIsbn
from bibliothek.catalogue.provenance import PERSON, SUBJECTS, is_gap, values_of
from bibliothek.copies.actions import add_shelf
from bibliothek.copies.models import Copy, PaperCode, Shelf
from bibliothek.db import Database
from bibliothek.donations.models import DonatedCopy, Donation
from bibliothek.i18n import _
from bibliothek.library.queries import library_for_change
from bibliothek.members.rules import sort_name
from bibliothek.transfer.entries import IMPORT, CopyFacts, Entry, NotTaken, core, family_of, read_entry
from bibliothek.transfer.formats import OWN, Plan
from bibliothek.transfer.models import ImportedRow
from bibliothek.transfer.tables import Row, rows_of

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
                    _write(db, steps, plan, clock())
                    memory.note(steps)
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
    numbers of the copies that are to come. `mended` are remembered rows, each with the
    number that it has now. `is_ours`: the title came with this very list; `is_new`: it comes with this row."""

    entry: Entry
    title_id: int | None = None
    twin: _Step | None = None
    missing: list[int] = []
    mended: list[tuple[int, int]] = []
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
        self.mended: set[int] = set()
        # The titles that this run made (negative: would have made).
        self.made: set[int] = set()
        # Of our own export: the title of each number, and which titles have one.
        self.numbers: dict[str, int] = {}
        self.taken: set[int] = set()
        # What a preview would have made.
        self.fresh = _Titles()
        self.codes: set[str] = set()
        self.shelves: set[str] = set()

    def unmended(self, rows: Sequence[Any], most: int) -> list[Any]:
        """Those remembered rows that no row of this run was known by so far. They are taken by it."""
        found = [row for row in rows if row.key not in self.counts and row.id not in self.mended][:most]
        self.mended |= {row.id for row in found}
        return found

    def note(self, steps: Iterable[_Step]) -> None:
        """What this handful has become: the titles that it made and, of our own export, the title of each number."""
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


class _Titles:
    """Titles by what tells them: number, or the step that makes one."""

    def __init__(self) -> None:
        self.by_isbn: dict[str, list[tuple[Any, str]]] = defaultdict(list)
        self.by_name: dict[tuple[str, str], list[tuple[Any, int | None, bool]]] = defaultdict(list)

    def put(
        self, who: Any, title_core: str, sort_title: str, person: str, year: int | None, isbns: Sequence[str]
    ) -> None:
        for isbn in isbns:
            self.by_isbn[isbn].append((who, title_core))
        for name in {sort_title, title_core}:
            self.by_name[name, person].append((who, year, bool(isbns)))

    def put_entry(self, who: Any, entry: Entry) -> None:
        fields = entry.fields
        self.put(who, entry.core, entry.new.sort_title, entry.first_person, fields.year, fields.isbns)

    def same(self, entry: Entry, but: set[int]) -> Any:
        """The title of this row, unless it is one of `but`: one ISBN in common and the same title at its heart; or the same
        title, first person and year, where not both have an ISBN. See docs/decisions/0010-same-row.md."""
        fields = entry.fields
        for isbn in fields.isbns:
            for who, title_core in self.by_isbn.get(isbn, ()):
                if title_core == entry.core and who not in but:
                    return who
        for name in {entry.new.sort_title, entry.core}:
            for who, year, has_isbn in self.by_name.get((name, entry.first_person), ()):
                is_year = year is None or fields.year is None or year == fields.year
                if is_year and not (has_isbn and fields.isbns) and who not in but:
                    return who
        return None


class _Here:
    """What the library knows of a handful of rows, asked for at once."""

    def __init__(self, db: Session, entries: Sequence[Entry], plan: Plan) -> None:
        remembered = select(ImportedRow.id, ImportedRow.key, ImportedRow.n, ImportedRow.loose, ImportedRow.title_id)
        ours = remembered.where(ImportedRow.source == plan.source)
        rows = db.execute(ours.where(ImportedRow.key.in_({entry.key for entry in entries}))).all()
        self.rows = {(row.key, row.n): row for row in rows}
        loose = db.execute(
            ours.where(ImportedRow.loose.in_({entry.loose for entry in entries if entry.loose})).order_by(
                ImportedRow.id
            )
        )
        self.loose: dict[str, list[Any]] = defaultdict(list)
        for row in loose:
            self.loose[row.loose].append(row)
        self.titles = _titles(db, entries)
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


def _titles(db: Session, entries: Sequence[Entry]) -> _Titles:
    """The titles that may be the ones of these rows, oldest first."""
    isbns = {isbn for entry in entries for isbn in entry.fields.isbns}
    names = {name for entry in entries for name in (entry.new.sort_title, entry.core)}
    facts = select(Title.id, Title.title, Title.sort_title, Title.language, Title.year)
    by_isbn = facts.join(TitleIsbn, TitleIsbn.title_id == Title.id).where(TitleIsbn.isbn.in_(isbns)) if isbns else None
    rows = {row.id: row for row in db.execute(by_isbn)} if by_isbn is not None else {}
    rows |= {row.id: row for row in db.execute(facts.where(Title.sort_title.in_(names)))}
    found = _Titles()
    if not rows:
        return found
    first = select(Contributor.title_id, Contributor.name).where(
        Contributor.title_id.in_(list(rows)), Contributor.position == 0
    )
    persons = {title_id: family_of(name) for title_id, name in db.execute(first)}
    numbers: dict[int, list[str]] = defaultdict(list)
    for title_id, isbn in db.execute(
        select(TitleIsbn.title_id, TitleIsbn.isbn).where(TitleIsbn.title_id.in_(list(rows)))
    ):
        numbers[title_id].append(isbn)
    for title_id in sorted(rows):
        row = rows[title_id]
        heart = core(row.title, row.language)
        found.put(title_id, heart, row.sort_title, persons.get(title_id, ""), row.year, numbers[title_id])
    return found


def _decide(db: Session, entries: Sequence[Entry], memory: _Memory, plan: Plan) -> list[_Step]:
    """What is to be done with each row, in order."""
    if not memory.dry:
        # One after the other, as in donations.actions.take_in; and none while two titles become one.
        library_for_change(db)
    here, steps, soon = _Here(db, entries, plan), [], _Titles()
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


def _listed(step: _Step, here: _Here, soon: _Titles, memory: _Memory, plan: Plan) -> None:
    """A row of somebody's list: known by its key, else by its title; each copy that is not known is to come."""
    entry = step.entry
    numbers = memory.nth(entry.key, entry.copies)
    rows = [row for n in numbers if (row := here.rows.get((entry.key, n)))]
    step.mended = [(row.id, row.n) for row in rows if row.loose and not entry.remarks]
    if not rows:
        # Something of it was left out when it came in, and somebody has mended the list since.
        rows = memory.unmended(here.loose.get(entry.loose, ()), len(numbers))
        step.mended = [(row.id, n) for row, n in zip(rows, numbers, strict=False)]
    step.missing = numbers[len(rows) :]
    step.is_ours = bool(rows)
    step.is_known = not step.missing
    if rows:
        step.title_id = rows[0].title_id
        return
    _find(step, here, soon, memory, set())
    if plan.only_new and step.title_id is not None and not step.is_ours:
        step.missing, step.is_known = [], True


def _own(step: _Step, here: _Here, soon: _Titles, memory: _Memory, plan: Plan) -> None:
    """A row of our own export: a copy is known by its code; titles with numbers of their own stay two."""
    entry = step.entry
    code = entry.facts.code
    numbers = [] if code else memory.nth(entry.key, 1)
    if code in here.copies:
        title_id, title = here.copies[code or ""]
        if core(title) != entry.core and entry.number not in memory.numbers:
            twin = here.titles.same(entry, set())
            if twin != title_id:
                step.refused = _(
                    "Den Code {code} hat hier schon ein Exemplar von „{title}“.", code=code, title=title[:80]
                )
                return
        step.title_id, step.is_known = title_id, True
    elif code and (code in here.codes or code in memory.codes):
        step.refused = _("Den Code {code} gibt es schon.", code=code)
        return
    else:
        step.missing = [1] if code else []
        known = here.rows.get((entry.key, numbers[0])) if numbers else None
        if entry.number in memory.numbers:
            step.title_id = memory.numbers[entry.number]
            step.is_known = not code
        elif known:
            step.title_id, step.is_known = known.title_id, True
        else:
            _find(step, here, soon, memory, memory.taken)
            step.is_known = not code and step.title_id is not None
    if code:
        memory.codes.add(code)
    if step.title_id is not None:
        memory.taken.add(step.title_id)
        if entry.number:
            memory.numbers.setdefault(entry.number, step.title_id)


def _find(step: _Step, here: _Here, soon: _Titles, memory: _Memory, but: set[int]) -> None:
    """The title of a row: one that is here, one that an earlier row makes, or a new one."""
    entry = step.entry
    found = here.titles.same(entry, but)
    if found is None and memory.dry:
        found = memory.fresh.same(entry, but)
    if found is not None:
        step.title_id, step.is_ours = found, found in memory.made
        return
    if memory.dry:
        made = -len(memory.made) - 1
        memory.made.add(made)
        memory.fresh.put_entry(made, entry)
        if entry.number:
            memory.numbers[entry.number] = made
            memory.taken.add(made)
        return
    twin = _twin(entry, soon)
    if twin is not None:
        step.twin = twin
        return
    soon.put_entry(_Maker(step), entry)


class _Maker(msgspec.Struct, frozen=True, eq=False):
    """A step among the titles; unlike the step it can be put into a set."""

    step: _Step


def _twin(entry: Entry, soon: _Titles) -> _Step | None:
    """An earlier row of this handful that makes the title. Of our own export, one with the same number."""
    if not entry.number:
        found = soon.same(entry, set())
        return found.step if found else None
    for name in {entry.new.sort_title, entry.core}:
        for maker, _year, _isbn in soon.by_name.get((name, entry.first_person), ()):
            if maker.step.entry.number == entry.number:
                return maker.step  # type: ignore[no-any-return]
    return None


# ---- Into the library ----


def _write(db: Session, steps: Sequence[_Step], plan: Plan, now: datetime) -> None:
    makers = [step for step in steps if step.is_new]
    old = [step for step in steps if step.title_id is not None]
    ids = add_titles(db, [(step.entry.new, step.entry.title_created or now) for step in makers])
    for step, title_id in zip(makers, ids, strict=True):
        step.title_id = title_id
    for step in steps:
        if step.twin is not None:
            step.title_id = step.twin.title_id
    copy_ids = _add_copies(db, steps, now)
    if plan.format != OWN:
        _fill_gaps(db, [step for step in old if step.missing or step.mended or not step.is_known], now)
    _remember(db, steps, copy_ids, plan)


def _add_copies(db: Session, steps: Sequence[_Step], now: datetime) -> dict[tuple[int, int], int]:
    """The copies that are to come; returns their numbers by row and place in it."""
    wanted = [(step, n) for step in steps for n in step.missing]
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
    """Write down which row became which copy. A copy of our own export is known by its code."""
    for step in steps:
        for row_id, n in step.mended:
            now_known_by = {"key": step.entry.key, "n": n, "loose": _loose(step.entry)}
            db.execute(update(ImportedRow).where(ImportedRow.id == row_id).values(now_known_by))
    if plan.format == OWN:
        return
    rows = [
        {
            "source": plan.source, "key": entry.key, "n": n, "loose": _loose(entry),
            "title_id": step.title_id, "copy_id": copy_ids[entry.row, n],
        }
        for step in steps for entry in [step.entry] for n in step.missing
    ]  # fmt: skip
    if rows:
        db.connection().execute(insert(ImportedRow), rows)


def _loose(entry: Entry) -> str | None:
    """By what else the row is known until what was left out of it is mended."""
    return entry.loose if entry.remarks and entry.loose else None
