"""A list comes in: what is here already is known, the rest becomes titles and copies, and twice is once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from bibliothek import codes
from bibliothek.catalogue import merging
from bibliothek.catalogue.actions import edit_title
from bibliothek.catalogue.fields import TitleFields
from bibliothek.catalogue.models import Title, TitleIsbn
from bibliothek.catalogue.queries import search, title
from bibliothek.copies.models import Copy, Shelf
from bibliothek.operations.verify import verify
from bibliothek.transfer import incoming
from bibliothek.transfer.entries import Entry
from bibliothek.transfer.formats import Plan, guess
from bibliothek.transfer.incoming import Progress, bring_in
from bibliothek.transfer.models import ImportedRow
from bibliothek.transfer.tables import Row
from tests import make
from tests.conftest import NOON, Library
from tests.transfer.lists import bring, copies, write

MOMO = "Momo;Michael Ende;9783522202107;2018;Kinder"
UTOPIA = "Utopia;Thomas Morus;;1516;Klassiker"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "liste.csv"


def titles(library: Library) -> list[str]:
    with library.database.reading() as db:
        return list(db.scalars(select(Title.title).order_by(Title.id)))


def is_sound(db: Session) -> bool:
    return not [finding for finding in verify(db, NOON) if finding.broken]


def test_each_row_becomes_a_title_and_a_copy_on_its_shelf(both: Library, file: Path) -> None:
    tally, said = bring(both, write(file, MOMO, UTOPIA))
    assert (tally.rows, tally.titles, tally.copies, tally.shelves, said) == (2, 2, 2, ("Kinder", "Klassiker"), [])
    with both.database.writing() as db:
        make.admin(db)
    with both.database.reading() as db:
        rows = db.execute(
            select(Title.title, Title.year, Shelf.name, Copy.state).select_from(Copy).join(Title).join(Shelf)
        )
        assert sorted(map(tuple, rows)) == [
            ("Momo", 2018, "Kinder", "intake"),
            ("Utopia", 1516, "Klassiker", "intake"),
        ]
        assert [found.title for found in search(db, "ende mo").rows] == ["Momo"]
        assert is_sound(db)


def test_the_same_list_twice_adds_nothing(both: Library, file: Path) -> None:
    write(file, MOMO, UTOPIA, UTOPIA, "Zwei davon;Wer;;;")
    bring(both, file)
    tally, _said = bring(both, file)
    assert (tally.rows, tally.titles, tally.copies, tally.known) == (4, 0, 0, 4)
    assert copies(both) == 4


def test_a_book_that_stands_twice_in_the_list_is_there_twice(both: Library, file: Path) -> None:
    tally, _said = bring(both, write(file, MOMO, MOMO))
    assert (tally.titles, tally.copies) == (1, 2)
    tally, _said = bring(both, write(file, MOMO, UTOPIA, MOMO, MOMO))
    assert (tally.titles, tally.copies, tally.known) == (1, 2, 2)
    assert titles(both) == ["Momo", "Utopia"]


def test_a_count_makes_so_many_copies_once(both: Library, file: Path) -> None:
    headings = "Titel;Autor;Anzahl"
    assert bring(both, write(file, "Momo;Michael Ende;3", headings=headings))[0].copies == 3
    tally, _said = bring(both, write(file, "Momo;Michael Ende;5", headings=headings))
    assert (tally.titles, tally.copies) == (0, 2)


def test_another_list_of_the_same_books_brings_copies_or_only_what_is_new(both: Library, file: Path) -> None:
    bring(both, write(file, MOMO))
    tally, _said = bring(both, write(file, MOMO, UTOPIA), source="Umzug", only_new=True)
    assert (tally.titles, tally.copies, tally.known) == (1, 1, 1)
    tally, _said = bring(both, file, source="Keller")
    assert (tally.titles, tally.copies, tally.added) == (0, 2, 2)
    # Two of a title that nobody had: both are new.
    assert bring(both, write(file, "Neu;Wer;;;", "Neu;Wer;;;"), source="Neues", only_new=True)[0].copies == 2


@pytest.mark.parametrize(
    ("row", "is_same"),
    [
        ("Momo: ein Märchen-Roman;Michael Ende;978-3-522-20210-7;;", True),
        ("Momo;Michael Ende;3522202104;;", True),
        ("momo;ENDE, Michael;;2018;", True),
        ("Momo;Michael Ende;;;", True),
        ("Momo;Michael Ende;;1973;", False),
        ("Momo;Jemand anderes;;2018;", False),
        ("Momo;Michael Ende;9783551551672;2018;", False),
        ("Die unendliche Geschichte;Michael Ende;9783522202107;;", False),
    ],
)
def test_what_makes_a_row_the_title_that_is_here(library: Library, file: Path, row: str, is_same: bool) -> None:
    bring(library, write(file, MOMO))
    tally, _said = bring(library, write(file, row), source="Umzug")
    assert tally.titles == (not is_same)
    assert tally.copies == 1


def test_gaps_are_filled_and_what_somebody_typed_stays(both: Library, file: Path) -> None:
    with both.database.writing() as db:
        here = make.title(db, "Momo", ("Ende, Michael",), isbns=("9783522202107",), language="de")
        edit_title(db, here, TitleFields(title="Momo!", isbns=("9783522202107",), publisher="Thienemann"), NOON)
    bring(
        both,
        write(
            file, "Momo;Michael Ende;9783522202107;2018;Irgendwer;de", headings="Titel;Autor;ISBN;Jahr;Verlag;Sprache"
        ),
    )
    with both.database.reading() as db:
        found = title(db, here.id)
        assert (found.title, found.publisher, found.year) == ("Momo!", "Thienemann", 2018)
        # Somebody took these away on purpose.
        assert (found.language, list(found.contributors)) == (None, [])


def test_a_row_that_was_mended_is_still_the_same_book(both: Library, file: Path) -> None:
    _tally, said = bring(both, write(file, "Momo;Michael Ende;9783522202108;2018;"))
    assert "ISBN weggelassen" in said[0]
    tally, said = bring(both, write(file, "Momo;Michael Ende;9783522202107;2018;"))
    assert (tally.titles, tally.copies, tally.known, said) == (0, 0, 1, [])
    with both.database.reading() as db:
        assert db.scalars(select(TitleIsbn.isbn)).all() == ["9783522202107"]
    assert bring(both, file)[0].known == 1


def test_a_mended_row_fills_what_was_left_out_of_it(both: Library, file: Path) -> None:
    headings = "Titel;Autor;Sprache"
    assert bring(both, write(file, "Momo;Michael Ende;deutzsch", headings=headings))[1]
    assert bring(both, write(file, "Momo;Michael Ende;deutsch", headings=headings))[0].known == 1
    with both.database.reading() as db:
        assert db.scalars(select(Title.language)).all() == ["de"]


def test_two_titles_that_became_one_are_still_known(both: Library, file: Path) -> None:
    write(file, MOMO, "Momo. Ein Roman;Ende;;1999;")
    bring(both, file)
    with both.database.writing() as db:
        first, second = db.scalars(select(Title.id).order_by(Title.id))
        merging.merge(db, second, first, NOON)
    assert bring(both, file)[0].known == 2
    assert copies(both) == 2


def test_a_preview_says_what_will_happen_and_does_nothing(both: Library, file: Path) -> None:
    with both.database.writing() as db:
        make.copy(db, make.title(db, "Utopia", ("Morus, Thomas",)))
    rows = [MOMO, UTOPIA, MOMO, ";Niemand;;;", "Kapital;Karl Marx;9783000000000;1867;Politik"]
    rows += [f"Buch {n};Wer;;;" for n in range(90)]
    write(file, *rows, *rows[:3])
    before, said_before = bring(both, file, dry=True)
    assert copies(both) == 1
    after, said = bring(both, file)
    assert before == after
    assert said_before == said
    assert copies(both) == 1 + after.copies


def test_what_fails_in_the_middle_costs_one_handful_and_the_next_run_finishes(
    both: Library, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(incoming, "_MOST", 30)
    write(file, *(f"Buch {n};Wer {n};;;" for n in range(120)))
    plan, handfuls = guess(file), 0

    def pull_the_plug(_db: Session, _progress: Progress) -> None:
        nonlocal handfuls
        handfuls += 1
        if handfuls == 3:
            raise RuntimeError("pulled")

    with pytest.raises(RuntimeError, match="pulled"):
        list(bring_in(both.database, file, plan, both.clock, record=pull_the_plug))
    half = copies(both)
    assert 0 < half < 120
    tally, _said = bring(both, file)
    assert (tally.known, tally.copies) == (half, 120 - half)
    assert copies(both) == 120


def test_two_at_once_bring_each_book_once(both: Library, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(incoming, "_FIRST", 7)
    write(file, *(f"Buch {n % 60};Wer;;;" for n in range(120)))
    with ThreadPoolExecutor(2) as threads:
        both_tallies = [one.result()[0] for one in [threads.submit(bring, both, file) for _n in range(2)]]
    assert sum(tally.copies for tally in both_tallies) == copies(both) == 120
    assert len(titles(both)) == 60


def test_a_process_that_was_killed_lost_nothing_and_doubled_nothing(
    library: Library, file: Path, tmp_path: Path
) -> None:
    write(file, *(f"Buch {n};Wer {n};;;" for n in range(3000)))
    command = [sys.executable, "-m", "bibliothek", "import", str(file)]
    environment = {**os.environ, "BIBLIOTHEK_DATA": str(library.settings.data)}
    with subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=subprocess.DEVNULL) as running:
        until = time.monotonic() + 60
        while copies(library) < 100 and time.monotonic() < until:
            time.sleep(0.02)
        running.send_signal(signal.SIGKILL)
    half = copies(library)
    assert 100 <= half < 3000
    with library.database.reading() as db:
        assert len(db.scalars(select(ImportedRow.id)).all()) == half
    assert bring(library, file)[0].known == half
    assert copies(library) == len(titles(library)) == 3000


SERIES = "Titel;Autor;Reihe;Band;Untertitel"


@pytest.mark.parametrize(
    "rows",
    [
        ("Das magische Baumhaus: Im Tal der Dinosaurier;Osborne;;;", "Das magische Baumhaus: Das Geheimnis der Mumie;Osborne;;;"),
        ("Asterix;Goscinny;Asterix;1;", "Asterix;Goscinny;Asterix;2;"),
        ("Die drei ???;Arthur;;;und der Superpapagei", "Die drei ???;Arthur;;;und der Phantomsee"),
        ("Was ist was (Band 1);Wer;;;", "Was ist was (Band 2);Wer;;;"),
        ("Gedichte;Anna Schmidt;;;", "Gedichte;Bernd Schmidt;;;"),
    ],
    ids=range(5),
)  # fmt: skip
def test_volumes_without_isbn_stay_apart(both: Library, file: Path, rows: tuple[str, str]) -> None:
    tally, _said = bring(both, write(file, *rows, headings=SERIES))
    assert (tally.titles, tally.copies) == (2, 2)
    assert bring(both, file)[0].known == 2
    # The other way round they are still themselves.
    assert bring(both, write(file, *reversed(rows), headings=SERIES))[0].known == 2


def test_numbers_that_only_count_rows_are_no_proof(library: Library, file: Path) -> None:
    headings = "Nr;Titel;Autor"
    bring(library, write(file, "1;Momo;Ende", "2;Utopia;Morus", headings=headings))
    tally, _said = bring(library, write(file, "1;Emil;Kästner", "2;Momo;Ende", "3;Utopia;Morus", headings=headings))
    assert (tally.titles, tally.copies, tally.known) == (1, 1, 2)
    assert titles(library) == ["Momo", "Utopia", "Emil"]


def test_a_number_that_means_another_book_now_is_refused(library: Library, file: Path) -> None:
    headings = "Mediennummer;Titel;Autor"
    bring(library, write(file, "1;Momo;Ende", headings=headings))
    tally, said = bring(library, write(file, "1;Emil;Kästner", headings=headings))
    assert (tally.failed, tally.copies) == (1, 0)
    assert "zu einem anderen Buch" in said[0]
    assert bring(library, write(file, "1;Momo: ein Roman;Ende", headings=headings))[0].known == 1
    assert bring(library, write(file, "1;Emil;Kästner", headings=headings), source="Schule")[0].titles == 1


def test_what_was_left_out_of_one_volume_is_not_taken_from_another(library: Library, file: Path) -> None:
    bring(library, write(file, "Narnia: Band 1;Lewis;9783551551670;;"))
    tally, _said = bring(
        library, write(file, "Narnia: Band 2;Lewis;9783551551672;;", "Narnia: Band 1;Lewis;9783551551670;;")
    )
    assert (tally.titles, tally.copies, tally.known) == (1, 1, 1)
    with library.database.reading() as db:
        assert db.scalars(select(Title.title).join(TitleIsbn)).all() == ["Narnia: Band 2"]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (["Momo;Ende;;;", "Utopia;Morus;;;"], ["Momo;Ende;9783522202107;2018;", "Utopia;Morus;;1516;"]),
        (["Momo;Ende;9783522202108;;"], ["Momo;Ende;9783522202107;;"]),
        (["Momo;Ende;;;", "Momo;Ende;;;"], ["Momo;Ende;;;", "Momo;Ende;;2018;"]),
        (["Momo;Ende;;;", "Momo;Ende;;;"], ["Momo;Ende;;2018;", "Momo;Ende;;;"]),
    ],
)
def test_whatever_was_filled_in_nothing_comes_twice(
    library: Library, file: Path, before: list[str], after: list[str]
) -> None:
    bring(library, write(file, *before))
    for rows in (after, before, after, after):
        assert bring(library, write(file, *rows))[0].copies == 0
    assert copies(library) == len(before)


def test_a_count_that_went_down_and_up_again_is_no_new_copy(library: Library, file: Path) -> None:
    headings = "Titel;Autor;ISBN;Anzahl"
    bad, good = "Momo;Ende;9783522202108;2", "Momo;Ende;9783522202107;1"
    bring(library, write(file, bad, headings=headings))
    for row in (good, bad, good):
        assert bring(library, write(file, row, headings=headings))[0].copies == 0
    assert bring(library, write(file, "Momo;Ende;9783522202107;3", headings=headings))[0].copies == 1


def test_only_what_is_missing_of_another_library(library: Library, file: Path) -> None:
    with library.database.writing() as db:
        make.copy(db, make.title(db, "Momo", ("Ende, Michael",)))
    own = "Exemplar-Code;Titel-Nr.;Titel;Personen"
    rows = [
        f"{codes.new_code(codes.Kind.COPY)};{n};{title}"
        for n, title in enumerate(["Momo;Ende, Michael", "Emil;Kästner, Erich"])
    ]
    tally, _said = bring(library, write(file, *rows, headings=own), only_new=True)
    assert (tally.titles, tally.copies) == (1, 1)


def test_a_fault_of_ours_costs_its_row(library: Library, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = incoming.read_entry

    def fail(row: Row, plan: Plan) -> Entry:
        if row.number == 3:
            raise ZeroDivisionError
        return real(row, plan)

    monkeypatch.setattr(incoming, "read_entry", fail)
    tally, said = bring(library, write(file, MOMO, UTOPIA))
    assert (tally.copies, tally.failed) == (1, 1)
    assert said == ["3 failed Diese Zeile lässt sich nicht lesen."]
