"""How people get in: a link for whoever opens it, a 6-digit code for the browser that asked. Both ten minutes, once.

What is asked for an address nobody here has is written down and counted like any other, so that neither the answer nor the
limits tell who is a member.
"""

from __future__ import annotations

import hmac
import secrets
from datetime import datetime, timedelta
from math import ceil

import msgspec
from sqlalchemy import ColumnElement, delete, exists, func, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from bibliothek.db import is_foreign_key_violation
from bibliothek.i18n import _, ngettext
from bibliothek.library.queries import library_for_change
from bibliothek.members.actions import start_session
from bibliothek.members.models import BrowserSession, Member, SignIn
from bibliothek.members.queries import NoSuchMember, member_by_email
from bibliothek.members.rules import (
    COUNTED,
    DOUBLE_PRESS,
    FROM_EVERYWHERE,
    FROM_ONE_NETWORK,
    LINK_LASTS,
    MOST_TRIES,
    MOST_TRIES_A_DAY,
    NETWORK_LIMIT,
    SETUP_LIMIT,
    SETUP_NETWORK_LIMIT,
    keyed_hash,
    keyed_token,
)
from bibliothek.problems import Invalid, Problem
from bibliothek.tokens import hashed, new_token


class TooManySignIns(Problem):
    """Too many sign-ins for this address, or from this network."""

    status = 429
    code = "too-many-sign-ins"

    def __init__(self, sentence: str, wait: timedelta) -> None:
        super().__init__(sentence, retry_after=ceil(wait.total_seconds()))


class TooManyCodes(Problem):
    """Too many codes were tried for this address today."""

    status = 429
    code = "too-many-codes"

    def __init__(self) -> None:
        super().__init__(
            _("Für diese Adresse wurden heute zu viele Codes eingegeben. Öffne stattdessen den Link aus der Mail.")
        )


class LinkSpent(Problem):
    """The link was used, is too old, or never was one."""

    status = 410
    code = "link-spent"

    def __init__(self) -> None:
        super().__init__(_("Dieser Link gilt nicht mehr: Er geht nur einmal und nur 10 Minuten. Hol dir einen neuen."))


class CodeSpent(Problem):
    """No code of this browser can be tried any more."""

    status = 410
    code = "code-spent"

    def __init__(self) -> None:
        super().__init__(
            _(
                "Hier gilt kein Code mehr: abgelaufen, schon benutzt oder fünfmal falsch eingegeben. Hol dir einen neuen."
            )
        )


class WrongCode(Invalid):
    """Six other digits."""

    code = "wrong-code"

    def __init__(self) -> None:
        super().__init__(_("Das ist nicht der Code aus der Mail. Sieh noch einmal nach."))
        self.errors = {"code": self.sentence}


class Mailed(msgspec.Struct, frozen=True):
    """What a sign-in mail says: a link's token and six digits."""

    link: str
    code: str


class Entry(msgspec.Struct, frozen=True):
    """Somebody has come in; they go on to `return_to`, None for wherever people go."""

    member_id: int
    return_to: str | None


def token_for_press(key: bytes, purpose: str, press: str, *parts: str) -> str:
    """A fresh token for a browser. The same `press` (a form's `once` field, random itself) gives the same one again.

    A button pressed twice loses the first answer with its cookie: the second answer has to bring the same.
    """
    return keyed_token(key, purpose, press, *parts) if press else new_token()


def new_mailed() -> Mailed:
    return Mailed(new_token(), f"{secrets.randbelow(1_000_000):06}")


def begin(
    db: Session,
    email: str,
    given: Mailed,
    *,
    browser: str,
    network: str,
    return_to: str | None,
    key: bytes,
    now: datetime,
) -> Member | None:
    """Write down that somebody with `email` wants in; returns whom to send `given` to, None for nobody.

    `browser` is the cookie of the browser that asks, `network` where it asks from, `key` the library's secret key. None,
    too, when this very press of the button came before. Raises TooManySignIns.
    """
    library_for_change(db)
    forget(db, now)
    just_now = SignIn.created_at > now - DOUBLE_PRESS
    if db.scalar(select(exists().where(SignIn.browser_hash == hashed(browser), just_now))):
        return None
    address_hash, network_hash = keyed_hash(key, "address", email), keyed_hash(key, "network", network)
    _refuse_too_many(db, address_hash, network_hash, now)
    member = member_by_email(db, email)
    db.add(
        SignIn(
            member_id=member.id if member else None,
            address_hash=address_hash,
            network_hash=network_hash,
            link_hash=hashed(given.link),
            code_hash=_code_hash(key, browser, given.code),
            browser_hash=hashed(browser),
            return_to=return_to,
            created_at=now,
            expires_at=now + LINK_LASTS,
        )
    )
    db.flush()
    return member


def new_link(db: Session, member: Member, now: datetime, lasts: timedelta = LINK_LASTS) -> str:
    """The token of a link to be shown or printed for `member`; `rules.sign_in_address` makes the address.

    Raises NoSuchMember for somebody who was erased just now.
    """
    token = new_token()
    db.add(SignIn(member_id=member.id, link_hash=hashed(token), created_at=now, expires_at=now + lasts))
    try:
        db.flush()
    except IntegrityError as error:
        if is_foreign_key_violation(error, "fk_sign_in_member_id"):
            raise NoSuchMember from error
        raise
    return token


def use_link(db: Session, link: str, session: str, now: datetime) -> Entry:
    """Let in whoever opened the link: their browser's new cookie is `session`. Of two at once one gets in.

    `session` is a fresh token; that of the same press twice (`token_for_press`) is let in again. Raises LinkSpent.
    """
    # Whoever changes or deletes a member locks them before their links, and a session needs the member: so first this.
    library_for_change(db)
    this_one = SignIn.link_hash == hashed(link)
    row = db.execute(
        update(SignIn)
        .where(this_one, SignIn.used_at.is_(None), SignIn.expires_at > now, SignIn.member_id.is_not(None))
        .values(used_at=now)
        .returning(SignIn.member_id, SignIn.return_to)
    ).first()
    if row:
        return _come_in(db, row.member_id, row.return_to, session, now)
    entry = _pressed_before(db, this_one, session, now)
    if entry is None:
        raise LinkSpent
    return entry


def use_code(db: Session, browser: str, code: str, session: str, key: bytes, now: datetime) -> Entry | None:
    """Let in the browser that asked, if `code` is right; None if not, and the try counts: commit it.

    Raises CodeSpent, TooManyCodes. The try is counted before the code is looked at, so that many at once are not more than
    five. `session` as in use_link.
    """
    library_for_change(db)
    this_browser = SignIn.browser_hash == hashed(browser)
    tried = db.execute(
        update(SignIn)
        .where(this_browser, SignIn.used_at.is_(None), SignIn.expires_at > now, SignIn.tries < MOST_TRIES)
        .values(tries=SignIn.tries + 1)
        .returning(SignIn.id, SignIn.address_hash, SignIn.code_hash, SignIn.member_id, SignIn.return_to)
    ).all()
    if tried and _tries_today(db, tried[0].address_hash, now) > MOST_TRIES_A_DAY:
        raise TooManyCodes
    wanted = _code_hash(key, browser, "".join(sign for sign in code if sign.isdigit()))
    for row in tried:
        if hmac.compare_digest(row.code_hash or "", wanted) and row.member_id is not None:
            db.execute(update(SignIn).where(SignIn.id == row.id).values(used_at=now))
            return _come_in(db, row.member_id, row.return_to, session, now)
    if tried:
        return None
    entry = _pressed_before(db, this_browser, session, now)
    if entry is None:
        raise CodeSpent
    return entry


def begun_just_now(db: Session, session: str, now: datetime) -> bool:
    """Whether the first press of the same button began this session."""
    just_now = BrowserSession.created_at > now - DOUBLE_PRESS
    return bool(db.scalar(select(exists().where(BrowserSession.token_hash == hashed(session), just_now))))


def count_setup_try(db: Session, network: str, key: bytes, now: datetime) -> None:
    """Write down that somebody tries a code of the first run, before it is looked at. Raises TooManySignIns."""
    library_for_change(db)
    everywhere, here = keyed_hash(key, "set-up", ""), keyed_hash(key, "set-up", network)
    for which, (most, within) in (
        (SignIn.address_hash == everywhere, SETUP_LIMIT),
        (SignIn.network_hash == here, SETUP_NETWORK_LIMIT),
    ):
        if _count(db, which, now - within) >= most:
            raise TooManySignIns(
                _("Das waren zu viele falsche Codes. Warte 10 Minuten; der richtige steht im Terminal der Bibliothek."),
                within,
            )
    db.add(
        SignIn(
            address_hash=everywhere, network_hash=here, link_hash=hashed(new_token()), created_at=now, expires_at=now
        )
    )
    db.flush()


def _come_in(db: Session, member_id: int, return_to: str | None, session: str, now: datetime) -> Entry:
    start_session(db, db.get_one(Member, member_id), now, session)
    return Entry(member_id, return_to)


def _pressed_before(db: Session, which: ColumnElement[bool], session: str, now: datetime) -> Entry | None:
    """The entry that the first press of the same button gained just now: its answer may never have arrived."""
    row = db.execute(
        select(SignIn.member_id, SignIn.return_to)
        .join(BrowserSession, BrowserSession.member_id == SignIn.member_id)
        .where(which, SignIn.used_at.is_not(None))
        .where(BrowserSession.token_hash == hashed(session), BrowserSession.created_at > now - DOUBLE_PRESS)
        .order_by(SignIn.used_at.desc())
    ).first()
    return Entry(row.member_id, row.return_to) if row and row.member_id else None


def forget(db: Session, now: datetime) -> None:
    """Drop sign-ins that need not be counted any more, and the way back of those that are over."""
    db.execute(delete(SignIn).where(SignIn.created_at < now - COUNTED, SignIn.expires_at <= now))
    over = (SignIn.expires_at <= now) & SignIn.return_to.is_not(None)
    db.execute(update(SignIn).where(over).values(return_to=None))


def _code_hash(key: bytes, browser: str, code: str) -> str:
    return keyed_hash(key, "code", f"{browser} {code}")


def _refuse_too_many(db: Session, address_hash: str, network_hash: str, now: datetime) -> None:
    wait = _wait_for_mail(db, address_hash, network_hash, now)
    if wait > timedelta(0):
        raise TooManySignIns(
            ngettext(
                "Für diese Adresse wurde schon mehrmals eine Mail angefordert. Öffne den Link aus der neuesten; "
                "vielleicht liegt sie im Spam. In {n} Minute kannst du eine neue anfordern.",
                "Für diese Adresse wurde schon mehrmals eine Mail angefordert. Öffne den Link aus der neuesten; "
                "vielleicht liegt sie im Spam. In {n} Minuten kannst du eine neue anfordern.",
                ceil(wait / timedelta(minutes=1)),
            ),
            wait,
        )
    most, within = NETWORK_LIMIT
    if _count(db, SignIn.network_hash == network_hash, now - within) >= most:
        raise TooManySignIns(
            _("Aus diesem Netz wollen sich gerade sehr viele anmelden. Versuche es in 10 Minuten noch einmal."), within
        )


def _wait_for_mail(db: Session, address_hash: str, network_hash: str, now: datetime) -> timedelta:
    """How long until the address may be sent another mail, asked for by this network; 0 for at once."""
    asked = db.execute(
        select(SignIn.created_at, SignIn.network_hash)
        .where(SignIn.address_hash == address_hash, SignIn.created_at > now - COUNTED)
        .order_by(SignIn.created_at.desc())
    ).all()
    from_here = [row.created_at for row in asked if row.network_hash == network_hash]
    return max(FROM_ONE_NETWORK.wait(from_here, now), FROM_EVERYWHERE.wait([row.created_at for row in asked], now))


def _tries_today(db: Session, address_hash: str, now: datetime) -> int:
    of_today = (SignIn.address_hash == address_hash, SignIn.created_at > now - COUNTED)
    return db.scalar(select(func.sum(SignIn.tries)).where(*of_today)) or 0


def _count(db: Session, which: ColumnElement[bool], since: datetime) -> int:
    return db.scalar(select(func.count()).select_from(SignIn).where(which, SignIn.created_at > since)) or 0
