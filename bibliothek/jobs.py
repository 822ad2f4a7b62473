"""What the server does by itself, once however many processes there are: the round, the nightly backup.

A process claims a job by moving its `next_at` to the end of a lease, with one conditional update: of several that try, one gets
it. Of one that dies in the middle the lease ends, and another process takes the job up.
"""

from datetime import datetime, timedelta

from sqlalchemy import func, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped, Session, mapped_column

from bibliothek.db import Base


class Job(Base):
    """One row for each kind of work. `outcome` is what came of it the last time, in a form of the job's own, None while it never
    ended. Instants are those of the library's clock (clock.py)."""

    __tablename__ = "job"

    name: Mapped[str] = mapped_column(primary_key=True)
    next_at: Mapped[datetime]
    began_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    outcome: Mapped[str | None]


def claim(db: Session, name: str, now: datetime, lease: timedelta) -> bool:
    """True for the one process that shall do the job now; for the others, and while it is not due, False.

    Call it in a transaction of its own and work after it: nobody else begins before `now + lease`, or before what `finish` says.
    A job that was never done is due at once.
    """
    due = update(Job).where(Job.name == name, Job.next_at <= now).values(next_at=now + lease, began_at=now)
    if db.execute(due.returning(Job.name)).all():
        return True
    if db.scalar(select(Job.name).where(Job.name == name)):
        return False
    try:
        with db.begin_nested():
            db.execute(insert(Job).values(name=name, next_at=now + lease, began_at=now))
    except IntegrityError:
        # Another process was quicker by a moment.
        return False
    return True


def finish(db: Session, name: str, now: datetime, next_at: datetime, outcome: str | None = None) -> None:
    """Note what came of a job that this process claimed, and when it is due again."""
    done = update(Job).where(Job.name == name)
    db.execute(done.values(ended_at=now, next_at=next_at, outcome=outcome))


def make_due(db: Session, name: str, now: datetime) -> None:
    """Let the job be done at once, by whoever comes first; what came of it the last time stays."""
    db.execute(update(Job).where(Job.name == name).values(ended_at=now, next_at=now))


def find(db: Session, name: str) -> Job | None:
    """What is known of a job; None where it was never begun."""
    return db.get(Job, name)


def last_instant(db: Session) -> datetime | None:
    """The latest moment at which any process of this library began or ended something; None in a new one."""
    moments = select(func.max(Job.began_at), func.max(Job.ended_at))
    return max(filter(None, db.execute(moments).one()), default=None)


def set_back(db: Session, now: datetime) -> None:
    """Somebody said that `now` is the right time, though something was done later: everything counts as done by now."""
    for column in (Job.began_at, Job.ended_at, Job.next_at):
        db.execute(update(Job).where(column > now).values({column: now}))
