"""What librarians do with a single copy: another shelf, how it looks, out of the library and back."""

from __future__ import annotations

from litestar.params import FromPath

from bibliothek.codes import holds_card
from bibliothek.copies import actions, queries
from bibliothek.copies.rules import (
    CONDITIONS,
    LONGEST_REASON,
    OTHER,
    REASONS,
    checked_condition,
    checked_reason,
    reason_word,
)
from bibliothek.i18n import _
from bibliothek.lending.queries import on_loan
from bibliothek.web.forms import Errors
from bibliothek.web.routes import action, page
from bibliothek.web.sign_in import Audience
from bibliothek.web.visit import Page, Redirect, Visit


@page("/c/{code:str}/bearbeiten", Audience.LIBRARIANS)
def care(visit: Visit, code: FromPath[str]) -> Page:
    """Everything about one copy, to change it."""
    copy = queries.copy_by(visit.db, code)
    if holds_card(visit.field("note")):
        visit.fields["note"] = [""]
    if "condition" not in visit.fields:
        visit.fields |= {"condition": [copy.condition or ""], "shelf": [copy.shelf.code if copy.shelf else ""]}
    return visit.page(
        "copies/care.html",
        copy=copy,
        shelves=[("", _("noch keins")), *((shelf.code, shelf.name) for shelf in queries.shelves(visit.db))],
        conditions=[("", _("nicht angegeben")), *((name, _(word)) for name, word in CONDITIONS.items())],
        reasons=[*((name, _(word)) for name, word in REASONS.items()), (OTHER, _("etwas anderes"))],
        longest=LONGEST_REASON,
        due_on=on_loan([copy.id], visit.db).get(copy.id),
        reason=reason_word(copy.withdrawn_reason) if copy.withdrawn_reason else None,
        zone=visit.settings.timezone,
    )


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


@action("/c/{code:str}/aussondern", Audience.LIBRARIANS, again=care)
def withdraw(visit: Visit, code: FromPath[str]) -> Redirect:
    """The copy leaves the library. It can come back from the same page."""
    reason = checked_reason(visit.field("reason"), visit.field("note"))
    copy = queries.copy_for_change(visit.db, code)
    actions.withdraw(copy, reason, visit.now, on_loan([copy.id], visit.db).get(copy.id))
    return visit.redirect(_way_back(copy.code), _("{code} ist ausgesondert.", code=copy.code))


@action("/c/{code:str}/zurueckholen", Audience.LIBRARIANS, again=care)
def bring_back(visit: Visit, code: FromPath[str]) -> Redirect:
    """The copy is the library's again."""
    copy = queries.copy_for_change(visit.db, code)
    actions.bring_back(copy)
    return visit.redirect(_way_back(copy.code), _("{code} gehört wieder zum Bestand.", code=copy.code))


def _way_back(code: str) -> str:
    return f"/c/{code}/bearbeiten"


handlers = [care, change, withdraw, bring_back]
