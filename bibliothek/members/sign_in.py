"""How people get in: a link for whoever opens it, a 6-digit code for the browser that asked. Both ten minutes, once.

What is asked for an address nobody here has is written down and counted like any other, so that neither the answer nor the
limits tell who is a member.
"""

from __future__ import annotations

import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, delete, exists, func, select, update
from sqlalchemy.orm import Session

from bibliothek.i18n import _
from bibliothek.library.queries import library_for_change
from bibliothek.members.models import BrowserSession, Member, SignIn
from bibliothek.members.queries import member_by_email
from bibliothek.members.rules import (
    ADDRESS_LIMITS,
    COUNTED,
    DOUBLE_PRESS,
    LINK_LASTS,
    MOST_TRIES,
    NETWORK_LIMIT,
    keyed_hash,
)
from bibliothek.problems import Invalid, Problem
from bibliothek.tokens import hashed, new_token


class TooManySignIns(Problem):
    """Too many sign-ins for this address, or from this network."""

    status = 429
    code = "too-many-sign-ins"

    def __init__(self, sentence: str, wait: timedelta) -> None:
        super().__init__(sentence, retry_after=int(wait.total_seconds()))


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


@dataclass(frozen=True)
class Mailed:
    """What a sign-in mail says: a link's token and six digits."""

    link: str
    code: str


@dataclass(frozen=True)
class Entry:
    """Somebody may come in, and go on to `return_to`."""

    member: Member
    return_to: str | None


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
    if db.scalar(select(exists().where(SignIn.browser_hash == hashed(browser)))):
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
    """The token of a link to be shown or printed for `member`; `rules.sign_in_address` makes the address."""
    token = new_token()
    db.add(SignIn(member_id=member.id, link_hash=hashed(token), created_at=now, expires_at=now + lasts))
    db.flush()
    return token


def use_link(db: Session, token: str, now: datetime) -> Entry:
    """Let in whoever opened the link. Of two at once one gets in. Raises LinkSpent."""
    row = db.execute(
        update(SignIn)
        .where(SignIn.link_hash == hashed(token), _usable(now))
        .values(used_at=now)
        .returning(SignIn.member_id, SignIn.return_to)
    ).first()
    if row is None:
        raise LinkSpent
    return Entry(db.get_one(Member, row.member_id), row.return_to)


def use_code(db: Session, browser: str, code: str, key: bytes, now: datetime) -> Entry | None:
    """Let in the browser that asked, if `code` is right; None if not, and the try counts: commit it. Raises CodeSpent.

    The try is counted before the code is looked at, so that many at once are not more than five.
    """
    tried = db.execute(
        update(SignIn)
        .where(SignIn.browser_hash == hashed(browser), SignIn.used_at.is_(None), SignIn.expires_at > now)
        .where(SignIn.tries < MOST_TRIES)
        .values(tries=SignIn.tries + 1)
        .returning(SignIn.id, SignIn.code_hash, SignIn.member_id, SignIn.return_to)
    ).first()
    if tried is None:
        raise CodeSpent
    digits = "".join(sign for sign in code if sign.isdigit())
    if not hmac.compare_digest(tried.code_hash or "", _code_hash(key, browser, digits)) or tried.member_id is None:
        return None
    db.execute(update(SignIn).where(SignIn.id == tried.id).values(used_at=now))
    return Entry(db.get_one(Member, tried.member_id), tried.return_to)


def pressed_before(db: Session, session: str, now: datetime) -> bool:
    """Whether this session was begun just now, by the first press of the same button."""
    just_now = BrowserSession.created_at > now - DOUBLE_PRESS
    return bool(db.scalar(select(exists().where(BrowserSession.token_hash == hashed(session), just_now))))


def forget(db: Session, now: datetime) -> None:
    """Drop sign-ins that need not be counted any more, and the way back of those that are over."""
    db.execute(delete(SignIn).where(SignIn.created_at < now - COUNTED, SignIn.expires_at <= now))
    over = (SignIn.expires_at <= now) & SignIn.return_to.is_not(None)
    db.execute(update(SignIn).where(over).values(return_to=None))


def _usable(now: datetime) -> ColumnElement[bool]:
    return SignIn.used_at.is_(None) & (SignIn.expires_at > now) & SignIn.member_id.is_not(None)


def _code_hash(key: bytes, browser: str, code: str) -> str:
    return keyed_hash(key, "code", f"{browser} {code}")


def _refuse_too_many(db: Session, address_hash: str, network_hash: str, now: datetime) -> None:
    for most, within in ADDRESS_LIMITS:
        if _count(db, SignIn.address_hash == address_hash, now - within) >= most:
            raise TooManySignIns(
                _("Für diese Adresse wurde schon mehrmals eine Mail angefordert. Sieh im Postfach und im Spam nach."),
                within,
            )
    most, within = NETWORK_LIMIT
    if _count(db, SignIn.network_hash == network_hash, now - within) >= most:
        raise TooManySignIns(
            _("Aus diesem Netz wollen sich gerade sehr viele anmelden. Versuche es in 10 Minuten noch einmal."), within
        )


def _count(db: Session, which: ColumnElement[bool], since: datetime) -> int:
    return db.scalar(select(func.count()).select_from(SignIn).where(which, SignIn.created_at > since)) or 0
