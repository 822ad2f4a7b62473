"""What the QR code on a book or a shelf opens, and the librarians' page of shelves."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal
from urllib.parse import quote

import msgspec
from litestar.params import FromPath, FromQuery
from msgspec import Meta

from bibliothek import codes
from bibliothek.catalogue.queries import bylines
from bibliothek.catalogue.rules import one_line
from bibliothek.copies import actions, queries
from bibliothek.copies.queries import MisreadCode, UnknownCopy, UnknownShelf
from bibliothek.db import LARGEST_ID
from bibliothek.i18n import _
from bibliothek.labels.fields import PrintForm
from bibliothek.labels.pdf import ShelfText, shelf_labels
from bibliothek.labels.sheets import SHEETS, sheet_named
from bibliothek.lending import actions as lending
from bibliothek.lending import own, phone
from bibliothek.lending import rules as lending_rules
from bibliothek.lending.holds import NothingToWaitFor, OwnLoan
from bibliothek.lending.queries import LENDABLE, AtDesk, at_desk, on_loan
from bibliothek.library.queries import library
from bibliothek.members.queries import MemberRef
from bibliothek.problems import Invalid
from bibliothek.web.paging import page_number
from bibliothek.web.routes import action, errand, page
from bibliothek.web.sign_in import BEGUN, Audience
from bibliothek.web.visit import Answer, File, Page, Redirect, Visit

PER_PAGE = 50
# As long as a sign-in link lives.
BEGUN_LASTS = 10 * 60
SOON = 3


class Book(msgspec.Struct, frozen=True):
    """A title as covers and rows want it."""

    id: int
    title: str
    byline: str


# ---- One copy ----


@page("/c", Audience.EVERYONE)
def enter_code(visit: Visit, code: FromQuery[str] = "") -> Answer:
    """For whoever has no camera: the code, typed from the label."""
    if codes.holds_card(code):
        return _not_a_label(visit)
    if code.strip():
        return visit.redirect("/c/" + quote(code.strip()[:100], safe=""))
    return visit.page("copies/enter.html", problem=None, code="")


@page(["/c/{code:str}", "/C/{code:str}"], Audience.EVERYONE)
def copy(visit: Visit, code: FromPath[str], seite: FromQuery[str] = "1") -> Answer:
    """The book or the shelf with this code, and the one thing that makes sense to do with it now."""
    if codes.holds_card(code):
        return _not_a_label(visit)
    scanned = codes.read(code)
    if visit.asker.is_kiosk:
        return visit.redirect("/kiosk?exemplar=" + quote(scanned.value[:100], safe=""))
    try:
        if scanned.kind == "shelf":
            return _shelf_page(visit, scanned.value, page_number(seite))
        return _copy_page(visit, at_desk(visit.db, code))
    except (MisreadCode, UnknownCopy, UnknownShelf) as problem:
        return visit.page(
            "copies/enter.html", status=problem.status, problem=problem, code=one_line(scanned.value)[:40]
        )


def _not_a_label(visit: Visit) -> Redirect:
    """A card was scanned instead: whoever can read its code has the card, so the address does not keep it."""
    said = _("Das ist eine Mitgliedskarte. Hierher gehört der Code vom Etikett eines Buchs oder Regals.")
    return visit.redirect("/c", said, "stop")


def _copy_page(visit: Visit, found: AtDesk) -> Page:
    mine = found.on_loan and found.member_id == visit.asker.member_id
    kept_for_me = found.kept_for is not None and found.kept_for == visit.asker.member_id
    member_id = visit.asker.member_id
    own_holds = own.own_holds(visit.db, member_id, found.title_id) if member_id else []
    return visit.page(
        "copies/copy.html",
        copy=found,
        row=Book(found.title_id, found.title, bylines(visit.db, [found.title_id])[found.title_id]),
        state=_badge(found, mine, visit.today),
        due_on=found.due_on,
        mine=mine,
        can=_what_to_do(found, mine, kept_for_me, bool(own_holds)),
        hold=own_holds[0] if own_holds else None,
        kept_for_me=kept_for_me,
        would_be_due=own.would_be_due(visit.db, member_id, found.title_id, visit.today) if member_id else None,
    )


def _what_to_do(
    found: AtDesk, mine: bool, kept_for_me: bool, waits: bool
) -> Literal["lend", "return", "found", "wait", "leave", "read"] | None:
    """The one sensible thing."""
    if found.state == "withdrawn":
        return None
    if found.state == "missing":
        return "found"
    if mine:
        return "return"
    if found.on_loan or (found.kept_until and not kept_for_me):
        return "leave" if waits else "wait"
    return "read" if found.is_reference else "lend"


def _badge(found: AtDesk, mine: bool, today: date) -> str:
    if not found.on_loan or found.due_on is None:
        return "here" if found.state in LENDABLE else found.state
    if lending_rules.is_overdue(found.due_on, today):
        return "late"
    return "soon" if mine and (found.due_on - today).days <= SOON else "loan"


# For everyone, because whoever is not signed in presses it, too: they sign in first, and then it is done.
@action("/c/{code:str}/ausleihen", Audience.EVERYONE)
def borrow(visit: Visit, code: FromPath[str]) -> Redirect:
    """Lend the copy to whoever is signed in."""
    found = at_desk(visit.db, code)
    way_back = "/c/" + found.code
    if not visit.asker.is_member:
        return _sign_in_first(visit, phone.BORROW, found.code)
    try:
        member = MemberRef(visit.member_id, visit.asker.name)
        said = phone.borrow(visit.db, found, member, visit.now, visit.today)
    except (lending.CopyOnLoan, lending.CopyWithdrawn) as problem:
        return visit.redirect(way_back, problem.sentence, "stop")
    return visit.redirect(way_back, said.sentence, said.kind)


@action("/c/{code:str}/vormerken", Audience.EVERYONE)
def wait(visit: Visit, code: FromPath[str]) -> Redirect:
    """Wait for the title of this copy."""
    found = at_desk(visit.db, code)
    way_back = "/c/" + found.code
    if not visit.asker.is_member:
        return _sign_in_first(visit, phone.WAIT, found.code)
    try:
        said = phone.wait(visit.db, found.title_id, visit.member_id, visit.now, visit.today)
    except (OwnLoan, NothingToWaitFor) as problem:
        return visit.redirect(way_back, problem.sentence, "look")
    return visit.redirect(way_back, said.sentence, said.kind)


def _sign_in_first(visit: Visit, what: str, code: str) -> Redirect:
    if visit.asker.is_kiosk:
        return visit.redirect("/kiosk?exemplar=" + code)
    answer = visit.redirect("/anmelden?zurueck=/c/" + code)
    answer.cookies.append(visit.cookie(BEGUN, phone.begun(what, code), BEGUN_LASTS))
    return answer


# A copy in somebody's hands is theirs, whoever had it before.
@action("/c/{code:str}/mitnehmen", Audience.MEMBERS)
def take_along(visit: Visit, code: FromPath[str]) -> Redirect:
    """I have it in my hands: the loan of whoever had it before ends, and they are told."""
    found = at_desk(visit.db, code)
    way_back = "/c/" + found.code
    member = MemberRef(visit.member_id, visit.asker.name)
    try:
        lent = lending.take_over(visit.db, found, member, visit.now, visit.today, visit.read(ReturnForm).loan)
    except (lending.CopyOnLoan, lending.CopyWithdrawn) as problem:
        return visit.redirect(way_back, problem.sentence, "stop")
    return visit.redirect(way_back, phone.lent(lent).sentence)


class ReturnForm(msgspec.Struct):
    """The loan that the page showed: another one since is not ended."""

    loan: Annotated[int, Meta(ge=1, le=LARGEST_ID)]


@action("/c/{code:str}/zurueckgeben", Audience.MEMBERS)
def bring_back(visit: Visit, code: FromPath[str]) -> Redirect:
    """Take the copy back, from whoever holds it in their hands."""
    found = at_desk(visit.db, code)
    back = lending.give_back(visit.db, found, visit.now, visit.today, visit.read(ReturnForm).loan)
    if back.already and found.on_loan:
        return visit.redirect("/c/" + found.code, _("Inzwischen hat es jemand anders ausgeliehen."), "look")
    return visit.redirect("/c/" + found.code, _thanks(found, back))


def _thanks(found: AtDesk, back: lending.GivenBack) -> str:
    if back.kept_until:
        return _("Zurückgegeben, danke! Jemand wartet darauf: Leg es bitte ins Abholfach.")
    if back.state not in LENDABLE:
        return _("Zurückgegeben, danke! Leg es bitte der Betreuung hin, nicht ins Regal.")
    if found.shelf:
        return _("Zurückgegeben, danke! Stell es bitte in Regal {shelf}.", shelf=found.shelf)
    return _("Zurückgegeben, danke!")


# ---- Shelves ----


def _shelf_page(visit: Visit, code: str, wanted: int) -> Page:
    shelf = queries.shelf_by(visit.db, code)
    count = queries.count_copies_on(visit.db, shelf.id)
    pages = max(1, -(-count // PER_PAGE))
    number = min(wanted, pages)
    copies = queries.copies_on(visit.db, shelf.id, (number - 1) * PER_PAGE, PER_PAGE)
    by = bylines(visit.db, [found.title_id for found in copies])
    return visit.page(
        "copies/shelf.html",
        shelf=shelf,
        books=[(found, Book(found.title_id, found.title.title, by[found.title_id])) for found in copies],
        due=on_loan([found.id for found in copies], visit.db),
        lendable=LENDABLE,
        count=count,
        page=number,
        pages=pages,
    )


@page("/verwaltung/regale", Audience.LIBRARIANS)
def shelves(visit: Visit) -> Page:
    """All shelves, to add, rename and label them."""
    return _shelves(visit, None)


def _shelves(visit: Visit, wrong: int | None) -> Page:
    return visit.page(
        "copies/shelves.html",
        shelves=queries.shelves(visit.db),
        counts=queries.counts_by_shelf(visit.db),
        most=queries.MOST_COUNTED,
        wrong=wrong,
        sheets=[(sheet.name, f"{sheet.name} · {sheet.label}") for sheet in SHEETS.values()],
        chosen_sheet=visit.field("sheet") or library(visit.db).label_sheet,
        base_is_loopback=visit.settings.base_is_loopback,
        base_url=visit.settings.base_url,
    )


@action("/verwaltung/regale", Audience.LIBRARIANS, again=shelves)
def add_shelf(visit: Visit) -> Redirect:
    """A new shelf."""
    shelf = actions.add_shelf(visit.db, visit.field("name"), visit.now)
    return visit.redirect("/verwaltung/regale", _("Regal „{name}“ ist angelegt.", name=shelf.name))


def _renaming_again(visit: Visit, shelf_id: FromPath[int]) -> Page:
    return _shelves(visit, shelf_id)


@action("/verwaltung/regale/{shelf_id:int}", Audience.LIBRARIANS, again=_renaming_again)
def rename_shelf(visit: Visit, shelf_id: FromPath[int]) -> Redirect:
    """Another name for a shelf; labels that are printed stay right, they hold its code."""
    shelf = queries.shelf(visit.db, shelf_id)
    actions.rename_shelf(visit.db, shelf, visit.field("name"))
    return visit.redirect("/verwaltung/regale", _("Das Regal heißt jetzt „{name}“.", name=shelf.name))


class NoShelfChosen(Invalid):
    """Nothing was ticked."""

    code = "no-shelf-chosen"

    def __init__(self) -> None:
        super().__init__(_("Bitte wähle mindestens ein Regal aus."))


@errand("/verwaltung/regale/etiketten", Audience.LIBRARIANS, again=shelves)
def print_labels(visit: Visit) -> File:
    """The labels of the chosen shelves as PDF. Drawing holds no session."""
    form = visit.read(PrintForm)
    if not form.codes:
        raise NoShelfChosen
    with visit.kit.database.reading() as db:
        chosen = [queries.shelf_by(db, code) for code in dict.fromkeys(form.codes)]
        name = library(db).name
    labels = [ShelfText(shelf.code, shelf.name) for shelf in chosen]
    sheet = sheet_named(form.sheet)
    pdf = shelf_labels(labels, sheet, base_url=visit.settings.base_url, library=name, start=form.start)
    return File(pdf, "application/pdf", "regaletiketten.pdf")


handlers = [enter_code, copy, borrow, wait, take_along, bring_back, shelves, add_shelf, rename_shelf, print_labels]
