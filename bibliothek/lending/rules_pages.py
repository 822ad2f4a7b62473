"""For librarians: how the library lends, and when it is open."""

from __future__ import annotations

from datetime import date, timedelta
from itertools import groupby
from typing import Annotated, NamedTuple

import msgspec
from msgspec import Meta

from bibliothek.i18n import N_, _, ngettext
from bibliothek.lending import closures
from bibliothek.lending.opening import weekdays
from bibliothek.lending.terms import terms
from bibliothek.library import actions as library
from bibliothek.library.queries import library as the_library
from bibliothek.problems import Invalid
from bibliothek.web.forms import BadForm
from bibliothek.web.routes import action, page
from bibliothek.web.sign_in import Audience
from bibliothek.web.visit import Answer, Page, Redirect, Visit

RULES = "/verwaltung/regeln"
OPENING = "/verwaltung/oeffnung"
WEEKDAYS = (N_("Montag"), N_("Dienstag"), N_("Mittwoch"), N_("Donnerstag"), N_("Freitag"), N_("Samstag"), N_("Sonntag"))
MOST_DAYS = 366
LONGEST_REASON = 100
FARTHEST = timedelta(days=3 * 366)


class RulesForm(msgspec.Struct):
    loan_days: Annotated[int, Meta(ge=1, le=365)]
    renewals: Annotated[int, Meta(ge=0, le=99)]
    renew_from: str
    hold_days: Annotated[int, Meta(ge=1, le=90)]
    loan_limit: Annotated[int, Meta(ge=1, le=999)] | None = None
    takes_guests: str | None = None


class SpanForm(msgspec.Struct):
    first: date
    last: date | None = None


class DaysForm(SpanForm, kw_only=True):
    reason: Annotated[str, Meta(max_length=LONGEST_REASON)]
    is_open: str | None = None
    # What the page has said would happen to people's dates is fine.
    sure: str | None = None


class Span(NamedTuple):
    """Days one after the other that are special for one reason."""

    first: date
    last: date
    is_open: bool
    reason: str


# ---- Rules ----


@page(RULES, Audience.LIBRARIANS)
def rules_page(visit: Visit) -> Page:
    """How the library lends to everybody."""
    found = the_library(visit.db)
    stored = {
        "loan_days": str(found.loan_days),
        "renewals": str(found.renewals),
        "renew_from": found.renew_from,
        "loan_limit": str(found.loan_limit or ""),
        "hold_days": str(found.hold_days),
        "takes_guests": "1" if found.takes_guests else "",
    }
    now = terms(visit.db)
    return visit.page(
        "lending/rules.html",
        values={name: given[-1] for name, given in visit.fields.items()} if visit.fields else stored,
        would_be_due=now.due_on(visit.today),
        would_be_kept=now.kept_until(visit.today),
    )


@action(RULES, Audience.LIBRARIANS, again=rules_page)
def change_rules(visit: Visit) -> Redirect:
    """New loans follow these rules; what is lent keeps its date."""
    form = visit.read(RulesForm)
    if form.renew_from not in ("today", "due"):
        raise BadForm({"renew_from": _("Bitte wähle eins von beiden.")})
    library.change_rules(
        visit.db,
        loan_days=form.loan_days,
        renewals=form.renewals,
        renew_from=form.renew_from,
        loan_limit=form.loan_limit,
        hold_days=form.hold_days,
        takes_guests=bool(form.takes_guests),
    )
    return visit.redirect(RULES, _("Gespeichert. Was schon ausgeliehen ist, behält sein Datum."))


# ---- Opening days ----


@page(OPENING, Audience.LIBRARIANS)
def opening_page(visit: Visit) -> Page:
    """On which weekdays the library is open, and when that is different."""
    return _opening(visit, 0)


def _opening(visit: Visit, concerned: int) -> Page:
    """`concerned` members would get other dates by what the form says: it is shown once more, to be confirmed."""
    open_on = the_library(visit.db).open_weekdays
    return visit.page(
        "lending/opening.html",
        concerned=concerned,
        weekdays=[(day, _(name), bool(open_on >> day & 1)) for day, name in enumerate(WEEKDAYS)],
        spans=_spans(visit),
    )


def _spans(visit: Visit) -> list[Span]:
    coming = closures.special_days(visit.db, visit.today)
    # Days one after the other have one distance to their place in the list.
    together = groupby(
        enumerate(coming), lambda pair: (pair[1].day - timedelta(days=pair[0]), pair[1].is_open, pair[1].reason)
    )
    spans = []
    for (_start, is_open, reason), pairs in together:
        days = [special.day for _n, special in pairs]
        spans.append(Span(days[0], days[-1], is_open, reason))
    return spans


@action(OPENING, Audience.LIBRARIANS, again=opening_page)
def change_weekdays(visit: Visit) -> Redirect:
    """The library is open on these weekdays from now on."""
    days = [int(value) for value in visit.fields.get("tag", []) if value in {"0", "1", "2", "3", "4", "5", "6"}]
    if not days:
        raise Invalid(_("An einem Tag in der Woche ist offen, sonst käme kein Buch zurück."))
    return _moved(visit, closures.set_weekdays(visit.db, weekdays(days), visit.now, visit.today))


@action(OPENING + "/tage", Audience.LIBRARIANS, again=opening_page)
def change_days(visit: Visit) -> Answer:
    """Closed, or open, on these days whatever their weekday. Where that moves people's dates, it is asked first."""
    form = visit.read(DaysForm)
    days = _days(form.first, form.last or form.first, visit.today)
    reason = " ".join(form.reason.split())
    with visit.db.begin_nested() as tried:
        told = closures.set_days(visit.db, days, bool(form.is_open), reason, visit.now, visit.today)
        is_asked = told and not form.sure
        if is_asked:
            tried.rollback()
    return _opening(visit, told) if is_asked else _moved(visit, told)


@action(OPENING + "/tage/loeschen", Audience.LIBRARIANS, again=opening_page)
def forget_days(visit: Visit) -> Redirect:
    """As the weekday has it. Dates that were moved stay where they are."""
    form = visit.read(SpanForm)
    days = _days(form.first, form.last or form.first, visit.today)
    return _moved(visit, closures.set_days(visit.db, days, None, "", visit.now, visit.today))


def _days(first: date, last: date, today: date) -> list[date]:
    if last < first:
        raise BadForm({"last": _("Der letzte Tag liegt vor dem ersten.")})
    if first < today:
        raise BadForm({"first": _("Das ist schon vorbei.")})
    if last > today + FARTHEST:
        raise BadForm({"first" if first == last else "last": _("So weit voraus plant niemand: höchstens drei Jahre.")})
    if (last - first).days >= MOST_DAYS:
        raise BadForm({"last": _("Höchstens {n} Tage auf einmal.", n=MOST_DAYS)})
    return [first + timedelta(days=n) for n in range((last - first).days + 1)]


def _moved(visit: Visit, told: int) -> Redirect:
    said = _("Gespeichert.")
    if told:
        said += " " + ngettext(
            "Ein Mitglied hat jetzt ein neues Datum und bekommt Bescheid.",
            "{n} Mitglieder haben jetzt ein neues Datum und bekommen Bescheid.",
            told,
        )
    return visit.redirect(OPENING, said)


handlers = [rules_page, change_rules, opening_page, change_weekdays, change_days, forget_days]
