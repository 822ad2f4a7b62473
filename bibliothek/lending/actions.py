"""Lend, give back, renew, and undo what was just done. Each runs inside the caller's one transaction.

This is the busiest code of the library, so it speaks SQLAlchemy Core with statements built once: the same as ORM entities
at a third of the work.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any, Protocol

import msgspec
from sqlalchemy import Connection, Row, Select, bindparam, delete, exists, func, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from bibliothek import tally
from bibliothek.catalogue.models import TitleMaterial
from bibliothek.copies.actions import write_down
from bibliothek.copies.models import Copy
from bibliothek.copies.queries import UnknownCopy
from bibliothek.db import LARGEST_ID, has_many_writers, is_foreign_key_violation, is_unique_violation
from bibliothek.i18n import _
from bibliothek.lending import flags, holds, notices, rules
from bibliothek.lending.models import Borrower, Hold, Loan, Renewal
from bibliothek.lending.queries import LENDABLE
from bibliothek.lending.terms import COLUMNS, terms_of
from bibliothek.lending.wording import why_not_renew
from bibliothek.library.models import Library
from bibliothek.library.queries import library_for_change
from bibliothek.members.models import Card, GroupMember, Member
from bibliothek.members.queries import NoSuchMember, UnknownCard
from bibliothek.problems import NotFound, Problem
from bibliothek.tokens import hashed


class CopyOnLoan(Problem):
    """Somebody else has the copy. Who, is nobody's business."""

    code = "copy-on-loan"

    def __init__(self) -> None:
        super().__init__(_("Dieses Exemplar hat gerade ein anderes Mitglied ausgeliehen."))


class CopyWithdrawn(Problem):
    """The copy does not belong to the library any more."""

    code = "copy-withdrawn"

    def __init__(self) -> None:
        super().__init__(_("Dieses Exemplar gehört nicht mehr zum Bestand. Leg es der Betreuung hin."))


class NoSuchLoan(NotFound):
    """The loan was ended, or never was."""

    code = "unknown-loan"

    def __init__(self) -> None:
        super().__init__(_("Diese Ausleihe ist schon beendet."))


class NotRenewed(Problem):
    """A loan that keeps its date, and why."""

    code = "not-renewed"

    def __init__(self, why: rules.Refusal, due_on: date, times: int) -> None:
        super().__init__(why_not_renew(why, due_on, times), reason=why)


class TooLateToUndo(Problem):
    """More than a moment has passed, or something else has happened to the copy since."""

    code = "too-late-to-undo"

    def __init__(self) -> None:
        super().__init__(_("Das lässt sich nicht mehr zurücknehmen."))


# The number of no loan: whoever gives back a copy with it ends none.
NOTHING = 0


class HasId(Protocol):
    """A Copy or Member, or any row with its number."""

    @property
    def id(self) -> int: ...


class OpenLoan(msgspec.Struct, frozen=True):
    """A loan as lending knows it; `due_on` is a local date."""

    id: int
    copy_id: int
    due_on: date


class Lent(msgspec.Struct, frozen=True):
    """A loan, and whether it was there before: lending somebody what they have already changes nothing.

    `notes` are to be said to the member (`wording.note_sentences`). `fulfilled` is the hold that it fulfilled.
    """

    loan: OpenLoan
    already: bool
    notes: tuple[rules.Note, ...] = ()
    fulfilled: int | None = None


class GivenBack(msgspec.Struct, frozen=True):
    """What came back. `loan_id` is None, and `already` true, when the copy was not on loan.

    `kept_until` is the date until which it is set aside now for somebody who waits for it; `state` is that of the copy.
    """

    loan_id: int | None
    already: bool
    kept_until: date | None = None
    state: str = "active"


class Renewed(msgspec.Struct, frozen=True):
    """The new date of a loan, and how often it may be renewed after this."""

    loan_id: int
    due_on: date
    left: int


# All that decides about a copy in one statement.
_ALL = (
    select(
        Copy.id.label("copy_id"),
        Copy.title_id,
        Copy.state,
        Copy.is_reference,
        Loan.id.label("loan_id"),
        Loan.lent_at,
        Loan.due_on,
        Borrower.member_id,
        Member.guest_contact,
        exists().where(Hold.title_id == Copy.title_id, Hold.ended_at.is_(None)).label("is_waited_for"),
        select(TitleMaterial.material_id)
        .where(TitleMaterial.title_id == Copy.title_id)
        .scalar_subquery()
        .label("material_id"),
        *COLUMNS,
    )
    .select_from(Copy)
    .join(Library, Library.id == 1)
    .outerjoin(Loan, (Loan.copy_id == Copy.id) & Loan.returned_at.is_(None))
    .outerjoin(Borrower, Borrower.loan_id == Loan.id)
    .outerjoin(Member, Member.id == Borrower.member_id)
)
_DESK: Select[*tuple[Any, ...]] = _ALL.where(Copy.id == bindparam("copy_id"))
# The same found by what was scanned, with who holds the card.
_SCANNED = _ALL.add_columns(
    select(Card.member_id)
    .where(Card.code_hash == bindparam("card_hash"), Card.revoked_at.is_(None))
    .scalar_subquery()
    .label("card_of")
).where(Copy.code == bindparam("code"))
# On its own and before the rest: PostgreSQL reads what it locks anew, but not the loans joined to it, so whoever waited
# for the lock in one statement with them would decide by the loans of before.
_LOCK = select(Copy.id).where(Copy.id == bindparam("copy_id")).with_for_update(key_share=True)
_LOCK_SCANNED = select(Copy.id).where(Copy.code == bindparam("code")).with_for_update(key_share=True)
_OF_LOAN = select(Loan.copy_id).where(Loan.id == bindparam("loan_id"), Loan.returned_at.is_(None))
# Who asks: their group, how many books they have, and how many of those are of the material in question.
_MEMBER = (
    select(
        select(GroupMember.group_id).where(GroupMember.member_id == bindparam("member_id")).scalar_subquery(),
        func.count(),
        func.count(TitleMaterial.title_id),
    )
    .select_from(Borrower)
    .join(Loan, (Loan.id == Borrower.loan_id) & Loan.returned_at.is_(None))
    .join(Copy, Copy.id == Loan.copy_id)
    .outerjoin(
        TitleMaterial,
        (TitleMaterial.title_id == Copy.title_id) & (TitleMaterial.material_id == bindparam("material_id")),
    )
    .where(Borrower.member_id == bindparam("member_id"))
)
_OPEN = insert(Loan).returning(Loan.id)
_BORROWER = insert(Borrower)
_SEEN = update(Copy).where(Copy.id == bindparam("copy")).values(seen_at=bindparam("now"))
_SEEN_AS = _SEEN.values(state=bindparam("as"))
_CLOSE = update(Loan).where(Loan.id == bindparam("loan")).values(returned_at=bindparam("now"))
_FORGET = delete(Borrower).where(Borrower.loan_id == bindparam("loan_id"))
_FORGET_LATER = update(Borrower).where(Borrower.loan_id == bindparam("loan")).values(forget_at=bindparam("then"))


# ---- Lending ----


def lend(db: Session, copy: HasId, member: HasId, now: datetime, today: date) -> Lent:
    """Lend `copy` to `member` from `now`, by the library's rules counted from `today`. Recorded first, sorted out later: what
    speaks against it becomes a note for the member and a flag for the librarians.

    Raises CopyOnLoan when somebody else has it, CopyWithdrawn, NoSuchMember for somebody who was erased just now.
    """
    return _lend(db, _desk(db.connection(), copy.id), member.id, now, today)


def lend_scanned(db: Session, code: str, card: str, now: datetime, today: date) -> Lent:
    """The same for the codes of a copy and of a card, as `codes.read` gives them, in two statements less.

    Raises UnknownCopy and UnknownCard, too.
    """
    connection = db.connection()
    if has_many_writers(connection):
        connection.execute(_LOCK_SCANNED, {"code": code})
    desk = connection.execute(_SCANNED, {"code": code, "card_hash": hashed(card)}).first()
    if desk is None:
        raise UnknownCopy(code)
    if desk.card_of is None:
        raise UnknownCard
    return _lend(db, desk, desk.card_of, now, today)


def _lend(db: Session, desk: Row[*tuple[Any, ...]], member_id: int, now: datetime, today: date) -> Lent:
    if desk.state == "withdrawn":
        raise CopyWithdrawn
    if desk.loan_id is not None:
        if desk.member_id == member_id:
            return Lent(OpenLoan(desk.loan_id, desk.copy_id, desk.due_on), already=True)
        raise CopyOnLoan
    connection = db.connection()
    due_on, too_many = _conditions(connection, desk, member_id, today)
    queue = _leave_queue(db, desk, member_id, now, today)
    try:
        loan_id = connection.execute(_OPEN, {"copy_id": desk.copy_id, "lent_at": now, "due_on": due_on}).scalar_one()
    except IntegrityError as error:
        # The last guard, should the lock above ever fail: the database refuses a second open loan.
        if is_unique_violation(error, "one_open_loan_per_copy", "loan.copy_id"):
            raise CopyOnLoan from error
        raise
    _note_borrower(connection, loan_id, member_id)
    _see(db, desk, now, is_lent=True)
    notes = rules.notes(desk.state, desk.is_reference, too_many, queue.passes_over)
    for note in notes:
        flags.put_up(db, note, desk.copy_id, now)
    tally.count("lending", "loan")
    return Lent(OpenLoan(loan_id, desk.copy_id, due_on), False, notes, queue.fulfilled)


def _conditions(connection: Connection, desk: Row[*tuple[Any, ...]], member_id: int, today: date) -> tuple[date, bool]:
    """When the loan is due, and whether it is one too many."""
    terms = terms_of(connection, desk)
    if not terms.ask_who:
        return terms.due_on(today), False
    wanted = {"member_id": member_id, "material_id": desk.material_id}
    group_id, loans, of_material = connection.execute(_MEMBER, wanted).one()
    policy = terms.policy(group_id, desk.material_id)
    return terms.due_on(today, policy), rules.is_over_limit(policy, loans, of_material)


def _leave_queue(db: Session, desk: Row[*tuple[Any, ...]], member_id: int, now: datetime, today: date) -> holds.AtLoan:
    if not desk.is_waited_for:
        return holds.AtLoan(None, False)
    is_lendable = desk.state in LENDABLE and not desk.is_reference
    return holds.at_loan(db, desk.title_id, desk.copy_id, member_id, is_lendable, now, today)


def _note_borrower(connection: Connection, loan_id: int, member_id: int) -> None:
    try:
        connection.execute(_BORROWER, {"loan_id": loan_id, "member_id": member_id})
    except IntegrityError as error:
        # Erased since their card was read.
        if is_foreign_key_violation(error, "fk_borrower_member_id"):
            raise NoSuchMember from error
        raise


def see(db: Session, copy: HasId, now: datetime) -> None:
    """The copy was in somebody's hands, and nothing else happened to it."""
    _see(db, _desk(db.connection(), copy.id), now)


def _see(db: Session, desk: Row[*tuple[Any, ...]], now: datetime, is_lent: bool = False) -> None:
    """The copy was in somebody's hands: whoever believed it missing was wrong, and what is lent is no longer being taken in."""
    if desk.state == "missing":
        write_down(db, desk.copy_id, "found", now, None)
    becomes_active = desk.state == "missing" or (is_lent and desk.state == "intake")
    values = {"copy": desk.copy_id, "now": now}
    db.connection().execute(*((_SEEN_AS, values | {"as": "active"}) if becomes_active else (_SEEN, values)))


def take_over(
    db: Session,
    copy: HasId,
    member: HasId,
    now: datetime,
    today: date,
    loan_id: int,
    undo_within: timedelta | None = None,
) -> Lent:
    """Lend `copy` to the member who holds it in their hands: the loan `loan_id` of whoever had it before ends as if they had
    returned it, and they are told. `undo_within` as of `give_back`.

    Raises CopyOnLoan when a third person has got it since, CopyWithdrawn.
    """
    desk = _desk(db.connection(), copy.id)
    if desk.loan_id == loan_id and desk.member_id != member.id:
        notices.tell(db, desk.member_id, "taken_over", None, now)
        _close(db, desk, now, undo_within)
    return lend(db, copy, member, now, today)


# ---- Giving back ----


def give_back(
    db: Session,
    copy: HasId,
    now: datetime,
    today: date,
    loan_id: int | None = None,
    undo_within: timedelta | None = None,
) -> GivenBack:
    """Take `copy` back, whoever brings it, and set it aside for the first who waits. A copy believed missing is found.

    The link to the borrower is cut at once (the library forgets), or after `undo_within`. With `loan_id` only that loan is ended:
    a button that is pressed late must not end a later one.
    """
    desk = _desk(db.connection(), copy.id)
    if desk.loan_id is None:
        _see(db, desk, now)
        kept = holds.kept_until(db, desk.copy_id) if desk.is_waited_for else None
        return GivenBack(None, True, kept, _state_now(desk))
    if loan_id not in (None, desk.loan_id):
        return GivenBack(None, True, None, desk.state)
    _close(db, desk, now, undo_within)
    tally.count("lending", "return")
    _see(db, desk, now)
    state = _state_now(desk)
    goes_on = desk.is_waited_for and state in LENDABLE and not desk.is_reference
    kept = holds.serve(db, desk.title_id, desk.copy_id, now, today) if goes_on else None
    return GivenBack(desk.loan_id, False, kept, state)


def _state_now(desk: Row[*tuple[Any, ...]]) -> str:
    return "active" if desk.state == "missing" else str(desk.state)


def _close(db: Session, desk: Row[*tuple[Any, ...]], now: datetime, undo_within: timedelta | None = None) -> None:
    connection = db.connection()
    connection.execute(_CLOSE, {"loan": desk.loan_id, "now": now})
    if undo_within:
        connection.execute(_FORGET_LATER, {"loan": desk.loan_id, "then": now + undo_within})
        return
    _forget_at_once(db, desk)


def forget_returned(db: Session, now: datetime) -> None:
    """Cut the links to borrowers whose return can no longer be undone."""
    over = Borrower.forget_at <= now
    guests = select(Member.id).join(Borrower).where(over, Member.guest_contact.is_not(None))
    guest_ids = db.scalars(guests.order_by(Member.id)).all()
    db.execute(delete(Borrower).where(over))
    forget_guests(db, guest_ids)


def forget_guests(db: Session, member_ids: Sequence[int]) -> None:
    """Erase those of these guests who have nothing at home any more."""
    has_books = exists().where(Borrower.member_id == Member.id)
    if member_ids:
        db.execute(delete(Member).where(Member.id.in_(member_ids), Member.guest_contact.is_not(None), ~has_books))


def leave(db: Session, member_id: int, now: datetime, today: date) -> None:
    """Before somebody is erased: out of every queue, and without the half minute in which a return could be undone."""
    # Whoever erases locks the library, too: so here, before any queue, as whoever changes the calendar does.
    library_for_change(db)
    holds.leave_all(db, member_id, now, today)
    db.execute(delete(Borrower).where(Borrower.member_id == member_id, Borrower.forget_at.is_not(None)))


def lose(
    db: Session, loan_id: int, now: datetime, by_id: int | None, note: str | None = None, photo: str | None = None
) -> int:
    """The book will not come back: the loan ends, the copy counts as missing. Returns the copy's number. Raises NoSuchLoan."""
    desk = _desk_of(db, loan_id)
    _close(db, desk, now)
    db.execute(update(Loan).where(Loan.id == loan_id).values(ended_as="lost"))
    db.execute(update(Copy).where(Copy.id == desk.copy_id, Copy.state != "withdrawn").values(state="missing"))
    write_down(db, desk.copy_id, "lost", now, by_id, note, photo)
    return int(desk.copy_id)


# ---- Renewing ----


def renew(db: Session, loan_id: int, now: datetime, today: date, member_id: int | None = None) -> Renewed:
    """Move the due date of a loan by the library's rules. With `member_id` only that member's own loan.

    Raises NoSuchLoan, and NotRenewed with the reason when somebody waits, or it was renewed often enough.
    """
    desk = _desk_of(db, loan_id)
    if member_id not in (None, desk.member_id):
        raise NoSuchLoan
    policy, times, until, why = _renewal(db, desk, today)
    if why:
        raise NotRenewed(why, desk.due_on, policy.renewals)
    moved = {"kind": "renewal", "at": now, "due_before": desk.due_on, "due_on": until}
    db.execute(insert(Renewal).values(loan_id=loan_id, **moved))
    db.execute(update(Loan).where(Loan.id == loan_id).values(due_on=until))
    tally.count("lending", "renewal")
    return Renewed(loan_id, until, policy.renewals - times - 1)


def may_renew(db: Session, loan_id: int, today: date) -> tuple[date, rules.Refusal | None, int]:
    """The date that a loan would get by renewing it `today`, why it would be refused, and how often it may be renewed at all.

    Raises NoSuchLoan.
    """
    policy, _times, until, why = _renewal(db, _desk_of(db, loan_id, lock=False), today)
    return until, why, policy.renewals


def _renewal(
    db: Session, desk: Row[*tuple[Any, ...]], today: date
) -> tuple[rules.Policy, int, date, rules.Refusal | None]:
    connection = db.connection()
    terms = terms_of(connection, desk)
    wanted = {"member_id": desk.member_id, "material_id": desk.material_id}
    policy = terms.policy(connection.execute(_MEMBER, wanted).one()[0], desk.material_id)
    times = select(func.count(Renewal.id)).where(Renewal.loan_id == desk.loan_id, Renewal.kind == "renewal")
    waiting = exists().where(
        Hold.title_id == desk.title_id,
        Hold.ended_at.is_(None),
        Hold.copy_id.is_(None),
        Hold.member_id != desk.member_id,
    )
    renewed, is_waited_for = db.execute(select(times.scalar_subquery(), waiting)).one()
    until = terms.renewed_until(today, desk.due_on, policy)
    return policy, renewed, until, rules.why_not_renew(policy, renewed, is_waited_for, desk.due_on, until)


# ---- Undoing ----


def undo_loan(db: Session, loan_id: int, now: datetime, today: date, fulfilled: int | None = None) -> None:
    """The loan was a mistake: it ends as undone, which no count takes for a loan. The hold `fulfilled` by it is open again, and
    the copy is set aside for the first who waits.

    Raises TooLateToUndo when it has ended.
    """
    desk = _end_as_undone(db, loan_id, now)
    if fulfilled is not None:
        holds.take_back_fulfilment(db, desk.title_id, fulfilled, desk.member_id, desk.copy_id, now, today)
    if (desk.is_waited_for or fulfilled is not None) and holds.is_free(db, desk.copy_id):
        holds.serve(db, desk.title_id, desk.copy_id, now, today)
    _forget_at_once(db, desk)


def _end_as_undone(db: Session, loan_id: int, now: datetime) -> Row[*tuple[Any, ...]]:
    try:
        desk = _desk_of(db, loan_id)
    except NoSuchLoan as problem:
        raise TooLateToUndo from problem
    db.execute(update(Loan).where(Loan.id == loan_id).values(returned_at=now, ended_as="undone"))
    flags.take_down(db, desk.copy_id, desk.lent_at)
    notices.take_back(db, "hold_moved", desk.lent_at)
    write_down(db, desk.copy_id, "undone", now, None)
    # Whoever is lent a copy that is still being taken in makes it active; this one never was.
    others = exists().where(Loan.copy_id == desk.copy_id, Loan.ended_as.is_distinct_from("undone"))
    still_taken_in = (Copy.id == desk.copy_id) & (Copy.state == "active") & Copy.labelled_at.is_(None) & ~others
    db.execute(update(Copy).where(still_taken_in).values(state="intake"))
    return desk


def _forget_at_once(db: Session, desk: Row[*tuple[Any, ...]]) -> None:
    db.connection().execute(_FORGET, {"loan_id": desk.loan_id})
    if desk.guest_contact is not None:
        forget_guests(db, [desk.member_id])


def undo_return(db: Session, loan_id: int, now: datetime, today: date) -> OpenLoan:
    """The return was a mistake: the loan goes on as it was. Raises TooLateToUndo after `undo_within`, when somebody else has
    borrowed the copy since, or when it was withdrawn."""
    found = db.execute(select(Loan.copy_id, Loan.due_on).where(Loan.id == loan_id)).first()
    if found is None:
        raise TooLateToUndo
    desk = _desk(db.connection(), found.copy_id)
    member_id = db.scalar(select(Borrower.member_id).where(Borrower.loan_id == loan_id, Borrower.forget_at > now))
    later = exists().where(Loan.copy_id == desk.copy_id, Loan.id > loan_id, Loan.ended_as.is_distinct_from("undone"))
    if member_id is None or desk.state == "withdrawn" or db.scalar(select(later)):
        raise TooLateToUndo
    if desk.is_waited_for:
        holds.take_back_return(db, desk.title_id, desk.copy_id, member_id, now, today)
    db.execute(update(Loan).where(Loan.id == loan_id).values(returned_at=None, ended_as=None))
    db.execute(update(Borrower).where(Borrower.loan_id == loan_id).values(forget_at=None))
    write_down(db, desk.copy_id, "undone", now, None)
    return OpenLoan(loan_id, found.copy_id, found.due_on)


def undo_take_over(
    db: Session, lent: int, returned: int, now: datetime, today: date, fulfilled: int | None = None
) -> None:
    """Both loans are as they were before `take_over`, and the hold `fulfilled` by it is open again. Raises TooLateToUndo."""
    borrower = db.scalar(select(Borrower.member_id).where(Borrower.loan_id == returned, Borrower.forget_at > now))
    if borrower is None:
        raise TooLateToUndo
    desk = _end_as_undone(db, lent, now)
    # Before the hold: the copy is nobody's meanwhile, and must not be set aside for a moment.
    undo_return(db, returned, now, today)
    if fulfilled is not None:
        holds.take_back_fulfilment(db, desk.title_id, fulfilled, desk.member_id, desk.copy_id, now, today)
    _forget_at_once(db, desk)
    notices.untell(db, borrower, "taken_over", None)


def undo_renewal(db: Session, loan_id: int, renewed_until: date) -> date:
    """The loan has the date again that it had before its last renewal, which led to `renewed_until`. Raises TooLateToUndo."""
    try:
        desk = _desk_of(db, loan_id)
    except NoSuchLoan as problem:
        raise TooLateToUndo from problem
    last = db.scalars(select(Renewal).where(Renewal.loan_id == loan_id).order_by(Renewal.id.desc()).limit(1)).first()
    if last is None or last.kind != "renewal" or last.due_on != renewed_until or desk.due_on != renewed_until:
        raise TooLateToUndo
    before = last.due_before
    db.execute(update(Loan).where(Loan.id == loan_id).values(due_on=before))
    db.delete(last)
    db.flush()
    return before


# ---- The desk ----


def _desk(connection: Connection, copy_id: int, lock: bool = True) -> Row[*tuple[Any, ...]]:
    """What decides about the copy, which nobody else changes until the transaction ends."""
    if lock and has_many_writers(connection):
        connection.execute(_LOCK, {"copy_id": copy_id})
    desk: Row[*tuple[Any, ...]] = connection.execute(_DESK, {"copy_id": copy_id}).one()
    return desk


def _desk_of(db: Session, loan_id: int, lock: bool = True) -> Row[*tuple[Any, ...]]:
    """The same for the copy of an open loan. Raises NoSuchLoan."""
    connection = db.connection()
    known = 0 < loan_id <= LARGEST_ID
    copy_id = connection.execute(_OF_LOAN, {"loan_id": loan_id}).scalar() if known else None
    desk = _desk(connection, copy_id, lock) if copy_id is not None else None
    if desk is None or desk.loan_id != loan_id:
        raise NoSuchLoan
    return desk
