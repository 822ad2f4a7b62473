"""Things to test with: `make.copy(db, title="…")`. Every argument is optional; what is not named is made up plausibly."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import count

import msgspec
from sqlalchemy.orm import Session

from bibliothek import jobs
from bibliothek.catalogue import actions as catalogue
from bibliothek.catalogue.fields import Part, Person, TitleFields
from bibliothek.catalogue.models import Title
from bibliothek.copies import actions as copies
from bibliothek.copies.models import Copy, Shelf
from bibliothek.lending import actions as lending
from bibliothek.lending.actions import OpenLoan
from bibliothek.members import actions as members
from bibliothek.members.models import Member
from bibliothek.operations import nightly
from bibliothek.operations.apart import Made

NOW = datetime(2026, 11, 23, 11, 0, tzinfo=UTC)
TODAY = date(2026, 11, 23)
_number = count(1)


def member(db: Session, name: str | None = None, email: str | None = "", role: str = "member") -> Member:
    """A member; `email=None` for somebody without an address."""
    n = next(_number)
    address = f"mitglied{n}@example.org" if email == "" else email
    return members.add_member(db, name or f"Mitglied {n}", address, role, NOW)


def admin(db: Session) -> Member:
    """An admin; with one, the library is set up."""
    return member(db, role="admin")


def card(db: Session, of: Member | None = None) -> str:
    """The code of a new card."""
    return members.new_card(db, of or member(db), NOW)


def title(
    db: Session, title: str | None = None, authors: tuple[str, ...] = ("Beauvoir, Simone de",), **fields: object
) -> Title:
    """A title; `fields` are those of TitleFields, `series` may be pairs, `isbns` a tuple."""
    given = {"contributors": tuple(Person(name, "aut") for name in authors), **fields}
    if "series" in given:
        given["series"] = tuple(Part(*pair) for pair in given["series"])  # type: ignore[attr-defined]
    return catalogue.add_title(db, TitleFields(title=title or f"Titel {next(_number)}", **given), NOW)  # type: ignore[arg-type]


def shelf(db: Session, name: str | None = None) -> Shelf:
    return copies.add_shelf(db, name or f"Regal {next(_number)}", NOW)


def copy(db: Session, of: Title | None = None, shelf: Shelf | None = None, title: str | None = None) -> Copy:
    """A copy of `of`, or of a new title called `title`."""
    of = of or globals()["title"](db, title)
    return copies.add_copy(db, of.id, shelf.id if shelf else None, NOW)


def loan(
    db: Session, of: Copy | None = None, to: Member | None = None, today: date = TODAY, now: datetime = NOW
) -> OpenLoan:
    """An open loan that began `today`."""
    return lending.lend(db, of or copy(db), to or member(db), now, today).loan


def db_title(db: Session, title_id: int) -> Title:
    """The title with this number, for one more copy of it."""
    return db.get_one(Title, title_id)


def backup(db: Session, at: datetime, trouble: str | None = None) -> None:
    """The server made a backup at this moment, which is not sound where there was `trouble` with its rehearsal."""
    made = Made(name="made.zip", made_at=at, size=1, seconds=1, trouble=trouble)
    jobs.claim(db, nightly.JOB, at, timedelta())
    jobs.finish(db, nightly.JOB, at, at, msgspec.json.encode(nightly.Account([made])).decode())
