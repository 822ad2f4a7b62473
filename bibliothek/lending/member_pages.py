"""What members do about their own loans and holds, on their own phone."""

from __future__ import annotations

from typing import Annotated

import msgspec
from litestar.params import FromPath
from msgspec import Meta

from bibliothek.db import LARGEST_ID
from bibliothek.i18n import _, format_date
from bibliothek.lending import actions, flags, holds, notices, phone, queries
from bibliothek.members.rules import local_path
from bibliothek.web.routes import action
from bibliothek.web.sign_in import Audience
from bibliothek.web.visit import Redirect, Visit


class LoanForm(msgspec.Struct):
    loan: Annotated[int, Meta(ge=1, le=LARGEST_ID)]


class ReadForm(msgspec.Struct):
    """The last notice that the page showed: what came since has not been read."""

    last: Annotated[int, Meta(ge=1, le=LARGEST_ID)]


@action("/konto/verlaengern", Audience.MEMBERS)
def renew(visit: Visit) -> Redirect:
    """Keep one of my books for longer."""
    try:
        renewed = actions.renew(visit.db, visit.read(LoanForm).loan, visit.now, visit.today, visit.member_id)
    except (actions.NotRenewed, actions.NoSuchLoan) as problem:
        return visit.redirect("/konto", problem.sentence, "look")
    return visit.redirect("/konto", _("Verlängert bis zum {date}.", date=format_date(renewed.due_on)))


@action("/konto/verloren", Audience.MEMBERS)
def cannot_find(visit: Visit) -> Redirect:
    """I do not find one of my books. The loan goes on; the librarians see that it may not come back."""
    copy = queries.at_desk_by_loan(visit.db, visit.read(LoanForm).loan)
    if copy is None or copy.member_id != visit.member_id:
        return visit.redirect("/konto", actions.NoSuchLoan().sentence, "look")
    flags.put_up(visit.db, "lost", copy.id, visit.now)
    return visit.redirect(
        "/konto", _("Danke, dass du es sagst. Die Betreuung meldet sich. Taucht es auf, bring es einfach zurück.")
    )


@action("/konto/gelesen", Audience.MEMBERS)
def have_read(visit: Visit) -> Redirect:
    """I have read what the library had to tell me: it need not come by mail any more."""
    notices.have_read(visit.db, visit.member_id, visit.read(ReadForm).last)
    return visit.redirect("/konto")


@action("/titel/{title_id:int}/vormerken", Audience.MEMBERS)
def place_hold(visit: Visit, title_id: FromPath[int]) -> Redirect:
    """Wait for a title; a copy that is here is kept for me."""
    to = f"/titel/{title_id}"
    try:
        said = phone.wait(visit.db, title_id, visit.member_id, visit.now, visit.today)
    except (holds.OwnLoan, holds.NothingToWaitFor) as problem:
        return visit.redirect(to, problem.sentence, "look")
    return visit.redirect(to, said.sentence, said.kind)


@action("/vormerkungen/{hold_id:int}/beenden", Audience.MEMBERS)
def leave_queue(visit: Visit, hold_id: FromPath[int]) -> Redirect:
    """I do not wait any more."""
    to = local_path(visit.field("zurueck")) or "/konto"
    try:
        holds.cancel(visit.db, hold_id, visit.now, visit.today, visit.member_id)
    except holds.NoSuchHold as problem:
        return visit.redirect(to, problem.sentence, "look")
    return visit.redirect(to, _("Deine Vormerkung ist beendet."))


handlers = [renew, cannot_find, have_read, place_hold, leave_queue]
