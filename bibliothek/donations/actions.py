"""Take books in."""

from __future__ import annotations

from datetime import datetime

import msgspec
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from bibliothek import codes
from bibliothek.catalogue.actions import add_title
from bibliothek.catalogue.fields import Origin, TitleFields
from bibliothek.catalogue.rules import one_line
from bibliothek.copies.actions import add_copy
from bibliothek.copies.models import Copy
from bibliothek.db import is_foreign_key_violation
from bibliothek.donations.models import DonatedCopy, Donation
from bibliothek.donations.queries import same_title
from bibliothek.i18n import _
from bibliothek.library.queries import library_for_change
from bibliothek.members.queries import MisreadCard, NoSuchMember, member_by_card
from bibliothek.problems import Invalid

LONGEST_DONOR = 200


class DonorTooLong(Invalid):
    """A donor's name that is no name."""

    code = "donor-too-long"

    def __init__(self) -> None:
        super().__init__(_("Der Name der spendenden Person ist zu lang: höchstens {n} Zeichen.", n=LONGEST_DONOR))


class Donor(msgspec.Struct, frozen=True):
    """Who gave: a member, a name, or nobody named."""

    member_id: int | None = None
    name: str | None = None


class TakenIn(msgspec.Struct, frozen=True):
    """A copy that has just come in, and the donation it belongs to."""

    donation: Donation
    copy: Copy


def read_donor(db: Session, text: str | None) -> Donor:
    """The donor in `text`: a member card's code or a name. Raises UnknownCard, MisreadCard, DonorTooLong.

    What was nearly a card is refused: kept as a name, it would give the card away to everybody who reads names.
    """
    if len(text or "") > 10 * LONGEST_DONOR:
        raise DonorTooLong
    name = one_line(text)
    if len(name) > LONGEST_DONOR:
        raise DonorTooLong
    scanned = codes.read(name)
    if scanned.kind == "card":
        return Donor(member_id=member_by_card(db, scanned.value).id)
    if codes.holds_card(name):
        raise MisreadCard
    return Donor(name=name or None)


def take_in(
    db: Session, fields: TitleFields, donor: Donor, shelf_id: int | None, now: datetime, origin: Origin | None = None
) -> TakenIn:
    """A book comes in: its title, unless the very same is here already, and a copy with a code, waiting for its label.

    Raises Invalid when the fields make no title (see `catalogue.actions.add_title`).
    """
    # One after the other, or two who bring the same new book at the same moment would make two titles of it.
    library_for_change(db)
    title_id = same_title(db, fields) or add_title(db, fields, now, origin).id
    return take_in_copy(db, title_id, donor, shelf_id, now)


def take_in_copy(db: Session, title_id: int, donor: Donor, shelf_id: int | None, now: datetime) -> TakenIn:
    """One more copy of a title that is here. Raises NoSuchMember for a donor who was erased just now."""
    donation = donation_from(db, donor, now)
    copy = add_copy(db, title_id, shelf_id, now)
    db.flush()
    db.add(DonatedCopy(copy_id=copy.id, donation_id=donation.id))
    db.flush()
    return TakenIn(donation, copy)


def donation_from(db: Session, donor: Donor, now: datetime) -> Donation:
    """A new donation, without copies so far. Raises NoSuchMember for a donor who was erased just now."""
    donation = Donation(state="received", donor_id=donor.member_id, donor_name=donor.name, received_at=now)
    db.add(donation)
    try:
        db.flush()
    except IntegrityError as error:
        if is_foreign_key_violation(error, "fk_donation_donor_id"):
            raise NoSuchMember from error
        raise
    return donation
