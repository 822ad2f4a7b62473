"""Making a device the tablet, and who may."""

from __future__ import annotations

import re

import pytest
from sqlalchemy import select

from bibliothek.kiosk.models import Device
from bibliothek.members.models import BrowserSession, Member
from tests import make
from tests.client import Client
from tests.conftest import Library


def person(library: Library, role: str = "librarian") -> Member:
    with library.database.writing() as db:
        make.admin(db)
        return make.member(db, role=role)


def once_of(html: str) -> str:
    found = re.search(r'name="once" value="([^"]+)"', html)
    assert found
    return found.group(1)


def enrol(client: Client, name: str = "Eingang") -> str:
    once = once_of(client.get("/kiosk").text)
    assert client.submit("/verwaltung/tablet", name=name, once=once).status_code == 200
    return once


def has_scan_field(client: Client) -> bool:
    return 'name="scan"' in client.get("/kiosk").text


def test_a_librarian_makes_a_device_the_tablet(both: Library) -> None:
    with both.client() as client:
        client.sign_in(person(both))
        assert not has_scan_field(client)
        assert "Dieses Gerät ist das Tablet" in client.get("/verwaltung/tablet").text
        enrol(client)
        assert has_scan_field(client)


def test_the_librarians_own_session_ends_on_the_tablet(both: Library) -> None:
    with both.client() as client:
        client.sign_in(person(both))
        once = once_of(client.get("/kiosk").text)
        answer = client.submit("/verwaltung/tablet", False, name="Eingang", once=once)
        assert any(
            cookie.startswith(("bibliothek=;", 'bibliothek="";')) and "Max-Age=0" in cookie
            for cookie in answer.headers.get_list("set-cookie")
        )
        assert client.get("/verwaltung/tablets").status_code == 403
        with both.database.reading() as db:
            assert db.scalars(select(BrowserSession)).all() == []


def test_pressing_the_button_twice_makes_one_tablet(both: Library) -> None:
    with both.client() as client:
        client.sign_in(person(both))
        once = enrol(client)
        first = client.cookies["tablet"]
        # The first answer was lost, and with it the cookie.
        client.cookies.clear()
        client.submit("/verwaltung/tablet", name="Eingang", once=once)
        assert client.cookies["tablet"] == first
        with both.database.reading() as db:
            assert len(db.scalars(select(Device)).all()) == 1


def test_an_old_form_makes_nobody_a_tablet(both: Library) -> None:
    with both.client() as client:
        client.sign_in(person(both))
        once = enrol(client)
    both.clock.pass_time(minutes=1)
    with both.client() as stranger:
        answer = stranger.submit("/verwaltung/tablet", False, name="Meins", once=once)
        assert "tablet" not in stranger.cookies
        assert answer.headers.get("location", "") != "/kiosk"
        assert not has_scan_field(stranger)


@pytest.mark.parametrize("revoked", [False, True])
def test_an_old_form_makes_another_tablet_for_a_librarian(both: Library, revoked: bool) -> None:
    librarian = person(both)
    with both.client() as first, both.client() as second:
        once = enrol(first.sign_in(librarian))
        if revoked:
            with both.database.writing() as db:
                db.get_one(Device, 1).revoked_at = both.clock()
        both.clock.pass_time(minutes=1)
        second.sign_in(librarian)
        assert second.submit("/verwaltung/tablet", name="Küche", once=once).status_code == 200
        assert second.cookies["tablet"] != first.cookies["tablet"]
        assert has_scan_field(second)
        assert has_scan_field(first) is not revoked


def test_a_form_without_its_hidden_field_never_brings_another_tablets_cookie(library: Library) -> None:
    librarian = person(library)
    with library.client() as client:
        client.sign_in(librarian)
        client.submit("/verwaltung/tablet", name="Eingang")
        assert has_scan_field(client)
    with library.client() as stranger:
        stranger.submit("/verwaltung/tablet", name="Eingang")
        assert not has_scan_field(stranger)


@pytest.mark.parametrize("role", ["member", None])
def test_strangers_and_members_get_no_scan_field(library: Library, role: str | None) -> None:
    someone = person(library, role or "member")
    with library.client() as client:
        if role:
            client.sign_in(someone)
        assert not has_scan_field(client)
        assert "Dieses Gerät soll das Tablet werden" in client.get("/kiosk").text
        answer = client.submit("/verwaltung/tablet", name="Meins", once="x" * 43)
        assert answer.status_code in (401, 403)
        assert not has_scan_field(client)
        with library.database.reading() as db:
            assert db.scalars(select(Device)).all() == []


@pytest.mark.parametrize("path", ["/kiosk", "/kiosk/fertig", "/kiosk/weiter", "/kiosk/zurueck", "/kiosk/mitnehmen"])
@pytest.mark.parametrize("role", ["admin", "member", None])
def test_nobody_but_a_tablet_may_scan(library: Library, path: str, role: str | None) -> None:
    someone = person(library, role or "member")
    with library.database.writing() as db:
        code = make.loan(db).copy_id
        assert code
    with library.client() as client:
        if role:
            client.sign_in(someone)
        answer = client.submit(path, False, scan="x", copy="x", loan="1")
        assert answer.status_code == (403 if role else 303)
        assert not role or "data-result" not in answer.text


@pytest.mark.parametrize("name", ["", "   ", "x" * 61, "x" * 10_000, "\u200b"])
def test_a_tablet_needs_a_name_that_fits(library: Library, name: str) -> None:
    with library.client() as client:
        client.sign_in(person(library))
        answer = client.submit("/verwaltung/tablet", name=name, once="x" * 43)
        assert answer.status_code == 422
        assert "tablet" not in client.cookies


def test_a_tablet_is_renamed(both: Library) -> None:
    with both.client() as client:
        client.sign_in(person(both))
        with both.database.writing() as db:
            from bibliothek.kiosk import actions

            actions.enrol(db, "Eingang", both.clock())
        assert "Küche" in client.submit("/verwaltung/tablets/1", name=" Küche ").text
        assert client.submit("/verwaltung/tablets/1", name="").status_code == 422
        assert client.submit("/verwaltung/tablets/99", name="x").status_code == 404
        assert client.submit(f"/verwaltung/tablets/{2**70}", name="x").status_code == 404


def test_a_revoked_tablet_is_no_tablet_at_once(both: Library) -> None:
    librarian = person(both)
    with both.client() as tablet, both.client() as client:
        tablet.be_tablet()
        client.sign_in(librarian)
        assert has_scan_field(tablet)
        client.submit("/verwaltung/tablets/1/sperren", once="x" * 43)
        assert not has_scan_field(tablet)
        assert tablet.submit("/kiosk", False, scan="x").status_code == 303
        answer = tablet.post(
            "/kiosk", data={"scan": "x"}, headers={"sec-fetch-site": "same-origin", "hx-request": "true"}
        )
        assert answer.headers["hx-redirect"].startswith("/anmelden")


@pytest.mark.parametrize("path", ["/verwaltung/tablets", "/verwaltung/tablet"])
def test_pages_of_tablets_are_for_librarians(library: Library, path: str) -> None:
    member = person(library, "member")
    with library.client() as client:
        assert client.get(path, follow_redirects=False).status_code == 303
        client.sign_in(member)
        assert client.get(path).status_code == 403
        assert client.submit("/verwaltung/tablets/1/sperren").status_code == 403


def test_the_tablets_cookie_is_renewed_with_every_look(library: Library) -> None:
    person(library)
    with library.client() as client:
        client.be_tablet()
        answer = client.get("/kiosk")
        assert "tablet=" in answer.headers["set-cookie"]
        assert "HttpOnly" in answer.headers["set-cookie"]
        assert "Max-Age=34560000" in answer.headers["set-cookie"]


def test_a_guests_language_lasts_as_long_as_the_guest(library: Library) -> None:
    with library.database.writing() as db:
        make.admin(db)
    with library.client() as client:
        tablet = client.be_tablet()
        chosen = tablet.submit("/sprache", False, sprache="en", zurueck="/kiosk")
        assert "Max-Age=90" in chosen.headers["set-cookie"]
        shown = tablet.get("/kiosk")
        assert '<html lang="en">' in shown.text
        assert "sprache=en" in shown.headers["set-cookie"]
        assert '<html lang="de">' in tablet.submit("/kiosk/fertig").text
        assert '<html lang="de">' in tablet.get("/katalog").text


def test_a_tablet_has_one_menu_in_which_nobody_signs_in(library: Library) -> None:
    with library.database.writing() as db:
        make.admin(db)
    with library.client() as client:
        tablet = client.be_tablet()
        menus = [re.findall(r"<nav.*?</nav>", tablet.get(path).text, re.S)[0] for path in ("/kiosk", "/katalog")]
    assert [re.findall(r'<a href="([^"]*)"', menu) for menu in menus] == [["/kiosk", "/katalog", "/spenden"]] * 2
    assert all("English" in menu for menu in menus)
