"""Everything goes out as a table, and comes back as it was."""

from __future__ import annotations

import csv
import io
import shutil
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import update

from bibliothek.catalogue.actions import add_title, edit_title
from bibliothek.catalogue.fields import Origin, Part, Person, TitleFields
from bibliothek.catalogue.relators import RELATORS
from bibliothek.catalogue.rules import MOST_ISBNS, MOST_PERSONS, MOST_SERIES, MOST_SUBJECTS
from bibliothek.copies import actions as copying
from bibliothek.copies.models import Copy
from bibliothek.db import open_database
from bibliothek.donations.actions import Donor, donation_from
from bibliothek.donations.models import DonatedCopy
from bibliothek.operations.demo import fill
from bibliothek.operations.verify import verify
from bibliothek.problems import Invalid
from bibliothek.settings import Settings
from bibliothek.transfer import outgoing
from tests import make
from tests.conftest import NOON, Library
from tests.transfer.lists import bring, copies, export_to


@pytest.fixture
def elsewhere(tmp_path: Path, empty_sqlite: Path) -> Iterator[Library]:
    """Another library, still empty."""
    data = tmp_path / "elsewhere"
    data.mkdir()
    file = shutil.copy(empty_sqlite, data / "bibliothek.sqlite")
    with closing(open_database(None, file)) as database:
        yield Library(Settings(data=data, secret_key=b"only for tests, 32 bytes at least"), database)


def comes_back(library: Library, elsewhere: Library, folder: Path) -> bytes:
    """What went out of one library came into the other, and goes out of that one as it was."""
    file = export_to(library, folder / "out.csv")
    tally, said = bring(elsewhere, file)
    assert (tally.failed, tally.remarks, said) == (0, 0, [])
    again = export_to(elsewhere, folder / "again.csv")
    assert again.read_bytes() == file.read_bytes()
    assert bring(elsewhere, file)[0].known == bring(library, file)[0].known == tally.rows
    return file.read_bytes()


def rows(out: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(out.decode("utf-8-sig"), newline=""), delimiter=";"))


def test_the_demo_comes_back_to_the_byte(both: Library, elsewhere: Library, tmp_path: Path) -> None:
    with both.database.writing() as db:
        fill(db, NOON, NOON.date())
    assert len(rows(comes_back(both, elsewhere, tmp_path))) == copies(both) == copies(elsewhere) > 200
    with elsewhere.database.writing() as db:
        make.admin(db)
    with elsewhere.database.reading() as db:
        assert not [finding for finding in verify(db, NOON) if finding.broken]


def test_an_empty_library_is_a_table_of_headings(library: Library) -> None:
    with library.database.reading() as db:
        out = "".join(outgoing.export(db))
    assert out.startswith("\ufeffExemplar-Code;Titel-Nr.;Titel;")
    assert rows(out.encode()) == []


def test_all_that_is_known_of_a_copy_comes_back(both: Library, elsewhere: Library, tmp_path: Path) -> None:
    with both.database.writing() as db:
        make.title(db, "Nur der Titel, kein Exemplar", ())
        shelf = make.shelf(db, '=Regal; „Öko" & Co.')
        of = make.title(db, "Von jemandem")
        given = make.copy(db, of, shelf)
        donation = donation_from(db, Donor(None, "Kneipe nebenan"), NOON)
        db.add(DonatedCopy(copy_id=given.id, donation_id=donation.id))
        for n, (state, condition) in enumerate([("repair", "new"), ("missing", "worn"), ("active", "damaged")]):
            one = make.copy(db, of)
            copying.mark_labelled(one, NOON + timedelta(hours=n))
            one.state, one.condition = state, condition
        for reason in ("lost", 'wegen Schimmel; „nass"'):
            copying.withdraw(db, make.copy(db, of), reason, NOON, None, None)
    out = rows(comes_back(both, elsewhere, tmp_path))
    assert [row["Stand"] for row in out] == [
        "", "noch ohne Etikett", "in Reparatur", "nicht auffindbar", "da", "ausgesondert", "ausgesondert",
    ]  # fmt: skip
    assert [row["Zustand"] for row in out] == ["", "", "neu", "gebraucht", "beschädigt", "", ""]
    assert [row["Grund"] for row in out[5:]] == ["verloren", 'wegen Schimmel; „nass"']
    assert (out[1]["Spende von"], out[1]["Regal"]) == ("Kneipe nebenan", "'=Regal; „Öko\" & Co.")


def test_who_has_a_book_and_which_member_gave_it_does_not_go_out(library: Library) -> None:
    with library.database.writing() as db:
        member = make.member(db, "Mitglied 8")
        copy = make.copy(db)
        make.loan(db, copy, member)
        donation = donation_from(db, Donor(member.id, None), NOON)
        db.add(DonatedCopy(copy_id=copy.id, donation_id=donation.id))
    with library.database.reading() as db:
        out = "".join(outgoing.export(db))
    assert copy.code in out
    assert "Mitglied 8" not in out


def test_what_somebody_typed_stays_typed(both: Library, elsewhere: Library, tmp_path: Path) -> None:
    with both.database.writing() as db:
        record = TitleFields(title="Momo", contributors=(Person("Ende, Michael", "aut"),), year=1973, language="de")
        made = add_title(db, record, NOON, Origin(source="dnb", source_url="https://d-nb.info/1", subjects=("Zeit",)))
        edit_title(db, made, TitleFields(title="Momo", contributors=record.contributors, year=1975), NOON)
    out = rows(comes_back(both, elsewhere, tmp_path))
    # The language was taken away on purpose: no source brings it back.
    assert out[0]["Herkunft der Angaben"] == "dnb: title contributors subjects\nperson: year language"


def test_numbers_in_four_series_are_no_card(library: Library, elsewhere: Library, tmp_path: Path) -> None:
    numbers = ("Heft 12a3", "Bd 3b4", "Teil 4c5", "Nr 5d6")
    with library.database.writing() as db:
        make.title(db, "Viel gereiht", series=tuple((f"Reihe {number}", number) for number in numbers))
    assert rows(comes_back(library, elsewhere, tmp_path))[0]["Band"] == "\n".join(numbers)


def test_twins_stay_two(both: Library, elsewhere: Library, tmp_path: Path) -> None:
    with both.database.writing() as db:
        for _n in range(2):
            make.copy(db, make.title(db, "Manifest", year=1848))
            make.title(db, "Ohne Exemplar", year=1848)
    assert [row["Titel-Nr."] for row in rows(comes_back(both, elsewhere, tmp_path))] == ["1", "2", "3", "4"]


def test_more_titles_than_are_in_memory_at_once(
    library: Library, elsewhere: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outgoing, "BATCH", 7)
    with library.database.writing() as db:
        codes = [make.copy(db, title=f"Band {n}").code for n in range(50)]
    assert [row["Exemplar-Code"] for row in rows(comes_back(library, elsewhere, tmp_path))] == codes


def test_a_title_with_as_much_of_everything_as_there_may_be(
    library: Library, elsewhere: Library, tmp_path: Path
) -> None:
    def isbn(n: int) -> str:
        body = f"9783{n:08}"
        return body + str(-sum(int(digit) * (3 if place % 2 else 1) for place, digit in enumerate(body)) % 10)

    everything = TitleFields(
        title="Viele",
        contributors=tuple(Person(f"{n} {'x' * 280}, Wer", "edt") for n in range(MOST_PERSONS)),
        series=tuple(Part(f"Reihe {n}", str(n)) for n in range(MOST_SERIES)),
        isbns=tuple(isbn(n) for n in range(1000, 1000 + MOST_ISBNS)),
    )
    with library.database.writing() as db:
        made = add_title(
            db, everything, NOON, Origin(source="dnb", subjects=tuple(f"Thema {n}" for n in range(MOST_SUBJECTS)))
        )
        make.copy(db, made)
        for n in range(30):
            make.copy(db, title=f"Danach {n}")
    assert len(rows(comes_back(library, elsewhere, tmp_path))) == 31


def test_a_change_meanwhile_does_not_tear_the_table(both: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outgoing, "BATCH", 1)
    with both.database.writing() as db:
        first, second = make.copy(db, title="Der erste"), make.copy(db, title="Der zweite")
        db.execute(update(Copy).where(Copy.id == first.id).values(state="active", labelled_at=NOON))
    with both.database.reading() as reading:
        pieces = outgoing.export(reading)
        begun = [next(pieces), next(pieces)]
        with both.database.writing() as db:
            db.execute(update(Copy).where(Copy.id == second.id).values(title_id=first.title_id))
        out = rows("".join([*begun, *pieces]).encode())
    assert [(row["Titel"], row["Exemplar-Code"]) for row in out] == [
        ("Der erste", first.code),
        ("Der zweite", second.code),
    ]


words = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cs", "Cn", "Co"], exclude_characters="\ufffd"),
    min_size=1,
    max_size=12,
)
texts = words | st.sampled_from(["=1+1", "-", "'", "''x", "@a", '"', ";", "a;b", "(edt)", "Wer (trl)", "x\ny", "+49"])
books = st.builds(
    TitleFields,
    title=texts,
    subtitle=st.none() | texts,
    contributors=st.lists(st.builds(Person, texts, st.sampled_from(sorted(RELATORS))), max_size=3).map(tuple),
    publisher=st.none() | texts,
    place=st.none() | texts,
    edition=st.none() | texts,
    year=st.none() | st.integers(1, 2999),
    pages=st.none() | st.integers(1, 99_999),
    series=st.lists(st.builds(Part, texts, st.none() | texts), max_size=3).map(tuple),
)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(books, st.lists(texts, max_size=2)), min_size=1, max_size=12))
def test_whatever_a_title_is_called_comes_back(
    empty_sqlite: Path, tmp_path_factory: pytest.TempPathFactory, made: list[tuple[TitleFields, list[str]]]
) -> None:
    folder = tmp_path_factory.mktemp("any")
    opened = []
    for name in ("one", "other"):
        (folder / name).mkdir()
        database = open_database(None, Path(shutil.copy(empty_sqlite, folder / name / "bibliothek.sqlite")))
        opened.append(Library(Settings(data=folder / name, secret_key=b"only for tests, 32 bytes at least"), database))
    library, elsewhere = opened
    with library.database.writing() as db:
        for fields, subjects in made:
            try:
                add_title(db, fields, NOON, Origin(source="dnb", subjects=tuple(subjects)))
            except Invalid:
                continue
    with library.database.reading() as db:
        is_empty = "".join(outgoing.export(db)).count("\r\n") == 1
    if not is_empty:
        comes_back(library, elsewhere, folder)
    for one in opened:
        one.database.close()
    shutil.rmtree(folder)
