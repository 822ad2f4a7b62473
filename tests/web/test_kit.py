"""The HTTP kit: origin check, errors, forms, one press of a button."""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import date
from typing import Annotated
from urllib.parse import urlencode

import msgspec
import pytest

from bibliothek.web.forms import BadForm, parse_form, read_form
from tests.conftest import Library


class Lend(msgspec.Struct):
    copy: str
    days: Annotated[int, msgspec.Meta(ge=1, le=365)]
    note: str | None
    several: list[str]


def test_a_form_becomes_a_struct() -> None:
    form = read_form(Lend, parse_form(b"copy=+B123+&days=28&note=&several=a&several=b"))
    assert form == Lend(copy="B123", days=28, note=None, several=["a", "b"])


class Closed(msgspec.Struct):
    first: date
    last: date | None = None


@pytest.mark.parametrize("text", ["2026-01-31", "31.1.2026", "31.01.2026", " 31. 1. 2026 "])
def test_a_date_is_read_as_browsers_send_it_and_as_people_write_it(text: str) -> None:
    body = urlencode({"first": text, "last": text}).encode()
    assert read_form(Closed, parse_form(body)) == Closed(date(2026, 1, 31), date(2026, 1, 31))


@pytest.mark.parametrize(
    "text", ["31.2.2026", "31.1.26", "1.31.2026", "31.1.2026.", "0.1.2026", "1.1.0000", "31/1/2026"]
)
def test_what_is_no_date_is_said_with_one_as_people_write_it(text: str) -> None:
    with pytest.raises(BadForm) as caught:
        read_form(Closed, parse_form(urlencode({"first": text}).encode()))
    assert caught.value.errors == {"first": "Bitte gib ein Datum an, zum Beispiel 24.12.2026."}


def test_all_errors_of_a_form_are_said_at_once() -> None:
    with pytest.raises(BadForm) as caught:
        read_form(Lend, parse_form(b"copy=&days=400"))
    assert caught.value.errors == {
        "copy": "Bitte fülle dieses Feld aus.",
        "days": "Bitte gib eine ganze Zahl von 1 bis 365 an.",
    }


@pytest.mark.parametrize("body", [b"\xff\xfe=1", b"a=%ff", b"a=%00", b"&".join([b"a=1"] * 2001)])
def test_an_unreadable_form_is_refused_in_plain_words(library: Library, body: bytes) -> None:
    with library.client() as client:
        answer = client.post(
            "/einrichten",
            content=body,
            headers={"sec-fetch-site": "same-origin", "content-type": "application/x-www-form-urlencoded"},
        )
    assert answer.status_code == 422
    assert "lesbar" in answer.text or "unlesbare" in answer.text


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 403),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"sec-fetch-site": "same-site"}, 403),
        ({"sec-fetch-site": "none"}, 403),
        ({"sec-fetch-site": "cross-site", "origin": "http://testserver.local"}, 403),
        ({"origin": "http://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": "https://testserver.local"}, 403),
        ({"origin": "http://testserver.local"}, 303),
        ({"sec-fetch-site": "same-origin"}, 303),
    ],
)
def test_only_our_own_pages_may_send_forms(library: Library, headers: dict[str, str], status: int) -> None:
    with library.client() as client:
        answer = client.post("/sprache", data={"sprache": "de"}, headers=headers, follow_redirects=False)
    assert answer.status_code == status


def test_behind_the_proxy_the_public_address_counts(library: Library) -> None:
    settings = replace(library.settings, trusted_proxy="testclient", base_url="https://bibliothek.example.org")
    behind = Library(settings, library.database, library.clock)
    with behind.client() as client:

        def answer_to(origin: str) -> int:
            fields, headers = {"sprache": "de"}, {"origin": origin}
            return int(client.post("/sprache", data=fields, headers=headers, follow_redirects=False).status_code)

        assert answer_to("https://bibliothek.example.org") == 303
        assert answer_to("http://testserver.local") == 403


def test_an_unknown_page_is_said_kindly(library: Library) -> None:
    with library.client() as client:
        answer = client.get("/gibt-es-nicht")
        stranger = client.get("/api/v1/gibt-es-nicht")
    assert answer.status_code == 404
    assert "Diese Seite gibt es nicht" in answer.text
    # Only a program with a token learns which calls there are.
    assert stranger.headers["content-type"] == "application/problem+json"
    assert stranger.json()["code"] == "sign-in-first"


def test_every_answer_carries_the_security_headers(library: Library) -> None:
    with library.client() as client:
        for path in ("/einrichten", "/gibt-es-nicht", "/static/css/base.css", "/api/v1/titles"):
            headers = client.get(path).headers
            assert "default-src 'none'" in headers["content-security-policy"], path
            assert headers["x-content-type-options"] == "nosniff", path


def test_what_reads_codes_is_sent_packed_and_kept_and_may_run(library: Library) -> None:
    with library.client() as client:
        wasm = client.get("/static/vendor/zbar-wasm-0.11.0/zbar.wasm")
        worker = client.get("/static/js/read-codes.js")
    # Compiled while it arrives, which browsers do for this type alone.
    assert wasm.headers["content-type"] == "application/wasm"
    assert wasm.headers["content-encoding"] == "gzip"
    assert wasm.content.startswith(b"\0asm")
    assert "immutable" in wasm.headers["cache-control"]
    # A worker obeys the policy of its own file.
    policy = worker.headers["content-security-policy"]
    assert "script-src 'self' 'wasm-unsafe-eval'" in policy
    assert "worker-src 'self'" in policy
    assert "camera=(self)" in worker.headers["permissions-policy"]


def test_a_bug_shows_a_number_and_logs_the_trace(
    library: Library, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("personal@example.org")

    with library.client() as client:
        monkeypatch.setattr("bibliothek.web.routes._admit", broken)
        with caplog.at_level(logging.ERROR, "bibliothek"):
            answer = client.get("/einrichten")
    assert answer.status_code == 500
    assert "ZeroDivisionError" not in answer.text
    number = caplog.records[-1].getMessage().split()[1]
    assert number in answer.text


def test_a_body_that_is_too_large_is_refused(library: Library) -> None:
    with library.client() as client:
        answer = client.submit("/einrichten", name="x" * 2_100_000)
    assert answer.status_code == 413
    assert "zu groß" in answer.text


def test_the_api_describes_itself_to_everyone(library: Library) -> None:
    with library.client() as client:
        described = client.get("/api/v1/openapi.json").json()
    paths = described["paths"]
    assert described["openapi"].startswith("3.")
    assert {"/api/v1/loans", "/api/v1/donations", "/api/v1/returns", "/api/v1/lookup/{isbn}"} <= set(paths)
    assert all(path.startswith("/api/v1/") for path in paths)
    assert "post" in paths["/api/v1/loans"]
