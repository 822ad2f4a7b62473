"""Lists come in and go out: a file, which column is what, a preview, the books; and everything as a file again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Annotated, Literal

import msgspec
from litestar.params import FromPath

from bibliothek import codes
from bibliothek.db import Database
from bibliothek.i18n import N_, _
from bibliothek.problems import Invalid
from bibliothek.transfer import formats, runs
from bibliothek.transfer.cells import letter
from bibliothek.transfer.formats import FORMATS, OWN, TARGETS, WRONG_HEADING, Column, Plan
from bibliothek.transfer.models import ImportProblem, ImportRun
from bibliothek.transfer.outgoing import export, line
from bibliothek.transfer.tables import LARGEST_FILE, Reading
from bibliothek.web.routes import action, errand, page
from bibliothek.web.sign_in import Audience
from bibliothek.web.visit import Answer, Download, Page, Redirect, Visit

LISTS = "/verwaltung/import"
RECENT = 10
# Rows with their reasons on a page; all of them are in the file to be saved.
SHOWN_PROBLEMS = 50
CSV = "text/csv; charset=utf-8"
# A piece of a download: smaller ones would each be a trip between threads.
PIECE = 64_000

ENCODINGS = {"utf-8": "UTF-8", "cp1252": "Windows-1252", "utf-16-le": "UTF-16 LE", "utf-16-be": "UTF-16 BE"}
SEPARATOR_NAMES = {";": N_("Semikolon ( ; )"), ",": N_("Komma ( , )"), "\t": N_("Tabulator"), "|": N_("Strich ( | )")}
# Behind this one in TARGETS stand columns that only our own exports have.
_LAST_COMMON = "row_id"


class ReadingForm(msgspec.Struct, kw_only=True):
    """How the file is read; without the first two where it is no text."""

    header: Literal["yes", "no"]
    encoding: Literal["utf-8", "utf-16-le", "utf-16-be", "cp1252"] | None = None
    separator: Literal["semicolon", "comma", "tab", "bar"] | None = None


class PlanForm(msgspec.Struct, kw_only=True):
    """All that counts for the whole list; what the columns hold comes as `c0`, `c1` …"""

    # Not asked of our own export, where nothing is guessed.
    names: Literal["given", "family"] | None = None
    which: Literal["all", "kept", "owned"] | None = None
    source: Annotated[str, msgspec.Meta(max_length=100)]
    only_new: bool = False


SEPARATOR_OF = {"semicolon": ";", "comma": ",", "tab": "\t", "bar": "|"}


class NoFileChosen(Invalid):
    """The form came without a file."""

    code = "no-file-chosen"

    def __init__(self) -> None:
        super().__init__(_("Bitte wähle eine Datei aus."))
        self.errors = {"file": self.sentence}


# ---- The file ----


@page(LISTS, Audience.LIBRARIANS)
def lists(visit: Visit) -> Page:
    """Where a list is chosen, what became of the last ones, and the way out."""
    found = [(run, runs.account_of(run).tally) for run in runs.newest(visit.db, RECENT)]
    return visit.page("transfer/lists.html", runs=found, megabytes=LARGEST_FILE // 1_000_000)


@errand(LISTS, Audience.LIBRARIANS, again=lists, largest_file=LARGEST_FILE, in_folder=runs.FOLDER)
def bring(visit: Visit) -> Redirect:
    """A file that can be read as a table; nothing comes in before somebody has seen the preview."""
    sent = visit.uploads.get("file")
    if sent is None:
        raise NoFileChosen
    plan = formats.guess(sent.path)
    headings = _headings_of(sent.path, plan)
    with visit.kit.database.writing() as db:
        run = runs.begin(db, visit.settings, sent.path, sent.name.strip() or _("Liste"), plan, headings, visit.now)
        number = run.id
    return visit.redirect(f"{LISTS}/{number}/zuordnung")


def _headings_of(path: Path, plan: Plan) -> list[str]:
    return [column.heading for column in formats.columns_of(path, plan)]


# ---- Which column is what ----


@page(f"{LISTS}/{{run_id:int}}/zuordnung", Audience.LIBRARIANS)
def mapping(visit: Visit, run_id: FromPath[int]) -> Answer:
    """How the file is read and what its columns hold: guessed, to be corrected."""
    run = runs.run_by(visit.db, run_id)
    if run.state not in ("new", "checking", "checked"):
        return visit.redirect(f"{LISTS}/{run_id}")
    plan = runs.plan_of(run)
    try:
        columns = formats.columns_of(runs.file_of(visit.settings, run.id), plan)
    except FileNotFoundError as error:
        raise runs.NoSuchRun from error
    # What was sent and does not fit stays as it was typed.
    values = {**_values(plan), **{name: given[-1] for name, given in visit.fields.items()}}
    if visit.fields and "only_new" not in visit.fields:
        values["only_new"] = ""
    return visit.page(
        "transfer/mapping.html",
        run=run,
        plan=plan,
        columns=[(column, letter(column.number)) for column in columns],
        format_name=_(FORMATS[plan.format].name),
        is_own=plan.format == formats.OWN,
        targets=_targets(plan),
        encodings=list(ENCODINGS.items()),
        separators=[(name, _(SEPARATOR_NAMES[sign])) for name, sign in SEPARATOR_OF.items()],
        values=values,
        names={f"c{column.number}": _column_name(column) for column in columns},
    )


def _values(plan: Plan) -> dict[str, str]:
    separator = next((name for name, sign in SEPARATOR_OF.items() if sign == plan.reading.separator), "")
    return {
        "header": "yes" if plan.reading.header else "no",
        "encoding": plan.reading.encoding,
        "separator": separator,
        "names": plan.names,
        "which": plan.which,
        "source": plan.source,
        "only_new": "1" if plan.only_new else "",
        **{f"c{n}": target for n, target in enumerate(plan.columns)},
    }


def _targets(plan: Plan) -> list[tuple[str, str]]:
    """What a column may hold, in words; what only our own exports have is offered for those."""
    names = list(TARGETS)
    common = names if plan.format == OWN else names[: names.index(_LAST_COMMON) + 1]
    wanted = [name for name in names if name in common or name in plan.columns]
    return [("", _("nichts davon"))] + [(name, _(TARGETS[name])) for name in wanted]


def _column_name(column: Column) -> str:
    return column.heading or _("Spalte {letter}", letter=letter(column.number))


@errand(f"{LISTS}/{{run_id:int}}/lesen", Audience.LIBRARIANS, again=mapping)
def read_anew(visit: Visit, run_id: FromPath[int]) -> Redirect:
    """Read the file in another way, and guess again what its columns hold."""
    form = visit.read(ReadingForm)
    with visit.kit.database.reading() as db:
        plan = runs.plan_of(runs.run_by(db, run_id))
    reading = Reading(
        kind=plan.reading.kind,
        encoding=form.encoding or plan.reading.encoding,
        separator=SEPARATOR_OF.get(form.separator or "", plan.reading.separator),
        header=1 if form.header == "yes" else 0,
    )
    new = _guessed(visit, run_id, reading)
    headings = _headings_of(runs.file_of(visit.settings, run_id), new)
    with visit.kit.database.writing() as db:
        runs.read_anew(db, run_id, new, headings, visit.now)
    return visit.redirect(f"{LISTS}/{run_id}/zuordnung", _("Die Datei ist neu gelesen."))


def _guessed(visit: Visit, run_id: int, reading: Reading) -> Plan:
    """Raises NoTable, NoSuchRun."""
    path = runs.file_of(visit.settings, run_id)
    try:
        plan = formats.guess(path, reading)
        if reading.header and not plan.reading.header:
            # Headings in words that we do not know are headings all the same.
            first = formats.first_rows(path, reading)[0].number
            plan = msgspec.structs.replace(plan, reading=msgspec.structs.replace(plan.reading, header=first))
    except FileNotFoundError as error:
        raise runs.NoSuchRun from error
    return plan


@action(f"{LISTS}/{{run_id:int}}/zuordnung", Audience.LIBRARIANS, again=mapping)
def map_columns(visit: Visit, run_id: FromPath[int]) -> Redirect:
    """What the columns hold is said; the preview follows."""
    plan = runs.plan_of(runs.run_by(visit.db, run_id))
    form = visit.read(PlanForm)
    columns = [visit.field(f"c{n}") for n in range(len(plan.columns))]
    columns = [target if target in TARGETS else "" for target in columns]
    formats.check_mapping(columns)
    if codes.holds_card(form.source):
        raise formats.BadMapping({"source": _("Das ist der Code einer Karte.")})
    new = msgspec.structs.replace(
        plan,
        columns=columns,
        names=form.names or plan.names,
        which=form.which or plan.which,
        source=form.source,
        only_new=form.only_new,
    )
    runs.check(visit.db, run_id, new, visit.now)
    return visit.redirect(f"{LISTS}/{run_id}")


# ---- The preview, the run and what came of it ----


@page(f"{LISTS}/{{run_id:int}}", Audience.LIBRARIANS)
def one(visit: Visit, run_id: FromPath[int]) -> Answer:
    """How it stands with one list. While it is worked on, the page asks for its middle again and again."""
    run = runs.run_by(visit.db, run_id)
    if run.state == "new":
        return visit.redirect(f"{LISTS}/{run_id}/zuordnung")
    account = runs.account_of(run)
    if run.state in runs.WORKED_ON:
        return visit.page("transfer/working.html", fragment="transfer/_progress.html", run=run, tally=account.tally)
    if visit.wants_fragment:
        # It is done: the browser is to show the whole page.
        return visit.redirect(f"{LISTS}/{run_id}")
    return _settled(visit, run, account)


def _settled(visit: Visit, run: ImportRun, account: runs.Account) -> Page:
    plan = runs.plan_of(run)
    template = "transfer/preview.html" if run.state == "checked" else "transfer/result.html"
    return visit.page(
        template,
        run=run,
        plan=plan,
        tally=account.tally,
        looks=account.looks,
        failed=runs.problems_of(visit.db, run.id, "failed", count=SHOWN_PROBLEMS),
        remarks=runs.problems_of(visit.db, run.id, "remark", count=SHOWN_PROBLEMS),
        kinds={"title": _("neu"), "copy": _("weiteres Exemplar"), "known": _("schon da")},
        most_problems=runs.MOST_PROBLEMS,
    )


@action(f"{LISTS}/{{run_id:int}}/aufnehmen", Audience.LIBRARIANS, again=one)
def take_in(visit: Visit, run_id: FromPath[int]) -> Redirect:
    """Into the catalogue with it."""
    runs.take_in(visit.db, run_id, visit.now)
    return visit.redirect(f"{LISTS}/{run_id}")


@action(f"{LISTS}/{{run_id:int}}/verwerfen", Audience.LIBRARIANS, again=one)
def drop(visit: Visit, run_id: FromPath[int]) -> Redirect:
    """Away with the file, or an end to the run."""
    was_running = runs.run_by(visit.db, run_id).state == "running"
    runs.drop(visit.db, visit.settings, run_id, visit.now)
    if was_running:
        return visit.redirect(f"{LISTS}/{run_id}")
    return visit.redirect(LISTS, _("Die Liste ist verworfen und ihre Datei gelöscht. Aufgenommen wurde nichts."))


# ---- Files to save ----


@page("/verwaltung/export", Audience.LIBRARIANS)
def everything(visit: Visit) -> Download:
    """All titles and copies as one table. Written down first: whoever takes long to fetch it holds up nothing here."""
    file = TemporaryFile()  # noqa: SIM115 (closed by _read)
    file.writelines(_bytes(export(visit.db)))
    file.seek(0)
    return Download(_read(file), CSV, f"bibliothek-{visit.today.isoformat()}.csv")


def _read(file: IO[bytes]) -> Iterator[bytes]:
    with file:
        while piece := file.read(PIECE):
            yield piece


@page(f"{LISTS}/{{run_id:int}}/fehler.csv", Audience.LIBRARIANS)
def wrong_rows(visit: Visit, run_id: FromPath[int]) -> Download:
    """The rows that did not come in, each with its reason in front: mended in a spreadsheet, they come in as a list again."""
    run = runs.run_by(visit.db, run_id)
    headings = _headings(runs.plan_of(run), runs.account_of(run).headings)
    return Download(_bytes(_wrong_rows(visit.kit.database, run_id, headings)), CSV, f"nicht-aufgenommen-{run_id}.csv")


def _headings(plan: Plan, given: list[str]) -> list[str]:
    """The file's own; for a column without one, what was said about it, so that the mended file is understood."""
    own = given + [""] * (len(plan.columns) - len(given))
    return [
        heading or (TARGETS[target] if target else _("Spalte {letter}", letter=letter(n)))
        for n, (heading, target) in enumerate(zip(own, plan.columns, strict=False))
    ]


def _wrong_rows(database: Database, run_id: int, headings: list[str]) -> Iterator[str]:
    # Asked now: once it is sent, nobody knows the language of the page any more.
    reason = _("Zeile {n}: {why}", n="{n}", why="{why}")
    return _wrong_lines(database, run_id, headings, reason)


def _wrong_lines(database: Database, run_id: int, headings: list[str], reason: str) -> Iterator[str]:
    yield "\ufeff" + line([WRONG_HEADING, *headings])
    for kind in ("failed", "remark"):
        last: ImportProblem | None = None
        while True:
            with database.reading() as db:
                found = runs.problems_of(db, run_id, kind, last.id if last else 0)
            if not found:
                break
            last = found[-1]
            for problem in found:
                cells = msgspec.json.decode(problem.cells, type=list[str])
                yield line([reason.format(n=problem.row, why=problem.reason), *cells])


def _bytes(pieces: Iterator[str]) -> Iterator[bytes]:
    """Pieces of text in pieces of a size worth sending."""
    waiting, size = [], 0
    for piece in pieces:
        waiting.append(piece)
        size += len(piece)
        if size >= PIECE:
            yield "".join(waiting).encode()
            waiting, size = [], 0
    if waiting:
        yield "".join(waiting).encode()


handlers = [lists, bring, mapping, read_anew, map_columns, one, take_in, drop, wrong_rows, everything]
