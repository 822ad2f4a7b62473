"""Physical books, the shelves they stand on, and the codes printed for both."""

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, false
from sqlalchemy.orm import Mapped, mapped_column, relationship

from bibliothek.catalogue.models import Title
from bibliothek.db import Base, partial_index
from bibliothek.members.models import Member

EVENTS = (
    "missing",
    "found",
    "damaged",
    "mended",
    "repair",
    "lost",
    "reference",
    "lendable",
    "withdrawn",
    "brought_back",
    "undone",
)


class PaperCode(Base):
    """Every code that was ever given out. A row is never deleted, so a printed code can never mean another thing."""

    __tablename__ = "paper_code"

    code: Mapped[str] = mapped_column(primary_key=True)
    issued_at: Mapped[datetime]


class Shelf(Base):
    """Where copies stand. `sort_name` is the name as it is sorted and compared (members.rules.sort_name)."""

    __tablename__ = "shelf"

    id: Mapped[int] = mapped_column(primary_key=True)
    code: Mapped[str] = mapped_column(ForeignKey("paper_code.code"), unique=True)
    name: Mapped[str]
    # Unique in this form: neither database compares "Ökologie" with "ökologie" as people do.
    sort_name: Mapped[str] = mapped_column(unique=True)


class Copy(Base):
    """One physical book. "On loan" is not a state: it is an open loan (see lending)."""

    __tablename__ = "copy"
    __table_args__ = (
        CheckConstraint("state IN ('intake', 'active', 'repair', 'missing', 'withdrawn')", name="state"),
        # The queue of copies without a label stays quick however many copies there are.
        partial_index("ix_copy_unlabelled", "id", where="labelled_at IS NULL"),
        # Which titles stand on a shelf, and how many copies, without reading these.
        Index("ix_copy_shelf_id_title_id_state", "shelf_id", "title_id", "state"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    code: Mapped[str] = mapped_column(ForeignKey("paper_code.code"), unique=True)
    title_id: Mapped[int] = mapped_column(ForeignKey("title.id", ondelete="RESTRICT"), index=True)
    shelf_id: Mapped[int | None] = mapped_column(ForeignKey("shelf.id", ondelete="RESTRICT"))
    state: Mapped[str]
    created_at: Mapped[datetime]
    labelled_at: Mapped[datetime | None] = mapped_column(index=True)
    # How it looks ("new", "good", "worn", "damaged"), and why and since when it is not the library's any more.
    condition: Mapped[str | None]
    withdrawn_at: Mapped[datetime | None]
    withdrawn_reason: Mapped[str | None]
    # It stays in the rooms, to be read there.
    is_reference: Mapped[bool] = mapped_column(default=False, server_default=false())
    # When it was last scanned, by whomever.
    seen_at: Mapped[datetime | None]

    title: Mapped[Title] = relationship(lazy="raise_on_sql")
    shelf: Mapped[Shelf | None] = relationship(lazy="raise_on_sql")


class CopyEvent(Base):
    """What happened to a copy, other than being lent and returned: that is in its loans. Kept for as long as the copy.

    `by_id` is the librarian who did it, never who read the book: None for what a scan brought to light, or a member reported.
    """

    __tablename__ = "copy_event"
    __table_args__ = (
        CheckConstraint(f"kind IN ({', '.join(repr(kind) for kind in EVENTS)})", name="kind"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    copy_id: Mapped[int] = mapped_column(ForeignKey("copy.id", ondelete="CASCADE"), index=True)
    kind: Mapped[str]
    at: Mapped[datetime]
    by_id: Mapped[int | None] = mapped_column(ForeignKey("member.id", ondelete="SET NULL"))
    note: Mapped[str | None]
    # The digest of a photo in the folder of pictures (catalogue.pictures).
    photo: Mapped[str | None]

    by: Mapped[Member | None] = relationship(lazy="raise_on_sql")
