"""Who gave what."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from bibliothek.db import Base


class Donation(Base):
    """One donor's act of giving. The donor is a member, a name, or unknown; forgetting a member keeps the donation."""

    __tablename__ = "donation"
    __table_args__ = (
        CheckConstraint("state IN ('offered', 'accepted', 'received', 'declined')", name="state"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    state: Mapped[str]
    donor_id: Mapped[int | None] = mapped_column(ForeignKey("member.id", ondelete="SET NULL"), index=True)
    donor_name: Mapped[str | None]
    received_at: Mapped[datetime | None]


class DonatedCopy(Base):
    """A copy came with a donation."""

    __tablename__ = "donated_copy"

    copy_id: Mapped[int] = mapped_column(ForeignKey("copy.id", ondelete="RESTRICT"), primary_key=True)
    donation_id: Mapped[int] = mapped_column(ForeignKey("donation.id", ondelete="RESTRICT"), index=True)
