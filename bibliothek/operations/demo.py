"""A library to look around in: about 200 real titles, 40 members, some 60 open loans, a few of them late or renewed; some wait."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import exists, func, or_, select
from sqlalchemy.orm import Session

from bibliothek.catalogue.actions import add_title
from bibliothek.catalogue.fields import Origin, Part, Person, TitleFields
from bibliothek.catalogue.models import Title
from bibliothek.copies.actions import add_copy, add_shelf, mark_labelled
from bibliothek.copies.models import Copy, Shelf
from bibliothek.donations.actions import Donor, take_in_copy
from bibliothek.i18n import _
from bibliothek.kiosk.models import Device
from bibliothek.lending.actions import give_back, lend, lose, renew
from bibliothek.lending.closures import set_weekdays
from bibliothek.lending.holds import expire, place
from bibliothek.lending.opening import weekdays
from bibliothek.library.queries import library
from bibliothek.members.actions import add_member
from bibliothek.members.models import ApiToken, Member
from bibliothek.problems import Problem

TITLES = Path(__file__).parent / "demo_titles.jsonl"
MEMBERS, OPEN_LOANS, LATE_LOANS, RENEWED, RETURNED, WITHOUT_LABEL = 40, 60, 14, 6, 40, 9
# Tuesday, Thursday and Saturday: what is due is so at most two days after its four weeks.
OPEN_ON = (1, 3, 5)
SHELVES = ("Romane", "Politik", "Geschichte", "Gesellschaft", "Comics", "Kinder und Jugend", "Sachbuch", "Hefte")
# DNB subject groups and Dewey classes, by how they begin, to shelves.
_SHELF_OF = (("B", 0), ("8", 0), ("32", 1), ("33", 1), ("9", 2), ("3", 3), ("741", 4), ("K", 5), ("", 6))


class NotEmpty(Problem):
    """The demo would mix invented loans with real ones."""

    code = "library-not-empty"

    def __init__(self) -> None:
        super().__init__(_("Diese Bibliothek enthält schon Daten. Die Beispiele kommen nur in eine leere."))


def holds_data(db: Session) -> bool:
    """Whether somebody uses this library; an admin alone is no data."""
    first_admin = select(func.min(Member.id)).where(Member.role == "admin").scalar_subquery()
    kept = (Title.id, Shelf.id, Device.id, ApiToken.id)
    others = exists().where(Member.id.is_distinct_from(first_admin))
    return bool(db.scalar(select(or_(others, *(exists(select(column)) for column in kept)))))


def fill(db: Session, now: datetime, today: date) -> Member:
    """Fill an empty library; returns its admin. Raises NotEmpty. The same every time but for codes and dates."""
    if holds_data(db):
        raise NotEmpty
    chance = random.Random(1)  # noqa: S311 (nothing here is secret)
    settings = library(db)
    if settings.set_up_at is None:
        settings.name, settings.set_up_at = _("Demo-Bibliothek"), now
    members = _members(db, now)
    shelves = [add_shelf(db, name, now) for name in SHELVES]
    set_weekdays(db, weekdays(OPEN_ON), now, today)
    copies = _copies(db, shelves, members, chance, now)
    never_lent = _loans(db, copies, members, chance, now, today)
    of_title = Counter(copy.title_id for copy in copies)
    _queues(db, [copy for copy in never_lent if of_title[copy.title_id] == 1], members, now, today)
    return db.scalars(select(Member).where(Member.role == "admin").order_by(Member.id)).first() or members[0]


def _members(db: Session, now: datetime) -> list[Member]:
    has_admin = db.scalar(select(exists().where(Member.role == "admin")))
    roles = [*([] if has_admin else ["admin"]), "librarian"]
    roles += ["member"] * (MEMBERS - len(roles))
    # Two in forty have no mail address, as in life.
    addresses = [None if n in (17, 34) else f"mitglied{n}@example.org" for n in range(1, MEMBERS + 1)]
    # The admin who is there already may have one of these.
    taken = set(db.scalars(select(Member.email)))
    return [
        add_member(db, f"Mitglied {n}", None if address in taken else address, role, now)
        for n, (address, role) in enumerate(zip(addresses, roles, strict=True), 1)
    ]


def _records() -> Iterator[dict[str, Any]]:
    with TITLES.open(encoding="utf-8") as lines:
        for line in lines:
            yield json.loads(line)


def _copies(
    db: Session, shelves: Sequence[Shelf], members: Sequence[Member], chance: random.Random, now: datetime
) -> list[Copy]:
    """One copy of most titles, two of some; the last few still wait for their label."""
    copies = []
    for n, record in enumerate(_records()):
        came = now - timedelta(days=400 - n)
        title = add_title(db, _fields(record), came, _origin(record))
        shelf = shelves[_shelf(record)]
        copies.append(add_copy(db, title.id, shelf.id, came))
        if chance.random() < 0.12:
            donor = Donor(member_id=chance.choice(members).id) if chance.random() < 0.3 else Donor()
            copies.append(take_in_copy(db, title.id, donor, shelf.id, came).copy)
    for copy in copies[:-WITHOUT_LABEL]:
        mark_labelled(copy, now - timedelta(days=30))
    return copies


def _fields(record: dict[str, Any]) -> TitleFields:
    given = {
        name: record.get(name)
        for name in ("title", "subtitle", "publisher", "place", "year", "edition", "pages", "language")
    }
    return TitleFields(
        **given,  # type: ignore[arg-type]
        contributors=tuple(Person(person["name"], person["role"]) for person in record.get("contributors") or ()),
        series=tuple(Part(part["title"], part.get("number")) for part in record.get("series") or ()),
        isbns=tuple(record.get("isbns") or ()),
    )


def _origin(record: dict[str, Any]) -> Origin:
    """Where the facts came from; records of the DNB can be opened there."""
    source = record.get("source") or {}
    is_dnb = str(source.get("name", "")).startswith("dnb")
    link = f"https://d-nb.info/{source['id']}" if is_dnb and source.get("id") else None
    return Origin(sort_title=record.get("sort_title"), source="dnb" if is_dnb else source.get("name"), source_url=link)


def _shelf(record: dict[str, Any]) -> int:
    if not record.get("isbns") and (record.get("pages") or 999) < 60:
        return 7
    first = str((record.get("classes") or [""])[0])
    return next(shelf for start, shelf in _SHELF_OF if first.startswith(start))


def _loans(
    db: Session, copies: Sequence[Copy], members: Sequence[Member], chance: random.Random, now: datetime, today: date
) -> list[Copy]:
    """Loans that began on different days; some came back, some are late, some renewed. Returns copies that nobody has had."""
    labelled = list(copies[:-WITHOUT_LABEL])
    chance.shuffle(labelled)
    for copy in labelled[:RETURNED]:
        before = timedelta(days=chance.randint(60, 200))
        lend(db, copy, chance.choice(members), now - before, today - before)
        give_back(db, copy, now - before + timedelta(days=chance.randint(2, 30)), today)
    for n, copy in enumerate(labelled[RETURNED : RETURNED + OPEN_LOANS]):
        is_late, is_renewed = n < LATE_LOANS, LATE_LOANS <= n < LATE_LOANS + RENEWED
        ago = timedelta(days=chance.randint(*((31, 55) if is_late else (20, 27) if is_renewed else (0, 27))))
        loan = lend(db, copy, members[(n * 7) % len(members)], now - ago, today - ago).loan
        if is_renewed:
            ago = timedelta(days=chance.randint(1, 9))
            renew(db, loan.id, now - ago, today - ago)
    return labelled[RETURNED + OPEN_LOANS :]


def _queues(db: Session, copies: Sequence[Copy], members: Sequence[Member], now: datetime, today: date) -> None:
    """Who waits for what, what is set aside, and what came of it that is to be settled. Each copy is the only one of its title."""

    def ago(days: int) -> tuple[datetime, date]:
        return now - timedelta(days=days), today - timedelta(days=days)

    never_fetched, in_pick_up_shelf, waited_for, still_in_shelf, taken_by_another, found_again = copies[:6]
    reader, first, second = members[10:13]
    for copy, began in ((never_fetched, 40), (in_pick_up_shelf, 25), (waited_for, 20)):
        lend(db, copy, reader, *ago(began))
        place(db, copy.title_id, first.id, *ago(began - 5))
    give_back(db, never_fetched, *ago(30))
    expire(db, *ago(15))
    give_back(db, in_pick_up_shelf, *ago(1))
    place(db, waited_for.title_id, second.id, *ago(3))
    place(db, still_in_shelf.title_id, second.id, now, today)
    place(db, taken_by_another.title_id, first.id, *ago(4))
    lend(db, taken_by_another, reader, *ago(2))
    lose(db, lend(db, found_again, reader, *ago(150)).loan.id, ago(90)[0], None)
    lend(db, found_again, second, *ago(6))
