"""Who is asking: cookies, audiences, networks."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

import pytest
from litestar.testing import RequestFactory

from bibliothek.settings import Settings, load_settings
from bibliothek.web.network import network_of, public_address
from bibliothek.web.origin import behind_proxy
from bibliothek.web.sign_in import NOBODY, Asker, Audience, NotForYou, SignInFirst, require
from tests import make
from tests.client import HOST, Client
from tests.conftest import Library

MEMBER = Asker(member_id=1, role="member")
LIBRARIAN = Asker(member_id=2, role="librarian")
ADMIN = Asker(member_id=3, role="admin")
TABLET = Asker(device_id=1)
PROGRAM = Asker(token_id=1, role="librarian")
KIOSK_PROGRAM = Asker(token_id=2)
ALL = {
    "nobody": NOBODY,
    "member": MEMBER,
    "librarian": LIBRARIAN,
    "admin": ADMIN,
    "tablet": TABLET,
    "program": PROGRAM,
    "kiosk program": KIOSK_PROGRAM,
}


@pytest.mark.parametrize(
    ("audience", "admitted"),
    [
        (Audience.EVERYONE, set(ALL)),
        (Audience.MEMBERS, {"member", "librarian", "admin"}),
        (Audience.LIBRARIANS, {"librarian", "admin"}),
        (Audience.ADMINS, {"admin"}),
        (Audience.KIOSK, {"tablet"}),
        (Audience.MEMBERS_AND_KIOSK, {"member", "librarian", "admin", "tablet"}),
        (Audience.TOKENS, {"program", "kiosk program"}),
        (Audience.LIBRARIAN_TOKENS, {"program"}),
    ],
)
def test_each_audience_admits_these_and_no_others(audience: Audience, admitted: set[str]) -> None:
    assert {name for name, asker in ALL.items() if audience.admits(asker)} == admitted


def test_nobody_is_asked_to_sign_in_and_somebody_is_told_no() -> None:
    with pytest.raises(SignInFirst):
        require(Audience.LIBRARIANS, NOBODY)
    with pytest.raises(NotForYou):
        require(Audience.LIBRARIANS, MEMBER)


def test_a_tablet_is_never_somebodys_own(both: Library) -> None:
    with both.database.writing() as db:
        admin = make.admin(db)
    with both.client() as client:
        client.sign_in(admin).be_tablet()
        assert client.get("/konto").status_code == 403


def test_over_https_the_cookie_is_bound_to_this_host(both: Library) -> None:
    settings = replace(both.settings, base_url=f"https://{HOST}", trusted_proxy="testclient")
    library = replace(both, settings=settings)
    with both.database.writing() as db:
        member = make.admin(db)
    with library.client() as client:
        client.sign_in(member)
        assert client.get("/konto", follow_redirects=False).status_code == 303
        answer = client.submit("/abmelden", False)
    cookie = answer.headers["set-cookie"]
    assert "__Host-bibliothek=" in cookie
    for mark in ("Secure", "HttpOnly", "Path=/", "SameSite=lax"):
        assert mark in cookie
    assert "Domain" not in cookie


def test_what_is_said_about_a_member_goes_over_https_alone(both: Library) -> None:
    secure = replace(both.settings, base_url=f"https://{HOST}", trusted_proxy="testclient")
    with both.database.writing() as db:
        admin = make.admin(db)
    for settings, is_secure in ((both.settings, False), (secure, True)):
        with replace(both, settings=settings).client() as client:
            client.sign_in(admin)
            client.cookies.set("__Host-bibliothek", client.cookies["bibliothek"], domain=HOST)
            answer = client.submit("/verwaltung/mitglieder/neu", False, name="Mitglied 7")
            said = next(line for line in answer.headers.get_list("set-cookie") if line.startswith("gesagt="))
            assert ("Secure" in said) is is_secure
            shown = client.get(answer.headers["location"], headers={"cookie": f"{client_cookies(client)}; {said}"})
            assert "Mitglied 7 ist jetzt Mitglied" in shown.text
            (over,) = (line for line in shown.headers.get_list("set-cookie") if line.startswith("gesagt="))
            assert "Max-Age=0" in over
            assert ("Secure" in over) is is_secure


def client_cookies(client: Client) -> str:
    """A test client speaks http and holds secure cookies back; a browser would not, behind the proxy."""
    return "; ".join(f"{cookie.name}={cookie.value}" for cookie in client.cookies.jar if cookie.name != "gesagt")


@pytest.mark.parametrize("value", ["", "x", "x" * 5000, "ä", "' OR 1=1 --"])
def test_a_cookie_that_nobody_was_given_is_nobody(both: Library, value: str) -> None:
    with both.database.writing() as db:
        make.admin(db)
    with both.client() as client:
        answer = client.get("/konto", headers={b"cookie": f"bibliothek={value}".encode()}, follow_redirects=False)
    assert answer.status_code == 303


def request(address: str, **headers: str) -> Any:
    made = RequestFactory().get("/", headers=headers)
    made.scope["client"] = (address, 1)
    return made


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("198.51.100.7", "198.51.100.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::ffff", "2001:db8:1:2::/64"),
        ("::ffff:198.51.100.7", "198.51.100.7"),
        ("testclient", "testclient"),
        ("", ""),
    ],
)
def test_a_network_is_an_address_or_a_64(address: str, network: str) -> None:
    assert network_of(request(address), Settings()) == network


@pytest.mark.parametrize(
    ("proxy", "forwarded", "network"),
    [
        (None, "203.0.113.9", "127.0.0.1"),
        ("127.0.0.2", "203.0.113.9", "127.0.0.1"),
        ("127.0.0.1", "203.0.113.9", "203.0.113.9"),
        ("127.0.0.1", "made-up, 203.0.113.9", "203.0.113.9"),
        ("127.0.0.1", "", "127.0.0.1"),
    ],
)
def test_only_the_named_proxy_is_believed_and_only_its_own_entry(
    proxy: str | None, forwarded: str, network: str
) -> None:
    headers = {"x-forwarded-for": forwarded} if forwarded else {}
    assert network_of(request("127.0.0.1", **headers), Settings(trusted_proxy=proxy)) == network


@pytest.mark.parametrize("client", ["127.0.0.1", "::ffff:127.0.0.1"])
@pytest.mark.parametrize("proxy", ["127.0.0.1", "::ffff:127.0.0.1", "::FFFF:7f00:1"])
def test_a_proxy_is_known_by_its_ipv4_address_also_where_that_comes_as_ipv6(client: str, proxy: str) -> None:
    settings = load_settings({"BIBLIOTHEK_TRUSTED_PROXY": proxy}, Path("/nowhere"))
    assert behind_proxy(request(client), settings)
    assert not behind_proxy(request("::ffff:127.0.0.2"), settings)
    assert not behind_proxy(request("::1"), settings)


@pytest.mark.parametrize("client", ["::1", "2001:db8::1"])
def test_a_proxy_of_ipv6_is_known(client: str) -> None:
    assert behind_proxy(request(client), Settings(trusted_proxy=client))


@pytest.mark.parametrize(
    ("base_url", "address"),
    [
        ("http://localhost:8000", "http://192.0.2.5:8000"),
        ("https://bibliothek.example.org", "https://bibliothek.example.org"),
    ],
)
def test_phones_are_sent_to_an_address_they_can_reach(base_url: str, address: Literal[""]) -> None:
    assert public_address(request("192.0.2.9", host="192.0.2.5:8000"), Settings(base_url=base_url)) == address


@pytest.mark.parametrize(
    ("sent", "back"),
    [
        ("/spenden", "/spenden"),
        ("/spenden/", "/spenden"),
        ("/spenden/buch", "/spenden/buch"),
        ("/spenden/stapel", "/spenden"),
        ("/etiketten", "/etiketten"),
        ("/konto/ueberall-abmelden", "/konto"),
        ("/c/B123/zurueckgeben", "/c/B123"),
        ("/verwaltung/einstellungen", "/verwaltung/einstellungen"),
        ("/verwaltung/regale/7", "/verwaltung/regale"),
        ("/verwaltung/regale/etiketten", "/verwaltung/regale"),
        ("/verwaltung/tablets/7/sperren", "/verwaltung/tablets"),
        ("/verwaltung/ausleihen/7/zuruecknehmen", "/verwaltung/ausleihen"),
        ("/verwaltung/mitglieder/neu", "/verwaltung/mitglieder/neu"),
        ("/verwaltung/mitglieder/karten", "/verwaltung/mitglieder"),
        ("/verwaltung/erinnerungen/senden", "/verwaltung/erinnerungen"),
    ],
)
def test_who_sends_a_form_signed_out_is_led_back_to_its_page(library: Library, sent: str, back: str) -> None:
    with library.database.writing() as db:
        make.admin(db)
    with library.client() as client:
        answer = client.submit(sent, False)
        assert answer.headers["location"] == "/anmelden?zurueck=" + quote(back, safe="")
