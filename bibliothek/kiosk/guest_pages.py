"""Borrowing without an account, at the tablet."""

from __future__ import annotations

from bibliothek.kiosk import guests, queries
from bibliothek.web.routes import action, page
from bibliothek.web.sign_in import Audience
from bibliothek.web.visit import Answer, Redirect, Visit

PATH = "/kiosk/gast"


@page(PATH, Audience.KIOSK)
def guest_page(visit: Visit) -> Answer:
    """A first name and one contact."""
    if not visit.problem and queries.device(visit.db, visit.asker.device_id or 0).only_returns:
        return visit.redirect("/kiosk")
    if not guests.are_welcome(visit.db):
        raise guests.NoGuests
    return visit.page("kiosk/guest.html")


@action(PATH, Audience.KIOSK, again=guest_page)
def welcome(visit: Visit) -> Redirect:
    """The tablet serves this guest now."""
    device_id = visit.asker.device_id or 0
    guests.welcome(visit.db, device_id, visit.field("name"), visit.field("contact"), visit.now, visit.today)
    return visit.redirect("/kiosk")


handlers = [guest_page, welcome]
