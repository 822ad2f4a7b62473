"""What a librarian sets for the whole library, on one page."""

from datetime import datetime

from sqlalchemy import CheckConstraint
from sqlalchemy.orm import Mapped, mapped_column

from bibliothek.db import Base


class Library(Base):
    """The one row of settings. It exists from the first migration on."""

    __tablename__ = "library"
    __table_args__ = (
        CheckConstraint("id = 1", name="only_one"),
        CheckConstraint("loan_days BETWEEN 1 AND 365", name="loan_days"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    loan_days: Mapped[int]
    label_sheet: Mapped[str]
    # None until the first admin has named the library.
    set_up_at: Mapped[datetime | None]
