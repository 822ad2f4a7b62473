"""Is this book here already?"""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import select
from sqlalchemy.orm import Session

from bibliothek.catalogue.fields import TitleFields
from bibliothek.catalogue.models import Title, TitleIsbn
from bibliothek.catalogue.rules import isbn13, one_line
from bibliothek.copies.models import Copy
from bibliothek.donations.models import DonatedCopy, Donation


def same_title(db: Session, fields: TitleFields) -> int | None:
    """The number of the title with one of these ISBNs and the same title, or None.

    An ISBN alone is not enough (two editions may share one), nor is a title alone (there are many "Gedichte").
    """
    if not fields.isbns:
        return None
    isbns = [isbn13(isbn) for isbn in fields.isbns]
    rows = db.execute(
        select(Title.id, Title.title)
        .join(TitleIsbn, TitleIsbn.title_id == Title.id)
        .where(TitleIsbn.isbn.in_(isbns))
        .order_by(Title.id)
    )
    # Compared here, because SQLite's lower() knows no letters beyond ASCII: "Über" would never be "über".
    wanted = one_line(fields.title).casefold()
    return next((row.id for row in rows if row.title.casefold() == wanted), None)


def titles_with(db: Session, isbns: Iterable[str]) -> dict[str, list[int]]:
    """The numbers of the titles with each of these ISBNs, oldest first."""
    found: dict[str, list[int]] = {}
    wanted = select(TitleIsbn.isbn, TitleIsbn.title_id).where(TitleIsbn.isbn.in_(list(isbns)))
    for isbn, title_id in db.execute(wanted.order_by(TitleIsbn.title_id)):
        found.setdefault(isbn, []).append(title_id)
    return found


def given_by(db: Session, member_id: int) -> list[tuple[int, str]]:
    """Number and title of every copy that this member gave and is named for, newest first, withdrawn ones too."""
    query = (
        select(Title.id, Title.title)
        .join(Copy, Copy.title_id == Title.id)
        .join(DonatedCopy, DonatedCopy.copy_id == Copy.id)
        .join(Donation, Donation.id == DonatedCopy.donation_id)
        .where(Donation.donor_id == member_id)
        .order_by(Copy.id.desc())
    )
    return [(title_id, title) for title_id, title in db.execute(query)]
