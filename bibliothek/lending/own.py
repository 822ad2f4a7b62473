"""What a member sees of their own loans and holds, in as many questions to the database for one as for twenty."""

from __future__ import annotations

from datetime import date

import msgspec
from sqlalchemy import exists, func, select
from sqlalchemy.orm import Session, aliased

from bibliothek.catalogue.models import Title, TitleMaterial
from bibliothek.copies.models import Copy, Shelf
from bibliothek.lending import rules
from bibliothek.lending.models import Borrower, Flag, Hold, Loan, Notice, Renewal
from bibliothek.lending.terms import terms
from bibliothek.lending.wording import notice_sentence, why_not_renew
from bibliothek.members.models import GroupMember


class OwnLoan(msgspec.Struct, frozen=True):
    """A book at home. `renewed_until` is the date that renewing it would give, or None, and then `why` says why not.

    `is_reported`: its reader has said that they do not find it, and the librarians have not settled that yet.
    """

    id: int
    code: str
    title_id: int
    title: str
    due_on: date
    renewed_until: date | None
    why: str | None
    is_reported: bool


class OwnHold(msgspec.Struct, frozen=True):
    """A place in a queue, from 1. `ready_until` once a copy is set aside: on its `shelf` still, or on the pick-up shelf."""

    id: int
    title_id: int
    title: str
    position: int
    ready_until: date | None
    is_on_its_shelf: bool
    shelf: str | None


def own_loans(db: Session, member_id: int, today: date) -> list[OwnLoan]:
    """What a member has at home, the first due first."""
    times = select(func.count()).where(Renewal.loan_id == Loan.id, Renewal.kind == "renewal")
    waiting = exists().where(
        Hold.title_id == Title.id, Hold.ended_at.is_(None), Hold.copy_id.is_(None), Hold.member_id != member_id
    )
    reported = exists().where(
        Flag.copy_id == Copy.id, Flag.kind == "lost", Flag.settled_at.is_(None), Flag.raised_at >= Loan.lent_at
    )
    query = (
        select(
            Loan.id,
            Copy.code,
            Title.id.label("title_id"),
            Title.title,
            Loan.due_on,
            TitleMaterial.material_id,
            times.scalar_subquery().label("times"),
            waiting.label("is_waited_for"),
            reported.label("is_reported"),
        )
        .join_from(Borrower, Loan, Loan.id == Borrower.loan_id)
        .join(Copy, Copy.id == Loan.copy_id)
        .join(Title, Title.id == Copy.title_id)
        .outerjoin(TitleMaterial, TitleMaterial.title_id == Title.id)
        .where(Borrower.member_id == member_id, Loan.returned_at.is_(None))
        .order_by(Loan.due_on, Loan.id)
    )
    all_terms = terms(db)
    group_id = db.scalar(select(GroupMember.group_id).where(GroupMember.member_id == member_id))
    found = []
    for row in db.execute(query):
        policy = all_terms.policy(group_id, row.material_id)
        until = all_terms.renewed_until(today, row.due_on, policy)
        why = rules.why_not_renew(policy, row.times, row.is_waited_for, row.due_on, until)
        said = why_not_renew(why, row.due_on, policy.renewals) if why else None
        renewed_until = None if why else until
        found.append(
            OwnLoan(row.id, row.code, row.title_id, row.title, row.due_on, renewed_until, said, row.is_reported)
        )
    return found


def own_holds(db: Session, member_id: int, title_id: int | None = None) -> list[OwnHold]:
    """What a member waits for, the oldest first; of one title, if it is given."""
    before = aliased(Hold)
    position = select(func.count()).where(
        before.title_id == Hold.title_id, before.ended_at.is_(None), before.id <= Hold.id
    )
    query = (
        select(
            Hold.id,
            Title.id,
            Title.title,
            position.scalar_subquery(),
            Hold.ready_until,
            func.coalesce(Hold.ready_at == Hold.placed_at, False),
            Shelf.name,
        )
        .join(Title, Title.id == Hold.title_id)
        .outerjoin(Copy, Copy.id == Hold.copy_id)
        .outerjoin(Shelf, Shelf.id == Copy.shelf_id)
        .where(Hold.member_id == member_id)
        .order_by(Hold.id)
    )
    if title_id is not None:
        query = query.where(Hold.title_id == title_id)
    return [OwnHold(*row) for row in db.execute(query)]


def count_waiting(db: Session, title_id: int) -> int:
    """How many wait for a title, or have a copy set aside."""
    return db.scalar(select(func.count(Hold.id)).where(Hold.title_id == title_id, Hold.ended_at.is_(None))) or 0


def would_be_due(db: Session, member_id: int, title_id: int, today: date) -> date:
    """When a copy of this title would be due if the member took it now."""
    all_terms = terms(db)
    if not all_terms.rules:
        return all_terms.due_on(today)
    group_id = db.scalar(select(GroupMember.group_id).where(GroupMember.member_id == member_id))
    material_id = db.scalar(select(TitleMaterial.material_id).where(TitleMaterial.title_id == title_id))
    return all_terms.due_on(today, all_terms.policy(group_id, material_id))


class OwnNotices(msgspec.Struct, frozen=True):
    """What a member is still to be told, in sentences; `last_id` is the number of the last of these notices."""

    sentences: list[str]
    last_id: int


def own_notices(db: Session, member_id: int) -> OwnNotices:
    """What a member is still to be told."""
    query = select(Notice.id, Notice.kind, Notice.day).where(Notice.member_id == member_id).order_by(Notice.id)
    rows = db.execute(query).all()
    # What was ready has been fetched in the meantime, or is wanted no more.
    is_over = db.scalar(select(~exists().where(Hold.member_id == member_id, Hold.copy_id.is_not(None))))
    news = [row for row in rows if not (is_over and row.kind == "hold_ready")]
    sentences = list(dict.fromkeys(notice_sentence(row.kind, row.day) for row in news))
    return OwnNotices(sentences, rows[-1].id if rows else 0)
