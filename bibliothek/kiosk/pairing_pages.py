"""How a device becomes a tablet: what it shows, and where a librarian approves it on their own phone."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote

import msgspec
from litestar.params import FromQuery
from msgspec import Meta

from bibliothek.i18n import N_, _, use_language
from bibliothek.kiosk import pairing
from bibliothek.labels.qr import qr_svg
from bibliothek.mail.message import Message, make
from bibliothek.members.actions import end_session
from bibliothek.tokens import new_token
from bibliothek.web.network import public_address
from bibliothek.web.routes import action, errand, page
from bibliothek.web.sign_in import DEVICE, PAIRING, SESSION, Audience, read_cookie
from bibliothek.web.visit import Answer, Page, Visit

APPROVE = "/verwaltung/tablets/koppeln"
# Browsers keep no cookie longer than 400 days; each look at the page gives it as many again.
COOKIE_LASTS = 400 * 24 * 60 * 60


class ApproveForm(msgspec.Struct):
    code: Annotated[str, Meta(max_length=40)]
    number: Annotated[int, Meta(ge=0, le=999, extra={"error": N_("Wähle die Zahl, die das Gerät zeigt.")})]
    name: str


# ---- On the device ----


def waiting_page(visit: Visit) -> Answer | None:
    """What a device that waits shows; the tablet's page, with the tablet's cookie, once it is one. None for all others."""
    token = read_cookie(PAIRING, visit.request, visit.settings)
    if not token:
        return None
    if pairing.is_tablet(visit.db, token):
        answer = visit.redirect("/kiosk")
        answer.cookies += [
            visit.cookie(DEVICE, token, COOKIE_LASTS),
            visit.cookie(PAIRING, "", 0),
            visit.cookie(SESSION, "", 0),
        ]
        return answer
    waits = pairing.waits(visit.db, token, visit.kit.secret_key, visit.now)
    if waits is None and not pairing.has_waited(visit.db, token):
        return None
    address = f"{public_address(visit.request, visit.settings)}{APPROVE}?code={waits.code}" if waits else ""
    return visit.page(
        "kiosk/waiting.html",
        fragment="kiosk/_waiting.html",
        waits=waits,
        address=public_address(visit.request, visit.settings) + APPROVE,
        qr=qr_svg(address, _("Am eigenen Handy bestätigen")) if waits else "",
    )


@action("/kiosk/koppeln", Audience.EVERYONE)
def begin(visit: Visit) -> Answer:
    """Let this device wait for a librarian. Whoever was signed in on it is not any more: a tablet is nobody's own."""
    answer = visit.redirect("/kiosk")
    if visit.asker.is_kiosk:
        return answer
    token = new_token()
    pairing.begin(visit.db, token, visit.kit.secret_key, visit.now)
    session = read_cookie(SESSION, visit.request, visit.settings)
    if session:
        end_session(visit.db, session)
    answer.cookies += [
        visit.cookie(PAIRING, token, int(pairing.LASTS.total_seconds()) * 2),
        visit.cookie(SESSION, "", 0),
    ]
    return answer


@action("/kiosk/koppeln/abbrechen", Audience.EVERYONE)
def give_up(visit: Visit) -> Answer:
    """This device stays what it is."""
    token = read_cookie(PAIRING, visit.request, visit.settings)
    if token:
        pairing.give_up(visit.db, token, visit.now)
    answer = visit.redirect("/kiosk")
    answer.cookies.append(visit.cookie(PAIRING, "", 0))
    return answer


# ---- On the librarian's phone ----


@page(APPROVE, Audience.LIBRARIANS)
def approve_page(visit: Visit, code: FromQuery[str] = "") -> Page:
    """Where the code of a device is entered; its QR brings it along."""
    return visit.page("kiosk/approve.html", code=visit.field("code") or code[:40], choices=())


@errand(APPROVE, Audience.LIBRARIANS, again=approve_page)
def find(visit: Visit) -> Page:
    """The three numbers of the device with this code. A wrong one is counted, and so committed, before it is refused."""
    code = visit.field("code")[:100]
    with visit.kit.database.writing() as db:
        choices = pairing.choices(db, code, visit.kit.secret_key, visit.now)
    if choices is None:
        raise pairing.WrongPairingCode
    return visit.page("kiosk/approve.html", code=code, choices=choices)


@errand(APPROVE + "/ja", Audience.LIBRARIANS, again=approve_page)
def approve(visit: Visit) -> Answer:
    """The device is a tablet, if it shows the number that was picked."""
    form = visit.read(ApproveForm)
    with visit.kit.database.writing() as db:
        device = pairing.approve(db, form.code, form.number, form.name, visit.kit.secret_key, visit.now)
        if device and device.enrolled_at == visit.now:
            pairing.tell_librarians(db, _note(visit, device.name), visit.now)
    if device is None:
        raise pairing.WrongNumber
    return visit.redirect("/verwaltung/tablets", _("„{name}“ ist jetzt ein Tablet.", name=device.name))


@page(APPROVE + "/ja", Audience.LIBRARIANS)
def back_to_code(visit: Visit, code: FromQuery[str] = "") -> Answer:
    """Somebody reloads what only a button does."""
    return visit.redirect(APPROVE + (f"?code={quote(code[:40])}" if code else ""))


def _note(visit: Visit, name: str) -> Message:
    with use_language(visit.settings.language):
        context = {
            "library_name": visit.library.name if visit.library else "",
            "tablet": name,
            "by": visit.asker.name,
            "tablets": f"{visit.settings.base_url}/verwaltung/tablets",
        }
        return make(visit.kit.templates, pairing.MAIL, context)


handlers = [begin, give_up, approve_page, find, approve, back_to_code]
