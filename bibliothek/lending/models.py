"""Loans, renewals and holds with the rules that decide about them. The database itself refuses a second open loan of a copy."""

from datetime import date, datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column, relationship

from bibliothek.catalogue.models import Title
from bibliothek.copies.models import Copy
from bibliothek.db import Base, partial_index
from bibliothek.members.models import Member

FLAGS = (
    "over_limit",
    "passed_over",
    "was_missing",
    "in_repair",
    "reference",
    "damaged",
    "put_back",
    "lost",
)
NOTICES = ("hold_ready", "hold_expired", "hold_moved", "taken_over", "due_moved")


def _one_of(column: str, words: tuple[str, ...]) -> str:
    return f"{column} IN ({', '.join(repr(word) for word in words)})"


class Loan(Base):
    """Open from `lent_at` until `returned_at`. `due_on` is a local date of the library; overdue from the next day on.

    Ended usually means that the book came back. `ended_as` says where it did not: it is lost, or the loan was undone at once.
    """

    __tablename__ = "loan"
    __table_args__ = (
        CheckConstraint(
            "ended_as IS NULL OR (ended_as IN ('lost', 'undone') AND returned_at IS NOT NULL)", name="ended_as"
        ),
        partial_index("one_open_loan_per_copy", "copy_id", where="returned_at IS NULL", unique=True),
        partial_index("ix_loan_open_due_on", "due_on", where="returned_at IS NULL"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    copy_id: Mapped[int] = mapped_column(ForeignKey("copy.id", ondelete="RESTRICT"), index=True)
    lent_at: Mapped[datetime]
    due_on: Mapped[date]
    returned_at: Mapped[datetime | None]
    ended_as: Mapped[str | None]

    copy: Mapped[Copy] = relationship(lazy="raise_on_sql")


class Borrower(Base):
    """Who has an open loan. The row is deleted when the book comes back: the library forgets.

    At the tablet it stays for the half minute in which the return can be undone: until `forget_at`, None while the loan is open.
    RESTRICT: somebody with an open loan cannot be deleted.
    """

    __tablename__ = "borrower"
    __table_args__ = (partial_index("ix_borrower_forget_at", "forget_at", where="forget_at IS NOT NULL"),)

    loan_id: Mapped[int] = mapped_column(ForeignKey("loan.id", ondelete="CASCADE"), primary_key=True)
    member_id: Mapped[int] = mapped_column(ForeignKey("member.id", ondelete="RESTRICT"), index=True)
    forget_at: Mapped[datetime | None]

    loan: Mapped[Loan] = relationship(lazy="raise_on_sql")
    member: Mapped[Member] = relationship(lazy="raise_on_sql")


class Renewal(Base):
    """The due date of a loan was moved from `due_before` to `due_on`: by a renewal, or because the library was closed then."""

    __tablename__ = "renewal"
    __table_args__ = (CheckConstraint("kind IN ('renewal', 'closure')", name="kind"), {"sqlite_autoincrement": True})

    id: Mapped[int] = mapped_column(primary_key=True)
    loan_id: Mapped[int] = mapped_column(ForeignKey("loan.id", ondelete="CASCADE"), index=True)
    kind: Mapped[str]
    at: Mapped[datetime]
    due_before: Mapped[date]
    due_on: Mapped[date]


class Hold(Base):
    """A member's place in the queue for a title; places go by number.

    It waits until a copy is set aside (`copy_id`, from `ready_at` on, kept through the local date `ready_until`), and ends
    fulfilled, expired or cancelled. Then it names nobody any more: the library forgets.

    A copy that nobody had in their hands when it was set aside stands in its shelf still, not in the pick-up shelf: then `ready_at`
    is the same as `placed_at`.
    """

    __tablename__ = "hold"
    __table_args__ = (
        CheckConstraint("ended_as IN ('fulfilled', 'expired', 'cancelled')", name="ended_as"),
        CheckConstraint("(ended_at IS NULL) = (ended_as IS NULL)", name="ended"),
        CheckConstraint("(ended_at IS NULL) = (member_id IS NOT NULL)", name="names_nobody_when_ended"),
        CheckConstraint("ended_at IS NULL OR copy_id IS NULL", name="copy_only_while_open"),
        CheckConstraint(
            "(copy_id IS NULL) = (ready_at IS NULL) AND (copy_id IS NULL) = (ready_until IS NULL)", name="ready"
        ),
        # NULL equals nothing, so both are about open holds only.
        Index("one_open_hold_per_title_and_member", "title_id", "member_id", unique=True),
        Index("one_hold_per_copy", "copy_id", unique=True),
        partial_index("ix_hold_open", "title_id", where="ended_at IS NULL"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    title_id: Mapped[int] = mapped_column(ForeignKey("title.id", ondelete="RESTRICT"))
    member_id: Mapped[int | None] = mapped_column(ForeignKey("member.id", ondelete="CASCADE"), index=True)
    placed_at: Mapped[datetime]
    copy_id: Mapped[int | None] = mapped_column(ForeignKey("copy.id", ondelete="RESTRICT"))
    ready_at: Mapped[datetime | None]
    ready_until: Mapped[date | None]
    ended_at: Mapped[datetime | None]
    ended_as: Mapped[str | None]

    title: Mapped[Title] = relationship(lazy="raise_on_sql")
    copy: Mapped[Copy | None] = relationship(lazy="raise_on_sql")
    member: Mapped[Member | None] = relationship(lazy="raise_on_sql")


class LendingRule(Base):
    """What is different for a group of members, a kind of material, or both. What is None stays as it is for everybody."""

    __tablename__ = "lending_rule"
    __table_args__ = (
        CheckConstraint("group_id IS NOT NULL OR material_id IS NOT NULL", name="for_somebody"),
        CheckConstraint("loan_days BETWEEN 1 AND 365", name="loan_days"),
        CheckConstraint("renewals BETWEEN 0 AND 99", name="renewals"),
        CheckConstraint("loan_limit BETWEEN 0 AND 999", name="loan_limit"),
        Index("one_rule_for_both", "group_id", "material_id", unique=True),
        partial_index("one_rule_per_group", "group_id", where="material_id IS NULL", unique=True),
        partial_index("one_rule_per_material", "material_id", where="group_id IS NULL", unique=True),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    group_id: Mapped[int | None] = mapped_column(ForeignKey("member_group.id", ondelete="CASCADE"))
    material_id: Mapped[int | None] = mapped_column(ForeignKey("material.id", ondelete="CASCADE"))
    loan_days: Mapped[int | None]
    renewals: Mapped[int | None]
    loan_limit: Mapped[int | None]


class SpecialDay(Base):
    """A day on which the library is closed though it is usually open on that weekday, or the other way round."""

    __tablename__ = "special_day"

    day: Mapped[date] = mapped_column(primary_key=True)
    is_open: Mapped[bool]
    reason: Mapped[str]


class Flag(Base):
    """Something for a librarian to look at: recorded first, sorted out later. It names a copy, never a person."""

    __tablename__ = "flag"
    __table_args__ = (
        CheckConstraint(_one_of("kind", FLAGS), name="kind"),
        partial_index("ix_flag_open", "raised_at", where="settled_at IS NULL"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str]
    copy_id: Mapped[int] = mapped_column(ForeignKey("copy.id", ondelete="CASCADE"), index=True)
    note: Mapped[str | None]
    raised_at: Mapped[datetime]
    settled_at: Mapped[datetime | None]
    settled_by_id: Mapped[int | None] = mapped_column(ForeignKey("member.id", ondelete="SET NULL"))

    copy: Mapped[Copy] = relationship(lazy="raise_on_sql")
    settled_by: Mapped[Member | None] = relationship(lazy="raise_on_sql")


class Notice(Base):
    """What a member is still to be told, without saying about which book. Told in one mail, then deleted."""

    __tablename__ = "notice"
    __table_args__ = (CheckConstraint(_one_of("kind", NOTICES), name="kind"), {"sqlite_autoincrement": True})

    id: Mapped[int] = mapped_column(primary_key=True)
    member_id: Mapped[int] = mapped_column(ForeignKey("member.id", ondelete="CASCADE"), index=True)
    kind: Mapped[str]
    # The date that matters: until when a book is kept, or when it is due now.
    day: Mapped[date | None]
    created_at: Mapped[datetime]
