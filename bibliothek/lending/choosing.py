"""Which member is meant, for librarians: by card, by name or address, or chosen among several of one name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import msgspec
from msgspec import Meta
from sqlalchemy.orm import Session

from bibliothek.codes import read
from bibliothek.db import LARGEST_ID
from bibliothek.i18n import N_, _
from bibliothek.members import queries as members
from bibliothek.members.models import Member
from bibliothek.problems import Invalid, NotFound

# More people with one name are told apart by typing more of it.
MOST_CHOICES = 8
LONGEST = 400


class MemberForm(msgspec.Struct):
    """What was typed or scanned, and which of several of that name was chosen."""

    member: Annotated[str, Meta(max_length=LONGEST)] | None = None
    member_id: (
        Annotated[int, Meta(ge=1, le=LARGEST_ID, extra={"error": N_("Bitte wähle ein Mitglied aus der Liste.")})] | None
    ) = None


class SeveralMembers(Invalid):
    """More than one member is called so."""

    code = "several-members"

    def __init__(self) -> None:
        super().__init__(_("Das passt auf mehrere Mitglieder. Wähle eines aus oder tippe mehr vom Namen."))


class NoMemberFound(NotFound):
    """Nobody is called so."""

    code = "no-member-found"

    def __init__(self) -> None:
        super().__init__(_("So heißt niemand. Scanne die Karte oder tippe einen Teil des Namens."))


def member(db: Session, text: str, chosen_id: int | None) -> members.MemberRef | Member:
    """Raises UnknownCard, SeveralMembers, NoMemberFound."""
    scanned = read(text)
    if scanned.kind == "card":
        return members.member_ref(db, scanned.value)
    if scanned.kind == "misread" and scanned.value.startswith("M"):
        raise members.UnknownCard
    found = _named(db, text)
    if not found:
        raise NoMemberFound
    # Only among those that the name still fits: it may have been typed anew below an old choice.
    chosen = [one for one in found if one.id == chosen_id] or found
    if len(chosen) > 1:
        raise SeveralMembers
    return chosen[0]


def choices(db: Session, text: str) -> list[tuple[int, str]]:
    """Members to choose from, when the name that was typed is not clear."""
    found = _named(db, text[:LONGEST])
    return [(one.id, one.name) for one in found] if len(found) > 1 else []


def _named(db: Session, text: str) -> Sequence[Member]:
    return members.members(db, text, limit=MOST_CHOICES) if text else []
