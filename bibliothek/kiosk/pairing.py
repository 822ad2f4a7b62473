"""A device becomes a tablet without anybody signing in on it.

It shows a code, a QR and a number. A librarian enters the code (or scans the QR) on their own phone and picks the number that the
tablet shows among three: so nobody is talked into approving a device that stands elsewhere. All librarians are told.

Code and numbers are made from the device's secret, which only its cookie knows; the database keeps hashes.
"""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta

import msgspec
from sqlalchemy import ColumnElement, delete, exists, func, select, update
from sqlalchemy.orm import Session

from bibliothek.i18n import _
from bibliothek.kiosk import actions
from bibliothek.kiosk.models import Device, Pairing
from bibliothek.library.queries import library_for_change
from bibliothek.library.rules import bare, code_from
from bibliothek.mail import outbox
from bibliothek.mail.message import Message
from bibliothek.members.models import Member
from bibliothek.members.rules import DOUBLE_PRESS, keyed_hash
from bibliothek.problems import Invalid, Problem
from bibliothek.tokens import hashed

LASTS = timedelta(minutes=10)
# Wrong codes until every device that is waiting has to begin anew: a guess hits one of half a trillion.
MOST_TRIES = 5
# Devices that wait at the same time; anybody may let one wait.
MOST_WAITING = 20
NUMBERS = range(10, 100)
MAIL = "tablet"


class Waits(msgspec.Struct, frozen=True):
    """What a device that wants to be a tablet shows, and for how many seconds yet."""

    code: str
    number: int
    seconds: int


class TooManyWaiting(Problem):
    """Somebody plays with the button."""

    status = 429
    code = "too-many-pairings"

    def __init__(self) -> None:
        super().__init__(_("Gerade warten schon viele Geräte. Versuche es in zehn Minuten noch einmal."))


class WrongPairingCode(Invalid):
    """No device waits with this code."""

    code = "wrong-pairing-code"

    def __init__(self) -> None:
        super().__init__(
            _("Mit diesem Code wartet kein Gerät. Sieh nach, was es jetzt zeigt: Ein Code gilt 10 Minuten.")
        )
        self.errors = {"code": self.sentence}


class WrongNumber(Problem):
    """The device in question shows another number: it is not the one that the librarian looks at."""

    code = "wrong-pairing-number"

    def __init__(self) -> None:
        super().__init__(
            _("Das ist nicht die Zahl, die das Gerät zeigt. Es wurde nicht zum Tablet. Fang am Gerät noch einmal an.")
        )


# ---- The device ----


def begin(db: Session, token: str, key: bytes, now: datetime) -> None:
    """The device with this secret waits for a librarian. Raises TooManyWaiting."""
    library_for_change(db)
    if (db.scalar(select(func.count(Pairing.id)).where(_open(now))) or 0) >= MOST_WAITING:
        raise TooManyWaiting
    chosen = secrets.SystemRandom().sample(NUMBERS, 3)
    db.add(
        Pairing(
            token_hash=hashed(token),
            code_hash=_code_hash(key, code_of(key, token)),
            number=secrets.choice(chosen),
            choices=" ".join(str(number) for number in chosen),
            tries=0,
            expires_at=now + LASTS,
        )
    )
    db.flush()


def give_up(db: Session, token: str, now: datetime) -> None:
    """The device does not want to be a tablet after all."""
    mine = (Pairing.token_hash == hashed(token)) & Pairing.ended_at.is_(None)
    db.execute(update(Pairing).where(mine).values(ended_at=now))


def waits(db: Session, token: str, key: bytes, now: datetime) -> Waits | None:
    """What this device shows while it waits; None when it does not, or not any more."""
    found = db.scalars(select(Pairing).where(Pairing.token_hash == hashed(token), _open(now))).first()
    if found is None:
        return None
    return Waits(code_of(key, token), found.number, max(0, round((found.expires_at - now).total_seconds())))


def has_waited(db: Session, token: str) -> bool:
    return bool(db.scalar(select(exists().where(Pairing.token_hash == hashed(token)))))


def is_tablet(db: Session, token: str) -> bool:
    """Whether the device with this secret was approved, and not revoked since."""
    is_this = (Device.token_hash == hashed(token)) & Device.revoked_at.is_(None)
    return bool(db.scalar(select(exists().where(is_this))))


def code_of(key: bytes, token: str) -> str:
    """The code of a device, as `ABCD-1234`."""
    return code_from(key, f"pairing code {token}")


# ---- The librarian ----


def choices(db: Session, code: str, key: bytes, now: datetime) -> tuple[int, ...] | None:
    """Three numbers, one of which the device with this code shows; None when no device waits with it.

    A wrong code is counted for everybody who waits: commit it, also when you refuse it.
    """
    found = _waiting_with(db, code, key, now)
    if found is None:
        _count_try(db, now)
        return None
    return tuple(int(number) for number in found.choices.split())


def approve(db: Session, code: str, number: int, name: str, key: bytes, now: datetime) -> Device | None:
    """The device with this code is a tablet from now on, if it shows this number; else it has to begin anew, and that is to be
    committed: None. Whoever presses twice gets the same device again. Raises WrongPairingCode, BadTabletName."""
    name = actions.clean_name(name)
    found = _waiting_with(db, code, key, now)
    if found is None:
        made = _made_just_now(db, code, number, key, now)
        if made is None:
            raise WrongPairingCode
        return made
    found.ended_at = now
    if found.number != number:
        db.flush()
        return None
    device = Device(name=name, token_hash=found.token_hash, enrolled_at=now)
    db.add(device)
    db.flush()
    return device


def _made_just_now(db: Session, code: str, number: int, key: bytes, now: datetime) -> Device | None:
    made = select(Device).join(Pairing, Pairing.token_hash == Device.token_hash)
    this = (Pairing.code_hash == _code_hash(key, code)) & (Pairing.number == number)
    return db.scalars(made.where(this, Device.revoked_at.is_(None), Device.enrolled_at > now - DOUBLE_PRESS)).first()


def tell_librarians(db: Session, message: Message, now: datetime) -> None:
    """Every librarian with an address gets this note; it leaves with the next round."""
    told = select(Member.id, Member.email).where(Member.role != "member", Member.email.is_not(None)).order_by(Member.id)
    for member_id, email in db.execute(told).all():
        outbox.queue(db, kind=MAIL, member_id=member_id, address=email or "", message=message, now=now)


def forget(db: Session, now: datetime) -> None:
    """Delete what was over a while ago: each round of the server does."""
    db.execute(delete(Pairing).where(Pairing.expires_at < now - LASTS))


def _waiting_with(db: Session, code: str, key: bytes, now: datetime) -> Pairing | None:
    is_this = Pairing.code_hash == _code_hash(key, code)
    return db.scalars(select(Pairing).where(is_this, _open(now)).with_for_update()).first()


def _count_try(db: Session, now: datetime) -> None:
    db.execute(update(Pairing).where(_open(now)).values(tries=Pairing.tries + 1))


def _open(now: datetime) -> ColumnElement[bool]:
    return Pairing.ended_at.is_(None) & (Pairing.expires_at > now) & (Pairing.tries < MOST_TRIES)


def _code_hash(key: bytes, code: str) -> str:
    return keyed_hash(key, "pairing", bare(code))
