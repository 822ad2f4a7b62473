"""What librarians do with a title: change it, look it up again, make one of two, and take that back."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import msgspec
from litestar.params import FromPath, FromQuery
from msgspec import Meta
from sqlalchemy.orm import Session

from bibliothek.catalogue import actions, lines, merging, provenance, queries
from bibliothek.catalogue.fields import Origin, TitleFields
from bibliothek.catalogue.merging import Side
from bibliothek.catalogue.models import Title
from bibliothek.catalogue.provenance import SUBJECTS, is_gap, source_of
from bibliothek.catalogue.queries import TitleRow, fields_of, subjects_of
from bibliothek.catalogue.rules import checked, checked_subjects, one_line
from bibliothek.catalogue.wording import byline, field_word, language_word, short_title, source_word
from bibliothek.codes import holds_card
from bibliothek.copies.queries import copies_of, withdrawn_of
from bibliothek.db import LARGEST_ID
from bibliothek.i18n import _, ngettext
from bibliothek.lending.exceptions import make_material, material_of, materials
from bibliothek.lending.holds import join_queues, lock_for_moving, part_queues
from bibliothek.lookup import actions as lookup
from bibliothek.lookup.isbn import hyphenated
from bibliothek.lookup.record import Record
from bibliothek.problems import Invalid, Problem
from bibliothek.web.forms import Errors
from bibliothek.web.routes import action, errand, page
from bibliothek.web.sign_in import Audience
from bibliothek.web.visit import Answer, Page, Redirect, Visit

if TYPE_CHECKING:
    from bibliothek.lookup.merge import LookupResult

CANDIDATES = 10
# Where a field of the title is called otherwise in the form.
_FIELD_OF = {"contributors": "persons"}


class EditForm(lines.TypedTitle):
    """All fields of a title; ISBNs and subjects are one a line. `seen` is a digest of the title that the form was filled from.
    `material` is the number of its kind, None for a book like any other."""

    isbns: str | None
    subjects: str | None
    seen: str | None
    material: Annotated[int, Meta(ge=1, le=LARGEST_ID)] | None = None


class ChangedMeanwhile(Problem):
    """Somebody else has saved this title since the form was opened."""

    code = "changed-meanwhile"

    def __init__(self) -> None:
        super().__init__(
            _(
                "Inzwischen hat jemand anders diesen Titel geändert. Unten steht, was du eingetippt hast; "
                "noch einmal „Speichern“ ersetzt die andere Änderung."
            )
        )


# ---- Change ----


@page("/titel/{title_id:int}/bearbeiten", Audience.LIBRARIANS)
def edit(visit: Visit, title_id: FromPath[int]) -> Page:
    """The form with everything that a title says; what was typed stays when something is wrong with it."""
    found = queries.title(visit.db, title_id)
    if visit.problem is None:
        visit.fields = {name: [value] for name, value in _typed(found).items()}
        visit.fields["material"] = [str(material_of(visit.db, title_id) or "")]
    _forget_cards(visit)
    kinds = [(kind.id, kind.name) for kind in materials(visit.db)]
    offered = [("", _("Buch")), *kinds] if kinds else []
    return visit.page("catalogue/edit.html", title=found, seen=_seen(found), materials=offered)


@action("/titel/{title_id:int}/bearbeiten", Audience.LIBRARIANS, again=edit)
def save(visit: Visit, title_id: FromPath[int]) -> Redirect:
    """The title says what the form says. What really changed counts as typed from now on."""
    found = queries.title_for_change(visit.db, title_id)
    form, errors = visit.read(EditForm), Errors()
    typed, subjects = lines.lines_of(form.subjects or ""), subjects_of(found)
    fields = lines.read_title(form, lines.lines_of(form.isbns or ""), fields_of(found))
    with errors.at("title"):
        fields = _checked(fields)
    with errors.at("subjects"):
        subjects = checked_subjects(typed)
    errors.refuse()
    if form.seen and form.seen != _seen(found):
        raise ChangedMeanwhile
    changed = bool(actions.edit_title(visit.db, found, fields, visit.now, subjects))
    if form.material != material_of(visit.db, found.id):
        make_material(visit.db, found.id, form.material)
        changed = True
    return visit.redirect(f"/titel/{title_id}", _("Gespeichert.") if changed else _("Es war schon alles so."))


def _typed(title: Title) -> dict[str, str]:
    isbns = "\n".join(hyphenated(isbn.isbn) for isbn in title.isbns)
    return {**lines.write_title(fields_of(title)), "isbns": isbns, "subjects": "\n".join(subjects_of(title))}


def _seen(title: Title) -> str:
    said = msgspec.json.encode((fields_of(title), subjects_of(title)))
    return hashlib.sha256(said).hexdigest()[:16]


def _checked(fields: TitleFields) -> TitleFields:
    """`catalogue.rules.checked`, with errors at the fields of our form."""
    try:
        return checked(fields)
    except Invalid as problem:
        problem.errors = {_FIELD_OF.get(name, name): sentence for name, sentence in problem.errors.items()}
        raise


def _forget_cards(visit: Visit) -> None:
    """A card's code that was scanned into a field is not shown again."""
    for name, given in visit.fields.items():
        kept = [line for line in given[-1].splitlines() if not holds_card(line)]
        visit.fields[name] = ["\n".join(kept)]


# ---- Look up again ----


class Offer(NamedTuple):
    """A field that a person typed, and what a source says instead."""

    field: str
    word: str
    ours: str
    theirs: str
    source: str


@errand("/titel/{title_id:int}/nachschlagen", Audience.LIBRARIANS, outside=True)
def look_up_again(visit: Visit, title_id: FromPath[int]) -> Answer:
    """Ask the sources again: gaps are filled, what a source said is renewed, what a person typed is offered anew.

    With `field` and the new `value` that the page showed, that one is taken, too: from what they answered just now, without
    asking once more. Doing it twice changes nothing.
    """
    database, here = visit.kit.database, f"/titel/{title_id}"
    name = visit.field("field")
    with database.reading() as db:
        title = queries.title(db, title_id)
    if not title.isbns:
        return visit.redirect(here, _("Ohne ISBN lässt sich nichts nachschlagen."), "look")
    found = lookup.find(database, visit.settings, title.isbns[0].isbn, visit.now, fresh=not name)
    if found.record and found.sources and not _who_answered(found):
        return visit.redirect(here, _("Die Quellen antworten gerade nicht. Es bleibt alles, wie es ist."), "look")
    best = _best_fit(fields_of(title), title.isbns[0].isbn, found)
    if best is None:
        return visit.redirect(here, _nothing_found(found), "look")
    record, origin = best
    # Taken is only what somebody has seen: the sources may say something else by now.
    is_seen = name in provenance.FIELDS and visit.field("value") == _shown(name, _said(record)[name])
    with database.writing() as db:
        title = queries.title_for_change(db, title_id)
        became = actions.renew_title(db, title, record.fields(), origin, visit.now, [name] if is_seen else ())
        if "title" in became.changed:
            title.source, title.source_url = origin.source, origin.source_url
    said = " ".join(filter(None, (_what_changed(became.changed), _who_is_away(found))))
    if not became.offered:
        return visit.redirect(here, said)
    return visit.page("catalogue/offers.html", title=title, said=said, offers=_offers(became, record, origin))


def _best_fit(ours: TitleFields, isbn: str, found: LookupResult) -> tuple[Record, Origin] | None:
    """Of all that is recorded under the number, the very edition, else what sounds alike. Some numbers were given twice."""
    from bibliothek.lookup.merge import are_alike

    if found.record is None:
        return None
    own = [found.record, *(other for other in found.alternatives if isbn in other.isbns)]
    alike = [record for record in own if are_alike(record.title, ours.title)]
    if not alike:
        return None
    best = next((record for record in alike if record.year == ours.year), alike[0])
    origin = best.origin()
    return best, msgspec.structs.replace(origin, fields=found.origin) if best is found.record else origin


def _nothing_found(found: LookupResult) -> str:
    if found.record:
        return _(
            "Unter dieser ISBN ist „{title}“ verzeichnet. Das klingt nach einem anderen Buch, darum bleibt alles, wie es ist.",
            title=short_title(found.record.title),
        )
    if found.outcome == "not_found":
        return _("Zu dieser ISBN ist nirgends etwas verzeichnet.")
    return _("Die Quellen antworten gerade nicht. Versuche es später noch einmal.")


def _what_changed(changed: tuple[str, ...]) -> str:
    if not changed:
        return _("Nachgeschlagen. Etwas Neues war nicht dabei.")
    return _("Nachgeschlagen und übernommen: {fields}.", fields=", ".join(map(field_word, changed)))


def _who_answered(found: LookupResult) -> list[str]:
    return [name for name, outcome in found.sources if outcome in ("found", "not_found")]


def _who_is_away(found: LookupResult) -> str:
    """Nothing where all answered."""
    away = [source_word(name) for name, _outcome in found.sources if name not in _who_answered(found)]
    if not away:
        return ""
    return _("Keine Antwort kam von: {sources}. Was von dort früher kam, gilt weiter.", sources=", ".join(away))


def _offers(became: provenance.Renewed, record: Record, origin: Origin) -> list[Offer]:
    ours, theirs = provenance.values_of(became.fields, became.subjects), _said(record)
    return [
        Offer(
            name,
            field_word(name),
            _shown(name, ours[name]),
            _shown(name, theirs[name]),
            source_word(source_of(name, origin)),
        )
        for name in became.offered
    ]


def _said(record: Record) -> dict[str, Any]:
    return provenance.values_of(record.fields(), record.subjects)


def _shown(name: str, value: Any) -> str:
    """The value of a field in one line."""
    if is_gap(value):
        return ""
    if name == "contributors":
        return "; ".join(lines.write_persons(value).splitlines())
    if name == "series":
        return ", ".join(lines.write_series(value).splitlines())
    if name == "isbns":
        return ", ".join(map(hyphenated, value))
    if name == SUBJECTS:
        return ", ".join(value)
    return language_word(value) if name == "language" else one_line(str(value))


# ---- Make one of two ----


class Change(NamedTuple):
    """What becomes of one field when two titles are merged."""

    word: str
    value: str


class Plan(NamedTuple):
    """What merging would do: what the kept title gets, what of the other one is lost, and which copies move."""

    gone: Title
    byline: str
    gained: list[Change]
    lost: list[Change]
    copies: list[str]


@page("/titel/{title_id:int}/zusammenfuehren", Audience.LIBRARIANS)
def merge_form(visit: Visit, title_id: FromPath[int], q: FromQuery[str] = "", mit: FromQuery[str] = "") -> Page:
    """Find the other title, and see what would happen. Without a search it begins with what is called alike."""
    kept = queries.title(visit.db, title_id)
    other = visit.field("mit") or mit
    q = "" if holds_card(q) else one_line(q)
    plan = _plan(visit.db, kept, int(other)) if other.isdecimal() and len(other) < 10 else None
    return visit.page(
        "catalogue/merge.html",
        title=kept,
        byline=byline(kept.contributors),
        q=q,
        plan=plan,
        found=[] if plan else _candidates(visit.db, kept, q or kept.title),
    )


def _candidates(db: Session, kept: Title, q: str) -> list[TitleRow]:
    rows = queries.search(db, q, limit=CANDIDATES + 1).rows
    return [row for row in rows if row.id != kept.id][:CANDIDATES]


def _plan(db: Session, kept: Title, gone_id: int) -> Plan | None:
    if gone_id == kept.id:
        return None
    gone = queries.title(db, gone_id)
    ours, theirs = merging.side(db, kept), merging.side(db, gone)
    gained = merging.gain(ours, theirs)
    before, after, other = _values(ours), provenance.values_of(gained.fields, gained.subjects), _values(theirs)
    changed = provenance.changes(before, after)
    copies = [*copies_of(db, gone.id), *withdrawn_of(db, gone.id)]
    return Plan(
        gone,
        byline(gone.contributors),
        [Change(field_word(name), _shown(name, _added(before[name], after[name]))) for name in changed],
        [Change(field_word(name), _shown(name, other[name])) for name in _lost(after, other)],
        [copy.code for copy in copies],
    )


def _values(one: Side) -> dict[str, Any]:
    return provenance.values_of(one.fields, one.subjects)


def _added(before: Any, after: Any) -> Any:
    """What is new in a list, or the new value."""
    return tuple(entry for entry in after if entry not in before) if isinstance(after, tuple) else after


def _lost(after: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    """The fields in which the other title says something that the kept one will not."""
    united = ("isbns", "series", SUBJECTS)
    return [name for name in provenance.changes(after, other) if name not in united and not is_gap(other[name])]


class MergeForm(msgspec.Struct):
    """`mit` is the title that becomes part of this one."""

    mit: int


@action("/titel/{title_id:int}/zusammenfuehren", Audience.LIBRARIANS, again=merge_form)
def merge(visit: Visit, title_id: FromPath[int]) -> Redirect:
    """The other title becomes part of this one."""
    gone = queries.title(visit.db, visit.read(MergeForm).mit)
    copies = len(copies_of(visit.db, gone.id))
    join_queues(visit.db, title_id, gone.id, visit.now, visit.today)
    merging.merge(visit.db, title_id, gone.id, visit.now)
    said = _("„{title}“ ist jetzt Teil dieses Titels.", title=short_title(gone.title))
    moved = ngettext("{n} Exemplar ist umgezogen.", "{n} Exemplare sind umgezogen.", copies)
    return visit.redirect(f"/titel/{title_id}", f"{said} {moved}" if copies else said)


class UndoForm(msgspec.Struct):
    """`merge` is the number of the merge, as the title's page shows it."""

    merge: int


@action("/titel/{title_id:int}/trennen", Audience.LIBRARIANS)
def part(visit: Visit, title_id: FromPath[int]) -> Redirect:
    """Both titles are there again."""
    form = visit.read(UndoForm)
    lock_for_moving(visit.db, [title_id])
    back = merging.undo(visit.db, title_id, form.merge, visit.now)
    part_queues(visit.db, [title_id, back], visit.now, visit.today)
    return visit.redirect(
        f"/titel/{back}", _("Die beiden Titel sind wieder getrennt. Das ist der, der zurückgekommen ist.")
    )


handlers = [edit, save, look_up_again, merge_form, merge, part]
