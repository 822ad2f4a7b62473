"""Loans: a copy in somebody's hands. The database itself refuses a second open loan of a copy."""

from datetime import date, datetime

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column, relationship

from bibliothek.copies.models import Copy
from bibliothek.db import Base, partial_index
from bibliothek.members.models import Member


class Loan(Base):
    """Open from `lent_at` until `returned_at`. `due_on` is a local date of the library; overdue from the next day on."""

    __tablename__ = "loan"
    __table_args__ = (
        partial_index("one_open_loan_per_copy", "copy_id", where="returned_at IS NULL", unique=True),
        partial_index("ix_loan_open_due_on", "due_on", where="returned_at IS NULL"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    copy_id: Mapped[int] = mapped_column(ForeignKey("copy.id", ondelete="RESTRICT"), index=True)
    lent_at: Mapped[datetime]
    due_on: Mapped[date]
    returned_at: Mapped[datetime | None]

    copy: Mapped[Copy] = relationship(lazy="raise_on_sql")


class Borrower(Base):
    """Who has an open loan. The row is deleted when the book comes back: the library forgets.

    RESTRICT: somebody with an open loan cannot be deleted.
    """

    __tablename__ = "borrower"

    loan_id: Mapped[int] = mapped_column(ForeignKey("loan.id", ondelete="CASCADE"), primary_key=True)
    member_id: Mapped[int] = mapped_column(ForeignKey("member.id", ondelete="RESTRICT"), index=True)

    loan: Mapped[Loan] = relationship(lazy="raise_on_sql")
    member: Mapped[Member] = relationship(lazy="raise_on_sql")
