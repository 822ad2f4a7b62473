"""What members are still to be told: written down with what it is about, and mailed by the next round, all in one.

Adding, lending and returning send no mail by themselves: they only write a notice.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from datetime import date, datetime, timedelta
from functools import partial

import msgspec
from sqlalchemy import delete, insert, select, update
from sqlalchemy.orm import Session

from bibliothek.db import day_of
from bibliothek.i18n import use_language
from bibliothek.lending.models import NOTICES, Hold, Notice
from bibliothek.library.queries import library
from bibliothek.mail import outbox
from bibliothek.mail.message import Message, Renders, make
from bibliothek.members.models import Member
from bibliothek.settings import Settings

# The kind of these mails in the outbox.
KIND = "notice"

# So that what is undone at the tablet takes its notice back before anybody reads it.
PAUSE = timedelta(minutes=1)

# Whom no mail reaches sees notices in their account, for so long.
KEPT = timedelta(days=30)


class Point(msgspec.Struct, frozen=True):
    """One thing that a mail says: a kind of `models.NOTICES`, its date if it has one, and how often it was noted."""

    kind: str
    day: date | None
    times: int


def tell(db: Session, member_id: int, kind: str, day: date | None, now: datetime) -> None:
    """Write down that a member is to be told something; `kind` is one of `models.NOTICES`."""
    db.execute(insert(Notice).values(member_id=member_id, kind=kind, day=day, created_at=now))


def untell(db: Session, member_id: int, kind: str, day: date | None) -> bool:
    """Take one such notice back; False when it was told already."""
    same = (Notice.member_id == member_id) & (Notice.kind == kind) & (Notice.day == day)
    found = db.scalars(select(Notice.id).where(same).order_by(Notice.id.desc()).limit(1)).first()
    if found is not None:
        db.execute(delete(Notice).where(Notice.id == found))
    return found is not None


def take_back(db: Session, kind: str, noted_at: datetime) -> None:
    """What was noted by something that is undone now."""
    db.execute(delete(Notice).where(Notice.kind == kind, Notice.created_at == noted_at))


def have_read(db: Session, member_id: int, last_id: int) -> None:
    """A member has seen in their account what they were to be told, up to the notice `last_id`."""
    db.execute(delete(Notice).where(Notice.member_id == member_id, Notice.id <= last_id))


def mail_them(templates: Renders, settings: Settings, db: Session, now: datetime) -> int:
    """Queue one mail to every member with an address about all their notices older than `PAUSE`, which are told thereby.

    Returns how many mails. Without SMTP the notices stay, for the account alone.
    """
    if not settings.mail_is_possible:
        return 0
    old = Notice.created_at <= now - PAUSE
    waiting = select(Notice.member_id).join(Member).where(old, Member.email.is_not(None)).distinct()
    member_ids = db.scalars(waiting).all()
    if not member_ids:
        return 0
    # Members before their notices, as whoever deletes a member locks them; and their addresses stay until the mail is queued.
    members = select(Member).where(Member.id.in_(member_ids), Member.email.is_not(None)).order_by(Member.id)
    addressed = {one.id: one for one in db.scalars(members.with_for_update(key_share=True))}
    told = (
        delete(Notice).where(old, Notice.member_id.in_(addressed)).returning(Notice.member_id, Notice.kind, Notice.day)
    )
    points: dict[int, Counter[tuple[str, date | None]]] = {}
    for member_id, kind, day in db.execute(told.execution_options(synchronize_session=False)):
        points.setdefault(member_id, Counter())[kind, day] += 1
    fetched = points.keys() - set(_with_something_ready(db, points))
    library_name = library(db).name
    mails = 0
    for member_id in sorted(points):
        member = addressed[member_id]
        # What was set aside has been fetched in the meantime, or is wanted no more.
        about = _in_order(points[member_id], without="hold_ready" if member_id in fetched else None)
        if about and member.email is not None:
            said = message(templates, settings, library_name, member.name, about)
            outbox.queue(db, kind=KIND, member_id=member_id, address=member.email, message=said, now=now)
            mails += 1
    return mails


def mailing(templates: Renders, settings: Settings) -> partial[int]:
    """`mail_them` as the round calls it."""
    return partial(mail_them, templates, settings)


def _with_something_ready(db: Session, member_ids: Collection[int]) -> Iterable[int]:
    return db.scalars(select(Hold.member_id).where(Hold.member_id.in_(member_ids), Hold.copy_id.is_not(None)))


def _in_order(noted: Counter[tuple[str, date | None]], without: str | None) -> list[Point]:
    points = [Point(kind, day, times) for (kind, day), times in noted.items() if kind != without]
    return sorted(points, key=lambda point: (NOTICES.index(point.kind), point.day or date.min))


def message(templates: Renders, settings: Settings, library_name: str, name: str, points: Collection[Point]) -> Message:
    """The mail as a member gets it, in the library's language: what happened, and a link to where it says with which book."""
    with use_language(settings.language):
        context = {
            "library_name": library_name,
            "name": name,
            "points": points,
            "account": f"{settings.base_url}/konto",
        }
        return make(templates, "notice", context)


def forget(db: Session, now: datetime) -> None:
    """Forget what nobody could be told by mail. Of what is still to be told only the day is kept: the moment is that of the
    return that it is about, which is to lead to nobody."""
    db.execute(delete(Notice).where(Notice.created_at < now - KEPT))
    for number, at in db.execute(select(Notice.id, Notice.created_at).where(Notice.created_at <= now - PAUSE)).all():
        if at != day_of(at):
            db.execute(update(Notice).where(Notice.id == number).values(created_at=day_of(at)))
