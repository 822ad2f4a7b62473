"""People, their cards, and how they show who they are.

Secrets are kept as SHA-256: each has 128 random bits or more; only the 6-digit code has not, and its hash is keyed.
"""

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from bibliothek.db import Base, partial_index

ROLES = ("member", "librarian", "admin")


class MemberGroup(Base):
    """Members for whom the library lends by other rules: "Vorstand", "Kinder". `sort_name` as of a member."""

    __tablename__ = "member_group"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    sort_name: Mapped[str] = mapped_column(unique=True)


class GroupMember(Base):
    """Who is in which group: in one at most."""

    __tablename__ = "group_member"

    member_id: Mapped[int] = mapped_column(ForeignKey("member.id", ondelete="CASCADE"), primary_key=True)
    group_id: Mapped[int] = mapped_column(ForeignKey("member_group.id", ondelete="CASCADE"), index=True)


class Member(Base):
    """A person who may borrow. `email` is lower case and unique; not everybody has one.

    `sort_name` is the name as it is sorted and searched (rules.sort_name). A guest has a `guest_contact` and no account: the row
    goes when their last book is back.
    """

    __tablename__ = "member"
    __table_args__ = (
        CheckConstraint("role IN ('member', 'librarian', 'admin')", name="role"),
        CheckConstraint("email = lower(email)", name="email_lower"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    sort_name: Mapped[str] = mapped_column(index=True)
    email: Mapped[str | None] = mapped_column(unique=True)
    role: Mapped[str]
    created_at: Mapped[datetime]
    guest_contact: Mapped[str | None]


class Card(Base):
    """A member card. Printing again makes a new one; the old row stays, so that its code is never given out again."""

    __tablename__ = "card"
    __table_args__ = (partial_index("one_valid_card_per_member", "member_id", where="revoked_at IS NULL", unique=True),)

    id: Mapped[int] = mapped_column(primary_key=True)
    member_id: Mapped[int | None] = mapped_column(ForeignKey("member.id", ondelete="SET NULL"), index=True)
    code_hash: Mapped[str] = mapped_column(unique=True)
    created_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]


class SignIn(Base):
    """A one-time way in: a link for whoever opens it, and a 6-digit code for the browser that asked (`browser_hash`).

    A row without a member stands for an address that nobody here has: it is counted and answered like any other, so that
    nobody learns who belongs to the library. `address_hash`, `network_hash` and `code_hash` are keyed (rules.keyed_hash).
    """

    __tablename__ = "sign_in"

    id: Mapped[int] = mapped_column(primary_key=True)
    member_id: Mapped[int | None] = mapped_column(ForeignKey("member.id", ondelete="CASCADE"), index=True)
    address_hash: Mapped[str | None] = mapped_column(index=True)
    network_hash: Mapped[str | None] = mapped_column(index=True)
    link_hash: Mapped[str] = mapped_column(unique=True)
    code_hash: Mapped[str | None]
    browser_hash: Mapped[str | None] = mapped_column(index=True)
    return_to: Mapped[str | None]
    tries: Mapped[int] = mapped_column(default=0)
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]


class BrowserSession(Base):
    """A signed-in browser. The cookie holds a 256-bit id, the row only its hash."""

    __tablename__ = "browser_session"

    token_hash: Mapped[str] = mapped_column(primary_key=True)
    member_id: Mapped[int] = mapped_column(ForeignKey("member.id", ondelete="CASCADE"), index=True)
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]


class ApiToken(Base):
    """A bearer token of the JSON API."""

    __tablename__ = "api_token"
    __table_args__ = (
        CheckConstraint("role IN ('librarian', 'kiosk')", name="role"),
        Index("ix_api_token_name", "name"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    role: Mapped[str]
    token_hash: Mapped[str] = mapped_column(unique=True)
    created_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]
