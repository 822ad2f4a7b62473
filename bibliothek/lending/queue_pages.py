"""For librarians: what is to be settled, who waits for what, and what is kept ready for whom."""

from __future__ import annotations

import re
from typing import Annotated

from litestar.params import FromPath, FromQuery
from msgspec import Meta

from bibliothek.catalogue.queries import title
from bibliothek.db import LARGEST_ID
from bibliothek.i18n import _, format_date
from bibliothek.lending import choosing, flags, holds
from bibliothek.lending.wording import flag_sentence
from bibliothek.members.rules import local_path
from bibliothek.problems import Invalid, NotFound
from bibliothek.web.forms import BadForm
from bibliothek.web.paging import page_number
from bibliothek.web.routes import action, page
from bibliothek.web.sign_in import Audience
from bibliothek.web.visit import Page, Redirect, Visit

FLAGS = "/verwaltung/klaeren"
HOLDS = "/verwaltung/vormerkungen"
SHOWN = 200
# Holds on a page.
PER_PAGE = 100
SETTLED_SHOWN = 20
# A title's number, as a database can compare it.
NUMBER = re.compile("[0-9]{1,9}")


@page(FLAGS, Audience.LIBRARIANS)
def flag_list(visit: Visit) -> Page:
    """What was recorded first and is to be sorted out now, the oldest first; and what was settled last."""
    return visit.page(
        "lending/flags.html",
        flags=[(flag, flag_sentence(flag.kind)) for flag in flags.open_flags(visit.db, SHOWN)],
        settled=[(flag, flag_sentence(flag.kind)) for flag in flags.settled(visit.db, SETTLED_SHOWN)],
        zone=visit.settings.timezone,
    )


@action(FLAGS + "/{flag_id:int}", Audience.LIBRARIANS)
def settle(visit: Visit, flag_id: FromPath[int]) -> Redirect:
    """This one is done."""
    try:
        flags.settle(visit.db, flag_id, visit.member_id, visit.now)
    except flags.NoSuchFlag as problem:
        return visit.redirect(FLAGS, problem.sentence, "look")
    return visit.redirect(FLAGS, _("Erledigt."))


@page(HOLDS, Audience.LIBRARIANS)
def hold_list(visit: Visit, titel: FromQuery[str] = "", seite: FromQuery[str] = "1") -> Page:
    """What is kept ready, the first to end first; and who waits, in the order of the queues. With `titel`, its number, a form to
    put somebody else's name down for it."""
    pages = max(1, -(-holds.count_open_holds(visit.db) // PER_PAGE))
    page_shown = min(page_number(seite), pages)
    rows = holds.open_holds(visit.db, (page_shown - 1) * PER_PAGE, PER_PAGE)
    number = visit.field("titel") or titel
    return visit.page(
        "lending/holds.html",
        title=title(visit.db, int(number)) if NUMBER.fullmatch(number) else None,
        choices=choosing.choices(visit.db, visit.field("member")) if visit.problem else [],
        ready=[row for row in rows if row.copy_id],
        waiting=[row for row in rows if not row.copy_id],
        page=page_shown,
        pages=pages,
        zone=visit.settings.timezone,
    )


@action(HOLDS + "/{hold_id:int}", Audience.LIBRARIANS)
def cancel(visit: Visit, hold_id: FromPath[int]) -> Redirect:
    """End a hold; the next in line gets what was set aside."""
    try:
        holds.cancel(visit.db, hold_id, visit.now, visit.today)
    except holds.NoSuchHold as problem:
        return visit.redirect(HOLDS, problem.sentence, "look")
    return visit.redirect(local_path(visit.field("zurueck")) or HOLDS, _("Die Vormerkung ist beendet."))


class HoldForm(choosing.MemberForm, kw_only=True):
    """`titel` is the number of the title."""

    titel: Annotated[int, Meta(ge=1, le=LARGEST_ID)]


@action(HOLDS, Audience.LIBRARIANS, again=hold_list)
def place(visit: Visit) -> Redirect:
    """Put somebody's name down for a title."""
    form = visit.read(HoldForm)
    try:
        member = choosing.member(visit.db, form.member or "", form.member_id)
        placed = holds.place(visit.db, form.titel, member.id, visit.now, visit.today)
    except holds.OwnLoan as problem:
        raise BadForm({"member": _("{name} hat dieses Buch gerade ausgeliehen.", name=member.name)}) from problem
    except (NotFound, Invalid, holds.NothingToWaitFor) as problem:
        raise BadForm({"member": problem.sentence}) from problem
    if placed.ready_until:
        until = format_date(placed.ready_until)
        said = _("Für {name} wird ein Exemplar bis zum {date} aufgehoben.", name=member.name, date=until)
    else:
        said = _("{name} wartet jetzt an Stelle {n}.", name=member.name, n=placed.position)
    return visit.redirect(HOLDS, said)


handlers = [flag_list, settle, hold_list, place, cancel]
