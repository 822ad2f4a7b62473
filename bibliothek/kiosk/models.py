"""The enrolled tablets."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from bibliothek.db import Base


class Device(Base):
    """A shared tablet.

    Whose card was scanned last is kept here, on the server, and only for seconds (`member_until`); so is the last scan with
    its answer (`last_scan`, JSON of rules.LastScan), because the same scan sent twice is answered alike. `asked_loan_id` is
    the loan of somebody else about whose book the tablet asks: bring it back, or take it along?
    """

    __tablename__ = "device"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    token_hash: Mapped[str] = mapped_column(unique=True)
    enrolled_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]
    member_id: Mapped[int | None] = mapped_column(ForeignKey("member.id", ondelete="SET NULL"))
    member_until: Mapped[datetime | None]
    last_scan: Mapped[str | None]
    asked_loan_id: Mapped[int | None] = mapped_column(ForeignKey("loan.id", ondelete="SET NULL"))
    asked_until: Mapped[datetime | None]
