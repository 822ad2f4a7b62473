"""For librarians: what is to be settled, who waits for what, and what is kept ready for whom."""

from __future__ import annotations

from litestar.params import FromPath

from bibliothek.i18n import _
from bibliothek.lending import flags, holds
from bibliothek.lending.wording import flag_sentence
from bibliothek.web.routes import action, page
from bibliothek.web.sign_in import Audience
from bibliothek.web.visit import Page, Redirect, Visit

FLAGS = "/verwaltung/klaeren"
HOLDS = "/verwaltung/vormerkungen"
SHOWN = 200


@page(FLAGS, Audience.LIBRARIANS)
def flag_list(visit: Visit) -> Page:
    """What was recorded first and is to be sorted out now, the oldest first."""
    found = [(flag, flag_sentence(flag.kind)) for flag in flags.open_flags(visit.db, SHOWN)]
    return visit.page("lending/flags.html", flags=found, zone=visit.settings.timezone)


@action(FLAGS + "/{flag_id:int}", Audience.LIBRARIANS)
def settle(visit: Visit, flag_id: FromPath[int]) -> Redirect:
    """This one is done."""
    try:
        flags.settle(visit.db, flag_id, visit.member_id, visit.now)
    except flags.NoSuchFlag as problem:
        return visit.redirect(FLAGS, problem.sentence, "look")
    return visit.redirect(FLAGS, _("Erledigt."))


@page(HOLDS, Audience.LIBRARIANS)
def hold_list(visit: Visit) -> Page:
    """What is kept ready, the first to end first; and who waits, in the order of the queues."""
    rows = holds.open_holds(visit.db, SHOWN)
    return visit.page(
        "lending/holds.html",
        ready=sorted((row for row in rows if row.copy_id), key=lambda row: row.ready_until),
        waiting=[row for row in rows if not row.copy_id],
    )


@action(HOLDS + "/{hold_id:int}", Audience.LIBRARIANS)
def cancel(visit: Visit, hold_id: FromPath[int]) -> Redirect:
    """End a hold; the next in line gets what was set aside."""
    try:
        holds.cancel(visit.db, hold_id, visit.now, visit.today)
    except holds.NoSuchHold as problem:
        return visit.redirect(HOLDS, problem.sentence, "look")
    return visit.redirect(HOLDS, _("Die Vormerkung ist beendet."))


handlers = [flag_list, settle, hold_list, cancel]
