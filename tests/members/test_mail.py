"""The sign-in mail, through a real mail server."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from tests import make
from tests.conftest import Library
from tests.mail.server import postbox, texts, wait_for


@pytest.mark.parametrize(("language", "subject"), [("de", "Anmelden bei Bibliothek"), ("en", None)])
def test_the_mail_arrives_with_a_link_and_a_code(library: Library, language: str, subject: str | None) -> None:
    with library.database.writing() as db:
        make.admin(db)
        make.member(db, "Mitglied Geheim", "mitglied@example.org")
    with postbox() as box:
        settings = replace(library.settings, smtp_url=box.url, mail_from="Bibliothek <b@example.org>")
        with replace(library, settings=settings).client() as client:
            client.submit("/sprache", sprache=language)
            client.submit("/anmelden", email="Mitglied@Example.org")
            wait_for(lambda: bool(box.received))
            mail = box.received[0]
            plain, html = texts(mail)
            assert box.addresses == ["mitglied@example.org"]
            if subject:
                assert mail["subject"] == subject
            digits = re.search(r"^ +(\d{3}) (\d{3})$", plain, re.M)
            link = re.search(r"^http://localhost:8000(/anmelden/[\w-]{43})$", plain, re.M)
            assert digits
            assert link
            assert link[1] in html
            assert f"{digits[1]} {digits[2]}" in html
            assert "Geheim" not in plain + html
            assert "http" not in re.sub(r"http://localhost:8000\S+", "", html)
            assert client.submit("/anmelden/code", code=digits[1] + digits[2]).url.path == "/konto"
