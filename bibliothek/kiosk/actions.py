"""What can be done with tablets, and the one scan field: whatever is scanned, `scan` knows what to do.

Each runs inside the caller's one transaction, which locks tablets first, then copies, each in order of their number, then a
member. A scan may need two copies: the one scanned, and the one about which the tablet still asks.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, datetime, timedelta
from typing import Any

import msgspec
from sqlalchemy import delete
from sqlalchemy.orm import Session

from bibliothek.catalogue.rules import one_line
from bibliothek.codes import Scanned, read
from bibliothek.copies.queries import MisreadCode, UnknownCopy
from bibliothek.i18n import _
from bibliothek.kiosk import queries, rules
from bibliothek.kiosk.models import Device, GivenAnswer
from bibliothek.kiosk.rules import Answer, Basket, Done, LastScan, MemberId, Moment
from bibliothek.lending import actions as lending
from bibliothek.lending.queries import LENDABLE, AtDesk, at_desk, at_desk_by_loan, last_return
from bibliothek.lookup.scan import read_scan
from bibliothek.members.queries import UnknownCard, member_ref
from bibliothek.problems import Invalid
from bibliothek.tokens import hashed, new_token

LONGEST_NAME = 60
JUST_NOW = timedelta(0)


class BadTabletName(Invalid):
    """No name, or one that fits on no line."""

    code = "bad-tablet-name"

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.errors = {"name": sentence}


# ---- Devices ----


def enrol(db: Session, name: str, now: datetime, token: str | None = None) -> str:
    """Make a device a tablet; returns the value of its cookie. Raises BadTabletName.

    `token`, where given, is that of `members.sign_in.token_for_press`; if a tablet has it or had it, this one gets another.
    """
    if token is None or queries.was_given(db, hashed(token)):
        token = new_token()
    db.add(Device(name=clean_name(name), token_hash=hashed(token), enrolled_at=now))
    db.flush()
    return token


def rename(db: Session, device_id: int, name: str) -> Device:
    """Raises NoSuchTablet, BadTabletName."""
    device = queries.tablet_for_change(db, device_id)
    device.name = clean_name(name)
    db.flush()
    return device


def revoke(db: Session, device_id: int, now: datetime, today: date) -> Device:
    """From now on the device is an ordinary browser again. Raises NoSuchTablet."""
    device = queries.tablet_for_change(db, device_id)
    device.revoked_at = now
    _return_asked(db, device, now, today)
    _forget_member(device)
    db.flush()
    return device


def set_only_returns(db: Session, device_id: int, only: bool) -> Device:
    """Whether the tablet is for returns alone. Raises NoSuchTablet."""
    device = queries.tablet_for_change(db, device_id)
    device.only_returns = only
    _forget_member(device)
    device.basket = None
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


def scan(
    db: Session, device_id: int, text: str, number: str, now: datetime, today: date, age: timedelta = JUST_NOW
) -> Answer:
    """Do what is to be done with whatever was scanned, `age` ago.

    Sent again with the same `number` it gets the same answer for a day, and nothing is done twice. Never refuses: what
    cannot be understood is an answer, too.
    """
    device = queries.device_for_change(db, device_id)
    scanned = read_scan(text)
    code = hashed(f"{scanned.kind} {scanned.value}")
    moment = Moment(now, age)
    return _once(
        db,
        device,
        f"{number} {code}" if number else "",
        now,
        lambda: queries.just_answered(device, code, now) or _scan(db, device, scanned, code, moment, today),
    )


def _scan(db: Session, device: Device, scanned: Scanned, code: str, moment: Moment, today: date) -> Answer:
    basket = queries.basket(device, moment.at)
    codes = (scanned.value,) if scanned.kind == "copy" else basket.codes if basket and scanned.kind == "card" else ()
    if device.asked_loan_id is not None or len(codes) > 1:
        queries.lock_asked(db, [device], codes)
    settled = _settle(db, device, scanned, moment.now, today)
    answer = _answer(db, device, scanned, moment, today)
    if settled:
        title, is_kept = settled.rows[0].title, settled.kept_until is not None
        answer = msgspec.structs.replace(answer, settled=title, settled_is_kept=is_kept)
    _remember(device, LastScan(code, moment.now, answer))
    _go_on(device, moment)
    return answer


def _once(db: Session, device: Device, number: str, now: datetime, do: Callable[[], Answer]) -> Answer:
    """What `do` answers, or answered the first time it was asked for under this number; without one it is always done."""
    number_hash = hashed(number)
    given = queries.given_answer(db, device.id, number_hash) if number else None
    if given:
        return given
    answer = do()
    if number:
        text = msgspec.json.encode(answer).decode()
        db.add(GivenAnswer(device_id=device.id, number_hash=number_hash, answer=text, given_at=now))
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


def _answer(db: Session, device: Device, scanned: Scanned, moment: Moment, today: date) -> Answer:
    was_card = rules.is_somebodys_card(scanned.kind, scanned.value)
    if was_card and device.only_returns:
        return Answer("command", what="only_returns")
    before = queries.member_here(device, moment.at)
    if was_card:
        _forget_member(device)
    match scanned.kind:
        case "command":
            return _command(db, device, scanned.value, moment, today)
        case "copy":
            return _copy(db, device, scanned.value, moment, today)
        case "card":
            return _card(db, device, scanned.value, moment, today, before)
        case "isbn":
            return queries.isbn_answer(db, scanned.value)
        case "shelf":
            return queries.shelf_answer(db, scanned.value)
    if was_card:
        return Answer("misread", what="card")
    return Answer("misread") if scanned.kind == "misread" else Answer("unknown", what="text")


def _command(db: Session, device: Device, name: str, moment: Moment, today: date) -> Answer:
    match name:
        case "undo":
            return _undo(db, device, moment, today)
        case "done":
            _forget_member(device)
            device.basket = None
    return Answer("command", what=name)


def _card(db: Session, device: Device, code: str, moment: Moment, today: date, before: int | None) -> Answer:
    """A session begins, or goes on if the same member was here `before`."""
    try:
        member = member_ref(db, code)
    except UnknownCard:
        return Answer("unknown", what="card")
    if member.id != before:
        _keep_no_undo_of_others(db, device, member.id, moment.now)
    device.member_id = member.id
    device.member_until = moment.at + rules.SESSION_LASTS
    return _lend_basket(db, device, member.id, moment, today) or Answer("card")


def _keep_no_undo_of_others(db: Session, device: Device, member_id: int, now: datetime) -> None:
    """Whoever comes next undoes nothing of the one before, who has left with the book, and does not learn which it was."""
    done = queries.done(device, now)
    if done and queries.is_somebody_elses(db, done, member_id):
        device.done = None


def _lend_basket(db: Session, device: Device, member_id: int, moment: Moment, today: date) -> Answer | None:
    """All that was scanned before the card is lent with it; None when that is nothing (any more)."""
    basket, device.basket = queries.basket(device, moment.at), None
    copies = queries.copies_in(db, basket)
    lent: dict[str, lending.Lent] = {}
    # By title, because that is the order in which queues are locked.
    for copy in sorted(copies, key=lambda copy: copy.title_id):
        try:
            lent[copy.code] = lending.lend(db, copy, MemberId(member_id), moment.now, today)
        except (lending.CopyOnLoan, lending.CopyWithdrawn):
            # Since it was scanned, somebody else was quicker, or a librarian has withdrawn it.
            continue
    if not lent:
        return None
    rows, loans = queries.copy_rows(db, [copy for copy in copies if copy.code in lent]), list(lent.values())
    _note_done(device, moment.now, lent=_fresh(loans), titles=rows)
    notes = tuple(dict.fromkeys(note for loan in loans for note in loan.notes))
    return Answer("lent", rows=rows, due_on=min(loan.loan.due_on for loan in loans), notes=notes)


def _fresh(loans: Sequence[lending.Lent]) -> tuple[tuple[int, int | None], ...]:
    return tuple((lent.loan.id, lent.fulfilled) for lent in loans if not lent.already)


def _note_done(device: Device, now: datetime, **what: Any) -> None:
    device.done = msgspec.json.encode(Done(now, **what)).decode()


def _undo(db: Session, device: Device, moment: Moment, today: date) -> Answer:
    """The last thing done at this tablet never was."""
    done, device.done = queries.done(device, moment.at), None
    if done is None:
        return Answer("command", what="nothing_to_undo")
    queries.lock_loans(db, [*(loan_id for loan_id, _hold in done.lent), *done.returned])
    try:
        with db.begin_nested():
            _undo_all(db, done, moment.now, today)
    except lending.TooLateToUndo:
        return Answer("command", what="nothing_to_undo")
    return Answer("command", what="undone", rows=done.titles)


def _undo_all(db: Session, done: Done, now: datetime, today: date) -> None:
    if done.taken_over:
        ((lent, fulfilled),) = done.lent
        lending.undo_take_over(db, lent, done.returned[0], now, today, fulfilled)
        return
    for loan_id, fulfilled in done.lent:
        lending.undo_loan(db, loan_id, now, today, fulfilled)
    for loan_id in done.returned:
        lending.undo_return(db, loan_id, now, today)
    for loan_id, until in done.renewed:
        lending.undo_renewal(db, loan_id, until)


def begin_session(db: Session, device: Device, member_id: int, now: datetime, until: datetime, today: date) -> None:
    """This member stands before the tablet, as if their card had been scanned. The caller has locked the tablet.

    The book about which it still asked is brought back.
    """
    basket = queries.basket(device, now)
    queries.lock_asked(db, [device], basket.codes if basket else ())
    _return_asked(db, device, now, today)
    _forget_member(device)
    _keep_no_undo_of_others(db, device, member_id, now)
    device.member_id, device.member_until = member_id, until
    answer = _lend_basket(db, device, member_id, Moment(now), today)
    if answer:
        _remember(device, LastScan("", now, answer))
    db.flush()


def _copy(db: Session, device: Device, code: str, moment: Moment, today: date) -> Answer:
    try:
        copy = at_desk(db, code)
    except UnknownCopy:
        return Answer("unknown", what="copy", code=code)
    member_id = queries.member_here(device, moment.at)
    if member_id is None and queries.has_left(device, moment):
        lending.see(db, copy, moment.now)
        return _about(db, "late", copy)
    if member_id is None:
        return _without_card(db, device, copy, moment, today)
    if copy.on_loan:
        return _on_loan(db, device, copy, member_id, moment.now, today)
    return _lend(db, device, copy, member_id, moment, today)


def _without_card(db: Session, device: Device, copy: AtDesk, moment: Moment, today: date) -> Answer:
    if copy.on_loan:
        return _returned(db, device, copy, moment.now, today)
    if copy.state == "withdrawn":
        lending.see(db, copy, moment.now)
        return _about(db, "withdrawn", copy)
    lending.see(db, copy, moment.now)
    # Locked only now: somebody may have borrowed it with their phone by a blink sooner, and that loan goes on.
    copy = at_desk(db, copy.code)
    if copy.on_loan:
        return _about(db, "copy", copy)
    last = last_return(db, copy.id)
    if device.only_returns or (last and moment.now - last < rules.JUST_RETURNED):
        return msgspec.structs.replace(_about(db, "copy", copy), what="back", kept_until=copy.kept_until)
    return _into_basket(db, device, copy, moment)


def _into_basket(db: Session, device: Device, copy: AtDesk, moment: Moment) -> Answer:
    """A copy waits for the card that borrows it."""
    before = queries.basket(device, moment.at)
    codes = tuple(dict.fromkeys((*(before.codes if before else ()), copy.code)))[-rules.MOST_IN_BASKET :]
    basket = Basket(codes, moment.at + rules.BASKET_LASTS)
    device.basket = msgspec.json.encode(basket).decode()
    return Answer("basket", code=copy.code, rows=queries.basket_rows(db, device, moment.at), shelf=copy.shelf)


def _returned(
    db: Session, device: Device, copy: AtDesk, now: datetime, today: date, loan_id: int | None = None
) -> Answer:
    back = lending.give_back(db, copy, now, today, loan_id, rules.UNDO_LASTS)
    answer = msgspec.structs.replace(
        _about(db, "returned", copy), kept_until=back.kept_until, state="" if back.state in LENDABLE else back.state
    )
    if back.loan_id is not None:
        _note_done(device, now, returned=(back.loan_id,), titles=answer.rows)
    return answer


def _on_loan(db: Session, device: Device, copy: AtDesk, member_id: int, now: datetime, today: date) -> Answer:
    """Nothing is done yet: the member's own book is shown; about somebody else's the tablet asks."""
    lending.see(db, copy, now)
    if copy.member_id == member_id:
        return _own(db, copy, today)
    device.asked_loan_id = copy.loan_id
    device.asked_until = now + rules.QUESTION_LASTS
    return _about(db, "other", copy)


def _own(db: Session, copy: AtDesk, today: date) -> Answer:
    until, refusal, times = lending.may_renew(db, copy.loan_id or 0, today)
    answer = _about(db, "own", copy, due_on=copy.due_on)
    return msgspec.structs.replace(answer, renewed_until=None if refusal else until, refusal=refusal, times=times)


def _lend(db: Session, device: Device, copy: AtDesk, member_id: int, moment: Moment, today: date) -> Answer:
    try:
        lent = lending.lend(db, copy, MemberId(member_id), moment.now, today)
    except lending.CopyOnLoan:
        # Somebody else was quicker by a blink: what lies on the desk has changed.
        return _on_loan(db, device, at_desk(db, copy.code), member_id, moment.now, today)
    except lending.CopyWithdrawn:
        lending.see(db, copy, moment.now)
        return _about(db, "withdrawn", copy)
    return _lent(db, device, copy, lent, moment.now)


def _lent(db: Session, device: Device, copy: AtDesk, lent: lending.Lent, now: datetime, **more: Any) -> Answer:
    answer = _about(db, "lent", copy, due_on=lent.loan.due_on)
    if not lent.already:
        _note_done(device, now, lent=_fresh([lent]), titles=answer.rows, **more)
    return msgspec.structs.replace(answer, notes=lent.notes)


def _about(db: Session, kind: str, copy: AtDesk, due_on: date | None = None) -> Answer:
    return Answer(
        kind, code=copy.code, rows=queries.copy_rows(db, [copy]), due_on=due_on, loan_id=copy.loan_id, shelf=copy.shelf
    )


# ---- Buttons ----


def bring_back(
    db: Session,
    device_id: int,
    code: str,
    loan_id: int,
    now: datetime,
    today: date,
    by_itself: bool = False,
    age: timedelta = JUST_NOW,
) -> Answer:
    """The button "zurückgeben", or (`by_itself`) nobody touched anything for 10 s. Ends only the loan asked about.

    `age` as in `scan`. When the book was lent to somebody since, the answer says so.
    """
    device = queries.device_for_change(db, device_id)
    answer = _returned(db, device, at_desk(db, code), now, today, loan_id)
    copy = at_desk(db, code)
    if copy.on_loan:
        answer = _about(db, "copy", copy)
    return _pressed(db, device, answer, None if by_itself else Moment(now, age))


def take_along(
    db: Session,
    device_id: int,
    code: str,
    loan_id: int,
    now: datetime,
    today: date,
    number: str = "",
    age: timedelta = JUST_NOW,
) -> Answer:
    """The button "ich nehme es mit": the book in the hand is right, so the loan before is ended and a new one begins.

    `number` and `age` as in `scan`.
    """
    device = queries.device_for_change(db, device_id)
    press = f"{number} take along {code} {loan_id}" if number else ""
    return _once(db, device, press, now, lambda: _take_along(db, device, code, loan_id, Moment(now, age), today))


def _take_along(db: Session, device: Device, code: str, loan_id: int, moment: Moment, today: date) -> Answer:
    copy = at_desk(db, code)
    member_id = queries.member_here(device, moment.at)
    if member_id is None:
        # The card is needed once more; the question stays open, so the book is returned if nobody comes.
        return _about(db, "expired", copy)
    if copy.state == "withdrawn":
        # Nobody is to take it home, and it is back from whoever had it.
        return _pressed(db, device, _returned(db, device, copy, moment.now, today, loan_id), moment)
    try:
        lent = lending.take_over(db, copy, MemberId(member_id), moment.now, today, loan_id, rules.UNDO_LASTS)
    except lending.CopyOnLoan:
        return _on_loan(db, device, at_desk(db, code), member_id, moment.now, today)
    was_taken = copy.loan_id == loan_id and not lent.already
    before: dict[str, Any] = {"returned": (loan_id,), "taken_over": True} if was_taken else {}
    return _pressed(db, device, _lent(db, device, copy, lent, moment.now, **before), moment)


def renew(
    db: Session,
    device_id: int,
    code: str,
    loan_id: int,
    now: datetime,
    today: date,
    number: str = "",
    age: timedelta = JUST_NOW,
) -> Answer:
    """The button "verlängern": whoever stands here keeps their own book for longer. `number` and `age` as in `scan`."""
    device = queries.device_for_change(db, device_id)
    press = f"{number} renew {code} {loan_id}" if number else ""
    return _once(db, device, press, now, lambda: _renew(db, device, code, loan_id, Moment(now, age), today))


def _renew(db: Session, device: Device, code: str, loan_id: int, moment: Moment, today: date) -> Answer:
    member_id = queries.member_here(device, moment.at)
    copy = at_desk(db, code)
    if member_id is None:
        return _about(db, "expired", copy)
    try:
        renewed = lending.renew(db, loan_id, moment.now, today, member_id)
    except lending.NotRenewed:
        return _pressed(db, device, _own(db, copy, today), moment, is_about_it=False)
    except lending.NoSuchLoan:
        return _pressed(db, device, _about(db, "copy", copy), moment, is_about_it=False)
    answer = _about(db, "renewed", copy, due_on=renewed.due_on)
    _note_done(device, moment.now, renewed=((loan_id, renewed.due_on),), titles=answer.rows)
    return _pressed(db, device, answer, moment, is_about_it=False)


def undo(
    db: Session, device_id: int, now: datetime, today: date, number: str = "", age: timedelta = JUST_NOW
) -> Answer:
    """The button "rückgängig". `number` and `age` as in `scan`."""
    device = queries.device_for_change(db, device_id)
    press = f"{number} undo" if number else ""
    moment = Moment(now, age)
    return _once(
        db,
        device,
        press,
        now,
        lambda: _pressed(db, device, _undo(db, device, moment, today), moment, is_about_it=False),
    )


def stay(db: Session, device_id: int, now: datetime, age: timedelta = JUST_NOW) -> Answer | None:
    """Somebody touched the screen: their session goes on. Returns what was said last, None when nobody is here."""
    device = queries.device_for_change(db, device_id)
    moment = Moment(now, age)
    basket = queries.basket(device, moment.at)
    if basket:
        device.basket = msgspec.json.encode(Basket(basket.codes, moment.at + rules.BASKET_LASTS)).decode()
    elif queries.member_here(device, moment.at) is None:
        return None
    _go_on(device, moment)
    device.asked_until = now + rules.QUESTION_LASTS if device.asked_loan_id else None
    db.flush()
    last = queries.last_scan(device)
    return last.answer if last else None


def end(db: Session, device_id: int, now: datetime, today: date) -> Answer | None:
    """The button "Fertig", or the time is up: the tablet knows nobody any more.

    The book about which it still asked is brought back, and that is the answer.
    """
    device = queries.device_for_change(db, device_id)
    settled = _return_asked(db, device, now, today)
    _forget_member(device)
    device.basket = None
    db.flush()
    return settled


def forget_sessions(db: Session, now: datetime, today: date) -> None:
    """Forget sessions that nobody ended, because a tablet was switched off, and old answers: each round of the server does."""
    devices = queries.left_behind(db, now)
    queries.lock_asked(db, devices)
    for device in devices:
        _return_asked(db, device, now, today)
        if queries.is_over(device, now):
            # `member_until` stays: it tells a scan that arrives even later that somebody's card counted.
            device.member_id = device.last_scan = None
        if queries.done(device, now) is None:
            device.done = None
        if queries.basket(device, now) is None:
            device.basket = None
    db.execute(delete(GivenAnswer).where(GivenAnswer.given_at < now - rules.ANSWERS_KEPT))
    db.flush()


def forget_member(db: Session, member_id: int) -> None:
    """Forget somebody who is to be erased, at every tablet.

    Comes before their row is locked: a scan locks its tablet first and the member last, and so does whoever erases.
    """
    for device in queries.devices_for_change(db):
        if device.member_id == member_id:
            _forget_member(device)
    db.flush()


def _pressed(db: Session, device: Device, answer: Answer, moment: Moment | None, is_about_it: bool = True) -> Answer:
    """The answer to a button; touching counts as being here. `moment` is None when nobody touched anything.

    A question stays open where the button was about something else.
    """
    if is_about_it:
        device.asked_loan_id = device.asked_until = None
    last = queries.last_scan(device)
    if last:
        # The same book scanned again at once is answered like the button.
        _remember(device, msgspec.structs.replace(last, answer=answer))
    if moment:
        _go_on(device, moment)
    db.flush()
    return answer


def _remember(device: Device, last: LastScan) -> None:
    device.last_scan = msgspec.json.encode(last).decode()


def _go_on(device: Device, moment: Moment) -> None:
    """A running session gets its full time again; whoever's time is up is forgotten."""
    if device.member_until is None or queries.member_here(device, moment.at) is None:
        device.member_id = None
    else:
        device.member_until = max(device.member_until, moment.at + rules.SESSION_LASTS)


def _settle(db: Session, device: Device, scanned: Scanned, now: datetime, today: date) -> Answer | None:
    """Whoever scans on has not answered the question: the book was brought back. Returns what is said of that.

    A misread code decides nothing, unless it was a card; nor does a command, unless it is the end: whoever wants to read the
    question in their language has not answered it. The same book again asks again.
    """
    is_unread = scanned.kind in ("misread", "unknown") and not rules.is_somebodys_card(scanned.kind, scanned.value)
    goes_on = scanned.kind == "command" and scanned.value != "done"
    if device.asked_loan_id is None or is_unread or goes_on:
        return None
    asked = at_desk_by_loan(db, device.asked_loan_id)
    if asked and scanned.value == asked.code:
        return None
    return _return_asked(db, device, now, today)


def _return_asked(db: Session, device: Device, now: datetime, today: date) -> Answer | None:
    asked = at_desk_by_loan(db, device.asked_loan_id) if device.asked_loan_id else None
    device.asked_loan_id = device.asked_until = None
    return _returned(db, device, asked, now, today, asked.loan_id) if asked else None


def _forget_member(device: Device) -> None:
    device.member_id = device.member_until = device.last_scan = None
