"""Signing in and out: a mailed link or six digits, never a password."""

from __future__ import annotations

from typing import Annotated

import msgspec
from litestar.params import FromPath, FromQuery
from msgspec import Meta
from sqlalchemy.orm import Session

from bibliothek.i18n import _
from bibliothek.labels.qr import qr_svg
from bibliothek.lending import phone
from bibliothek.mail import outbox
from bibliothek.mail.message import Message, make
from bibliothek.members import actions, queries, rules, sign_in
from bibliothek.members.fields import Address
from bibliothek.members.queries import MemberRef
from bibliothek.problems import Problem
from bibliothek.tokens import hashed
from bibliothek.web.network import network_of, public_address
from bibliothek.web.routes import action, errand, page
from bibliothek.web.sign_in import ASKED, BEGUN, SESSION, Audience, read_cookie
from bibliothek.web.visit import Answer, Redirect, Visit


class NoMail(Problem):
    """Mails cannot be sent from here."""

    status = 503
    code = "no-mail"

    def __init__(self) -> None:
        super().__init__(
            _("Diese Bibliothek verschickt noch keine Mails. Die Betreuung zeigt dir einen QR-Code zum Anmelden.")
        )


class NotOnTablet(Problem):
    """A shared device never gets a member's own session."""

    status = 403
    code = "not-on-tablet"

    def __init__(self) -> None:
        super().__init__(_("Am Tablet meldet sich niemand an. Nimm dafür dein eigenes Gerät."))


class AskForm(msgspec.Struct):
    email: Address
    zurueck: str | None = None


class CodeForm(msgspec.Struct):
    code: Annotated[str, Meta(max_length=30)]


@page("/anmelden", Audience.EVERYONE)
def sign_in_page(visit: Visit, zurueck: FromQuery[str] = "") -> Answer:
    """A form for the e-mail address; on a tablet, the way to one's own phone."""
    if visit.asker.is_kiosk:
        address = public_address(visit.request, visit.settings) + "/anmelden"
        return visit.page("members/sign_in_tablet.html", qr=qr_svg(address, _("Anmelden am eigenen Gerät")))
    wanted = visit.field("zurueck") or zurueck
    if visit.asker.is_member and not visit.problem:
        return visit.redirect(rules.way_on(wanted))
    return visit.page(
        "members/sign_in.html",
        back=rules.local_path(wanted) or "",
        can_mail=visit.settings.mail_is_possible,
        has_asked=bool(_asked(visit)),
    )


@errand("/anmelden", Audience.EVERYONE, again=sign_in_page)
def ask_to_sign_in(visit: Visit) -> Answer:
    """Mail a link and a code, if the address is a member's; the answer is the same if it is not."""
    _refuse_tablet(visit)
    if not visit.settings.mail_is_possible:
        raise NoMail
    form = visit.read(AskForm)
    email = form.email.lower()
    browser = _token_for_press(visit, "browser", email)
    _mail_a_way_in(visit, email, browser, rules.local_path(form.zurueck))
    answer = visit.redirect("/anmelden/code")
    answer.cookies.append(visit.cookie(ASKED, browser, int(rules.LINK_LASTS.total_seconds())))
    return answer


def _mail_a_way_in(visit: Visit, email: str, browser: str, return_to: str | None) -> None:
    """The mail is written for every address, so that the time it takes tells nobody who is a member."""
    kit, mailed = visit.kit, sign_in.new_mailed()
    message = _message(visit, mailed)
    with kit.database.writing() as db:
        member = sign_in.begin(
            db,
            email,
            mailed,
            browser=browser,
            network=network_of(visit.request, visit.settings),
            return_to=return_to,
            key=kit.secret_key,
            now=visit.now,
        )
        queued = [_queue(visit, db, member.id, email, message)] if member else []
    outbox.send_soon(kit.database, visit.settings, kit.clock, {}, queued)


def _message(visit: Visit, mailed: sign_in.Mailed) -> Message:
    context = {
        "library_name": visit.library.name if visit.library else "",
        "address": rules.sign_in_address(visit.settings.base_url, mailed.link),
        "code": mailed.code,
    }
    return make(visit.kit.templates, actions.SIGN_IN_MAIL, context)


def _queue(visit: Visit, db: Session, member_id: int, email: str, message: Message) -> int:
    mail = outbox.queue(
        db,
        kind=actions.SIGN_IN_MAIL,
        member_id=member_id,
        address=email,
        message=message,
        now=visit.now,
        lasts=rules.LINK_LASTS,
    )
    return mail.id


@page("/anmelden/code", Audience.EVERYONE)
def code_page(visit: Visit) -> Answer:
    """A form for the six digits, in the browser that asked."""
    if visit.asker.is_kiosk or not _asked(visit):
        return visit.redirect("/anmelden", visit.problem.sentence if visit.problem else None, "look")
    return visit.page("members/code.html", may_try=queries.may_try_code(visit.db, hashed(_asked(visit)), visit.now))


@errand("/anmelden/code", Audience.EVERYONE, again=code_page)
def enter_code(visit: Visit) -> Answer:
    """Sign this browser in by the six digits. A wrong try is counted, and so committed, before it is refused."""
    _refuse_tablet(visit)
    form = visit.read(CodeForm)
    browser = _asked(visit)
    session = _token_for_press(visit, "session", browser, form.code)
    with visit.kit.database.writing() as db:
        entry = sign_in.use_code(db, browser, form.code, session, visit.kit.secret_key, visit.now)
        if entry:
            _end_old_session(visit, db, session)
    if entry is None:
        raise sign_in.WrongCode
    return _welcome(visit, entry, session)


@page("/anmelden/{link:str}", Audience.EVERYONE)
def link_page(visit: Visit, link: FromPath[str]) -> Answer:
    """What a mailed link opens. Looking at it uses nothing up: mail scanners look, too."""
    if visit.asker.is_kiosk:
        return visit.redirect("/anmelden")
    found = queries.usable_link(visit.db, hashed(link), visit.now)
    if found is None:
        return visit.page("members/link_spent.html", status=410, can_mail=visit.settings.mail_is_possible)
    return visit.page("members/link.html", name=found[0], link=link)


@errand("/anmelden/{link:str}", Audience.EVERYONE, again=link_page)
def follow_link(visit: Visit, link: FromPath[str]) -> Answer:
    """Sign this browser in by the link that it opened."""
    _refuse_tablet(visit)
    session = _token_for_press(visit, "session", link)
    with visit.kit.database.writing() as db:
        entry = sign_in.use_link(db, link, session, visit.now)
        _end_old_session(visit, db, session)
    return _welcome(visit, entry, session)


@action("/abmelden", Audience.EVERYONE)
def sign_out(visit: Visit) -> Answer:
    """Sign this browser out."""
    _end_old_session(visit, visit.db)
    answer = visit.redirect("/", _("Du bist abgemeldet."))
    answer.cookies.append(visit.cookie(SESSION, "", 0))
    return answer


def _refuse_tablet(visit: Visit) -> None:
    if visit.asker.is_kiosk:
        raise NotOnTablet


def _asked(visit: Visit) -> str:
    return read_cookie(ASKED, visit.request, visit.settings) or ""


def _token_for_press(visit: Visit, purpose: str, *parts: str) -> str:
    return sign_in.token_for_press(visit.kit.secret_key, purpose, visit.field("once"), *parts)


def _end_old_session(visit: Visit, db: Session, new: str = "") -> None:
    old = read_cookie(SESSION, visit.request, visit.settings)
    if old and old != new:
        actions.end_session(db, old)


def _welcome(visit: Visit, entry: sign_in.Entry, session: str) -> Redirect:
    """Where they wanted to go. What they had begun to do with a book there is done now."""
    begun = read_cookie(BEGUN, visit.request, visit.settings) or ""
    # A link that somebody shows knows nothing of the book.
    book = phone.path_of(begun)
    to = rules.way_on(entry.return_to or book)
    answer = visit.redirect(to)
    if book and to == book:
        with visit.kit.database.writing() as db:
            said = phone.finish(db, begun, MemberRef(entry.member_id, ""), visit.now, visit.today)
        answer = visit.redirect(to, said.sentence, said.kind) if said else answer
    answer.cookies.append(visit.cookie(SESSION, session, int(actions.SESSION_LASTS.total_seconds())))
    answer.cookies.append(visit.cookie(ASKED, "", 0))
    answer.cookies.append(visit.cookie(BEGUN, "", 0))
    return answer


handlers = [sign_in_page, ask_to_sign_in, code_page, enter_code, link_page, follow_link, sign_out]
