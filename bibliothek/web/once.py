"""Doing a thing once, however often it is asked for: the API's Idempotency-Key and the hidden `once` field of forms.

A key is claimed by inserting its row. Within one transaction with the effect where nothing outside is asked; in a short
transaction before, where something is (then the row says until when the first request is believed to run).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import msgspec
from sqlalchemy import JSON, delete, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from bibliothek.db import Base, has_many_writers
from bibliothek.i18n import _
from bibliothek.problems import Problem

KEPT = timedelta(hours=24)
# A look-up takes at most 8 seconds; whoever claimed a key longer ago than this has died.
RUNNING = timedelta(seconds=30)


class Once(Base):
    """A request made under a key. What is kept is a hash of the body and the ids of what was made, never the body.

    `status` is None while the first request still runs.
    """

    __tablename__ = "once"

    scope: Mapped[str] = mapped_column(primary_key=True)
    key_hash: Mapped[str] = mapped_column(primary_key=True)
    body_hash: Mapped[str]
    status: Mapped[int | None]
    made: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    created_at: Mapped[datetime] = mapped_column(index=True)
    running_until: Mapped[datetime]


class Key(msgspec.Struct, frozen=True):
    """Whose key it is (`scope`), which (`key_hash`), and for what request (`body_hash`)."""

    scope: str
    key_hash: str
    body_hash: str


class StillRunning(Problem):
    """The first request with this key has not ended in time; or we are the first, and took so long that another took over."""

    status = 503
    code = "still-running"

    def __init__(self) -> None:
        super().__init__(
            _("Die erste Anfrage mit diesem Schlüssel läuft noch. Frage gleich noch einmal."), retry_after=2
        )


class KeyReused(Problem):
    """The same key came with another body."""

    status = 422
    code = "idempotency-key-reused"

    def __init__(self) -> None:
        super().__init__(_("Dieser Idempotency-Key wurde schon für eine andere Anfrage benutzt. Nimm einen neuen."))


def key_of(scope: str, key: str, *request: bytes) -> Key:
    """The key of a request; `request` are its method, path and body."""
    return Key(scope, _hash(scope.encode(), key.encode()), _hash(*request))


def claim(db: Session, key: Key, now: datetime) -> Once | None:
    """Claim `key` for this transaction. None: it is ours, do the thing. A row: it was claimed before.

    Raises KeyReused when it was claimed for another request.
    """
    forget(db, now)
    while True:
        if _insert(db, key, now):
            return None
        found = db.scalars(select(Once).where(_is(key)).with_for_update()).one_or_none()
        # On PostgreSQL the first request may have given up since we met its row: then the key is free again.
        if found:
            return _look_at(db, key, found, now)


def _insert(db: Session, key: Key, now: datetime) -> bool:
    """Whether the key was free and is ours now."""
    if has_many_writers(db.connection()):
        from sqlalchemy.dialects.postgresql import insert
    else:
        from sqlalchemy.dialects.sqlite import insert  # type: ignore[assignment]
    row = {"created_at": now, "running_until": now + RUNNING, "body_hash": key.body_hash}
    statement = insert(Once).values(scope=key.scope, key_hash=key.key_hash, **row).on_conflict_do_nothing()
    return db.execute(statement.returning(Once.scope)).first() is not None


def _look_at(db: Session, key: Key, found: Once, now: datetime) -> Once | None:
    """What the row of somebody who claimed the key before us means for us, as `claim` says it."""
    if found.body_hash != key.body_hash:
        raise KeyReused
    if found.status is None and found.running_until < now:
        found.running_until = now + RUNNING
        db.flush()
        return None
    return found


def finish(db: Session, key: Key, claimed_at: datetime, status: int, made: Mapping[str, Any]) -> None:
    """Write down what came of it; `claimed_at` is the `now` of our `claim`.

    Raises StillRunning where the claim is not ours any more (a machine may have slept meanwhile): another request does the same
    thing, so ours must be rolled back.
    """
    ours = update(Once).where(_is_claim(key, claimed_at)).values(status=status, made=made)
    if db.execute(ours.returning(Once.scope)).first() is None:
        raise StillRunning


def give_up(db: Session, key: Key, claimed_at: datetime) -> None:
    """Nothing came of it, and nothing is to be remembered: the next request with this key is a first one."""
    db.execute(delete(Once).where(_is_claim(key, claimed_at)))


def forget(db: Session, now: datetime) -> None:
    """Drop the keys whose time is over."""
    db.execute(delete(Once).where(Once.created_at < now - KEPT))


def _is(key: Key) -> Any:
    return (Once.scope == key.scope) & (Once.key_hash == key.key_hash)


def _is_claim(key: Key, claimed_at: datetime) -> Any:
    """Whoever takes over a claim whose time is over moves `running_until` on."""
    return _is(key) & Once.status.is_(None) & (Once.running_until == claimed_at + RUNNING)


def _hash(*parts: bytes) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8, "big") + part)
    return digest.hexdigest()
