"""A list on its way into the catalogue, as librarians see it: file, columns, preview, books."""

from __future__ import annotations

import io
import re
import stat
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from openpyxl import Workbook
from sqlalchemy import func, select

from bibliothek import codes
from bibliothek.catalogue.models import Title
from bibliothek.copies.models import Copy
from bibliothek.transfer import incoming, runs
from bibliothek.transfer.models import ImportProblem, ImportRun
from tests import make
from tests.client import Client, text_of
from tests.conftest import Library

LIST = (
    "Titel;Autor;ISBN;Jahr;Regal\nMomo;Michael Ende;9783522202107;2018;Kinder\n"
    "Utopia;Thomas Morus;;1516;Klassiker\n;Niemand;;1999;\n"
)
IMPORT = "/verwaltung/import"


@pytest.fixture(autouse=True)
def _no_background(monkeypatch: pytest.MonkeyPatch) -> None:
    """A test works on a list when it says so."""
    monkeypatch.setattr(runs.Runs, "start", lambda _self: None)


@pytest.fixture
def librarian(both: Library) -> Iterator[Client]:
    with both.database.writing() as db:
        member = make.admin(db)
    with both.client() as client:
        yield client.sign_in(member)


def bring(client: Client, content: bytes | str, name: str = "liste.csv") -> Any:
    sent = content.encode() if isinstance(content, str) else content
    headers = {"sec-fetch-site": "same-origin"}
    return client.post(IMPORT, files={"file": (name, sent)}, headers=headers, follow_redirects=True)


def chosen(html: str) -> dict[str, str]:
    """What the form of the columns would send as it stands."""
    fields = {}
    for name, inner in re.findall(r'<select[^>]*name="(c\d+)"[^>]*>(.*?)</select>', html, re.S):
        found = re.search(r'value="(\w*)" selected', inner)
        fields[name] = found.group(1) if found else ""
    radios = re.findall(r'name="(names|which)"\s+value="(\w+)" checked', html)
    source = re.search(r'name="source"\s+type="text"\s+value="([^"]*)"', html)
    return {**fields, **dict(radios), "source": source.group(1) if source else ""}


def work(library: Library) -> None:
    while runs.work_on_one(library.database, library.settings, library.clock):
        pass


def address(answer: Any) -> str:
    found = re.search(rf"{IMPORT}/\d+", answer.url.path)
    assert found
    return found.group()


def files(library: Library) -> list[Path]:
    folder = runs.folder_of(library.settings)
    return sorted(folder.iterdir()) if folder.is_dir() else []


def count(library: Library, model: type) -> int:
    with library.database.reading() as db:
        return db.scalar(select(func.count()).select_from(model)) or 0


def to_preview(client: Client, content: str = LIST, **changed: str) -> str:
    """Bring a list as far as its preview; returns the address of its page."""
    answer = bring(client, content)
    where = address(answer)
    client.submit(f"{where}/zuordnung", **{**chosen(answer.text), **changed})
    work(client.library)
    return where


def test_a_list_becomes_books(librarian: Client) -> None:
    answer = bring(librarian, LIST)
    where = address(answer)
    assert chosen(answer.text) == {
        "c0": "title",
        "c1": "persons",
        "c2": "isbn",
        "c3": "year",
        "c4": "shelf",
        "names": "given",
        "which": "kept",
        "source": "Liste",
    }
    assert "Utopia" in answer.text
    (file,) = files(librarian.library)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600

    waiting = librarian.submit(f"{where}/zuordnung", **chosen(answer.text))
    assert "Vorschau wird gemacht" in text_of(waiting.text)
    assert f'data-hx-get="{where}"' in waiting.text
    work(librarian.library)
    preview = text_of(librarian.get(where).text)
    assert "2 neue Titel 2 neue Exemplare" in preview
    assert "1 passt nicht" in preview
    assert "Neue Regale: Kinder, Klassiker" in preview
    assert "Zeile 4" in preview
    assert count(librarian.library, Title) == 0

    assert "Liste wird aufgenommen" in text_of(librarian.submit(f"{where}/aufnehmen").text)
    work(librarian.library)
    result = text_of(librarian.get(where).text)
    assert "2 neue Titel 2 neue Exemplare" in result
    assert (count(librarian.library, Title), count(librarian.library, Copy)) == (2, 2)
    assert files(librarian.library) == []
    assert "2 Exemplare aufgenommen, 1 Zeile nicht" in text_of(librarian.get(IMPORT).text)


def test_what_did_not_come_in_comes_in_again_when_it_is_mended(librarian: Client) -> None:
    where = to_preview(librarian)
    librarian.submit(f"{where}/aufnehmen")
    work(librarian.library)
    saved = librarian.get(f"{where}/fehler.csv")
    assert saved.headers["content-disposition"].startswith("attachment")
    lines = saved.content.decode("utf-8-sig").splitlines()
    assert lines[0] == "Warum nicht;Titel;Autor;ISBN;Jahr;Regal"
    assert lines[1].startswith("Zeile 4: ")
    mended = "\n".join([lines[0], lines[1].replace(";;Niemand", ";Odyssee;Niemand")])
    again = to_preview(librarian, mended)
    librarian.submit(f"{again}/aufnehmen")
    work(librarian.library)
    assert count(librarian.library, Title) == 3


def test_the_same_list_again_adds_nothing(librarian: Client) -> None:
    for _n in range(2):
        where = to_preview(librarian)
        librarian.submit(f"{where}/aufnehmen")
        work(librarian.library)
    assert count(librarian.library, Copy) == 2
    third = to_preview(librarian)
    page = text_of(librarian.get(third).text)
    assert "Aus dieser Liste kommt nichts dazu." in page
    assert f"{third}/aufnehmen" not in librarian.get(third).text


@pytest.mark.parametrize(
    ("content", "name", "sentence"),
    [
        (b"", "leer.csv", "Die Datei ist leer."),
        (b"%PDF-1.7 ...", "liste.pdf", "Das ist keine Tabelle."),
        (b"\xd0\xcf\x11\xe0" + b"x" * 600, "alt.xls", "alte Excel-Datei"),
        (b"PK\x03\x04 kein Archiv", "kaputt.xlsx", "beschädigt"),
        (b"Titel;Autor\n", "nur.csv", "nur Überschriften"),
    ],
)
def test_a_file_that_is_no_list_is_refused_at_its_field(
    librarian: Client, content: bytes, name: str, sentence: str
) -> None:
    answer = bring(librarian, content, name)
    assert answer.status_code == 422
    found = re.search(r'id="f-file-error">([^<]*)<', answer.text)
    assert found
    assert sentence in found.group(1)
    assert files(librarian.library) == []
    assert count(librarian.library, ImportRun) == 0


def test_no_file_at_all(librarian: Client) -> None:
    answer = librarian.submit(IMPORT)
    assert answer.status_code == 422
    assert "Bitte wähle eine Datei aus." in answer.text


def test_a_file_that_is_too_large_is_refused(librarian: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    from bibliothek.transfer import tables

    monkeypatch.setattr(tables, "LARGEST_FILE", 1_000)
    answer = bring(librarian, "Titel\n" + "Momo\n" * 500)
    assert answer.status_code == 413
    assert "Die Datei ist zu groß" in answer.text
    assert files(librarian.library) == []


def test_two_hundred_megabytes_are_not_even_read(librarian: Client) -> None:
    headers = {"sec-fetch-site": "same-origin", "content-length": "200000000"}
    headers["content-type"] = "multipart/form-data; boundary=x"
    answer = librarian.post(IMPORT, content=b"--x\r\n", headers=headers)
    assert answer.status_code == 413
    assert files(librarian.library) == []


def test_columns_that_do_not_fit_are_said_at_the_field(librarian: Client) -> None:
    answer = bring(librarian, LIST)
    fields = {**chosen(answer.text), "c1": "title", "source": ""}
    wrong = librarian.submit(f"{address(answer)}/zuordnung", **fields)
    assert wrong.status_code == 422
    assert "Bitte fülle dieses Feld aus." in wrong.text
    wrong = librarian.submit(f"{address(answer)}/zuordnung", **{**fields, "source": "Meine"})
    assert wrong.status_code == 422
    assert 'id="f-c1-error"' in wrong.text
    assert chosen(wrong.text)["c1"] == "title"
    nothing = librarian.submit(f"{address(answer)}/zuordnung", **{**fields, "source": "Meine", "c0": "", "c1": "nie"})
    assert nothing.status_code == 422
    assert "Welche Spalte ist der Titel?" in nothing.text


def test_a_file_is_read_in_another_way(librarian: Client) -> None:
    answer = bring(librarian, "Überschrift;Wer\nMomo;Michael Ende\n")
    again = librarian.submit(f"{address(answer)}/lesen", header="yes", separator="semicolon", encoding="cp1252")
    assert "Ãœberschrift" in again.text
    again = librarian.submit(f"{address(answer)}/lesen", header="no", separator="semicolon", encoding="utf-8")
    assert "ohne Überschrift" in again.text


def test_many_columns_stay_usable(librarian: Client) -> None:
    wide = ";".join(["Titel", *(f"Spalte {n}" for n in range(999))])
    answer = bring(librarian, f"{wide}\n" + ";".join(["Momo", *map(str, range(999))]))
    assert answer.status_code == 200
    assert answer.text.count("<select") < 210


def test_a_sheet_comes_in_and_a_card_among_what_is_wrong_is_not_kept(librarian: Client) -> None:
    book, sent, card = Workbook(), io.BytesIO(), codes.new_code(codes.Kind.CARD)
    for row in (["Titel", "Autor", "Verlag"], ["Momo", "Michael Ende", None], [None, "Niemand", card]):
        book.active.append(row)
    book.save(sent)
    answer = bring(librarian, sent.getvalue(), "liste.xlsx")
    where = address(answer)
    librarian.submit(f"{where}/zuordnung", **chosen(answer.text))
    work(librarian.library)
    assert "1 neuer Titel 1 neues Exemplar" in text_of(librarian.get(where).text)
    wrong = librarian.get(f"{where}/fehler.csv").text
    assert "Niemand" in wrong
    assert card not in wrong


def test_dropped_is_dropped(librarian: Client) -> None:
    where = to_preview(librarian)
    assert len(files(librarian.library)) == 1
    answer = librarian.submit(f"{where}/verwerfen")
    assert "Die Liste ist verworfen" in answer.text
    assert files(librarian.library) == []
    assert count(librarian.library, ImportProblem) == 0
    late = librarian.submit(f"{where}/aufnehmen")
    assert late.status_code == 409
    work(librarian.library)
    assert count(librarian.library, Title) == 0


def test_a_run_that_was_interrupted_goes_on(librarian: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(incoming, "_FIRST", 10)
    monkeypatch.setattr(incoming, "_MOST", 10)
    library = librarian.library
    where = to_preview(librarian, "Titel;Autor\n" + "".join(f"Buch {n};Wer {n}\n" for n in range(100)) + ";Niemand\n")
    librarian.submit(f"{where}/aufnehmen")
    asked = iter([False, False, True, True, True])
    assert runs.work_on_one(library.database, library.settings, library.clock, lambda: next(asked))
    before = count(library, Title)
    assert 0 < before < 100
    assert "Liste wird aufgenommen" in text_of(librarian.get(where).text)
    work(library)
    assert count(library, Title) == count(library, Copy) == 100
    assert "100 neue Titel 100 neue Exemplare" in text_of(librarian.get(where).text)
    assert count(library, ImportProblem) == 1


def test_a_run_that_was_killed_goes_on_after_its_lease(librarian: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    library = librarian.library
    where = to_preview(librarian)
    librarian.submit(f"{where}/aufnehmen")

    class Killed(BaseException):
        pass

    def kill(*_args: object, **_more: object) -> None:
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(runs._Job, "end", kill)
        with pytest.raises(Killed):
            runs.work_on_one(library.database, library.settings, library.clock)
    assert not runs.work_on_one(library.database, library.settings, library.clock)
    library.clock.now += runs.LEASE + timedelta(seconds=1)
    work(library)
    assert count(library, Copy) == 2
    assert "2 neue Titel 2 neue Exemplare" in text_of(librarian.get(where).text)


def test_a_run_can_be_stopped(librarian: Client) -> None:
    where = to_preview(librarian)
    librarian.submit(f"{where}/aufnehmen")
    answer = librarian.submit(f"{where}/verwerfen")
    assert "Jemand hat angehalten" in answer.text
    work(librarian.library)
    assert count(librarian.library, Title) == 0
    assert files(librarian.library) == []


def test_a_file_that_is_gone_is_said(librarian: Client) -> None:
    where = to_preview(librarian)
    librarian.submit(f"{where}/aufnehmen")
    files(librarian.library)[0].unlink()
    work(librarian.library)
    assert "Die Datei ist nicht mehr da." in librarian.get(where).text


def test_what_nobody_went_on_with_is_dropped(librarian: Client) -> None:
    bring(librarian, LIST)
    librarian.library.clock.now += runs.OPEN_FOR + timedelta(minutes=1)
    work(librarian.library)
    assert files(librarian.library) == []


@pytest.mark.parametrize("path", [IMPORT, f"{IMPORT}/1", f"{IMPORT}/1/zuordnung", f"{IMPORT}/1/fehler.csv"])
def test_only_librarians(librarian: Client, path: str) -> None:
    bring(librarian, LIST)
    with librarian.library.database.writing() as db:
        member = make.member(db, "Mitglied 7")
    with librarian.library.client() as client:
        assert client.get(path, follow_redirects=False).status_code == 303
        assert client.sign_in(member).get(path).status_code == 403


def test_a_list_that_is_not_there(librarian: Client) -> None:
    for number in (7, 10**30):
        assert librarian.get(f"{IMPORT}/{number}").status_code == 404


def test_the_middle_of_the_page_is_asked_for_until_it_is_done(librarian: Client) -> None:
    answer = bring(librarian, LIST)
    where = address(answer)
    librarian.submit(f"{where}/zuordnung", **chosen(answer.text))
    part = librarian.get(where, headers={"hx-request": "true"})
    assert "<html" not in part.text
    assert "Gleich geht es los." in part.text
    work(librarian.library)
    assert librarian.get(where, headers={"hx-request": "true"}).headers["hx-redirect"] == where


@pytest.mark.parametrize(
    "path", [IMPORT, f"{IMPORT}/1/lesen", f"{IMPORT}/1/zuordnung", f"{IMPORT}/1/aufnehmen", f"{IMPORT}/1/verwerfen"]
)
def test_only_librarians_change_anything(librarian: Client, path: str) -> None:
    bring(librarian, LIST)
    with librarian.library.database.writing() as db:
        member = make.member(db, "Mitglied 7")
        before = [(run.id, run.state, run.plan) for run in db.scalars(select(ImportRun))]
    with librarian.library.client() as client:
        assert client.submit(path, False).status_code == 303
        assert client.sign_in(member).submit(path).status_code == 403
    with librarian.library.database.reading() as db:
        assert [(run.id, run.state, run.plan) for run in db.scalars(select(ImportRun))] == before


def test_our_own_export_is_not_asked_what_counts_for_nothing_there(librarian: Client) -> None:
    with librarian.library.database.writing() as db:
        make.copy(db, title="Momo")
    page = bring(librarian, librarian.get("/verwaltung/export").content)
    assert "Namen stehen da als" in bring(librarian, LIST).text
    assert "Namen stehen da als" not in page.text
    assert librarian.submit(f"{address(page)}/zuordnung", **chosen(page.text)).status_code == 200
    work(librarian.library)
    assert "schon da" in text_of(librarian.get(address(page)).text)
