"""The outbox: one row a message, so that a crash neither loses nor doubles one."""

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from bibliothek.db import Base, partial_index


class Mail(Base):
    """A message to one address.

    `pending → sending → sent | failed`; found in `sending` after a crash it is `unknown`, and not sent again. Address and
    text are erased as soon as they are no longer needed.
    """

    __tablename__ = "mail"
    __table_args__ = (
        CheckConstraint("state IN ('pending', 'sending', 'sent', 'unknown', 'failed', 'cancelled')", name="state"),
        partial_index("ix_mail_pending", "next_try_at", where="state = 'pending'"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str]
    member_id: Mapped[int | None] = mapped_column(ForeignKey("member.id", ondelete="SET NULL"), index=True)
    address: Mapped[str | None]
    subject: Mapped[str | None]
    text: Mapped[str | None]
    html: Mapped[str | None]
    state: Mapped[str]
    tries: Mapped[int] = mapped_column(default=0)
    created_at: Mapped[datetime]
    next_try_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    # Why it failed, in the words of the mail server without addresses.
    reason: Mapped[str | None]
