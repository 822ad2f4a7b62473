"""Borrowing without an account, at the tablet."""

from __future__ import annotations

from bibliothek.kiosk import guests
from bibliothek.web.routes import action, page
from bibliothek.web.sign_in import Audience
from bibliothek.web.visit import Page, Redirect, Visit

PATH = "/kiosk/gast"


@page(PATH, Audience.KIOSK)
def guest_page(visit: Visit) -> Page:
    """A first name and one contact."""
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
