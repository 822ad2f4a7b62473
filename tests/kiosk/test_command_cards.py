"""The cards that tell the tablet what to do, as they come out of the printer."""

from __future__ import annotations

from pathlib import Path

from bibliothek.codes import COMMANDS, read
from tests import make
from tests.conftest import Library
from tests.labels.printed import Printed


def test_a_reader_reads_every_command_from_its_printed_card(library: Library, tmp_path: Path) -> None:
    with library.database.writing() as db:
        make.admin(db)
        librarian = make.member(db, role="librarian")
    with library.client() as client:
        client.sign_in(librarian)
        answer = client.get("/verwaltung/tablets/befehle")
    assert answer.headers["content-type"] == "application/pdf"
    printed = Printed(answer.content, tmp_path)
    assert "Am Tablet scannen." in printed.text()
    assert "Verloren?" not in printed.text()
    seen = [read(code.text) for code in printed.codes(300)]
    assert sorted((scanned.kind, scanned.value) for scanned in seen) == sorted(("command", name) for name in COMMANDS)
