"""A photo of the cover comes with a book that somebody describes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from bibliothek.catalogue import covers
from bibliothek.catalogue.models import Cover, Title
from bibliothek.catalogue.pictures import MOST_BYTES
from bibliothek.copies.models import Copy
from bibliothek.donations import looking, piles
from bibliothek.donations.models import PileBook
from tests import make
from tests.catalogue import drawn
from tests.client import Client, text_of
from tests.conftest import Library

PHOTO, OTHER_PHOTO = drawn.book(), drawn.book(cloth="#a3281e")
FORMS = ("/spenden/buch", "/spenden/stapel/buch")
BAD = {
    "40 MB": (bytes(40_000_000), "Das Bild ist zu groß"),
    "PNG bomb": (drawn.bomb(60_000, 60_000), "zu viele Bildpunkte"),
    "SVG with script": (drawn.SVG, "kein Foto, das die Bibliothek lesen kann"),
    "text named .jpg": (drawn.TEXT, "kein Foto, das die Bibliothek lesen kann"),
}


@pytest.fixture(autouse=True)
def _no_background(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(looking.Looking, "start", lambda _self: None)


@pytest.fixture
def donor(asking: Library) -> Iterator[Client]:
    with asking.database.writing() as db:
        make.admin(db)
        member = make.member(db)
    with asking.client() as client:
        yield client.sign_in(member)


def send(client: Client, path: str, photo: bytes | None = None, **fields: Any) -> Any:
    """The form as a browser sends it: an empty file field where none was chosen."""
    sent = {"picture": ("foto.jpg", photo, "image/jpeg")} if photo is not None else {"picture": ("", b"")}
    return client.post(path, data=fields, files=sent, headers={"sec-fetch-site": "same-origin"}, follow_redirects=True)


def folder(client: Client) -> Path:
    return covers.folder_of(client.library.settings)


def all_of(client: Client, model: Any) -> list[Any]:
    with client.library.database.reading() as db:
        return list(db.scalars(select(model)))


def remembered(html: str) -> str:
    found = re.search(r'name="foto" value="(\w+)" checked', html)
    assert found
    return found.group(1)


def take_in(client: Client, path: str) -> None:
    if path != "/spenden/buch":
        assert client.submit("/spenden/stapel/aufnehmen").status_code == 200


@pytest.mark.parametrize("path", FORMS)
def test_the_photo_is_the_picture_of_the_title(donor: Client, path: str) -> None:
    assert 'type="file"' in donor.get(path).text
    assert send(donor, path, PHOTO, title="Zine Nr. 3").status_code == 200
    take_in(donor, path)
    (cover,) = all_of(donor, Cover)
    assert cover.source == covers.OWN
    shown = donor.get(f"/titel/{cover.title_id}").text
    assert donor.get(f"/titel/{cover.title_id}/bild/{cover.digest}-s").status_code == 200
    assert f"{cover.digest}-l" in shown


@pytest.mark.parametrize("path", FORMS)
def test_without_a_photo_the_book_comes_in_as_before(donor: Client, path: str) -> None:
    assert send(donor, path, title="Zine Nr. 3").status_code == 200
    take_in(donor, path)
    assert [title.title for title in all_of(donor, Title)] == ["Zine Nr. 3"]
    assert all_of(donor, Cover) == []


@pytest.mark.parametrize("path", FORMS)
@pytest.mark.parametrize("bad", BAD)
def test_a_bad_photo_is_one_sentence_and_nothing_typed_is_lost(donor: Client, path: str, bad: str) -> None:
    photo, sentence = BAD[bad]
    shown = send(donor, path, photo, title="Zine Nr. 3", publisher="Rotbuch", year="bald")
    assert shown.status_code == 422
    assert text_of(shown.text).count(sentence) == 2  # above the form, and at the field
    assert 'id="f-picture-error"' in shown.text
    assert 'id="f-year-error"' in shown.text
    assert 'value="Zine Nr. 3"' in shown.text
    assert 'value="Rotbuch"' in shown.text
    assert all_of(donor, Title) == all_of(donor, Copy) == all_of(donor, PileBook) == []


@pytest.mark.parametrize("path", FORMS)
def test_a_good_photo_survives_that_something_else_is_wrong(donor: Client, path: str) -> None:
    shown = send(donor, path, PHOTO, title="Zine Nr. 3", year="bald")
    assert shown.status_code == 422
    assert send(donor, path, title="Zine Nr. 3", foto=remembered(shown.text)).status_code == 200
    take_in(donor, path)
    (cover,) = all_of(donor, Cover)
    assert cover.digest == remembered(shown.text)


def test_another_photo_counts_before_that_of_a_moment_ago_and_none_where_the_tick_is_taken_off(donor: Client) -> None:
    before = remembered(send(donor, "/spenden/buch", PHOTO, title="").text)
    after_a_bad_one = send(donor, "/spenden/buch", drawn.TEXT, title="Zine", foto=before)
    assert remembered(after_a_bad_one.text) == before
    send(donor, "/spenden/buch", OTHER_PHOTO, title="Zine", foto=before)
    send(donor, "/spenden/buch", title="Flugblatt")
    (cover,) = all_of(donor, Cover)
    assert cover.digest != before


@pytest.mark.parametrize("foto", ["0" * 32, "x", "../../../etc/passwd", "0" * 9000])
def test_a_photo_that_is_not_there_any_more_is_asked_for_again(donor: Client, foto: str) -> None:
    shown = send(donor, "/spenden/buch", title="Zine", foto=foto)
    assert shown.status_code == 422
    assert "Das Foto von vorhin ist nicht mehr da" in text_of(shown.text)
    assert 'name="foto"' not in shown.text
    assert all_of(donor, Copy) == []
    assert send(donor, "/spenden/buch", PHOTO, title="Zine", foto=foto).status_code == 200


def test_pressing_twice_with_a_photo_is_one_book(donor: Client) -> None:
    token = re.search(r'name="once" value="([^"]+)"', donor.get("/spenden/buch").text)
    assert token
    for _press in range(2):
        shown = send(donor, "/spenden/buch", PHOTO, title="Zine", once=token.group(1))
        assert shown.status_code == 200
    assert len(all_of(donor, Copy)) == 1


def test_no_donor_replaces_a_picture_that_is_there_or_brings_one_back_that_was_taken_off(donor: Client) -> None:
    isbn, now = "9783551551672", donor.library.clock()
    own = covers.keep(folder(donor), OTHER_PHOTO)
    with donor.library.database.writing() as db:
        title = make.title(db, "Tschick", isbns=(isbn,))
        covers.set_own_picture(db, title.id, own, now)
    send(donor, "/spenden/buch", PHOTO, title="Tschick", isbn=isbn)
    assert [cover.digest for cover in all_of(donor, Cover)] == [own]
    with donor.library.database.writing() as db:
        covers.remove_picture(db, title.id, now)
    send(donor, "/spenden/buch", PHOTO, title="Tschick", isbn=isbn)
    assert [cover.digest for cover in all_of(donor, Cover)] == [None]
    assert len(all_of(donor, Copy)) == 2


def test_a_book_that_was_not_found_gets_its_photo_on_the_pile(donor: Client) -> None:
    isbn = "9791090636071"
    donor.submit("/spenden/stapel", isbn=isbn)
    library = donor.library
    while looking.look_one_up(library.database, library.settings, library.clock):
        pass
    (book,) = all_of(donor, PileBook)
    shown = send(donor, f"/spenden/stapel/{book.id}", PHOTO, title="Sonderdruck", isbn=isbn)
    address = re.search(rf'src="(/spenden/stapel/{book.id}/bild/\w+-s)"', shown.text)
    assert address
    picture = donor.get(address.group(1))
    assert (picture.status_code, picture.headers["content-type"]) == (200, "image/webp")
    assert address.group(1) in donor.get(f"/spenden/stapel/{book.id}").text
    # Changed once more without a new photo it stays.
    send(donor, f"/spenden/stapel/{book.id}", title="Sonderdruck 2", isbn=isbn)
    thanks = donor.submit("/spenden/stapel/aufnehmen")
    (cover,) = all_of(donor, Cover)
    assert f"/titel/{cover.title_id}/bild/{cover.digest}-s" in thanks.text


def test_the_picture_of_a_book_on_a_pile_is_for_nobody_else(donor: Client) -> None:
    send(donor, "/spenden/stapel/buch", PHOTO, title="Zine")
    (book,) = all_of(donor, PileBook)
    with donor.library.database.writing() as db:
        other = make.member(db)
    address = f"/spenden/stapel/{book.id}/bild/{book.picture}-s"
    with donor.library.client() as stranger:
        assert stranger.get(address, follow_redirects=False).status_code == 303
        assert stranger.sign_in(other).get(address).status_code == 404
    assert donor.get(address).status_code == 200
    assert donor.get(address.replace("-s", "-x")).status_code == 404
    assert donor.get(f"/spenden/stapel/{book.id}/bild/{'0' * 32}-s").status_code == 404


def test_a_photo_too_large_to_be_read_is_refused_before_anything_happens(donor: Client) -> None:
    shown = send(donor, "/spenden/stapel/buch", bytes(MOST_BYTES * 3), title="Zine")
    assert shown.status_code == 413
    assert all_of(donor, PileBook) == []


def test_the_photos_of_a_pile_are_not_tidied_away(donor: Client) -> None:
    send(donor, "/spenden/stapel/buch", PHOTO, title="Zine")
    in_two_days = 4e9
    with donor.library.database.reading() as db:
        assert covers.tidy(db, folder(donor), in_two_days, piles.pictures_kept) == 0
        assert covers.tidy(db, folder(donor), in_two_days) == 2
