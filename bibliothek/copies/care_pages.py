"""What librarians do with a single copy: another shelf, what happened to it, out of the library and back; and its history."""

from __future__ import annotations

from datetime import date

import msgspec
from litestar.params import FromPath

from bibliothek.catalogue import covers
from bibliothek.catalogue.pictures import MEDIA_TYPE, MOST_BYTES
from bibliothek.codes import holds_card
from bibliothek.copies import actions, queries
from bibliothek.copies.rules import (
    CONDITIONS,
    HAPPENINGS,
    LONGEST_REASON,
    OTHER,
    REASONS,
    checked_condition,
    checked_note,
    checked_reason,
    may_happen,
    reason_word,
)
from bibliothek.i18n import _
from bibliothek.lending.actions import lose
from bibliothek.lending.history import LENT, Entry, history
from bibliothek.lending.queries import at_desk, on_loan
from bibliothek.lending.wording import event_word
from bibliothek.web.forms import Errors
from bibliothek.web.routes import action, errand, in_one_transaction, page
from bibliothek.web.sign_in import Audience
from bibliothek.web.visit import Answer, File, Page, Redirect, Visit


@page("/c/{code:str}/bearbeiten", Audience.LIBRARIANS)
def care(visit: Visit, code: FromPath[str]) -> Page:
    """Everything about one copy, to change it."""
    copy = queries.copy_by(visit.db, code)
    for name in ("note", "words"):
        if holds_card(visit.field(name)):
            visit.fields[name] = [""]
    if "condition" not in visit.fields:
        visit.fields |= {"condition": [copy.condition or ""], "shelf": [copy.shelf.code if copy.shelf else ""]}
    due_on = on_loan([copy.id], visit.db).get(copy.id)
    happenings = may_happen(copy.state, copy.is_reference, due_on is not None)
    return visit.page(
        "copies/care.html",
        copy=copy,
        happenings=[(kind, _(HAPPENINGS[kind])) for kind in happenings],
        history=[_line(visit, entry) for entry in history(visit.db, copy.id)],
        shelves=[("", _("noch keins")), *((shelf.code, shelf.name) for shelf in queries.shelves(visit.db))],
        conditions=[("", _("nicht angegeben")), *((name, _(word)) for name, word in CONDITIONS.items())],
        reasons=[*((name, _(word)) for name, word in REASONS.items()), (OTHER, _("etwas anderes"))],
        longest=LONGEST_REASON,
        due_on=due_on,
        reason=reason_word(copy.withdrawn_reason) if copy.withdrawn_reason else None,
        zone=visit.settings.timezone,
    )


class Line(msgspec.Struct, frozen=True):
    """An entry of the history as the page wants it, with local dates. A loan has `until`, or `due_on` while it is open."""

    day: date
    words: str | None
    until: date | None
    due_on: date | None
    entry: Entry


def _line(visit: Visit, entry: Entry) -> Line:
    zone = visit.settings.timezone
    words = None if entry.kind == LENT else event_word(entry.kind)
    until = entry.until.astimezone(zone).date() if entry.until else None
    return Line(entry.at.astimezone(zone).date(), words, until, None if until else entry.due_on, entry)


@action("/c/{code:str}/bearbeiten", Audience.LIBRARIANS, again=care)
def change(visit: Visit, code: FromPath[str]) -> Redirect:
    """Another shelf, another condition."""
    errors, shelf_id, condition = Errors(), None, None
    with errors.at("shelf"):
        shelf_id = queries.shelf_by(visit.db, visit.field("shelf")).id if visit.field("shelf") else None
    with errors.at("condition"):
        condition = checked_condition(visit.field("condition"))
    errors.refuse()
    copy = queries.copy_for_change(visit.db, code)
    copy.shelf_id, copy.condition = shelf_id, condition
    return visit.redirect("/c/" + copy.code, _("Gespeichert."))


@errand("/c/{code:str}/vermerken", Audience.LIBRARIANS, again=care, largest_file=MOST_BYTES)
def say_what_happened(visit: Visit, code: FromPath[str]) -> Answer:
    """Damaged, mended, missing, found, lost, to stay in the room: with a few words and a photo, if somebody has them."""
    errors, note, photo = Errors(), None, None
    with errors.at("words"):
        note = checked_note(visit.field("words"), "words")
    if visit.field("kind") not in HAPPENINGS:
        errors["kind"] = _("Bitte wähle aus, was ist.")
    sent = visit.files.get("picture")
    with errors.at("picture"):
        photo = covers.keep(covers.folder_of(visit.settings), sent) if sent and not errors else None
    errors.refuse()
    return in_one_transaction(visit, _happened, code=code, note=note, photo=photo)


def _happened(visit: Visit, code: str, note: str | None, photo: str | None) -> Redirect:
    kind = visit.field("kind")
    copy = queries.copy_for_change(visit.db, code)
    desk = at_desk(visit.db, copy.code)
    if kind == "lost" and desk.loan_id is not None:
        lose(visit.db, desk.loan_id, visit.now, visit.member_id, note, photo)
    else:
        actions.happened(visit.db, copy, kind, visit.now, visit.member_id, note, photo, desk.on_loan)
    return visit.redirect(_way_back(copy.code), _("Eingetragen: {code} {what}.", code=copy.code, what=event_word(kind)))


@page("/c/{code:str}/foto/{name:str}", Audience.LIBRARIANS)
def photo_of(visit: Visit, code: FromPath[str], name: FromPath[str]) -> File:
    """A photo from the history of a copy."""
    if not queries.has_photo(visit.db, code, name.partition("-")[0]):
        raise covers.NoSuchPicture
    return File(covers.read_file(covers.folder_of(visit.settings), name), MEDIA_TYPE)


@action("/c/{code:str}/aussondern", Audience.LIBRARIANS, again=care)
def withdraw(visit: Visit, code: FromPath[str]) -> Redirect:
    """The copy leaves the library. It can come back from the same page."""
    reason = checked_reason(visit.field("reason"), visit.field("note"))
    copy = queries.copy_for_change(visit.db, code)
    due_on = on_loan([copy.id], visit.db).get(copy.id)
    actions.withdraw(visit.db, copy, reason, visit.now, due_on, visit.member_id)
    return visit.redirect(_way_back(copy.code), _("{code} ist ausgesondert.", code=copy.code))


@action("/c/{code:str}/zurueckholen", Audience.LIBRARIANS, again=care)
def bring_back(visit: Visit, code: FromPath[str]) -> Redirect:
    """The copy is the library's again."""
    copy = queries.copy_for_change(visit.db, code)
    actions.bring_back(visit.db, copy, visit.now, visit.member_id)
    return visit.redirect(_way_back(copy.code), _("{code} gehört wieder zum Bestand.", code=copy.code))


def _way_back(code: str) -> str:
    return f"/c/{code}/bearbeiten"


handlers = [care, change, say_what_happened, photo_of, withdraw, bring_back]
