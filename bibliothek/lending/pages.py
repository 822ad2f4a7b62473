"""The librarians' page of loans: who has what, lend, take back."""

from __future__ import annotations

import re
from typing import Annotated
from urllib.parse import urlencode

import msgspec
from litestar.params import FromPath, FromQuery
from msgspec import Meta

from bibliothek.catalogue.wording import short_title
from bibliothek.db import LARGEST_ID
from bibliothek.i18n import _, format_date
from bibliothek.lending import actions, choosing, queries, rules
from bibliothek.lending.wording import flag_sentence
from bibliothek.members.queries import members_by_id
from bibliothek.members.rules import local_path
from bibliothek.problems import Invalid, NotFound
from bibliothek.web.forms import BadForm
from bibliothek.web.paging import page_number
from bibliothek.web.routes import action, page
from bibliothek.web.sign_in import Audience
from bibliothek.web.visit import Page, Redirect, Visit

PATH = "/verwaltung/ausleihen"
PER_PAGE = 50
_OF_MEMBER = re.compile("/verwaltung/mitglieder/([0-9]{1,9})")


class LendForm(choosing.MemberForm, kw_only=True):
    """A copy's code, and the member."""

    copy: Annotated[str, Meta(max_length=400)]


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
    found = queries.page_of_loans(visit.db, page_number(seite), PER_PAGE, overdue_on, q)
    return visit.page(
        "lending/loans.html",
        fragment="lending/_loans.html",
        loans=[(row, rules.days_late(row.loan.due_on, visit.today)) for row in found.rows],
        count=found.total,
        more=found.more,
        page=found.number,
        pages=found.pages,
        base=PATH + "?" + urlencode({"q": q, "nur": nur}) + "&seite=",
        q=q,
        overdue_only=overdue_on is not None,
        cursor=weiter,
        choices=choosing.choices(visit.db, visit.field("member")) if visit.problem else [],
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
        member = choosing.member(visit.db, form.member or "", form.member_id)
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
    said = _("{name} hat jetzt „{title}“, bis zum {date}.", title=title, name=name, date=date)
    return " ".join([said, *map(flag_sentence, lent.notes)])


@action(PATH + "/zuruecknehmen", Audience.LIBRARIANS, again=loans)
def take_back_scanned(visit: Visit) -> Redirect:
    """Take back the copy whose label was scanned."""
    form = visit.read(TakeBackForm)
    try:
        copy = queries.at_desk(visit.db, form.zurueck)
    except (NotFound, Invalid) as problem:
        raise BadForm({"zurueck": problem.sentence}) from problem
    return visit.redirect(PATH + "?weiter=zuruecknehmen", *_taken_back(visit, copy))


@action(PATH + "/{loan_id:int}/zuruecknehmen", Audience.LIBRARIANS)
def take_back(visit: Visit, loan_id: FromPath[int]) -> Redirect:
    """Take back the copy of one loan."""
    copy = queries.at_desk_by_loan(visit.db, loan_id) if 0 < loan_id <= LARGEST_ID else None
    said = _taken_back(visit, copy) if copy else (actions.NoSuchLoan().sentence, "look")
    return visit.redirect(_way_back(visit), *said)


def _way_back(visit: Visit) -> str:
    """The page on which the button was pressed. Not that of a guest who went with the last of their books."""
    to = local_path(visit.field("zurueck")) or PATH
    whose = _OF_MEMBER.fullmatch(to)
    return PATH if whose and not members_by_id(visit.db, [int(whose[1])]) else to


def _taken_back(visit: Visit, copy: queries.AtDesk) -> tuple[str, str]:
    """What is said, and how."""
    # A loan that began since the copy was scanned goes on.
    back = actions.give_back(visit.db, copy, visit.now, visit.today, copy.loan_id or actions.NOTHING)
    title = short_title(copy.title)
    if back.already:
        return _("„{title}“ war nicht ausgeliehen.", title=title), "look"
    return " ".join([_("„{title}“ ist zurück.", title=title), _where_to(copy, back)]).strip(), "ok"


def _where_to(copy: queries.AtDesk, back: actions.GivenBack) -> str:
    if back.kept_until:
        date = format_date(back.kept_until)
        return _("Jemand wartet darauf: Leg es bis zum {date} ins Abholfach.", date=date)
    if back.state == "repair":
        return _("Es muss repariert werden und gehört nicht ins Regal.")
    return _("Es gehört in Regal {shelf}.", shelf=copy.shelf) if copy.shelf else ""


@action(PATH + "/{loan_id:int}/verlaengern", Audience.LIBRARIANS)
def renew(visit: Visit, loan_id: FromPath[int]) -> Redirect:
    """Renew somebody's loan, by the rules that they have, too."""
    try:
        renewed = actions.renew(visit.db, loan_id, visit.now, visit.today)
    except (actions.NotRenewed, actions.NoSuchLoan) as problem:
        return visit.redirect(_way_back(visit), problem.sentence, "look")
    return visit.redirect(_way_back(visit), _("Verlängert bis zum {date}.", date=format_date(renewed.due_on)))


handlers = [loans, lend, take_back_scanned, take_back, renew]
