"""Who waits for a title, and for whom a copy is set aside. Each function runs inside the caller's one transaction.

Locks, on PostgreSQL: the library where it is needed at all, then copies, in the order of their numbers, then the title. Whoever
decides about a queue holds its title; whoever joins one has locked all copies of the title before. So somebody who has locked
a copy and sees that nobody waits may lend it without looking again, and two who decide about one queue come one after the
other.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import date, datetime
from typing import Any

import msgspec
from sqlalchemy import Row, Select, bindparam, func, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from bibliothek.catalogue.models import Title
from bibliothek.catalogue.queries import NoSuchTitle
from bibliothek.copies.models import Copy, Shelf
from bibliothek.copies.queries import lock_copies
from bibliothek.db import LARGEST_ID, has_many_writers, is_foreign_key_violation
from bibliothek.i18n import _
from bibliothek.lending import flags, notices
from bibliothek.lending.models import Borrower, Hold, Loan
from bibliothek.lending.queries import is_available, may_be_lent
from bibliothek.lending.terms import terms
from bibliothek.library.queries import library_for_change
from bibliothek.members.models import Member
from bibliothek.members.queries import NoSuchMember
from bibliothek.problems import NotFound, Problem


class OwnLoan(Problem):
    """Whoever has the book need not wait for it."""

    code = "own-loan"

    def __init__(self) -> None:
        super().__init__(_("Dieses Buch ist schon an dich ausgeliehen. Du kannst es verlängern, wenn niemand wartet."))


class NothingToWaitFor(Problem):
    """The library has no copy that could ever come back."""

    code = "nothing-to-wait-for"

    def __init__(self) -> None:
        super().__init__(_("Von diesem Titel gibt es hier kein Exemplar, auf das du warten könntest."))


class NoSuchHold(NotFound):
    """It ended, or never was, or is somebody else's."""

    code = "unknown-hold"

    def __init__(self) -> None:
        super().__init__(_("Diese Vormerkung gibt es nicht, oder nicht mehr."))


class Placed(msgspec.Struct, frozen=True):
    """A place in the queue, from 1; `ready_until` where a copy is here and was set aside at once."""

    id: int
    position: int
    ready_until: date | None
    already: bool = False


_QUEUE: Select[*tuple[Any, ...]] = (
    select(Hold.id, Hold.member_id, Hold.copy_id, Hold.ready_until, Hold.ready_at, Hold.placed_at)
    .where(Hold.title_id == bindparam("title_id"), Hold.ended_at.is_(None))
    .order_by(Hold.id)
)
_LOCK = select(Title.id).where(Title.id == bindparam("title_id")).with_for_update(key_share=True)


def queue_of(db: Session, title_id: int) -> Sequence[Row[*tuple[Any, ...]]]:
    """The open holds of a title, the first in line first, which nobody else changes until the transaction ends."""
    connection = db.connection()
    if has_many_writers(connection):
        connection.execute(_LOCK, {"title_id": title_id})
    return connection.execute(_QUEUE, {"title_id": title_id}).all()


# ---- Joining and leaving ----


def place(db: Session, title_id: int, member_id: int, now: datetime, today: date) -> Placed:
    """A place in the queue for a title; a copy that is here is set aside at once. Placing it again changes nothing.

    Raises NoSuchTitle, NoSuchMember, OwnLoan, NothingToWaitFor.
    """
    if not 0 < title_id <= LARGEST_ID or db.get(Title, title_id) is None:
        raise NoSuchTitle
    lock_copies(db, Copy.title_id == title_id)
    queue = queue_of(db, title_id)
    for position, hold in enumerate(queue, 1):
        if hold.member_id == member_id:
            return Placed(hold.id, position, hold.ready_until, already=True)
    _refuse_senseless(db, title_id, member_id)
    try:
        made = insert(Hold).values(title_id=title_id, member_id=member_id, placed_at=now).returning(Hold.id)
        hold_id = db.execute(made).scalar_one()
    except IntegrityError as error:
        if is_foreign_key_violation(error, "fk_hold_member_id"):
            raise NoSuchMember from error
        raise
    waiting = [hold for hold in queue if hold.copy_id is None]
    copy_id = None if waiting else _free_copy(db, title_id)
    until = _set_aside(db, hold_id, copy_id, now, today, on_shelf=True) if copy_id else None
    return Placed(hold_id, len(queue) + 1, until)


def _refuse_senseless(db: Session, title_id: int, member_id: int) -> None:
    copies = select(Copy.id).where(Copy.title_id == title_id)
    if has_on_loan(db, title_id, member_id):
        raise OwnLoan
    if not db.execute(copies.where(Copy.state != "withdrawn", ~Copy.is_reference).limit(1)).first():
        raise NothingToWaitFor


def cancel(db: Session, hold_id: int, now: datetime, today: date, member_id: int | None = None) -> None:
    """Leave the queue; the next one gets the copy that was set aside. With `member_id` only that member's own hold.

    Raises NoSuchHold.
    """
    hold = _open_hold(db, hold_id)
    if member_id not in (None, hold.member_id):
        raise NoSuchHold
    _end(db, hold, "cancelled", now, today)


def _open_hold(db: Session, hold_id: int) -> Row[*tuple[Any, ...]]:
    title_id = db.scalar(select(Hold.title_id).where(Hold.id == hold_id)) if 0 < hold_id <= LARGEST_ID else None
    found = [hold for hold in queue_of(db, title_id) if hold.id == hold_id] if title_id else []
    if not found:
        raise NoSuchHold
    return found[0]


def join_queues(db: Session, kept_id: int, gone_id: int, now: datetime, today: date) -> None:
    """Before two titles become one: whoever waits for both keeps the place that is ready, or else the older one; whoever has
    one of them waits for none."""
    lock_for_moving(db, [kept_id, gone_id])
    queues = {title_id: queue_of(db, title_id) for title_id in sorted((kept_id, gone_id))}
    theirs = {hold.member_id: hold for hold in queues[kept_id]}
    for hold in queues[gone_id]:
        other = theirs.get(hold.member_id)
        if other:
            _kept, gives_way = sorted((hold, other), key=lambda one: (one.copy_id is None, one.id))
            cancel(db, gives_way.id, now, today)
    for title_id, other_id in ((kept_id, gone_id), (gone_id, kept_id)):
        for hold in queue_of(db, title_id):
            if has_on_loan(db, other_id, hold.member_id):
                cancel(db, hold.id, now, today)


def lock_for_moving(db: Session, title_ids: Collection[int]) -> None:
    """Before copies move from one title to another: the library, because a merge locks it, too, and then all these copies.

    Raises NoSuchTitle for a number that no title can have.
    """
    if not all(0 < title_id <= LARGEST_ID for title_id in title_ids):
        raise NoSuchTitle
    library_for_change(db)
    lock_copies(db, Copy.title_id.in_(title_ids))


def part_queues(db: Session, title_ids: Collection[int], now: datetime, today: date) -> None:
    """After a title has become two again: for whomever a copy was set aside that is of the other title now, another one is, or
    they wait again in their old place."""
    strayed = []
    for title_id in sorted(title_ids):
        queue = {hold.id: hold for hold in queue_of(db, title_id)}
        elsewhere = select(Hold.id, Copy.title_id).join(Copy, Copy.id == Hold.copy_id)
        elsewhere = elsewhere.where(Hold.title_id == title_id, Copy.title_id != title_id)
        strayed += [(title_id, queue[hold_id], other_id) for hold_id, other_id in db.execute(elsewhere)]
    for _title_id, hold, _other_id in strayed:
        _wait_again(db, hold.id)
    for title_id, hold, other_id in strayed:
        _pass_on(db, other_id, hold, now, today)
        _serve_instead(db, title_id, hold, now, today)


def leave_all(db: Session, member_id: int, now: datetime, today: date) -> None:
    """Out of every queue, before a member is erased."""
    mine = select(Hold.id).where(Hold.member_id == member_id).order_by(Hold.title_id)
    for hold_id in db.scalars(mine).all():
        cancel(db, hold_id, now, today, member_id)


def expire(db: Session, now: datetime, today: date) -> int:
    """End what was kept long enough, tell whose it was, and serve the next. Returns how many."""
    over = select(Hold.id).where(Hold.ready_until < today, Hold.ended_at.is_(None)).order_by(Hold.title_id)
    ended = 0
    for hold_id in db.scalars(over).all():
        try:
            hold = _open_hold(db, hold_id)
        except NoSuchHold:
            continue
        if hold.ready_until is not None and hold.ready_until < today:
            notices.tell(db, hold.member_id, "hold_expired", None, now)
            _end(db, hold, "expired", now, today)
            ended += 1
    return ended


def serve_waiting(db: Session, now: datetime, today: date) -> int:
    """Set copies aside that came without a return: a new copy, one mended or found. Returns how many.

    What was set aside and has gone missing since, or may not be lent any more, is nobody's: they wait again, in their old place.
    """
    free = select(Copy.title_id).where(Copy.title_id == Hold.title_id, is_available()).exists()
    waiting = select(Hold.title_id).where(Hold.ended_at.is_(None), Hold.copy_id.is_(None), free)
    gone = select(Hold.title_id).join(Copy, Copy.id == Hold.copy_id).where(~may_be_lent())
    title_ids = sorted(set(db.scalars(waiting.union(gone))))
    served = 0
    # All copies first: whoever holds a queue asks for no copy any more.
    lock_copies(db, Copy.title_id.in_(title_ids))
    for title_id in title_ids:
        _let_go(db, title_id, now, today)
        while (copy_id := _free_copy(db, title_id)) and serve(db, title_id, copy_id, now, today, on_shelf=True):
            served += 1
    return served


def _let_go(db: Session, title_id: int, now: datetime, today: date) -> None:
    """Nothing is kept that is not to be had."""
    queue = queue_of(db, title_id)
    gone = select(Hold.id).join(Copy, Copy.id == Hold.copy_id).where(Hold.title_id == title_id, ~may_be_lent())
    not_to_be_had = set(db.scalars(gone))
    for hold in queue:
        if hold.id in not_to_be_had:
            _wait_again(db, hold.id)
            _serve_instead(db, title_id, hold, now, today)


def _serve_instead(
    db: Session, title_id: int, hold: Row[*tuple[Any, ...]], now: datetime, today: date, but: int | None = None
) -> bool:
    """Set other copies that are here aside, now that this hold has lost its own. Whether it waits all the same: then it is told."""
    while _is_waiting(db, hold.id) and (copy_id := _free_copy(db, title_id, but)):
        serve(db, title_id, copy_id, now, today, on_shelf=True)
    waits = _is_waiting(db, hold.id)
    if waits:
        notices.tell(db, hold.member_id, "hold_moved", None, now)
    return waits


def _is_waiting(db: Session, hold_id: int) -> bool:
    return bool(db.scalar(select(Hold.id).where(Hold.id == hold_id, Hold.ended_at.is_(None), Hold.copy_id.is_(None))))


# ---- At the desk ----


def serve(db: Session, title_id: int, copy_id: int, now: datetime, today: date, on_shelf: bool = False) -> date | None:
    """Set a copy that is here aside for the first who waits; returns until when, None when nobody does. `on_shelf`: it stays in
    its shelf, because nobody has it in their hands to put it into the pick-up shelf."""
    for hold in queue_of(db, title_id):
        if hold.copy_id is None:
            until = _set_aside(db, hold.id, copy_id, now, today, on_shelf)
            notices.tell(db, hold.member_id, "hold_ready", until, now)
            return until
    return None


def kept_until(db: Session, copy_id: int) -> date | None:
    """Until when a copy is kept for somebody."""
    return db.scalar(select(Hold.ready_until).where(Hold.copy_id == copy_id))


class AtLoan(msgspec.Struct, frozen=True):
    """What a loan does to the queue: whose hold was fulfilled by it (`fulfilled`), and whether it passes somebody over."""

    fulfilled: int | None
    passes_over: bool


def at_loan(
    db: Session, title_id: int, copy_id: int, member_id: int, is_lendable: bool, now: datetime, today: date
) -> AtLoan:
    """A copy of a title for which people wait is taken by this member. The caller has locked the copy.

    Their own hold is fulfilled. For whomever the copy was set aside another one is, if there is one; else they wait again,
    in their old place.
    """
    queue = queue_of(db, title_id)
    mine = next((hold for hold in queue if hold.member_id == member_id), None)
    other = next((hold for hold in queue if hold.copy_id == copy_id and hold is not mine), None)
    if other:
        _wait_again(db, other.id)
    if mine:
        _close(db, mine.id, "fulfilled", now)
        if mine.copy_id not in (None, copy_id):
            _pass_on(db, title_id, mine, now, today)
    if other is None:
        waiting = any(hold.copy_id is None and hold is not mine for hold in queue)
        return AtLoan(mine.id if mine else None, is_lendable and mine is None and waiting)
    waits_again = _serve_instead(db, title_id, other, now, today, but=copy_id)
    return AtLoan(mine.id if mine else None, waits_again)


def take_back_return(db: Session, title_id: int, copy_id: int, member_id: int, now: datetime, today: date) -> None:
    """A return was undone: for whomever it was set aside waits again, in their old place, and whoever has it again need not."""
    for hold in queue_of(db, title_id):
        if hold.copy_id == copy_id:
            _wait_again(db, hold.id)
            if not notices.untell(db, hold.member_id, "hold_ready", hold.ready_until):
                notices.tell(db, hold.member_id, "hold_moved", None, now)
    for hold in queue_of(db, title_id):
        if hold.member_id == member_id:
            _end(db, hold, "fulfilled", now, today)


def take_back_fulfilment(
    db: Session, title_id: int, hold_id: int, member_id: int, copy_id: int, now: datetime, today: date
) -> None:
    """A loan was undone: the hold that it fulfilled is open again in its old place, and the copy set aside for the first who waits.

    Whoever has another copy of the title by now waits for none.
    """
    queue = queue_of(db, title_id)
    if any(hold.member_id == member_id for hold in queue) or has_on_loan(db, title_id, member_id, but=copy_id):
        return
    again = {"ended_at": None, "ended_as": None, "member_id": member_id}
    db.execute(update(Hold).where(Hold.id == hold_id, Hold.ended_as == "fulfilled").values(again))
    first = next((hold for hold in queue_of(db, title_id) if hold.copy_id is None), None)
    if first is not None and first.id == hold_id and is_free(db, copy_id):
        # They know: it was in their hands just now.
        _set_aside(db, hold_id, copy_id, now, today)


def has_on_loan(db: Session, title_id: int, member_id: int, but: int | None = None) -> bool:
    """Whether a member has a copy of this title, other than the copy `but`."""
    theirs = select(Loan.id).join(Borrower).join(Copy, Copy.id == Loan.copy_id)
    theirs = theirs.where(Copy.title_id == title_id, Loan.returned_at.is_(None), Borrower.member_id == member_id)
    return db.scalar(select(theirs.where(Copy.id != (but or 0)).exists())) or False


def is_free(db: Session, copy_id: int) -> bool:
    """Whether a copy could be set aside now."""
    return bool(db.scalar(select(Copy.id).where(Copy.id == copy_id, is_available())))


def _free_copy(db: Session, title_id: int, but: int | None = None) -> int | None:
    free = select(Copy.id).where(Copy.title_id == title_id, is_available())
    if but is not None:
        free = free.where(Copy.id != but)
    return db.scalars(free.order_by(Copy.id).limit(1)).first()


def _set_aside(db: Session, hold_id: int, copy_id: int, now: datetime, today: date, on_shelf: bool = False) -> date:
    until = terms(db).kept_until(today)
    ready_at = Hold.placed_at if on_shelf else now
    db.execute(update(Hold).where(Hold.id == hold_id).values(copy_id=copy_id, ready_at=ready_at, ready_until=until))
    return until


def _wait_again(db: Session, hold_id: int) -> None:
    db.execute(update(Hold).where(Hold.id == hold_id).values(copy_id=None, ready_at=None, ready_until=None))


def _end(db: Session, hold: Row[*tuple[Any, ...]], ended_as: str, now: datetime, today: date) -> None:
    title_id = db.scalar(select(Hold.title_id).where(Hold.id == hold.id)) or 0
    _close(db, hold.id, ended_as, now)
    if hold.copy_id is not None:
        _pass_on(db, title_id, hold, now, today)


def _close(db: Session, hold_id: int, ended_as: str, now: datetime) -> None:
    over = {"member_id": None, "copy_id": None, "ready_at": None, "ready_until": None}
    db.execute(update(Hold).where(Hold.id == hold_id).values(ended_at=now, ended_as=ended_as, **over))


def _pass_on(db: Session, title_id: int, hold: Row[*tuple[Any, ...]], now: datetime, today: date) -> None:
    """The copy set aside for a hold that ended goes to the next in line, else back into its shelf."""
    if not is_free(db, hold.copy_id):
        # It has gone missing, is in repair, or is to stay here: nobody is to be sent for it.
        return
    on_shelf = hold.ready_at == hold.placed_at
    if serve(db, title_id, hold.copy_id, now, today, on_shelf) is None and not on_shelf:
        flags.put_up(db, "put_back", hold.copy_id, now)


# ---- Asking ----


def count_open_holds(db: Session) -> int:
    return db.scalar(select(func.count()).select_from(Hold).where(Hold.ended_at.is_(None))) or 0


def open_holds(db: Session, offset: int = 0, limit: int = 50) -> Sequence[Row[*tuple[Any, ...]]]:
    """Who waits for what, with title, member's name, and the copy set aside with its shelf. First what is kept ready, the first
    to end first; then the rest in the order of titles and of their queues. For librarians."""
    order = (Hold.copy_id.is_(None), Hold.ready_until, Title.sort_title, Hold.title_id, Hold.id)
    # First which ones, then what belongs to them.
    some = select(Hold.id).join(Title, Title.id == Hold.title_id).where(Hold.ended_at.is_(None)).order_by(*order)
    query = (
        select(
            Hold.id,
            Hold.title_id,
            Title.title,
            Member.name.label("member"),
            Hold.placed_at,
            Hold.copy_id,
            Copy.code,
            Shelf.name.label("shelf"),
            Hold.ready_at,
            Hold.ready_until,
        )
        .join(Title, Title.id == Hold.title_id)
        .join(Member, Member.id == Hold.member_id)
        .outerjoin(Copy, Copy.id == Hold.copy_id)
        .outerjoin(Shelf, Shelf.id == Copy.shelf_id)
        .where(Hold.id.in_(some.offset(offset).limit(limit)))
        .order_by(*order)
    )
    return db.execute(query).all()
