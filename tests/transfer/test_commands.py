"""`bibliothek import` and `bibliothek export`: what they print, how they end, and that a file is whole or not there."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from bibliothek import cli
from bibliothek.transfer import outgoing
from tests import make
from tests.conftest import Library
from tests.transfer.lists import copies, write

Run = Callable[..., tuple[int, str, str]]
ROWS = ("Momo;Michael Ende;9783522202107;2018;Kinder", "Utopia;Thomas Morus;9783522202108;1516;")


@pytest.fixture
def run(
    both: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> Run:
    """Run a command on the library of the test; returns exit code, what it printed, and what it complained of."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BIBLIOTHEK_DATA", str(both.settings.data))
    if both.settings.database_url:
        monkeypatch.setenv("BIBLIOTHEK_DATABASE_URL", both.settings.database_url)

    def run_it(*arguments: str) -> tuple[int, str, str]:
        code = cli.run(arguments)
        said = capfdbinary.readouterr()
        return code, said.out.decode(), said.err.decode()

    return run_it


def test_a_list_comes_in_and_what_was_left_out_is_said(both: Library, run: Run, tmp_path: Path) -> None:
    file = str(write(tmp_path / "liste.csv", *ROWS))
    code, said, _complaint = run("import", "--dry-run", file)
    assert (code, copies(both)) == (0, 0)
    assert "Es kämen herein: Titel: 2, Exemplare: 2." in said
    code, said, complaint = run("import", file)
    assert (code, complaint, copies(both)) == (0, "", 2)
    assert "Gelesen als: Liste\n  Titel: Titel\n  Autor: Personen\n  ISBN: ISBN\n" in said
    assert "Zeile 3: ISBN weggelassen: In der ISBN „9783522202108“ stimmt etwas nicht" in said
    assert said.endswith("Schon da: 0, übergangen: 0, mit Hinweis: 1, nicht lesbar: 0\n")
    assert "Hereingekommen: Titel: 0, Exemplare: 0. Schon da: 2" in run("import", file)[1]
    assert "Exemplare: 2. Schon da: 0" in run("import", "--name", "Umzug", file)[1]


def test_rows_that_stay_out_end_with_1(both: Library, run: Run, tmp_path: Path) -> None:
    code, said, complaint = run("import", str(write(tmp_path / "liste.csv", *ROWS, ";Niemand;;;")))
    assert (code, copies(both)) == (1, 2)
    assert "Zeile 4: Titel: " in said
    assert complaint == "1 von 3 Zeilen kamen nicht herein; der Grund steht oben.\n"


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"%PDF-1.7", "keine Tabelle"),
        (b"Verlag;Jahr\nx;1999\n", "Welche Spalte ist der Titel"),
        (b"", "leer"),
    ],
)
def test_what_is_no_list_is_one_line(run: Run, tmp_path: Path, content: bytes, sentence: str) -> None:
    (tmp_path / "x").write_bytes(content)
    code, _said, complaint = run("import", "x")
    assert code == 1
    assert sentence in complaint
    assert complaint.count("\n") == 1
    assert run("import", "gibtesnicht.csv")[0] == 2


def test_the_same_table_on_the_page_in_a_file_and_in_a_pipe(both: Library, run: Run, tmp_path: Path) -> None:
    with both.database.writing() as db:
        admin = make.admin(db)
        make.copy(db, title="Der Öltanker")
    code, piped, complaint = run("export")
    assert (code, complaint) == (0, "")
    (tmp_path / "alles.csv").write_text("von gestern", encoding="utf-8")
    assert run("export", "alles.csv") == (0, "", "")
    assert (tmp_path / "alles.csv").read_bytes() == piped.encode()
    with both.client() as client:
        assert client.get("/verwaltung/export").url.path == "/anmelden"
        page = client.sign_in(admin).get("/verwaltung/import")
        assert 'href="/verwaltung/export"' in page.text
        saved = client.get("/verwaltung/export")
    assert saved.content == piped.encode()
    assert re.search(r"filename\*=UTF-8''bibliothek-\d{4}-\d\d-\d\d\.csv", saved.headers["content-disposition"])
    assert piped.startswith("\ufeffExemplar-Code;")


def test_a_table_that_breaks_off_leaves_the_old_one(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "alles.csv").write_text("von gestern", encoding="utf-8")

    def full(_cells: object) -> str:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(outgoing, "line", full)
    assert run("export", "alles.csv")[0] == 1
    assert [path.read_text(encoding="utf-8") for path in tmp_path.glob("*alles*")] == ["von gestern"]
    assert run("export", "gibt/es/nicht.csv")[2] == "gibt/es: Das gibt es nicht.\n"
