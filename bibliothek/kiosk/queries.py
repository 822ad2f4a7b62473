"""Which tablets there are, who stands before one, and what a shelf or an ISBN has to say."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec
from sqlalchemy import bindparam, exists, func, select
from sqlalchemy.orm import Session

from bibliothek.catalogue.queries import bylines, titles_by_isbn
from bibliothek.copies.models import Copy
from bibliothek.copies.queries import (
    UnknownShelf,
    count_copies_on,
    count_titles_on,
    lock_copies,
    shelf_by,
    titles_on,
)
from bibliothek.db import LARGEST_ID
from bibliothek.i18n import _
from bibliothek.kiosk.models import Device, GivenAnswer
from bibliothek.kiosk.rules import LATEST, MOST_ROWS, UNDO_LASTS, Answer, Basket, Done, LastScan, Moment, Row
from bibliothek.lending.models import Borrower, Hold, Loan
from bibliothek.lending.queries import AtDesk, at_desk_by_loan, availability, copies_at_desk
from bibliothek.members.models import Member
from bibliothek.members.rules import DOUBLE_PRESS
from bibliothek.problems import NotFound


class NoSuchTablet(NotFound):
    """No tablet has this number, or it was revoked."""

    code = "unknown-tablet"

    def __init__(self) -> None:
        super().__init__(_("Dieses Tablet gibt es nicht, oder nicht mehr."))


class Here(msgspec.Struct, frozen=True):
    """Who stands before the tablet, shown for seconds only: `ready` books are kept for them, `seconds` are left of their time."""

    name: str
    loans: int
    ready: int
    seconds: int


class Question(msgspec.Struct, frozen=True):
    """About whose book the tablet still asks, and how many seconds are left before it counts as brought back."""

    copy: AtDesk
    seconds: int


_ENROLLED = select(Device.id, Device.name).where(
    Device.token_hash == bindparam("token_hash"), Device.revoked_at.is_(None)
)


def enrolled(db: Session, token_hash: str) -> tuple[int, str] | None:
    """Id and name of the tablet with this cookie, unless it was revoked."""
    row = db.connection().execute(_ENROLLED, {"token_hash": token_hash}).first()
    return (row.id, row.name) if row else None


def enrolled_just_now(db: Session, token_hash: str, now: datetime) -> bool:
    """Whether the first press of the same button made the tablet with this cookie."""
    just_now = Device.enrolled_at > now - DOUBLE_PRESS
    return bool(
        db.scalar(select(exists().where(Device.token_hash == token_hash, Device.revoked_at.is_(None), just_now)))
    )


def was_given(db: Session, token_hash: str) -> bool:
    """Whether any tablet has this cookie, or had it before it was revoked."""
    return bool(db.scalar(select(exists().where(Device.token_hash == token_hash))))


def devices(db: Session) -> Sequence[Device]:
    """The tablets that may be used now, newest first."""
    return db.scalars(select(Device).where(Device.revoked_at.is_(None)).order_by(Device.id.desc())).all()


def tablet_for_change(db: Session, device_id: int) -> Device:
    """A tablet that may be used, its row locked. Raises NoSuchTablet."""
    found = db.get(Device, device_id, with_for_update=True) if 0 < device_id <= LARGEST_ID else None
    if found is None or found.revoked_at is not None:
        raise NoSuchTablet
    return found


def device(db: Session, device_id: int) -> Device:
    """The tablet that asks."""
    return db.get_one(Device, device_id)


def device_for_change(db: Session, device_id: int) -> Device:
    """The tablet that asks, its row locked: two scans of one tablet come one after the other."""
    return db.get_one(Device, device_id, with_for_update=True)


def devices_for_change(db: Session) -> Sequence[Device]:
    """All tablets there ever were, their rows locked: nothing is scanned anywhere until the transaction ends."""
    return db.scalars(select(Device).order_by(Device.id).with_for_update()).all()


def member_here(device: Device, at: datetime) -> int | None:
    """The member whose card counts, or counted, on this tablet at that moment."""
    return device.member_id if device.member_until and device.member_until > at else None


def has_left(device: Device, moment: Moment) -> bool:
    """Whether somebody's card counted when this was scanned, but it came so late that nobody knows any more whose."""
    return device.member_until is not None and moment.claimed < device.member_until <= moment.now


_NAME_AND_LOANS = select(
    Member.name,
    select(func.count())
    .select_from(Borrower)
    .where(Borrower.member_id == bindparam("id"), Borrower.forget_at.is_(None))
    .scalar_subquery(),
    select(func.count())
    .select_from(Hold)
    .where(Hold.member_id == bindparam("id"), Hold.copy_id.is_not(None))
    .scalar_subquery(),
).where(Member.id == bindparam("id"))


def here(db: Session, device: Device, now: datetime) -> Here | None:
    """Who stands before the tablet now."""
    member_id = member_here(device, now)
    row = db.connection().execute(_NAME_AND_LOANS, {"id": member_id}).first() if member_id else None
    return Here(row[0], row[1], row[2], _seconds_until(device.member_until, now)) if row else None


def question(db: Session, device: Device, now: datetime) -> Question | None:
    """What the tablet asks about, while that loan is open."""
    asked = at_desk_by_loan(db, device.asked_loan_id) if device.asked_loan_id else None
    return Question(asked, _seconds_until(device.asked_until, now)) if asked else None


def lock_asked(db: Session, devices: Sequence[Device], codes: Sequence[str] = ()) -> None:
    """Lock the copies about which these tablets ask, and those with these codes."""
    asked = [device.asked_loan_id for device in devices if device.asked_loan_id is not None]
    which = Copy.id.in_(select(Loan.copy_id).where(Loan.id.in_(asked)))
    lock_copies(db, which | Copy.code.in_(codes) if codes else which)


def lock_loans(db: Session, loan_ids: Sequence[int]) -> None:
    """Lock the copies of these loans."""
    lock_copies(db, Copy.id.in_(select(Loan.copy_id).where(Loan.id.in_(loan_ids))))


def basket(device: Device, at: datetime) -> Basket | None:
    """What was scanned before a card and still waits for one at that moment."""
    found = msgspec.json.decode(device.basket, type=Basket) if device.basket else None
    return found if found and found.until > at else None


def copies_in(db: Session, basket: Basket | None) -> list[AtDesk]:
    """The copies in a basket, those that are still there, in the order in which they were scanned."""
    codes = basket.codes if basket else ()
    return sorted(copies_at_desk(db, codes), key=lambda copy: codes.index(copy.code)) if codes else []


def basket_rows(db: Session, device: Device, at: datetime) -> tuple[Row, ...]:
    """The books in the basket of a tablet at that moment, in the order in which they were scanned."""
    return copy_rows(db, copies_in(db, basket(device, at)))


def done(device: Device, now: datetime) -> Done | None:
    """What was done last, while it can be undone."""
    found = msgspec.json.decode(device.done, type=Done) if device.done else None
    return found if found and now < found.at + UNDO_LASTS else None


def is_somebody_elses(db: Session, done: Done, member_id: int) -> bool:
    """Whether what was done last concerns loans of other people. What was taken over concerns whoever took it."""
    loan_ids = (
        [loan_id for loan_id, _hold in done.lent] or [loan_id for loan_id, _until in done.renewed] or done.returned
    )
    theirs = exists().where(Borrower.loan_id.in_(loan_ids), Borrower.member_id != member_id)
    return bool(db.scalar(select(theirs)))


def seconds_to_undo(device: Device, now: datetime) -> int:
    """How long what was done last can still be undone, 0 for no more."""
    found = done(device, now)
    return _seconds_until(found.at + UNDO_LASTS, now) if found else 0


def seconds_of_basket(device: Device, now: datetime) -> int:
    """How long the basket still waits for a card, 0 when there is none."""
    found = basket(device, now)
    return _seconds_until(found.until, now) if found else 0


def last_scan(device: Device) -> LastScan | None:
    return msgspec.json.decode(device.last_scan, type=LastScan) if device.last_scan else None


def just_answered(device: Device, code: str, now: datetime) -> Answer | None:
    """The answer to the scan of the same code (its hash) a blink ago."""
    last = last_scan(device)
    if last is None or last.code != code or not last.is_fresh(now):
        return None
    return msgspec.structs.replace(last.answer, again=True)


def given_answer(db: Session, device_id: int, number_hash: str) -> Answer | None:
    """What this tablet was answered before to the scan or button with this number."""
    given = db.get(GivenAnswer, (device_id, number_hash))
    return msgspec.json.decode(given.answer, type=Answer) if given else None


def left_behind(db: Session, now: datetime) -> Sequence[Device]:
    """Tablets whose last session or question was never ended, though its time is up. Their rows are locked.

    A session is over for good only when nothing scanned in it can still arrive (`is_over`). A tablet that is just being used
    is left out: it looks after itself, and to wait for it could be to wait for each other.
    """
    until = Device.member_until
    knows_somebody = Device.member_id.is_not(None) | Device.last_scan.is_not(None)
    is_left = knows_somebody & (until.is_(None) | (until <= now - LATEST))
    asks_nobody = (Device.asked_until < now) & (until.is_(None) | (until < now))
    remembers = (Device.done.is_not(None) | Device.basket.is_not(None)) & (until.is_(None) | (until < now))
    return db.scalars(select(Device).where(is_left | asks_nobody | remembers).with_for_update(skip_locked=True)).all()


def is_over(device: Device, now: datetime) -> bool:
    """Whether nothing that was scanned in the last session can still count for it."""
    last = last_scan(device)
    return (device.member_until is None or device.member_until <= now - LATEST) and not (last and last.is_fresh(now))


def isbn_answer(db: Session, isbn: str) -> Answer:
    """The titles with this ISBN; none when the library has it not."""
    titles = titles_by_isbn(db, isbn)
    rows = _rows(db, [(title.id, title.title, title.year) for title in titles[:MOST_ROWS]])
    return Answer("title", rows=rows, count=len(titles), isbn=isbn)


def shelf_answer(db: Session, code: str) -> Answer:
    """The first titles of a shelf, and how many titles and copies it has."""
    try:
        shelf = shelf_by(db, code)
    except UnknownShelf:
        return Answer("unknown", what="shelf", code=code)
    on_it = titles_on(db, shelf.id, MOST_ROWS)
    rows = _rows(db, [(title.id, title.title, title.year) for title in on_it])
    return Answer(
        "shelf",
        code=shelf.code,
        rows=tuple(msgspec.structs.replace(row, copies=title.copies) for row, title in zip(rows, on_it, strict=True)),
        count=count_titles_on(db, shelf.id),
        copies=count_copies_on(db, shelf.id),
        shelf=shelf.name,
    )


def copy_rows(db: Session, copies: Sequence[AtDesk]) -> tuple[Row, ...]:
    by = bylines(db, [copy.title_id for copy in copies])
    return tuple(Row(copy.title_id, copy.title, by.get(copy.title_id, "")) for copy in copies)


def _rows(db: Session, titles: Sequence[tuple[int, str, int | None]]) -> tuple[Row, ...]:
    ids = [title_id for title_id, _title, _year in titles]
    by, here = bylines(db, ids), availability(db, ids)
    return tuple(
        Row(title_id, title, by.get(title_id, ""), year, here[title_id].available, here[title_id].total)
        for title_id, title, year in titles
    )


def _seconds_until(end: datetime | None, now: datetime) -> int:
    return max(0, round((end - now).total_seconds())) if end else 0
