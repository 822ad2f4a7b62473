"""Requests that no browser of ours makes: odd hosts, odd file names. They get a plain refusal, never a trace."""

from __future__ import annotations

import logging

import pytest

from tests import make
from tests.conftest import Library

ODD_HOSTS = ["localhost:99999", "x:abc", "[", "[::1", "a]b", "a b", "a/b", "a@b", "[::1]x", "[:::::]", "ä", ":80", ":"]


@pytest.mark.parametrize("host", ODD_HOSTS)
@pytest.mark.parametrize("path", ["/", "/anmelden", "/gibt-es-nicht", "/static/css/base.css", "/api/v1/titles"])
def test_an_odd_host_is_refused(library: Library, caplog: pytest.LogCaptureFixture, host: str, path: str) -> None:
    with library.database.writing() as db:
        admin = make.admin(db)
    with library.client() as client, caplog.at_level(logging.ERROR):
        client.sign_in(admin)
        answer = client.get(path, headers={b"host": host.encode("latin-1")}, follow_redirects=False)
        form = client.post("/sprache", data={"sprache": "de"}, headers={b"host": host.encode("latin-1")})
    assert answer.status_code in (400, 404)
    assert path == "/gibt-es-nicht" or answer.status_code == 400
    assert form.status_code == 400
    assert caplog.records == []


@pytest.mark.parametrize(
    "host", ["localhost", "127.0.0.1:8000", "[::1]:8000", "my_box.local.", "xn--bcher-kva.example", ""]
)
def test_a_usual_host_is_served(library: Library, host: str) -> None:
    with library.client() as client:
        assert client.get("/einrichten", headers={"host": host}).status_code == 200


@pytest.mark.parametrize("name", ["a%00b", "x" * 300, "y/" * 3000, "%ff", "..%2f..%2fpyproject.toml"])
def test_an_odd_file_name_is_not_found(library: Library, caplog: pytest.LogCaptureFixture, name: str) -> None:
    with library.client() as client, caplog.at_level(logging.ERROR):
        answer = client.get(f"/static/{name}")
    assert answer.status_code == 404
    assert "Diese Seite gibt es nicht" in answer.text
    assert caplog.records == []
