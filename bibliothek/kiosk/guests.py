"""Guests: a first name and one contact, no account. What is known of them goes with their last book."""

from __future__ import annotations

from datetime import date, datetime, timedelta

from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from bibliothek.i18n import _
from bibliothek.kiosk import actions, queries
from bibliothek.kiosk.models import Device
from bibliothek.lending.actions import forget_guests
from bibliothek.lending.models import Borrower
from bibliothek.library.models import Library
from bibliothek.members.actions import BadAddress, clean_address
from bibliothek.members.models import Member
from bibliothek.members.rules import LONGEST_NAME, clean_name, sort_name
from bibliothek.problems import Invalid, Problem

LASTS = timedelta(seconds=90)
LONGEST_CONTACT = 200
# Whoever has borrowed nothing by then is forgotten.
FORGOTTEN_AFTER = timedelta(minutes=10)


class NoGuests(Problem):
    """This library lends to members only."""

    status = 403
    code = "no-guests"

    def __init__(self) -> None:
        super().__init__(_("Hier leihen nur Mitglieder aus. Frag die Betreuung nach einer Karte."))


class BadGuest(Invalid):
    """A name or a contact that is missing or too long."""

    code = "bad-guest"

    def __init__(self, errors: dict[str, str]) -> None:
        super().__init__(next(iter(errors.values())))
        self.errors = errors


def are_welcome(db: Session) -> bool:
    return bool(db.scalar(select(Library.takes_guests)))


def welcome(db: Session, device_id: int, name: str, contact: str, now: datetime, today: date) -> None:
    """The tablet serves this guest for LASTS. Whoever has books from before is the same guest again.

    Raises NoGuests, BadGuest.
    """
    if not are_welcome(db):
        raise NoGuests
    name, contact = clean_name(name), clean_name(contact)
    _check(name, contact)
    device = queries.device_for_change(db, device_id)
    if device.only_returns:
        raise NoGuests
    actions.begin_session(db, device, _guest(db, name, contact, now).id, now, now + LASTS, today)


def _check(name: str, contact: str) -> None:
    errors = {}
    if not 1 <= len(name) <= LONGEST_NAME:
        errors["name"] = _("Ein Name hat 1 bis {n} Zeichen.", n=LONGEST_NAME)
    if not _is_contact(contact):
        errors["contact"] = _("Bitte gib eine E-Mail-Adresse oder eine Telefonnummer an.")
    if errors:
        raise BadGuest(errors)


def _is_contact(text: str) -> bool:
    if "@" not in text:
        return len(text) <= LONGEST_CONTACT and sum(map(str.isdigit, text)) >= 5
    try:
        return clean_address(text) is not None
    except BadAddress:
        return False


def _guest(db: Session, name: str, contact: str, now: datetime) -> Member:
    same = select(Member).where(Member.guest_contact == contact.lower(), Member.sort_name == sort_name(name))
    known = db.scalars(same.order_by(Member.id)).first()
    if known:
        return known
    guest = Member(name=name, sort_name=sort_name(name), role="member", created_at=now, guest_contact=contact.lower())
    db.add(guest)
    db.flush()
    return guest


def forget(db: Session, now: datetime) -> None:
    """Erase guests who took nothing, once no tablet knows them any more: each round of the server does."""
    has_books = exists().where(Borrower.member_id == Member.id)
    stands_somewhere = exists().where(Device.member_id == Member.id)
    idle = select(Member.id).where(
        Member.guest_contact.is_not(None), Member.created_at < now - FORGOTTEN_AFTER, ~has_books, ~stands_somewhere
    )
    forget_guests(db, db.scalars(idle.order_by(Member.id)).all())
