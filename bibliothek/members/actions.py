"""What can be done about people: add them, give them cards, let them in."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

from sqlalchemy import update
from sqlalchemy.orm import Session

from bibliothek import codes
from bibliothek.i18n import _
from bibliothek.members.models import ApiToken, BrowserSession, Card, Member
from bibliothek.members.queries import member_by_email
from bibliothek.problems import Invalid, Problem
from bibliothek.tokens import hashed, new_token

SESSION_LASTS = timedelta(days=180)
# One @, something before it, a host with a dot or localhost after it: the rest only a mail server can tell.
_ADDRESS = re.compile(r"[^@\s<>\",;]+@[^@\s<>\",;]+")


class AddressTaken(Problem):
    """Another member has this e-mail address."""

    code = "address-taken"

    def __init__(self) -> None:
        super().__init__(_("Ein Mitglied mit dieser E-Mail-Adresse gibt es schon."))


class BadAddress(Invalid):
    """The text is no e-mail address."""

    code = "bad-address"

    def __init__(self) -> None:
        super().__init__(_("Das ist keine E-Mail-Adresse. Sie sieht so aus: name@example.org"))


def clean_address(text: str | None) -> str | None:
    """An e-mail address in lower case, None for an empty text. Raises BadAddress."""
    address = (text or "").strip().lower()
    if not address:
        return None
    if not _ADDRESS.fullmatch(address) or len(address) > 254:
        raise BadAddress
    return address


def add_member(db: Session, name: str, email: str | None, role: str, now: datetime) -> Member:
    """A new member. Raises BadAddress, AddressTaken, Invalid for an empty name."""
    name = " ".join(name.split())
    if not name:
        raise Invalid(_("Bitte gib einen Namen an."))
    address = clean_address(email)
    if address and member_by_email(db, address):
        raise AddressTaken
    member = Member(name=name, email=address, role=role, created_at=now)
    db.add(member)
    db.flush()
    return member


def new_card(db: Session, member: Member, now: datetime, seed: bytes | None = None) -> str:
    """A new card for `member`; the ones before stop working. Returns its code, which is kept only as a hash.

    The same `seed` gives the same code: for the repeated answer of one API request.
    """
    db.execute(update(Card).where(Card.member_id == member.id, Card.revoked_at.is_(None)).values(revoked_at=now))
    code = codes.new_card_code(seed)
    db.add(Card(member_id=member.id, code_hash=hashed(code), created_at=now))
    db.flush()
    return code


def start_session(db: Session, member: Member, now: datetime) -> str:
    """A new session for a browser; returns the cookie's value. Never continues an old one (session fixation)."""
    token = new_token()
    db.add(
        BrowserSession(token_hash=hashed(token), member_id=member.id, created_at=now, expires_at=now + SESSION_LASTS)
    )
    db.flush()
    return token


def add_token(db: Session, name: str, role: str, now: datetime) -> str:
    """A new bearer token for the JSON API, shown once; `role` is librarian or kiosk."""
    token = new_token()
    db.add(ApiToken(name=name, role=role, token_hash=hashed(token), created_at=now))
    db.flush()
    return token
