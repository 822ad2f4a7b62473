"""A member without the card: the tablet's QR, opened on their own signed-in phone, gives the tablet that member for a while."""

from __future__ import annotations

from datetime import date, datetime, timedelta

from sqlalchemy.orm import Session

from bibliothek.i18n import _
from bibliothek.kiosk import actions, queries
from bibliothek.kiosk.models import Device
from bibliothek.members.rules import keyed_hash
from bibliothek.problems import Problem

LASTS = timedelta(seconds=90)
# The QR changes so often (seconds); the one before still works, for whoever has to sign in first: it is good for ten minutes at
# most.
CHANGES = 300
# So many digits of the hash in hex: 80 bits.
MAC = 20


class OldGreeting(Problem):
    """The QR is not the one that the tablet shows now: it may be a photo of it."""

    code = "old-greeting"

    def __init__(self) -> None:
        super().__init__(_("Dieser Code gilt nicht mehr. Scanne den, den das Tablet jetzt zeigt."))


class TabletInUse(Problem):
    """Somebody else's card counts there now: what they scan next is not to be lent to a phone."""

    code = "tablet-in-use"

    def __init__(self) -> None:
        super().__init__(_("Am Tablet ist gerade jemand anderes. Warte, bis es frei ist, und drücke dann noch einmal."))


def token(key: bytes, device_id: int, now: datetime) -> str:
    """What the QR of this tablet says now."""
    return _token(key, device_id, int(now.timestamp()) // CHANGES)


def _token(key: bytes, device_id: int, slot: int) -> str:
    return f"{device_id}-{keyed_hash(key, 'greeting', f'{device_id} {slot}')[:MAC]}"


def device_of(db: Session, key: bytes, text: str, now: datetime) -> Device:
    """The tablet that shows this, or showed it just before. Raises OldGreeting."""
    slot = int(now.timestamp()) // CHANGES
    number, _dash, _mac = text.partition("-")
    device_id = int(number) if number.isascii() and number.isdigit() and len(number) < 10 else 0
    if text not in (_token(key, device_id, slot), _token(key, device_id, slot - 1)):
        raise OldGreeting
    device = db.get(Device, device_id)
    if device is None or device.revoked_at is not None or device.only_returns:
        raise OldGreeting
    return device


def greet(db: Session, key: bytes, text: str, member_id: int, now: datetime, today: date) -> Device:
    """The tablet that shows this serves the member for LASTS, as if their card had been scanned.

    Unlike a card the phone may be anywhere by now, so it ends nobody else's session. Raises OldGreeting, TabletInUse.
    """
    device = device_of(db, key, text, now)
    db.refresh(device, with_for_update=True)
    if device.revoked_at is not None or device.only_returns:
        raise OldGreeting
    if queries.member_here(device, now) not in (None, member_id):
        raise TabletInUse
    actions.begin_session(db, device, member_id, now, now + LASTS, today)
    return device
