"""The librarians' page of loans: who has what, lend, take back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal
from urllib.parse import urlencode

import msgspec
from litestar.params import FromPath, FromQuery
from msgspec import Meta

from bibliothek.catalogue.wording import short_title
from bibliothek.codes import read
from bibliothek.db import LARGEST_ID
from bibliothek.i18n import N_, _, format_date
from bibliothek.lending import actions, queries, rules
from bibliothek.members import queries as members
from bibliothek.members.models import Member
from bibliothek.problems import Invalid, NotFound
from bibliothek.web.forms import BadForm
from bibliothek.web.paging import page_number
from bibliothek.web.routes import action, page
from bibliothek.web.sign_in import Audience
from bibliothek.web.visit import Page, Redirect, Visit

PATH = "/verwaltung/ausleihen"
PER_PAGE = 50
# More people with one name are told apart by typing more of it.
MOST_CHOICES = 8


class LendForm(msgspec.Struct):
    """A copy's code; and the member, by card, by name or address, or chosen (`member_id`) among several of one name."""

    copy: Annotated[str, Meta(max_length=400)]
    member: Annotated[str, Meta(max_length=400)] | None = None
    member_id: (
        Annotated[int, Meta(ge=1, le=LARGEST_ID, extra={"error": N_("Bitte wähle ein Mitglied aus der Liste.")})] | None
    ) = None


class TakeBackForm(msgspec.Struct):
    zurueck: Annotated[str, Meta(max_length=400)]


@page(PATH, Audience.LIBRARIANS)
def loans(
    visit: Visit,
    q: FromQuery[str] = "",
    nur: FromQuery[str] = "",
    seite: FromQuery[str] = "1",
    weiter: FromQuery[str] = "",
) -> Page:
    """Open loans, the longest due first. `weiter` puts the cursor where the next book is scanned."""
    overdue_on = visit.today if nur == "ueberfaellig" else None
    count = queries.count_open_loans(visit.db, overdue_on, q)
    pages = max(1, -(-count // PER_PAGE))
    number = min(page_number(seite), pages)
    rows = queries.open_loans(visit.db, (number - 1) * PER_PAGE, PER_PAGE, overdue_on, q)
    return visit.page(
        "lending/loans.html",
        fragment="lending/_loans.html",
        loans=[(row, rules.days_late(row.loan.due_on, visit.today)) for row in rows],
        count=count,
        page=number,
        pages=pages,
        base=PATH + "?" + urlencode({"q": q, "nur": nur}) + "&seite=",
        q=q,
        overdue_only=overdue_on is not None,
        cursor=weiter,
        choices=_choices(visit) if visit.problem else [],
    )


@action(PATH, Audience.LIBRARIANS, again=loans)
def lend(visit: Visit) -> Redirect:
    """Lend a copy to a member."""
    form = visit.read(LendForm)
    errors: dict[str, str] = {}
    copy = member = None
    try:
        copy = queries.at_desk(visit.db, form.copy)
    except (NotFound, Invalid) as problem:
        errors["copy"] = problem.sentence
    try:
        member = _member(visit, form)
    except (NotFound, Invalid) as problem:
        errors["member"] = problem.sentence
    if copy is None or member is None:
        raise BadForm(errors)
    try:
        lent = actions.lend(visit.db, copy, member, visit.now, visit.today)
    except (actions.CopyOnLoan, actions.CopyWithdrawn) as problem:
        raise BadForm({"copy": problem.sentence}) from problem
    return visit.redirect(PATH + "?weiter=ausleihen", _who_has_it(lent, short_title(copy.title), member.name))


def _who_has_it(lent: actions.Lent, title: str, name: str) -> str:
    date = format_date(lent.loan.due_on)
    if lent.already:
        return _("{name} hat „{title}“ schon, bis zum {date}.", title=title, name=name, date=date)
    return _("{name} hat jetzt „{title}“, bis zum {date}.", title=title, name=name, date=date)


class SeveralMembers(Invalid):
    """More than one member is called so."""

    code = "several-members"

    def __init__(self) -> None:
        super().__init__(_("Das passt auf mehrere Mitglieder. Wähle eines aus oder tippe mehr vom Namen."))


class NoMemberFound(NotFound):
    """Nobody is called so."""

    code = "no-member-found"

    def __init__(self) -> None:
        super().__init__(_("So heißt niemand. Scanne die Karte oder tippe einen Teil des Namens."))


def _member(visit: Visit, form: LendForm) -> members.MemberRef | Member:
    """Raises UnknownCard, SeveralMembers, NoMemberFound."""
    scanned = read(form.member or "")
    if scanned.kind == "card":
        return members.member_ref(visit.db, scanned.value)
    if scanned.kind == "misread" and scanned.value.startswith("M"):
        raise members.UnknownCard
    found = _named(visit, form.member or "")
    if not found:
        raise NoMemberFound
    # Only among those that the name still fits: it may have been typed anew below an old choice.
    chosen = [member for member in found if member.id == form.member_id] or found
    if len(chosen) > 1:
        raise SeveralMembers
    return chosen[0]


def _named(visit: Visit, text: str) -> Sequence[Member]:
    return members.members(visit.db, text, limit=MOST_CHOICES) if text else []


def _choices(visit: Visit) -> list[tuple[int, str]]:
    """Members to choose from, when the name that was typed is not clear."""
    found = _named(visit, visit.field("member")[:400])
    return [(member.id, member.name) for member in found] if len(found) > 1 else []


@action(PATH + "/zuruecknehmen", Audience.LIBRARIANS, again=loans)
def take_back_scanned(visit: Visit) -> Redirect:
    """Take back the copy whose label was scanned."""
    form = visit.read(TakeBackForm)
    try:
        copy = queries.at_desk(visit.db, form.zurueck)
    except (NotFound, Invalid) as problem:
        raise BadForm({"zurueck": problem.sentence}) from problem
    return _taken_back(visit, copy, weiter="zuruecknehmen")


@action(PATH + "/{loan_id:int}/zuruecknehmen", Audience.LIBRARIANS)
def take_back(visit: Visit, loan_id: FromPath[int]) -> Redirect:
    """Take back the copy of one loan."""
    copy = queries.at_desk_by_loan(visit.db, loan_id) if 0 < loan_id <= LARGEST_ID else None
    if copy is None:
        raise actions.NoSuchLoan
    return _taken_back(visit, copy)


def _taken_back(visit: Visit, copy: queries.AtDesk, weiter: Literal["", "zuruecknehmen"] = "") -> Redirect:
    back = actions.give_back(visit.db, copy, visit.now, visit.today, copy.loan_id)
    to = PATH + (f"?weiter={weiter}" if weiter else "")
    title = short_title(copy.title)
    if back.already:
        return visit.redirect(to, _("„{title}“ war nicht ausgeliehen.", title=title), "look")
    where = _("Es gehört in Regal {shelf}.", shelf=copy.shelf) if copy.shelf else ""
    return visit.redirect(to, " ".join([_("„{title}“ ist zurück.", title=title), where]).strip())


handlers = [loans, lend, take_back_scanned, take_back]
