"""What a librarian sets for the whole library, on one page."""

from datetime import datetime

from sqlalchemy import CheckConstraint, false
from sqlalchemy.orm import Mapped, mapped_column

from bibliothek.db import Base


class Library(Base):
    """The one row of settings. It exists from the first migration on."""

    __tablename__ = "library"
    __table_args__ = (
        CheckConstraint("id = 1", name="only_one"),
        CheckConstraint("loan_days BETWEEN 1 AND 365", name="loan_days"),
        CheckConstraint("renewals BETWEEN 0 AND 99", name="renewals"),
        CheckConstraint("renew_from IN ('today', 'due')", name="renew_from"),
        CheckConstraint("loan_limit BETWEEN 1 AND 999", name="loan_limit"),
        CheckConstraint("hold_days BETWEEN 1 AND 90", name="hold_days"),
        CheckConstraint("open_weekdays BETWEEN 1 AND 127", name="open_weekdays"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    loan_days: Mapped[int]
    label_sheet: Mapped[str]
    # How often a loan may be renewed, and from which day on its period then counts.
    renewals: Mapped[int] = mapped_column(default=2, server_default="2")
    renew_from: Mapped[str] = mapped_column(default="today", server_default="today")
    # How many books somebody may have at once; None for as many as they like.
    loan_limit: Mapped[int | None]
    # How many days a book is kept for whoever reserved it.
    hold_days: Mapped[int] = mapped_column(default=7, server_default="7")
    # The weekdays on which the library is open: 1 for Monday, 2 for Tuesday, 4, 8 …, added up. On one of them, at least.
    open_weekdays: Mapped[int] = mapped_column(default=127, server_default="127")
    # Whether people without an account may borrow at the tablet.
    takes_guests: Mapped[bool] = mapped_column(default=False, server_default=false())
    # Another one, at random, with every change of the rules in other tables: whoever knows the rules by it need not read them.
    rules_mark: Mapped[str] = mapped_column(default="", server_default="")
    # None until the first admin has named the library.
    set_up_at: Mapped[datetime | None]
