"""What the outside sources answered, kept as it came."""

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
