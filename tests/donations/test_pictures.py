"""Pictures of books that still lie on a pile, fetched from a stand-in of the covers service."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import select

from bibliothek.catalogue import covers
from bibliothek.catalogue.models import Cover
from bibliothek.donations import looking, pictures
from bibliothek.donations.models import PileBook
from tests import make
from tests.catalogue import drawn
from tests.client import Client
from tests.conftest import Library
from tests.lookup.stand_in import StandIn
from tests.lookup.test_covers import CoverService, serving

ISBN, TYPED = "9780140328721", "Fantastic Mr. Fox"
WITH_COVER = {"title": "Matilda", "cover": {"large": "https://covers.openlibrary.org/b/id/42-L.jpg"}}


@pytest.fixture(autouse=True)
def _no_background(monkeypatch: pytest.MonkeyPatch) -> None:
    """A test fetches when it says so."""
    monkeypatch.setattr(looking.Looking, "start", lambda _self: None)


@pytest.fixture
def service(sources: StandIn) -> Iterator[CoverService]:
    # After the sources: each forgets the troubles of those before.
    with serving(CoverService()) as running:
        yield running


@pytest.fixture
def donor(asking: Library, sources: StandIn, service: CoverService) -> Iterator[Client]:
    sources.add_book(ISBN, **WITH_COVER)
    library = Library(replace(asking.settings, covers_url=service.url), asking.database, asking.clock)
    with library.database.writing() as db:
        make.admin(db)
        member = make.member(db)
    with library.client() as client:
        yield client.sign_in(member)


def scan(client: Client, isbn: str = ISBN) -> None:
    client.submit("/spenden/stapel", isbn=isbn)
    look(client)


def look(client: Client) -> None:
    library = client.library
    while looking.look_one_up(library.database, library.settings, library.clock):
        pass


def fetch(client: Client) -> bool:
    library = client.library
    return pictures.fetch_one(library.database, library.settings, library.clock)


def books(client: Client) -> list[PileBook]:
    with client.library.database.reading() as db:
        return list(db.scalars(select(PileBook).order_by(PileBook.id)))


def cover(client: Client) -> Cover:
    with client.library.database.reading() as db:
        return db.scalars(select(Cover)).one()


def picture_in(html: str) -> str | None:
    found = re.search(r'<img class="cover" src="([^"]+)"', html)
    return found[1] if found else None


def rows(client: Client) -> Any:
    ids = ",".join(str(book.id) for book in books(client))
    return client.get(f"/spenden/zeilen?zeilen={ids}", headers={"hx-request": "true"}).text


def test_the_picture_comes_when_the_book_is_known_and_goes_along_to_its_title(
    donor: Client, service: CoverService
) -> None:
    scan(donor)
    assert "data-awaits" in rows(donor)
    assert picture_in(rows(donor)) is None
    assert fetch(donor)
    assert not fetch(donor)
    shown = rows(donor)
    assert "data-awaits" not in shown
    address = picture_in(shown)
    assert address
    assert donor.get(address).headers["content-type"] == "image/webp"
    donor.submit("/spenden/stapel/aufnehmen")
    assert (cover(donor).source, bool(cover(donor).digest)) == (covers.OPEN_LIBRARY, True)
    assert len(service.asked) == 1


def test_five_copies_are_one_question(donor: Client, service: CoverService) -> None:
    for _copy in range(5):
        scan(donor)
    while fetch(donor):
        pass
    assert len({book.picture for book in books(donor)}) == 1
    assert books(donor)[0].picture
    assert len(service.asked) == 1


def test_a_title_that_is_here_shows_the_picture_it_has(donor: Client) -> None:
    digest = covers.keep(covers.folder_of(donor.library.settings), drawn.book())
    with donor.library.database.writing() as db:
        title = make.title(db, "Matilda", isbns=(ISBN,))
        covers.set_own_picture(db, title.id, digest, donor.library.clock())
    donor.submit("/spenden/stapel", isbn=ISBN)
    assert picture_in(rows(donor)) == f"/titel/{title.id}/bild/{digest}-s"
    assert not fetch(donor)


@pytest.mark.parametrize("answer", [{"status": 404, "kind": "text/html"}, {"status": 500}, {"body": drawn.TEXT}])
def test_where_no_picture_comes_the_row_stays_as_it_is(
    donor: Client, service: CoverService, answer: dict[str, Any]
) -> None:
    vars(service).update(answer)
    scan(donor)
    fetch(donor)
    shown = rows(donor)
    assert picture_in(shown) is None
    assert "data-awaits" not in shown
    assert "cover__title" in shown
    assert not fetch(donor)


@pytest.mark.parametrize(("status", "asks_again"), [(404, False), (500, True)])
def test_what_there_is_not_is_not_asked_for_again(
    donor: Client, service: CoverService, status: int, asks_again: bool
) -> None:
    service.status, service.kind = status, "text/html"
    scan(donor)
    fetch(donor)
    donor.submit("/spenden/stapel/aufnehmen")
    assert (cover(donor).next_try_at is not None) == asks_again


def test_of_a_runner_that_died_the_lease_ends_and_no_page_waits_for_ever(donor: Client) -> None:
    scan(donor)
    with donor.library.database.writing() as db:
        assert pictures.claim(db, donor.library.clock())
    assert not fetch(donor)
    donor.library.clock.pass_time(minutes=2)
    assert fetch(donor)
    assert books(donor)[0].picture


def test_switched_off_nobody_is_asked_and_no_page_waits(donor: Client, service: CoverService) -> None:
    scan(donor)
    off = replace(donor.library.settings, covers_url=None)
    assert not pictures.fetch_one(donor.library.database, off, donor.library.clock)
    donor.library.clock.pass_time(minutes=3)
    assert "data-awaits" not in rows(donor)
    assert service.asked == []


def test_what_comes_after_the_book_was_taken_in_goes_to_its_title(donor: Client) -> None:
    scan(donor)
    now = donor.library.clock()
    with donor.library.database.writing() as db:
        wanted = pictures.claim(db, now)
    donor.submit("/spenden/stapel/aufnehmen")
    digest = covers.keep(covers.folder_of(donor.library.settings), drawn.book())
    assert wanted
    with donor.library.database.writing() as db:
        pictures.settle(db, wanted, digest, now)
    assert cover(donor).digest == digest


def test_what_a_person_says_meanwhile_counts(donor: Client) -> None:
    scan(donor)
    now = donor.library.clock()
    with donor.library.database.writing() as db:
        wanted = pictures.claim(db, now)
    donor.submit(f"/spenden/stapel/{books(donor)[0].id}", title=TYPED, isbn="9780140328738")
    assert wanted
    with donor.library.database.writing() as db:
        pictures.settle(db, wanted, "b" * 32, now)
    assert books(donor)[0].picture is None


def test_with_another_isbn_a_fetched_picture_goes_and_a_photo_stays(donor: Client) -> None:
    scan(donor)
    fetch(donor)
    address = f"/spenden/stapel/{books(donor)[0].id}"
    donor.submit(address, title="Matilda", isbn=ISBN)
    assert books(donor)[0].picture
    donor.submit(address, title=TYPED, isbn="9780140328738")
    assert books(donor)[0].picture is None
    photo = {"picture": ("foto.jpg", drawn.book(cloth="#58233f"), "image/jpeg")}
    donor.post(address, data={"title": TYPED}, files=photo, headers={"sec-fetch-site": "same-origin"})
    own = books(donor)[0].picture
    assert own
    donor.submit(address, title="Matilda", isbn=ISBN)
    assert books(donor)[0].picture == own
