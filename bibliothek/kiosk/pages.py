"""The tablet on the wall, and the pages on which librarians enrol and revoke tablets."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

import msgspec
from litestar.params import FromPath, FromQuery
from msgspec import Meta

from bibliothek.catalogue.queries import recent
from bibliothek.codes import ALPHABET, command_code
from bibliothek.db import LARGEST_ID
from bibliothek.i18n import LANGUAGES, _, language, use_language
from bibliothek.kiosk import actions, queries
from bibliothek.kiosk.greeting_pages import shown
from bibliothek.kiosk.guests import are_welcome
from bibliothek.kiosk.pairing_pages import COOKIE_LASTS, waiting_page
from bibliothek.kiosk.rules import Answer, age_of
from bibliothek.kiosk.words import said
from bibliothek.labels.pdf import CardText
from bibliothek.labels.pdf import command_cards as printed_commands
from bibliothek.library.queries import library_for_change
from bibliothek.members.actions import end_session
from bibliothek.members.sign_in import token_for_press
from bibliothek.tokens import hashed, new_token
from bibliothek.web.routes import LANGUAGE, TABLET_LANGUAGE_LASTS, action, errand, page
from bibliothek.web.sign_in import DEVICE, SESSION, Audience, read_cookie, require
from bibliothek.web.visit import Answer as Shown
from bibliothek.web.visit import File, Page, Redirect, Visit

SPINES = 20
# Large letters, for one person's session.
LARGE = "gross"


class CopyForm(msgspec.Struct):
    """A button about one copy and the loan it was shown with."""

    copy: Annotated[str, Meta(max_length=20)]
    loan: Annotated[int, Meta(ge=1, le=LARGEST_ID)]


# ---- The tablet itself ----


@page("/kiosk", Audience.EVERYONE)
def kiosk(visit: Visit, exemplar: FromQuery[str] = "") -> Shown:
    """The scan field; anybody else sees how a device becomes the tablet. `exemplar` shows that copy, nothing is done."""
    if not visit.asker.is_kiosk:
        return waiting_page(visit) or _how_to_enrol(visit)
    answer = actions.look_at(visit.db, exemplar) if exemplar else None
    shown = _panel(visit, answer)
    token = read_cookie(DEVICE, visit.request, visit.settings)
    if token:
        shown.cookies.append(visit.cookie(DEVICE, token, COOKIE_LASTS))
    return shown


@action("/kiosk", Audience.KIOSK)
def scan(visit: Visit) -> Page:
    """Whatever was scanned. It is done when this answers, and the same number sent again gets the same answer for a day."""
    text = visit.field("scan")
    if not text:
        # Enter alone says nothing, so there is nothing to answer.
        return _panel(visit, None)
    answer = actions.scan(visit.db, _device(visit), text, _number(visit), visit.now, visit.today, _age(visit))
    return _obeyed(visit, answer) if answer.kind == "command" and not answer.again else _panel(visit, answer)


def _obeyed(visit: Visit, answer: Answer) -> Page:
    """A command that is about the page itself: its language, the size of its letters, or its end."""
    cookies = []
    # Only a page that looks otherwise is loaded anew: what is scanned meanwhile would be lost.
    was_large, language_before = bool(visit.request.cookies.get(LARGE)), language.get()
    large = not was_large and answer.what != "done"
    if answer.what in ("large", "done"):
        cookies.append(visit.plain_cookie(LARGE, "1" if large else "", TABLET_LANGUAGE_LASTS if large else 0))
    if answer.what in ("language", "done"):
        others = [name for name in LANGUAGES if name != language.get()]
        chosen = visit.settings.language if answer.what == "done" else others[0]
        use_language(chosen)
        lasts = TABLET_LANGUAGE_LASTS if chosen != visit.settings.language else 0
        cookies.append(visit.plain_cookie(LANGUAGE, chosen if lasts else "", lasts))
    changes = language.get() != language_before or (answer.what in ("large", "done") and large != was_large)
    shown = _panel(visit, answer, reload=changes)
    shown.cookies += cookies
    return shown


@action("/kiosk/zurueck", Audience.KIOSK)
def bring_back(visit: Visit) -> Page:
    """The book shown is brought back; `von_selbst` when nobody touched anything."""
    form, by_itself = visit.read(CopyForm), bool(visit.field("von_selbst"))
    answer = actions.bring_back(
        visit.db, _device(visit), form.copy, form.loan, visit.now, visit.today, by_itself, _age(visit)
    )
    return _panel(visit, answer)


@action("/kiosk/mitnehmen", Audience.KIOSK)
def take_along(visit: Visit) -> Page:
    """Whoever stands here takes along what was on loan to somebody else."""
    form = visit.read(CopyForm)
    number, age = _number(visit), _age(visit)
    answer = actions.take_along(visit.db, _device(visit), form.copy, form.loan, visit.now, visit.today, number, age)
    return _panel(visit, answer)


@action("/kiosk/verlaengern", Audience.KIOSK)
def renew(visit: Visit) -> Page:
    """Whoever stands here keeps their own book for longer."""
    form = visit.read(CopyForm)
    number, age = _number(visit), _age(visit)
    answer = actions.renew(visit.db, _device(visit), form.copy, form.loan, visit.now, visit.today, number, age)
    return _panel(visit, answer)


@action("/kiosk/rueckgaengig", Audience.KIOSK)
def undo(visit: Visit) -> Page:
    """The last thing done never was."""
    return _panel(visit, actions.undo(visit.db, _device(visit), visit.now, visit.today, _number(visit), _age(visit)))


@action("/kiosk/weiter", Audience.KIOSK)
def stay(visit: Visit) -> Page:
    """Somebody touched the screen: their time starts anew."""
    return _panel(visit, actions.stay(visit.db, _device(visit), visit.now, _age(visit)))


@action("/kiosk/fertig", Audience.KIOSK)
def end(visit: Visit) -> Page:
    """Nobody is here any more, and the tablet speaks the library's language again."""
    answer = actions.end(visit.db, _device(visit), visit.now, visit.today)
    if answer is None:
        use_language(visit.settings.language)
    shown = _panel(visit, answer)
    shown.cookies += [visit.plain_cookie(LANGUAGE, "", 0), visit.plain_cookie(LARGE, "", 0)]
    return shown


def _device(visit: Visit) -> int:
    if visit.asker.device_id is None:
        raise RuntimeError("no tablet asks here")
    return visit.asker.device_id


def _number(visit: Visit) -> str:
    """What the page calls this scan or press, however often it has to send it."""
    return visit.field("nummer")[:100]


def _age(visit: Visit) -> timedelta:
    """How long the page had to wait for the network."""
    return age_of(visit.field("alter"))


def _panel(visit: Visit, answer: Answer | None, reload: bool = False) -> Page:
    """The answer with whoever stands here; for htmx and scan.js only this part of the page.

    With `reload` that is not enough: the whole page is another one now.
    """
    device = queries.device(visit.db, _device(visit))
    here = queries.here(visit.db, device, visit.now)
    basket_seconds = 0 if here else queries.seconds_of_basket(device, visit.now)
    is_said = answer is not None and answer.kind == "basket"
    # Whatever else is said: what is in it stays in sight, because the next card borrows it.
    basket = queries.basket_rows(visit.db, device, visit.now) if basket_seconds and not is_said else ()
    says_nothing_new = answer is None
    if answer is None and basket:
        answer, basket = Answer("basket", rows=basket), ()
    return visit.page(
        "kiosk/kiosk.html",
        fragment="kiosk/_result.html",
        result=said(answer, here is not None) if answer else None,
        session=here,
        question=queries.question(visit.db, device, visit.now),
        undo_seconds=queries.seconds_to_undo(device, visit.now),
        basket_seconds=basket_seconds,
        basket=basket,
        takes_guests=bool(basket_seconds) and are_welcome(visit.db),
        only_returns=device.only_returns,
        is_large=bool(visit.request.cookies.get(LARGE)),
        reload=reload,
        says_nothing_new=says_nothing_new,
        newest=[] if visit.wants_fragment else recent(visit.db, SPINES),
        number=new_token(),
        signs=ALPHABET,
        foreign=language.get() != visit.settings.language,
        **({} if visit.wants_fragment else shown(visit)),
    )


# ---- Making a device the tablet ----


def _how_to_enrol(visit: Visit) -> Page:
    return visit.page("kiosk/enrol.html")


@page("/verwaltung/tablet", Audience.LIBRARIANS)
def enrol_page(visit: Visit) -> Page:
    """Make this device the tablet."""
    return _how_to_enrol(visit)


# Not for librarians only, because the button may be pressed twice: the first press has signed the librarian out already,
# and the second must bring the same cookie. Whoever did not press first, and just now, has to be a librarian.
@errand("/verwaltung/tablet", Audience.EVERYONE, again=_how_to_enrol)
def enrol(visit: Visit) -> Redirect:
    """This browser is the tablet from now on; the librarian's own session in it ends, because it is nobody's own."""
    kit = visit.kit
    token = token_for_press(kit.secret_key, "tablet", visit.field("once"))
    with kit.database.writing() as db:
        # Of two presses at once the second waits here, and then sees what the first did.
        library_for_change(db)
        if not queries.enrolled_just_now(db, hashed(token), visit.now):
            require(Audience.LIBRARIANS, visit.asker)
            token = actions.enrol(db, visit.field("name"), visit.now, token)
            session = read_cookie(SESSION, visit.request, visit.settings)
            if session:
                end_session(db, session)
    answer = visit.redirect("/kiosk")
    answer.cookies += [visit.cookie(DEVICE, token, COOKIE_LASTS), visit.cookie(SESSION, "", 0)]
    return answer


@page("/verwaltung/tablets", Audience.LIBRARIANS)
def tablets(visit: Visit) -> Page:
    """The tablets there are."""
    return visit.page("kiosk/tablets.html", tablets=queries.devices(visit.db), wrong=None)


def _tablets_again(visit: Visit, device_id: FromPath[int]) -> Page:
    return visit.page("kiosk/tablets.html", tablets=queries.devices(visit.db), wrong=device_id)


@action("/verwaltung/tablets/{device_id:int}", Audience.LIBRARIANS, again=_tablets_again)
def rename(visit: Visit, device_id: FromPath[int]) -> Redirect:
    """Give a tablet another name."""
    device = actions.rename(visit.db, device_id, visit.field("name"))
    return visit.redirect("/verwaltung/tablets", _("Das Tablet heißt jetzt „{name}“.", name=device.name))


@action("/verwaltung/tablets/{device_id:int}/rueckgabe", Audience.LIBRARIANS, again=_tablets_again)
def only_returns(visit: Visit, device_id: FromPath[int]) -> Redirect:
    """A place for returns alone, or an ordinary tablet again."""
    device = actions.set_only_returns(visit.db, device_id, bool(visit.field("an")))
    if device.only_returns:
        said = _("Bei „{name}“ wird jetzt nur zurückgegeben.", name=device.name)
    else:
        said = _("„{name}“ ist wieder für alles da.", name=device.name)
    return visit.redirect("/verwaltung/tablets", said)


@page("/verwaltung/tablets/befehle", Audience.LIBRARIANS)
def command_cards(visit: Visit) -> File:
    """Cards that tell the tablet what to do, as PDF."""
    names = {
        "undo": _("Rückgängig"),
        "done": _("Fertig"),
        "language": _("Deutsch · English"),
        "large": _("Große Schrift"),
    }
    cards = [CardText(command_code(name), text) for name, text in names.items()]
    pdf = printed_commands(cards, library=visit.library.name if visit.library else "")
    return File(pdf, "application/pdf", _("Befehlskarten") + ".pdf")


@action("/verwaltung/tablets/{device_id:int}/sperren", Audience.LIBRARIANS, again=_tablets_again)
def revoke(visit: Visit, device_id: FromPath[int]) -> Redirect:
    """The device is an ordinary browser again, at once."""
    device = actions.revoke(visit.db, device_id, visit.now, visit.today)
    return visit.redirect("/verwaltung/tablets", _("„{name}“ ist kein Tablet mehr.", name=device.name))


handlers = [
    kiosk,
    scan,
    bring_back,
    take_along,
    stay,
    end,
    enrol_page,
    enrol,
    renew,
    undo,
    tablets,
    rename,
    only_returns,
    command_cards,
    revoke,
]
