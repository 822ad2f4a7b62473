"""Pictures of titles: own photos, their files, and who may set them."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from bibliothek.catalogue import actions, covers
from bibliothek.catalogue.fields import Origin, TitleFields
from bibliothek.catalogue.models import Cover, Title
from bibliothek.catalogue.queries import NoSuchTitle
from bibliothek.operations.verify import PICTURED, verify
from tests import make
from tests.catalogue import drawn
from tests.client import Client
from tests.conftest import Library

PHOTO = drawn.book()
ISBN = "9783518188262"


def folder(library: Library) -> Path:
    return covers.folder_of(library.settings)


def a_title(library: Library) -> int:
    with library.database.writing() as db:
        make.admin(db)
        return make.title(db, "Ein Zine").id


def librarian(library: Library, client: Client) -> Client:
    with library.database.writing() as db:
        member = make.member(db, role="librarian")
    return client.sign_in(member)


def send(client: Client, title_id: int, photo: bytes | None, name: str = "foto.jpg", **more: str) -> Any:
    return client.post(
        f"/titel/{title_id}/bild",
        data=more,
        files={"picture": (name, photo, "image/jpeg")} if photo is not None else {"picture": ("", b"")},
        headers={"sec-fetch-site": "same-origin"},
        follow_redirects=True,
    )


def cover_of(library: Library, title_id: int) -> Cover | None:
    with library.database.reading() as db:
        return db.get(Cover, title_id)


def files(library: Library) -> list[Path]:
    return sorted(file for file in folder(library).glob("**/*") if file.is_file())


# ---- On the page ----


def test_a_librarian_gives_a_title_a_photo_and_everybody_sees_it(both: Library) -> None:
    title_id = a_title(both)
    with both.client() as client:
        page = send(librarian(both, client), title_id, PHOTO, once="a token of the form")
        assert page.status_code == 200
        assert "Das Bild ist gespeichert." in page.text
        assert "Bild: eigenes Foto" in page.text
    cover = cover_of(both, title_id)
    assert cover
    assert cover.source == "own"
    with both.client() as stranger:
        for size in ("s", "l"):
            answer = stranger.get(f"/titel/{title_id}/bild/{cover.digest}-{size}")
            assert answer.headers["content-type"] == "image/webp"
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert "immutable" in answer.headers["cache-control"]
            assert drawn.opened(answer.content).width == {"s": 160, "l": 480}[size]
        for address in ("/", "/katalog"):
            page = stranger.get(address)
            assert f"/titel/{title_id}/bild/{cover.digest}-s" in page.text
        assert "Bild ändern" not in stranger.get(f"/titel/{title_id}").text


def test_only_librarians_set_a_picture_and_nobody_else_s_upload_is_even_read(library: Library) -> None:
    title_id = a_title(library)
    with library.database.writing() as db:
        member = make.member(db)
    with library.client() as client:
        assert send(client, title_id, PHOTO).url.path == "/anmelden"
        assert send(client.sign_in(member), title_id, PHOTO).status_code == 403
        assert client.submit(f"/titel/{title_id}/bild/entfernen").status_code == 403
    with library.client() as client:
        assert send(client.be_tablet(), title_id, PHOTO).status_code in (403, 200)
    assert cover_of(library, title_id) is None
    assert files(library) == []


def test_a_picture_from_another_site_is_refused(library: Library) -> None:
    title_id = a_title(library)
    with library.client() as client:
        librarian(library, client)
        for headers in ({"sec-fetch-site": "cross-site"}, {"origin": "https://evil.example"}, {}):
            sent = client.post(f"/titel/{title_id}/bild", files={"picture": ("a.jpg", PHOTO)}, headers=headers)
            assert sent.status_code == 403
    assert cover_of(library, title_id) is None


@pytest.mark.parametrize(
    ("photo", "status", "sentence"),
    [
        (PHOTO + bytes(40_000_000), 413, "Das Bild ist zu groß: höchstens 25 MB."),
        (drawn.bomb(30_000, 30_000), 422, "Das Bild hat zu viele Bildpunkte."),
        (drawn.SVG, 422, "Diese Datei ist kein Foto"),
        (drawn.TEXT, 422, "Diese Datei ist kein Foto"),
        (PHOTO[:4000], 422, "Das Bild ist beschädigt"),
        (b"", 422, "Bitte wähle ein Bild aus"),
        (None, 422, "Bitte wähle ein Bild aus"),
    ],
    ids=["40 MB", "PNG bomb", "SVG with script", "text named .jpg", "cut off", "empty file", "no file"],
)
def test_what_is_no_good_photo_is_said_on_the_page_of_the_title(
    library: Library, photo: bytes | None, status: int, sentence: str
) -> None:
    title_id = a_title(library)
    with library.client() as client:
        page = send(librarian(library, client), title_id, photo)
        assert (page.status_code, page.headers["content-type"]) == (status, "text/html; charset=utf-8")
        assert sentence in page.text
        assert "<h1>Ein Zine</h1>" in page.text
    assert cover_of(library, title_id) is None
    assert files(library) == []


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("multipart/form-data", b"x"),
        ("multipart/form-data; boundary=b", b"no part at all"),
        (
            "multipart/form-data; boundary=b",
            b'--b\r\nContent-Disposition: form-data; name="once"\r\n\r\n\xff\xfe\r\n--b--',
        ),
        (
            "multipart/form-data; boundary=b",
            b'--b\r\nContent-Disposition: form-data; name="picture"; filename="a"\r\n\r\nx',
        ),
        ("application/x-www-form-urlencoded", b"picture=x"),
        ("text/plain", b"x"),
        ("multipart/form-data; boundary=b", bytes(65_000_000)),
    ],
)
def test_a_form_that_is_none_is_refused(library: Library, kind: str, body: bytes) -> None:
    title_id = a_title(library)
    with library.client() as client:
        librarian(library, client)
        headers = {"sec-fetch-site": "same-origin", "content-type": kind}
        sent = client.post(f"/titel/{title_id}/bild", content=body, headers=headers)
        assert sent.status_code in (400, 413, 422)
        assert sent.headers["content-type"].startswith("text/html")


def test_other_forms_still_take_two_megabytes_and_no_files(library: Library) -> None:
    title_id = a_title(library)
    with library.client() as client:
        librarian(library, client)
        headers = {"sec-fetch-site": "same-origin"}
        sent = client.post(f"/titel/{title_id}/bild/entfernen", content=bytes(2_100_000), headers=headers)
        assert sent.status_code == 413


def test_a_photo_for_a_title_that_is_not_here_is_refused(library: Library) -> None:
    a_title(library)
    with library.client() as client:
        librarian(library, client)
        assert send(client, 4711, PHOTO).status_code == 404
        assert send(client, 2**70, PHOTO).status_code == 404


def test_a_photo_is_replaced_and_taken_off_and_gone_at_once(library: Library) -> None:
    title_id = a_title(library)
    with library.client() as client:
        librarian(library, client)
        send(client, title_id, PHOTO)
        first = cover_of(library, title_id)
        send(client, title_id, drawn.book(cloth="#a3281e"))
        second = cover_of(library, title_id)
        assert first
        assert second
        assert first.digest != second.digest
        assert client.get(f"/titel/{title_id}/bild/{first.digest}-s").status_code == 404
        page = client.submit(f"/titel/{title_id}/bild/entfernen")
        assert "Das Bild ist entfernt." in page.text
        assert client.get(f"/titel/{title_id}/bild/{second.digest}-s").status_code == 404


@pytest.mark.parametrize("name", ["x", "..%2f..%2fsecret-key", "0" * 32 + "-s", "0" * 32 + "-x", "0" * 32])
def test_an_address_that_names_no_picture_is_not_found(library: Library, name: str) -> None:
    title_id = a_title(library)
    with library.client() as client:
        assert client.get(f"/titel/{title_id}/bild/{name}").status_code == 404
        assert client.get(f"/titel/{2**70}/bild/{'0' * 32}-s").status_code == 404


# ---- Actions ----


def looked_up(db: Any, cover_id: int | None = 7, isbns: tuple[str, ...] = (ISBN,)) -> Title:
    return actions.add_title(
        db,
        TitleFields(title="Die Verwandlung", isbns=isbns),
        make.NOW,
        Origin(source="openlibrary", cover_id=cover_id),
    )


def test_the_picture_of_a_title_that_was_looked_up_is_wanted_and_of_one_that_was_typed_is_not(db: Any) -> None:
    known, unknown, typed = looked_up(db), looked_up(db, None), make.title(db, isbns=(ISBN,))
    nowhere = looked_up(db, None, ())
    waiting = {row.title_id: row.reference for row in db.scalars(select(Cover))}
    assert waiting == {known.id: "7", unknown.id: None}
    assert typed.id not in waiting
    assert nowhere.id not in waiting


def test_a_later_look_up_that_knows_the_picture_counts_but_never_over_an_own_one(db: Any) -> None:
    title = looked_up(db, None)
    covers.want(db, title.id, Origin(source="openlibrary", cover_id=8), (), make.NOW)
    cover = db.get(Cover, title.id, populate_existing=True)
    assert (cover.reference, cover.next_try_at) == ("8", make.NOW)
    for decide in (
        covers.remove_picture,
        lambda *given: covers.set_own_picture(given[0], given[1], "a" * 32, given[2]),
    ):
        decide(db, title.id, make.NOW)
        covers.want(db, title.id, Origin(source="openlibrary", cover_id=9), (), make.NOW)
        cover = db.get(Cover, title.id, populate_existing=True)
        assert (cover.source, cover.reference, cover.next_try_at) == ("own", None, None)
    assert cover.digest == "a" * 32


def test_a_title_that_is_not_here_gets_no_picture(db: Any) -> None:
    with pytest.raises(NoSuchTitle):
        covers.set_own_picture(db, 4711, "a" * 32, make.NOW)


# ---- Files ----


def with_photo(library: Library, photo: bytes = PHOTO) -> int:
    digest = covers.keep(folder(library), photo)
    with library.database.writing() as db:
        return covers.set_own_picture(db, make.title(db).id, digest, make.NOW)


def test_a_picture_whose_file_is_missing_is_found(both: Library) -> None:
    title_id = with_photo(both)

    def broken() -> list[str]:
        with both.database.reading() as db:
            found = verify(db, make.NOW, folder(both))
        return next(one.broken for one in found if one.invariant == PICTURED)

    assert broken() == []
    gone = files(both)[0]
    gone.unlink()
    assert broken() == [f"title {title_id}, {gone.name}"]


def test_what_no_title_shows_is_removed_after_a_day(both: Library) -> None:
    with_photo(both)
    covers.keep(folder(both), drawn.book(cloth="#a3281e"))
    leftover = folder(both) / "ab" / ".tmp-of-a-crash"
    leftover.parent.mkdir(exist_ok=True)
    leftover.write_bytes(b"half")
    with both.database.reading() as db:
        assert len(files(both)) == 5
        assert covers.tidy(db, folder(both)) == 0
        assert covers.tidy(db, folder(both), time.time() + covers.A_DAY_S + 60) == 3
        assert covers.missing_files(db, folder(both)) == []
    assert len(files(both)) == 2


def test_a_picture_that_comes_again_is_as_new_as_it_was_the_first_time(library: Library) -> None:
    covers.keep(folder(library), PHOTO)
    for file in files(library):
        os.utime(file, (1, 1))
    covers.keep(folder(library), PHOTO)
    with library.database.reading() as db:
        assert covers.tidy(db, folder(library)) == 0


def test_nothing_half_written_has_a_name(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        covers.keep(folder(library), PHOTO)
    assert [file for file in files(library) if not file.name.startswith(".")] == []


def test_a_list_asks_no_more_often_with_pictures_than_without(library: Library) -> None:
    from tests.counting import count

    a_title(library)
    with library.client() as client:
        without = count(lambda: client.get("/katalog"))
        for _ in range(5):
            with_photo(library)
        assert count(lambda: client.get("/katalog")) == without
