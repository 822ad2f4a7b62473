"""The QR that the tablet shows, and what it opens on a member's own phone."""

from __future__ import annotations

from typing import Any

from litestar.params import FromPath

from bibliothek.i18n import _
from bibliothek.kiosk import greeting, queries
from bibliothek.kiosk.guests import are_welcome
from bibliothek.labels.qr import qr_svg
from bibliothek.web.network import public_address
from bibliothek.web.routes import action, page
from bibliothek.web.sign_in import Audience
from bibliothek.web.visit import File, Page, Redirect, Visit

PATH = "/kiosk/hallo"


@page(PATH, Audience.KIOSK)
def qr(visit: Visit) -> File:
    """The QR of this tablet now, and whether somebody is here: its page asks every few seconds while it knows of nobody.

    No page, because that would be a sign of life, and keep the language that a guest chose.
    """
    html = visit.kit.templates.render("kiosk/_greeting.html", {**visit.context(), **shown(visit)})
    return File(html.encode(), "text/html")


def shown(visit: Visit) -> dict[str, Any]:
    """What kiosk/_greeting.html wants."""
    device = queries.device(visit.db, visit.asker.device_id or 0)
    token = greeting.token(visit.kit.secret_key, device.id, visit.now)
    address = f"{public_address(visit.request, visit.settings)}{PATH}/{token}"
    return {
        "qr": qr_svg(address, _("Ohne Karte: mit dem eigenen Handy scannen")),
        "token": token,
        "somebody": queries.here(visit.db, device, visit.now) is not None,
        "guests": are_welcome(visit.db),
    }


@page(PATH + "/{token:str}", Audience.MEMBERS)
def greeting_page(visit: Visit, token: FromPath[str]) -> Page:
    """Whether this member stands before that tablet. Looking does nothing."""
    try:
        device = greeting.device_of(visit.db, visit.kit.secret_key, token, visit.now)
    except greeting.OldGreeting as problem:
        return visit.page("kiosk/greet.html", status=problem.status, sentence=problem.sentence, device=None)
    return visit.page("kiosk/greet.html", device=device, token=token, sentence="")


@action(PATH + "/{token:str}", Audience.MEMBERS, again=greeting_page)
def greet(visit: Visit, token: FromPath[str]) -> Redirect:
    """Yes: the tablet serves this member now."""
    device = greeting.greet(visit.db, visit.kit.secret_key, token, visit.member_id, visit.now, visit.today)
    said = _("Das Tablet „{name}“ kennt dich jetzt. Scanne dort die Bücher, die du mitnimmst.", name=device.name)
    return visit.redirect("/konto", said)


handlers = [qr, greeting_page, greet]
