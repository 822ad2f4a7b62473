"""Which loan was reminded at which stage."""

from datetime import datetime

from sqlalchemy import ForeignKey, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from bibliothek.db import Base


class Reminder(Base):
    """An open loan is in a message at a stage; the database refuses a second one of the same stage.

    It hangs on the Borrower, not on the loan: when the book comes back and the library forgets who had it, the database deletes
    the reminder, too. So no reminder is left to be sent for a returned book, and no way leads from a closed loan over
    its reminders to a mail or a member.
    """

    __tablename__ = "reminder"
    __table_args__ = (UniqueConstraint("loan_id", "stage"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    loan_id: Mapped[int] = mapped_column(ForeignKey("borrower.loan_id", ondelete="CASCADE"))
    stage: Mapped[str]
    mail_id: Mapped[int | None] = mapped_column(ForeignKey("mail.id", ondelete="SET NULL"), index=True)
    created_at: Mapped[datetime]
