"""What can be asked about people and the ways they show who they are."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Select, and_, bindparam, exists, func, select
from sqlalchemy.orm import Session

from bibliothek.db import LARGEST_ID, Instant
from bibliothek.i18n import _
from bibliothek.letters import LONGEST_QUERY, MOST_WORDS
from bibliothek.members.models import ApiToken, BrowserSession, Card, Member, SignIn
from bibliothek.members.rules import MOST_TRIES, clean_name, folded
from bibliothek.problems import Invalid, NotFound
from bibliothek.tokens import hashed


class NoSuchMember(NotFound):
    """No member has this number."""

    code = "member-not-found"

    def __init__(self) -> None:
        super().__init__(_("Dieses Mitglied gibt es nicht, oder nicht mehr."))


class NoSuchToken(NotFound):
    """No bearer token has this number, or it was revoked."""

    code = "token-not-found"

    def __init__(self) -> None:
        super().__init__(
            _("Diesen Schlüssel gibt es nicht, oder nicht mehr. „bibliothek token list“ zeigt, welche gelten.")
        )


class UnknownAddress(NotFound):
    """No member has this e-mail address. Said on the terminal only; a page never tells."""

    code = "unknown-address"

    def __init__(self) -> None:
        super().__init__(_("Ein Mitglied mit dieser E-Mail-Adresse gibt es nicht."))


class UnknownCard(NotFound):
    """A well-formed card code that belongs to nobody, or was replaced by a newer card."""

    code = "unknown-card"

    def __init__(self) -> None:
        super().__init__(_("Diese Karte ist nicht bekannt oder nicht mehr gültig. Die Betreuung druckt dir eine neue."))


class MisreadCard(Invalid):
    """The check symbol says that the card was read or typed wrongly."""

    code = "misread-card"

    def __init__(self) -> None:
        super().__init__(_("Die Karte wurde falsch gelesen. Scanne noch einmal."))


def has_admin(db: Session) -> bool:
    return bool(db.scalar(select(exists().where(Member.role == "admin"))))


def first_admin(db: Session) -> Member | None:
    """The admin who has been here longest."""
    return db.scalars(select(Member).where(Member.role == "admin").order_by(Member.id)).first()


# Asked with every request of somebody signed in, so built once.
_SIGNED_IN = (
    select(Member.id, Member.name, Member.role)
    .join(BrowserSession, BrowserSession.member_id == Member.id)
    .where(
        BrowserSession.token_hash == bindparam("token_hash"),
        BrowserSession.expires_at > bindparam("now", type_=Instant),
    )
)


def signed_in(db: Session, session_hash: str, now: datetime) -> tuple[int, str, str] | None:
    """Id, name and role of the member signed in with this session, or None."""
    row = db.connection().execute(_SIGNED_IN, {"token_hash": session_hash, "now": now}).first()
    return (row.id, row.name, row.role) if row else None


_TOKEN = select(ApiToken.id, ApiToken.role).where(
    ApiToken.token_hash == bindparam("token_hash"), ApiToken.revoked_at.is_(None)
)


def token_role(db: Session, token_hash: str) -> tuple[int, str] | None:
    """Id and role of a bearer token that was not revoked, or None."""
    row = db.connection().execute(_TOKEN, {"token_hash": token_hash}).first()
    return (row.id, row.role) if row else None


def api_tokens(db: Session) -> Sequence[ApiToken]:
    """The bearer tokens that were not revoked, oldest first."""
    return db.scalars(select(ApiToken).where(ApiToken.revoked_at.is_(None)).order_by(ApiToken.id)).all()


def member(db: Session, member_id: int) -> Member:
    """Raises NoSuchMember."""
    found = db.get(Member, member_id) if 0 < member_id <= LARGEST_ID else None
    if found is None:
        raise NoSuchMember
    return found


def member_by_email(db: Session, email: str) -> Member | None:
    return db.scalars(select(Member).where(Member.email == email.strip().lower())).first()


def member_by_card(db: Session, code: str) -> Member:
    """The member whose valid card has this code (as `codes.read` gives it). Raises UnknownCard."""
    found = db.scalars(
        select(Member)
        .join(Card, Card.member_id == Member.id)
        .where(Card.code_hash == hashed(code), Card.revoked_at.is_(None))
    ).first()
    if found is None:
        raise UnknownCard
    return found


class MemberRef(msgspec.Struct, frozen=True):
    """Just enough of a member to lend them something."""

    id: int
    name: str


_BY_CARD = (
    select(Member.id, Member.name)
    .join(Card, Card.member_id == Member.id)
    .where(Card.code_hash == bindparam("code_hash"), Card.revoked_at.is_(None))
)


def member_ref(db: Session, card: str) -> MemberRef:
    """The member whose valid card has this code. Raises UnknownCard."""
    row = db.connection().execute(_BY_CARD, {"code_hash": hashed(card)}).first()
    if row is None:
        raise UnknownCard
    return MemberRef(row.id, row.name)


def members(db: Session, q: str = "", offset: int = 0, limit: int = 50) -> Sequence[Member]:
    """Members and guests by name, those whose name or address contains `q`."""
    return db.scalars(
        _matching(select(Member), q).order_by(Member.sort_name, Member.id).offset(offset).limit(limit)
    ).all()


def count_members(db: Session, q: str = "") -> int:
    """How many of those are members: guests are not."""
    return db.scalar(_matching(select(func.count(Member.id)).where(Member.guest_contact.is_(None)), q)) or 0


def count_guests(db: Session, q: str = "") -> int:
    """How many of those are guests: they have no account, and go with their last book."""
    return db.scalar(_matching(select(func.count(Member.id)).where(Member.guest_contact.is_not(None)), q)) or 0


def _matching(query: Select[Any], q: str) -> Select[Any]:
    # No name holds what cannot be seen, and PostgreSQL refuses to look for some of it.
    q = clean_name(q[:LONGEST_QUERY])
    wanted = folded(q)
    if not wanted:
        return query
    # Every word somewhere in the name, in any order: people are listed as "Vorname Nachname" and the other way round.
    in_name = [Member.sort_name.contains(word, autoescape=True) for word in wanted.split()[:MOST_WORDS]]
    return query.where(and_(*in_name) | Member.email.contains(q.lower(), autoescape=True))


def members_by_id(db: Session, ids: Collection[int]) -> Sequence[Member]:
    """Those of `ids` that exist, by name."""
    return db.scalars(select(Member).where(Member.id.in_(ids)).order_by(Member.sort_name, Member.id)).all()


def with_card(db: Session, ids: Collection[int]) -> dict[int, datetime]:
    """Of these members, those who have a valid card, with the instant it was made."""
    valid = select(Card.member_id, func.max(Card.created_at)).where(Card.member_id.in_(ids), Card.revoked_at.is_(None))
    rows = db.execute(valid.group_by(Card.member_id))
    return {member_id: made for member_id, made in rows if member_id is not None}


def cards_with(db: Session, code_hashes: Collection[str]) -> Sequence[Card]:
    """The cards with these codes, valid or not."""
    return db.scalars(select(Card).where(Card.code_hash.in_(code_hashes))).all()


def new_cards(db: Session, since: datetime) -> Sequence[tuple[Member, str]]:
    """Members whose valid card was made after `since`, with the hash of its code, by name."""
    query = select(Member, Card.code_hash).join(Card, Card.member_id == Member.id)
    made = query.where(Card.revoked_at.is_(None), Card.created_at > since).order_by(Member.sort_name, Member.id)
    return [(member, code_hash) for member, code_hash in db.execute(made)]


def without_card(db: Session, limit: int = 500) -> Sequence[Member]:
    """Members who have no valid card, by name."""
    has = exists().where(Card.member_id == Member.id, Card.revoked_at.is_(None))
    is_member = Member.guest_contact.is_(None)
    return db.scalars(select(Member).where(~has, is_member).order_by(Member.sort_name, Member.id).limit(limit)).all()


def count_sessions(db: Session, member_id: int, now: datetime) -> int:
    """In how many browsers a member is signed in."""
    valid = select(func.count()).where(BrowserSession.member_id == member_id, BrowserSession.expires_at > now)
    return db.scalar(valid) or 0


def usable_link(db: Session, link_hash: str, now: datetime) -> tuple[str, str] | None:
    """Name and role of the member whom this sign-in link would let in now, or None. Uses nothing up."""
    row = db.execute(
        select(Member.name, Member.role)
        .join(SignIn, SignIn.member_id == Member.id)
        .where(SignIn.link_hash == link_hash, SignIn.used_at.is_(None), SignIn.expires_at > now)
    ).first()
    return (row.name, row.role) if row else None


def may_try_code(db: Session, browser_hash: str, now: datetime) -> bool:
    """Whether a code mailed for this browser, if one was, may still be tried. It looks the same for addresses of nobody."""
    wanted = (SignIn.browser_hash == browser_hash) & SignIn.used_at.is_(None) & (SignIn.expires_at > now)
    return bool(db.scalar(select(exists().where(wanted, SignIn.tries < MOST_TRIES))))
