"""Who gave what."""

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from bibliothek.db import Base, partial_index


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


class Pile(Base):
    """Books that somebody is taking in one after the other, kept here so that no scan is lost.

    It belongs to a member or to a tablet, which have at most one open pile each. `donor_id`, `donor_name` and `shelf_id`
    count for all its books that say nothing else.
    """

    __tablename__ = "pile"
    __table_args__ = (
        partial_index("one_open_pile_per_member", "member_id", where="closed_at IS NULL", unique=True),
        partial_index("one_open_pile_per_device", "device_id", where="closed_at IS NULL", unique=True),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    member_id: Mapped[int | None] = mapped_column(ForeignKey("member.id", ondelete="SET NULL"))
    device_id: Mapped[int | None] = mapped_column(ForeignKey("device.id", ondelete="SET NULL"))
    donor_id: Mapped[int | None] = mapped_column(ForeignKey("member.id", ondelete="SET NULL"), index=True)
    donor_name: Mapped[str | None]
    shelf_id: Mapped[int | None] = mapped_column(ForeignKey("shelf.id", ondelete="SET NULL"), index=True)
    begun_at: Mapped[datetime]
    closed_at: Mapped[datetime | None]


class PileBook(Base):
    """One scan of a pile. `number` is the page's own number of the scan: sent again, it is still one book.

    `state`: "looking" while nobody knows the book yet, "found" (`record`, or `title_id` where the title is here already),
    "choose" where a person must say which of `choices` it is, "missing" where no source knows it, "saved" with its copy.
    `record` and `choices` are JSON of lookup records; `outcome` is that of the last look-up. A row that was taken back keeps
    `removed_at`. `picture` is the digest of the picture that it brings along, `picture_source` "own" for a photo, else who was
    asked for one; one that is still to be asked for has `picture_at`, the moment from which on.
    """

    __tablename__ = "pile_book"
    __table_args__ = (
        CheckConstraint("state IN ('looking', 'found', 'choose', 'missing', 'saved')", name="state"),
        UniqueConstraint("pile_id", "number"),
        # The background run finds what is still to be looked up.
        partial_index("ix_pile_book_looking", "next_try_at", where="state = 'looking'"),
        partial_index("ix_pile_book_picture_at", "picture_at", where="picture_at IS NOT NULL"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    pile_id: Mapped[int] = mapped_column(ForeignKey("pile.id", ondelete="CASCADE"))
    number: Mapped[str]
    scanned_at: Mapped[datetime]
    isbn: Mapped[str | None]
    state: Mapped[str]
    record: Mapped[str | None]
    choices: Mapped[str | None]
    outcome: Mapped[str | None]
    tries: Mapped[int] = mapped_column(server_default="0", default=0)
    next_try_at: Mapped[datetime | None]
    title_id: Mapped[int | None] = mapped_column(ForeignKey("title.id", ondelete="SET NULL"), index=True)
    copy_id: Mapped[int | None] = mapped_column(ForeignKey("copy.id", ondelete="SET NULL"), index=True)
    shelf_id: Mapped[int | None] = mapped_column(ForeignKey("shelf.id", ondelete="SET NULL"), index=True)
    condition: Mapped[str | None]
    removed_at: Mapped[datetime | None]
    picture: Mapped[str | None]
    picture_source: Mapped[str | None]
    picture_at: Mapped[datetime | None]
