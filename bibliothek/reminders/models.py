"""Which loan was reminded at which stage."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from bibliothek.db import Base

OVERDUE = "overdue"


class Reminder(Base):
    """A loan is in a message at a stage; the database refuses a second one of the same stage.

    `mail_id` leads to the message while it is on its way. The member is never named here.
    """

    __tablename__ = "reminder"
    __table_args__ = (UniqueConstraint("loan_id", "stage"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    loan_id: Mapped[int] = mapped_column(ForeignKey("loan.id", ondelete="CASCADE"))
    stage: Mapped[str]
    mail_id: Mapped[int | None] = mapped_column(ForeignKey("mail.id", ondelete="SET NULL"), index=True)
    created_at: Mapped[datetime]
