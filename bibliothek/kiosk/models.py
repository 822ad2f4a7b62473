"""The enrolled tablets."""

from datetime import datetime

from sqlalchemy import ForeignKey, false
from sqlalchemy.orm import Mapped, mapped_column

from bibliothek.db import Base


class Device(Base):
    """A shared tablet.

    Whose card was scanned last is kept here, on the server. It counts until `member_until`; where nobody ended the session, it
    stays for minutes more (rules.LATEST), for what was scanned in time and arrives late. `member_until` alone names nobody and
    stays, so that a still later scan is known for one. The last scan with its answer (`last_scan`, JSON of rules.LastScan)
    is there for a scanner that reads twice. `asked_loan_id` is the loan of somebody else about whose book the tablet asks:
    bring it back, or take it along?
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
    # Copies scanned before a card (JSON of rules.Basket), and what was done last and can be undone (JSON of rules.Done).
    basket: Mapped[str | None]
    done: Mapped[str | None]
    # A place for returns alone: whatever is scanned there comes back, and cards count for nothing.
    only_returns: Mapped[bool] = mapped_column(default=False, server_default=false())


class GivenAnswer(Base):
    """What was answered to a scan or button (JSON of rules.Answer, which names no member), kept for a day.

    `number_hash` is made of the number that the page gave it, random and kept nowhere, and of what was scanned: it tells
    neither.
    """

    __tablename__ = "given_answer"

    device_id: Mapped[int] = mapped_column(ForeignKey("device.id", ondelete="CASCADE"), primary_key=True)
    number_hash: Mapped[str] = mapped_column(primary_key=True)
    answer: Mapped[str]
    given_at: Mapped[datetime] = mapped_column(index=True)


class Pairing(Base):
    """A device that waits to become a tablet. `number` is the one of the three `choices` that it shows.

    Over when `ended_at` is set (approved, refused or given up), after `expires_at`, or after too many wrong codes.
    """

    __tablename__ = "pairing"

    id: Mapped[int] = mapped_column(primary_key=True)
    token_hash: Mapped[str] = mapped_column(unique=True)
    code_hash: Mapped[str] = mapped_column(unique=True)
    number: Mapped[int]
    choices: Mapped[str]
    tries: Mapped[int]
    expires_at: Mapped[datetime] = mapped_column(index=True)
    ended_at: Mapped[datetime | None]
