"""What can be done with tablets, and the one scan field: whatever is scanned, `scan` knows what to do.

Each runs inside the caller's one transaction. The table of all scans stands in docs/librarian.md.
"""

from __future__ import annotations

from datetime import date, datetime

import msgspec
from sqlalchemy.orm import Session

from bibliothek.catalogue.queries import bylines
from bibliothek.catalogue.rules import one_line
from bibliothek.codes import Scanned, read
from bibliothek.copies.queries import MisreadCode, UnknownCopy
from bibliothek.i18n import _
from bibliothek.kiosk import queries, rules
from bibliothek.kiosk.models import Device
from bibliothek.kiosk.rules import Answer, LastScan, MemberId, Row
from bibliothek.lending import actions as lending
from bibliothek.lending.queries import AtDesk, at_desk, at_desk_by_loan
from bibliothek.lookup.scan import read_scan
from bibliothek.members.queries import UnknownCard, member_ref
from bibliothek.problems import Invalid
from bibliothek.tokens import hashed, new_token

LONGEST_NAME = 60


class BadTabletName(Invalid):
    """No name, or one that fits on no line."""

    code = "bad-tablet-name"

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.errors = {"name": sentence}


# ---- Devices ----


def enrol(db: Session, name: str, now: datetime, token: str | None = None) -> str:
    """Make a device a tablet; returns the value of its cookie. Raises BadTabletName.

    `token`, where given, is a fresh one of `members.sign_in.token_for_press`.
    """
    token = token or new_token()
    db.add(Device(name=clean_name(name), token_hash=hashed(token), enrolled_at=now))
    db.flush()
    return token


def rename(db: Session, device_id: int, name: str) -> Device:
    """Raises NoSuchTablet, BadTabletName."""
    device = queries.tablet(db, device_id)
    device.name = clean_name(name)
    db.flush()
    return device


def revoke(db: Session, device_id: int, now: datetime) -> Device:
    """From now on the device is an ordinary browser again. Raises NoSuchTablet."""
    device = queries.tablet(db, device_id)
    device.revoked_at = now
    _return_asked(db, device, now)
    _forget_member(device)
    db.flush()
    return device


def clean_name(text: str) -> str:
    """A tablet's name in one line. Raises BadTabletName."""
    name = one_line(text)
    if not name:
        raise BadTabletName(_("Bitte gib dem Tablet einen Namen, zum Beispiel „Eingang“."))
    if len(name) > LONGEST_NAME:
        raise BadTabletName(_("Der Name ist zu lang: höchstens {n} Zeichen.", n=LONGEST_NAME))
    return name


# ---- Scanning ----


def scan(db: Session, device_id: int, text: str, number: str, now: datetime, today: date) -> Answer:
    """Do what is to be done with whatever was scanned; `number` names this scan when the page sends it again.

    Never refuses: what cannot be understood is an answer, too.
    """
    device = queries.device_for_change(db, device_id)
    scanned = read_scan(text)
    code = hashed(f"{scanned.kind} {scanned.value}")
    last = queries.last_scan(device)
    if last and last.is_repeated_by(number, code, now):
        return last.answer
    settled = _settle(db, device, scanned, now)
    answer = _answer(db, device, scanned, now, today)
    if settled:
        answer = msgspec.structs.replace(answer, settled=settled)
    _remember(device, LastScan(number, code, now, answer))
    _go_on(device, now)
    db.flush()
    return answer


def look_at(db: Session, text: str) -> Answer:
    """What is known of a copy or shelf whose address was opened on the tablet. Nothing is done: only a scan does that."""
    scanned = read(text)
    if scanned.kind == "shelf":
        return queries.shelf_answer(db, scanned.value)
    try:
        return _about(db, "copy", at_desk(db, text))
    except MisreadCode:
        return Answer("misread")
    except UnknownCopy:
        return Answer("unknown", what="text")


def _answer(db: Session, device: Device, scanned: Scanned, now: datetime, today: date) -> Answer:
    if rules.is_somebodys_card(scanned.kind, scanned.value):
        _forget_member(device)
    match scanned.kind:
        case "copy":
            return _copy(db, device, scanned.value, now, today)
        case "card":
            return _card(db, device, scanned.value, now)
        case "isbn":
            return queries.isbn_answer(db, scanned.value)
        case "shelf":
            return queries.shelf_answer(db, scanned.value)
        case "misread":
            return Answer("misread")
    return Answer("unknown", what="text")


def _card(db: Session, device: Device, code: str, now: datetime) -> Answer:
    try:
        member = member_ref(db, code)
    except UnknownCard:
        return Answer("unknown", what="card")
    device.member_id = member.id
    device.member_until = now + rules.SESSION_LASTS
    return Answer("card")


def _copy(db: Session, device: Device, code: str, now: datetime, today: date) -> Answer:
    try:
        copy = at_desk(db, code)
    except UnknownCopy:
        return Answer("unknown", what="copy", code=code)
    member_id = queries.member_here(device, now)
    if member_id is None:
        return _without_card(db, copy, now)
    if copy.on_loan:
        return _on_loan(db, device, copy, member_id, now)
    return _lend(db, device, copy, member_id, now, today)


def _without_card(db: Session, copy: AtDesk, now: datetime) -> Answer:
    if copy.on_loan:
        lending.give_back(db, copy, now)
        return _about(db, "returned", copy)
    if copy.state == "withdrawn":
        return _about(db, "withdrawn", copy)
    return _about(db, "copy", copy)


def _on_loan(db: Session, device: Device, copy: AtDesk, member_id: int, now: datetime) -> Answer:
    """Nothing is done yet: the member's own book is shown; about somebody else's the tablet asks."""
    if copy.member_id == member_id:
        return _about(db, "own", copy, due_on=copy.due_on)
    device.asked_loan_id = copy.loan_id
    device.asked_until = now + rules.QUESTION_LASTS
    return _about(db, "other", copy)


def _lend(db: Session, device: Device, copy: AtDesk, member_id: int, now: datetime, today: date) -> Answer:
    try:
        lent = lending.lend(db, copy, MemberId(member_id), now, today)
    except lending.CopyOnLoan:
        # Somebody else was quicker by a blink: what lies on the desk has changed.
        return _on_loan(db, device, at_desk(db, copy.code), member_id, now)
    except lending.CopyWithdrawn:
        return _about(db, "withdrawn", copy)
    return _about(db, "lent", copy, due_on=lent.loan.due_on)


def _about(db: Session, kind: str, copy: AtDesk, due_on: date | None = None) -> Answer:
    row = Row(copy.title_id, copy.title, bylines(db, [copy.title_id]).get(copy.title_id, ""))
    return Answer(kind, code=copy.code, rows=(row,), due_on=due_on, loan_id=copy.loan_id, shelf=copy.shelf)


# ---- Buttons ----


def bring_back(db: Session, device_id: int, code: str, loan_id: int, now: datetime, by_itself: bool = False) -> Answer:
    """The button "zurückgeben", or (`by_itself`) nobody touched anything for 10 s. Ends only the loan asked about."""
    device = queries.device_for_change(db, device_id)
    copy = at_desk(db, code)
    lending.give_back(db, copy, now, loan_id)
    return _pressed(db, device, _about(db, "returned", copy), now, by_itself)


def take_along(db: Session, device_id: int, code: str, loan_id: int, now: datetime, today: date) -> Answer:
    """The button "ich nehme es mit": the book in the hand is right, so the loan before is ended and a new one begins."""
    device = queries.device_for_change(db, device_id)
    copy = at_desk(db, code)
    member_id = queries.member_here(device, now)
    if member_id is None:
        # The card is needed once more; the question stays open, so the book is returned if nobody comes.
        return _about(db, "expired", copy)
    try:
        lent = lending.take_over(db, copy, MemberId(member_id), now, today, loan_id)
    except lending.CopyOnLoan:
        return _on_loan(db, device, at_desk(db, code), member_id, now)
    return _pressed(db, device, _about(db, "lent", copy, due_on=lent.loan.due_on), now)


def stay(db: Session, device_id: int, now: datetime) -> Answer | None:
    """Somebody touched the screen: their session goes on. Returns what was said last, None when nobody is here."""
    device = queries.device_for_change(db, device_id)
    if queries.member_here(device, now) is None:
        return None
    device.member_until = now + rules.SESSION_LASTS
    device.asked_until = now + rules.QUESTION_LASTS if device.asked_loan_id else None
    db.flush()
    last = queries.last_scan(device)
    return last.answer if last else None


def end(db: Session, device_id: int, now: datetime) -> None:
    """The button "Fertig", or the time is up: the tablet knows nobody any more."""
    device = queries.device_for_change(db, device_id)
    _return_asked(db, device, now)
    _forget_member(device)
    db.flush()


def forget_sessions(db: Session, now: datetime) -> None:
    """Forget sessions that nobody ended, because a tablet was switched off: each round of the server does."""
    for device in queries.left_behind(db, now):
        end(db, device.id, now)


def _pressed(db: Session, device: Device, answer: Answer, now: datetime, by_itself: bool = False) -> Answer:
    """The answer to a button; touching counts as being here."""
    device.asked_loan_id = device.asked_until = None
    last = queries.last_scan(device)
    if last:
        # The same book scanned again at once is answered like the button.
        _remember(device, msgspec.structs.replace(last, answer=answer))
    if not by_itself:
        _go_on(device, now)
    db.flush()
    return answer


def _remember(device: Device, last: LastScan) -> None:
    device.last_scan = msgspec.json.encode(last).decode()


def _go_on(device: Device, now: datetime) -> None:
    """A running session gets its full time again; one whose time is up is forgotten."""
    if queries.member_here(device, now) is None:
        device.member_id = device.member_until = None
    else:
        device.member_until = now + rules.SESSION_LASTS


def _settle(db: Session, device: Device, scanned: Scanned, now: datetime) -> str | None:
    """Whoever scans on has not answered the question: the book was brought back. Returns its title.

    A misread code decides nothing, unless it was a card; and the same book again asks again.
    """
    decides_nothing = scanned.kind in ("misread", "unknown") and not rules.is_somebodys_card(
        scanned.kind, scanned.value
    )
    if device.asked_loan_id is None or decides_nothing:
        return None
    asked = at_desk_by_loan(db, device.asked_loan_id)
    if asked and scanned.value == asked.code:
        return None
    return _return_asked(db, device, now)


def _return_asked(db: Session, device: Device, now: datetime) -> str | None:
    asked = at_desk_by_loan(db, device.asked_loan_id) if device.asked_loan_id else None
    device.asked_loan_id = device.asked_until = None
    if asked is None:
        return None
    lending.give_back(db, asked, now, asked.loan_id)
    return asked.title


def _forget_member(device: Device) -> None:
    device.member_id = device.member_until = device.last_scan = None
