"""What can be done about people: add them, change them, give them cards, let them go. How they get in: sign_in.py."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

from sqlalchemy import delete, exists, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from bibliothek import codes
from bibliothek.db import LARGEST_ID, day_of, is_unique_violation
from bibliothek.i18n import _
from bibliothek.library import actions as library
from bibliothek.library.queries import library_for_change
from bibliothek.mail import outbox
from bibliothek.mail.message import BadMailAddress, ascii_domain
from bibliothek.mail.models import Mail
from bibliothek.members import queries
from bibliothek.members.models import ApiToken, BrowserSession, Card, Member, SignIn
from bibliothek.members.queries import has_admin, member_by_email
from bibliothek.members.rules import DOUBLE_PRESS, LONGEST_NAME, clean_name, sort_name
from bibliothek.problems import Invalid, Problem
from bibliothek.tokens import hashed, new_token

SESSION_LASTS = timedelta(days=180)
A_WEEK = timedelta(days=7)
SIGN_IN_MAIL = "sign_in"
# One @, something before it, something after it, nothing that ends or groups addresses: the rest only a mail server can tell.
ADDRESS = r"^[^@\s<>\",;:\\()\[\]\x00-\x1f\x7f-\x9f]+@[^@\s<>\",;:\\()\[\]\x00-\x1f\x7f-\x9f]+$"
LONGEST_ADDRESS = 254


class AddressTaken(Problem):
    """Another member has this e-mail address."""

    code = "address-taken"

    def __init__(self) -> None:
        super().__init__(_("Ein Mitglied mit dieser E-Mail-Adresse gibt es schon."))
        self.errors = {"email": self.sentence}


class BadAddress(Invalid):
    """The text is no e-mail address."""

    code = "bad-address"

    def __init__(self) -> None:
        super().__init__(_("Das ist keine E-Mail-Adresse. Sie sieht so aus: name@example.org"))
        self.errors = {"email": self.sentence}


class BadName(Invalid):
    """No name, or one that no list has room for."""

    code = "bad-name"

    def __init__(self) -> None:
        super().__init__(_("Ein Name hat 1 bis {n} Zeichen.", n=LONGEST_NAME))
        self.errors = {"name": self.sentence}


class LastAdmin(Problem):
    """Without an admin nobody could make another one."""

    code = "last-admin"

    def __init__(self) -> None:
        super().__init__(_("Ohne Admin geht es nicht: Gib zuerst einem anderen Mitglied diese Rolle."))


class HasOpenLoans(Problem):
    """A member with books at home stays: otherwise nobody would know where the books are."""

    code = "member-has-loans"

    def __init__(self) -> None:
        super().__init__(
            _("Dieses Mitglied hat noch Bücher zu Hause. Nimm sie zuerst zurück, dann lässt es sich löschen.")
        )


class AlreadySetUp(Problem):
    """Somebody else was the first admin."""

    code = "already-set-up"

    def __init__(self) -> None:
        super().__init__(_("Die Bibliothek ist schon eingerichtet. Bitte melde dich an."))


def clean_address(text: str | None) -> str | None:
    """An e-mail address in lower case, None for an empty text. Raises BadAddress."""
    address = (text or "").strip().lower()
    if not address:
        return None
    if not re.fullmatch(ADDRESS, address) or len(address) > LONGEST_ADDRESS:
        raise BadAddress
    try:
        ascii_domain(address)
    except BadMailAddress as error:
        raise BadAddress from error
    return address


def set_up(db: Session, library_name: str, name: str, email: str | None, now: datetime) -> Member:
    """The first run: name the library and make its first admin. Raises AlreadySetUp, and what the two raise.

    Whoever calls has checked the code of the first run.
    """
    library_for_change(db)
    if has_admin(db):
        raise AlreadySetUp
    library.rename(db, library_name, now)
    return add_member(db, name, email, "admin", now)


def add_member(db: Session, name: str, email: str | None, role: str, now: datetime) -> Member:
    """A new member. Raises BadName, BadAddress, AddressTaken."""
    if role == "admin":
        library_for_change(db)
    member = Member(name="", sort_name="", role=role, created_at=now)
    _describe(db, member, name, email)
    db.add(member)
    _flush(db)
    return member


def member_for_change(db: Session, member_id: int) -> Member:
    """The member as they are now, and stay until the transaction ends: nobody else changes or erases them. Raises NoSuchMember.

    Who may do something to whom depends on the role, so it is decided by this and not by what was read before.
    """
    library_for_change(db)
    member = queries.member(db, member_id)
    locked = select(Member).where(Member.id == member.id).with_for_update().execution_options(populate_existing=True)
    found = db.scalars(locked).one_or_none()
    if found is None:
        raise queries.NoSuchMember
    return found


def change_member(db: Session, member_id: int, name: str, email: str | None, role: str, now: datetime) -> Member:
    """Change who a member is. Raises NoSuchMember, BadName, BadAddress, AddressTaken, LastAdmin.

    Whoever calls decides by `member_for_change` whether the asker may. With another role all their browsers are signed out: a
    session never gains rights. Links on their way to an old address stop working.
    """
    member = _member_for_change(db, member_id, role)
    before = member.email, member.role
    _describe(db, member, name, email)
    member.role = role
    _flush(db)
    if (member.email, member.role) != before:
        db.execute(delete(SignIn).where(SignIn.member_id == member_id))
        _redirect_mails(db, member, now)
    if member.role != before[1]:
        end_sessions(db, member_id)
    return member


def remove_member(db: Session, member_id: int, now: datetime) -> None:
    """Delete a member with cards, sessions and waiting mails. Books stay, and so does what they donated, no longer linked to them.

    A donor's name that was typed, instead of a card or a tick, stays as well: it is linked to no member, and two may have
    the same name.

    Raises NoSuchMember, LastAdmin, and HasOpenLoans, which the database itself decides.
    """
    member = _member_for_change(db, member_id, "")
    member.email = None
    _redirect_mails(db, member, now)
    db.execute(update(Card).where(Card.member_id == member_id, Card.revoked_at.is_(None)).values(revoked_at=now))
    db.flush()
    try:
        db.execute(delete(Member).where(Member.id == member_id).execution_options(synchronize_session=False))
    except IntegrityError as error:
        raise HasOpenLoans from error
    db.expunge(member)


def new_card(db: Session, member: Member, now: datetime, seed: bytes | None = None) -> str:
    """A new card for `member`; the one before stops working. Returns its code, which is kept only as a hash.

    The same `seed` gives the same code, and no second card: for the repeated answer of one API request, for a button
    pressed twice. Raises NoSuchMember for somebody who was erased just now.
    """
    # Of two at once the second waits, and then revokes the first one's card.
    locked = select(Member.id).where(Member.id == member.id).with_for_update(key_share=True)
    if db.scalar(locked) is None:
        raise queries.NoSuchMember
    code = codes.new_card_code(seed)
    if seed and db.scalar(select(exists().where(Card.code_hash == hashed(code), Card.member_id == member.id))):
        return code
    db.execute(update(Card).where(Card.member_id == member.id, Card.revoked_at.is_(None)).values(revoked_at=now))
    db.add(Card(member_id=member.id, code_hash=hashed(code), created_at=now))
    db.flush()
    return code


def start_session(db: Session, member: Member, now: datetime, token: str | None = None) -> str:
    """A new session for a browser; returns the cookie's value. Never continues an old one (session fixation).

    `token`, where given, is a fresh one of `sign_in.token_for_press`.
    """
    token = token or new_token()
    forget_sessions(db, now)
    db.add(
        BrowserSession(token_hash=hashed(token), member_id=member.id, created_at=now, expires_at=now + SESSION_LASTS)
    )
    db.flush()
    return token


def forget_sessions(db: Session, now: datetime) -> None:
    """Drop the sessions whose time is over."""
    db.execute(delete(BrowserSession).where(BrowserSession.expires_at <= now))


def blur_sessions(db: Session, now: datetime) -> None:
    """Keep only the day on which somebody signed in: who did so to borrow a book has the moment in common with its loan, which
    is kept when it names nobody any more."""
    kept = select(BrowserSession.token_hash, BrowserSession.created_at, BrowserSession.expires_at)
    # Older ones were seen to long ago: with every minute a few are looked at, not all.
    lately = BrowserSession.created_at.between(now - A_WEEK, now - DOUBLE_PRESS)
    for row in db.execute(kept.where(lately)).all():
        if row.created_at != day_of(row.created_at):
            days = {"created_at": day_of(row.created_at), "expires_at": day_of(row.expires_at)}
            db.execute(update(BrowserSession).where(BrowserSession.token_hash == row.token_hash).values(days))


def end_session(db: Session, token: str) -> None:
    """Sign one browser out."""
    db.execute(delete(BrowserSession).where(BrowserSession.token_hash == hashed(token)))


def end_sessions(db: Session, member_id: int) -> None:
    """Sign a member out everywhere."""
    db.execute(delete(BrowserSession).where(BrowserSession.member_id == member_id))


def add_token(db: Session, name: str, role: str, now: datetime) -> str:
    """A new bearer token for the JSON API, shown once; `role` is librarian or kiosk. Raises Invalid without a name."""
    if not clean_name(name):
        raise Invalid(_("Bitte gib einen Namen an."))
    token = new_token()
    db.add(ApiToken(name=clean_name(name), role=role, token_hash=hashed(token), created_at=now))
    db.flush()
    return token


def revoke_token(db: Session, token_id: int, now: datetime) -> None:
    """The token lets nobody in any more. Raises NoSuchToken."""
    valid = (ApiToken.id == token_id) & ApiToken.revoked_at.is_(None)
    revoke = update(ApiToken).where(valid).values(revoked_at=now).returning(ApiToken.id)
    if token_id > LARGEST_ID or db.execute(revoke).first() is None:
        raise queries.NoSuchToken


def _member_for_change(db: Session, member_id: int, role: str) -> Member:
    """The member, locked, who will have `role` from now on. Raises NoSuchMember, LastAdmin."""
    member = member_for_change(db, member_id)
    if member.role == "admin" and role != "admin":
        others = exists().where(Member.role == "admin", Member.id != member_id)
        if not db.scalar(select(others)):
            raise LastAdmin
    return member


def _describe(db: Session, member: Member, name: str, email: str | None) -> None:
    name, address = _name_and_address(name, email)
    holder = member_by_email(db, address) if address else None
    if holder and holder.id != member.id:
        raise AddressTaken
    member.name, member.sort_name, member.email = name, sort_name(name), address


def _name_and_address(name: str, email: str | None) -> tuple[str, str | None]:
    """Both of them clean. Raises BadName or BadAddress, with the errors of both where both are wrong."""
    name, address = clean_name(name), None
    wrong: list[Invalid] = [] if 1 <= len(name) <= LONGEST_NAME else [BadName()]
    try:
        address = clean_address(email)
    except BadAddress as problem:
        wrong.append(problem)
    if wrong:
        wrong[0].errors = {field: sentence for problem in wrong for field, sentence in problem.errors.items()}
        raise wrong[0]
    return name, address


def _flush(db: Session) -> None:
    try:
        db.flush()
    except IntegrityError as error:
        if is_unique_violation(error, "uq_member_email", "member.email"):
            raise AddressTaken from error
        raise


def _redirect_mails(db: Session, member: Member, now: datetime) -> None:
    """Mails that still wait go to the new address; without one, and for sign-in links, they do not go at all.

    So do those that are just leaving: the mail server may say "later".
    """
    waiting = select(Mail).where(Mail.member_id == member.id, Mail.state.in_(("pending", "sending")))
    for mail in db.scalars(waiting.order_by(Mail.id).with_for_update()):
        if member.email is None or mail.kind == SIGN_IN_MAIL:
            outbox.take_back(mail, now)
        else:
            mail.address = member.email
