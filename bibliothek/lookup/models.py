"""What the outside sources answered, kept as it came, and when each may be asked again."""

from datetime import datetime

from sqlalchemy import CheckConstraint
from sqlalchemy.orm import Mapped, mapped_column

from bibliothek.db import Base


class StoredAnswer(Base):
    """The last answer of one source for one ISBN. Errors are not kept; "not found" is (docs: lookup)."""

    __tablename__ = "stored_answer"
    __table_args__ = (CheckConstraint("outcome IN ('found', 'not_found')", name="outcome"),)

    isbn: Mapped[str] = mapped_column(primary_key=True)
    source: Mapped[str] = mapped_column(primary_key=True)
    outcome: Mapped[str]
    content_type: Mapped[str]
    raw: Mapped[bytes]
    asked_at: Mapped[datetime]


class SourceTurn(Base):
    """Whose turn it is at the source behind an address, for all processes of the library (turns.py), by the database's clock.

    A new request may begin from `next_at` on; two may be on their way at once, each until it ends or its lease does. None is made
    until `rests_until`: the source was in `trouble`, so many `failures` in a row.
    """

    __tablename__ = "source_turn"
    __table_args__ = (CheckConstraint("trouble IN ('throttled', 'unavailable')", name="trouble"),)

    url: Mapped[str] = mapped_column(primary_key=True)
    next_at: Mapped[datetime]
    first_until: Mapped[datetime]
    second_until: Mapped[datetime]
    rests_until: Mapped[datetime]
    trouble: Mapped[str]
    failures: Mapped[int]
