"""Requests that no browser of ours makes: odd hosts, odd file names. They get a plain refusal, never a trace."""

from __future__ import annotations

import logging

import pytest

from tests import make
from tests.conftest import Library

ODD_HOSTS = ["localhost:99999", "x:abc", "[", "[::1", "a]b", "a b", "a/b", "a@b", "[::1]x", "[:::::]", "ä", ":80", ":"]


PATHS = ["/", "/anmelden", "/gibt-es-nicht", "/static/css/base.css", "/api/v1/titles"]
USUAL_HOSTS = ["localhost", "127.0.0.1:8000", "[::1]:8000", "my_box.local.", "xn--bcher-kva.example", ""]
ODD_NAMES = ["a%00b", "x" * 300, "y/" * 3000, "%ff", "..%2f..%2fpyproject.toml"]


@pytest.mark.parametrize("signed_in", [True, False])
def test_an_odd_host_is_refused(library: Library, caplog: pytest.LogCaptureFixture, signed_in: bool) -> None:
    with library.database.writing() as db:
        admin = make.admin(db)
    answers, forms = {}, {}
    with library.client() as client, caplog.at_level(logging.ERROR):
        if signed_in:
            client.sign_in(admin)
        for host in ODD_HOSTS:
            odd = {b"host": host.encode("latin-1")}
            for path in PATHS:
                answers[host, path] = client.get(path, headers=odd, follow_redirects=False).status_code
            forms[host] = client.post("/sprache", data={"sprache": "de"}, headers=odd).status_code
    missing = {host: answers.pop((host, "/gibt-es-nicht")) for host in ODD_HOSTS}
    assert set(missing.values()) <= {400, 404}
    assert answers == dict.fromkeys(answers, 400)
    assert forms == dict.fromkeys(ODD_HOSTS, 400)
    assert caplog.records == []


def test_a_usual_host_is_served(library: Library) -> None:
    with library.client() as client:
        served = {host: client.get("/einrichten", headers={"host": host}).status_code for host in USUAL_HOSTS}
    assert served == dict.fromkeys(USUAL_HOSTS, 200)


def test_an_odd_file_name_is_not_found(library: Library, caplog: pytest.LogCaptureFixture) -> None:
    with library.client() as client, caplog.at_level(logging.ERROR):
        for name in ODD_NAMES:
            answer = client.get(f"/static/{name}")
            assert answer.status_code == 404, name
            assert "Diese Seite gibt es nicht" in answer.text, name
    assert caplog.records == []
