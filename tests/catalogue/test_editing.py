"""The librarians' pages of a title: change, look up again, merge, take back."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import pytest

from bibliothek.catalogue import provenance, queries
from bibliothek.catalogue.actions import add_title
from bibliothek.catalogue.fields import Origin, Part, Person, TitleFields
from bibliothek.codes import new_card_code
from bibliothek.lending import actions as lending
from bibliothek.lending import holds
from bibliothek.lending.models import Hold
from bibliothek.lookup import actions as lookup
from bibliothek.lookup.merge import LookupResult
from bibliothek.lookup.record import Record
from tests import make
from tests.client import Client, text_of
from tests.conftest import NOON, Library

ISBN = "9783499227851"
FULL = TitleFields(
    title="Das andere Geschlecht",
    contributors=(Person("Beauvoir, Simone de", "aut"), Person("Aumüller, Uli", "trl")),
    publisher="Rowohlt",
    year=2000,
    language="de",
    series=(Part("rororo", "22785"),),
    isbns=(ISBN,),
)
DNB = Origin(source="dnb", source_url="https://d-nb.info/1", subjects=("Frau",))


@dataclass
class Desk:
    """A librarian at the page of a title."""

    client: Client
    library: Library
    title: int

    def read(self) -> tuple[TitleFields, tuple[str, ...], dict[str, str]]:
        with self.library.database.reading() as db:
            found = queries.title(db, self.title)
            sources = {name: row.source for name, row in provenance.origins(db, self.title).items()}
            return queries.fields_of(found), queries.subjects_of(found), sources

    def form(self) -> dict[str, str]:
        """The edit page's form as it stands."""
        html = self.client.get(f"/titel/{self.title}/bearbeiten").text
        inputs = re.findall(r'<input[^>]*?name="(\w+)"[^>]*?value="([^"]*)"', html, re.S)
        areas = re.findall(r'<textarea[^>]*?name="(\w+)"[^>]*>([^<]*)</textarea>', html, re.S)
        return dict([*inputs, *areas])

    def save(self, **changed: str) -> Any:
        return self.client.submit(f"/titel/{self.title}/bearbeiten", **{**self.form(), **changed})


@pytest.fixture
def desk(both: Library) -> Any:
    with both.database.writing() as db:
        make.admin(db)
        librarian, title = make.member(db, role="librarian"), add_title(db, FULL, NOON, DNB).id
    with both.client() as client:
        yield Desk(client.sign_in(librarian), both, title)


# ---- Who may ----

EDITING = ["bearbeiten", "nachschlagen", "zusammenfuehren", "trennen"]


@pytest.mark.parametrize("what", EDITING)
def test_only_librarians_change_titles(library: Library, what: str) -> None:
    with library.database.writing() as db:
        make.admin(db)
        member, title, other = make.member(db), make.title(db, "Bleibt").id, make.title(db).id
    form = {"title": "Anders", "mit": str(other), "merge": "1"}
    with library.client() as client:
        answer = client.submit(f"/titel/{title}/{what}", False, **form)
        assert answer.headers["location"].startswith("/anmelden")
        client.sign_in(member)
        assert client.submit(f"/titel/{title}/{what}", **form).status_code == 403
        if what in ("bearbeiten", "zusammenfuehren"):
            assert client.get(f"/titel/{title}/{what}").status_code == 403
        assert "Bearbeiten" not in client.get(f"/titel/{title}").text
    with library.client() as tablet:
        tablet.be_tablet()
        answer = tablet.submit(f"/titel/{title}/{what}", False, **form)
        assert answer.status_code == 403 or answer.headers["location"].startswith("/anmelden")
        assert "Bearbeiten" not in tablet.get(f"/titel/{title}").text
    with library.database.reading() as db:
        assert queries.title(db, title).title == "Bleibt"
        assert queries.title(db, other)


# ---- Change ----


def test_a_form_that_is_sent_as_it_is_changes_nothing(desk: Desk) -> None:
    before = desk.read()
    assert "Es war schon alles so." in text_of(desk.save().text)
    assert desk.read() == before


def test_every_field_can_be_changed(desk: Desk) -> None:
    answer = desk.save(
        title="Die Mandarins",
        subtitle="Roman",
        persons="Beauvoir, S. de\nMüller, A. (Hg.)",
        publisher="",
        place="Reinbek",
        year="1957",
        pages="600",
        edition="2. Aufl.",
        language="fr",
        series="rororo ; 7\nWerke",
        isbns="3-499-22785-1\n978-3-518-06734-5",
        subjects="Paris\nNachkrieg",
    )
    assert "Gespeichert." in text_of(answer.text)
    fields, subjects, sources = desk.read()
    assert fields == TitleFields(
        title="Die Mandarins",
        subtitle="Roman",
        contributors=(Person("Beauvoir, S. de", "aut"), Person("Müller, A.", "edt")),
        place="Reinbek",
        year=1957,
        pages=600,
        edition="2. Aufl.",
        language="fr",
        series=(Part("rororo", "7"), Part("Werke")),
        isbns=(ISBN, "9783518067345"),
    )
    assert subjects == ("Paris", "Nachkrieg")
    assert set(sources.values()) == {"person"}
    assert "Mandarins" in desk.client.get("/katalog", params={"q": "mandarins nachkrieg"}).text


def test_only_the_changed_field_is_marked_as_typed(desk: Desk) -> None:
    desk.save(year="2001")
    sources = desk.read()[2]
    assert [name for name, source in sources.items() if source == "person"] == ["year"]
    said = text_of(desk.client.get(f"/titel/{desk.title}").text)
    assert "Jahr: von Hand" in said
    assert (
        "Titel, Personen, Verlag, Sprache, Reihe, ISBN, Themen: Deutsche Nationalbibliothek, 23. November 2026" in said
    )


def test_all_errors_are_said_at_once_and_what_was_typed_is_kept(desk: Desk) -> None:
    before = desk.read()
    card = new_card_code()
    answer = desk.save(
        title=" ", year="abc", isbns="123", publisher="Rohwolt", subjects=f"Frau\n{card}", persons="x" * 400
    )
    assert answer.status_code == 422
    for name in ("title", "year", "isbns", "subjects", "persons"):
        assert f'id="f-{name}-error"' in answer.text, name
    assert "Rohwolt" in answer.text
    assert card not in answer.text
    assert desk.read() == before


def test_whoever_was_slower_is_told(desk: Desk) -> None:
    old = desk.form()
    desk.save(publisher="Suhrkamp")
    answer = desk.client.submit(f"/titel/{desk.title}/bearbeiten", **{**old, "place": "Frankfurt"})
    assert answer.status_code == 409
    assert "Frankfurt" in answer.text
    assert desk.read()[0].publisher == "Suhrkamp"


# ---- Look up again ----


def finds(
    monkeypatch: pytest.MonkeyPatch, record: Record | None, outcome: Any = "found", *others: Record, **origin: str
) -> None:
    result = LookupResult(
        isbn=ISBN, outcome=outcome, record=record, alternatives=others, choose=bool(others), origin=origin
    )
    monkeypatch.setattr(lookup, "find", lambda *_asked, **_how: result)


def record(**said: Any) -> Record:
    return Record(
        **{"title": FULL.title, "isbns": (ISBN,), "source": "dnb", "source_url": "https://d-nb.info/1", **said}
    )


def test_gaps_are_filled_and_what_was_typed_is_offered(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.save(year="2001")
    finds(
        monkeypatch, record(year=2000, pages=939, publisher="Rowohlt Taschenbuch", subjects=("Ethik",)), pages="k10plus"
    )
    page = desk.client.submit(f"/titel/{desk.title}/nachschlagen")
    said = text_of(page.text)
    assert "Nachgeschlagen und übernommen: Verlag, Seiten, Themen." in said
    assert "Jahr 2001 2000 Deutsche Nationalbibliothek Übernehmen" in said
    fields, subjects, sources = desk.read()
    assert (fields.year, fields.pages, fields.publisher) == (2001, 939, "Rowohlt Taschenbuch")
    assert subjects == ("Frau", "Ethik")
    assert (sources["year"], sources["pages"]) == ("person", "k10plus")

    desk.client.submit(f"/titel/{desk.title}/nachschlagen", field="year", value="1999")
    assert desk.read()[0].year == 2001, "only what was shown is taken"
    done = desk.client.submit(f"/titel/{desk.title}/nachschlagen", field="year", value="2000")
    assert str(done.url).endswith(f"/titel/{desk.title}")
    assert (desk.read()[0].year, desk.read()[2]["year"]) == (2000, "dnb")


def test_another_book_under_the_number_changes_nothing(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    before = desk.read()
    finds(monkeypatch, record(title="Kochen mit Käse", pages=5))
    assert "klingt nach einem anderen Buch" in text_of(desk.client.submit(f"/titel/{desk.title}/nachschlagen").text)
    assert desk.read() == before


def test_of_several_editions_ours_is_looked_up(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    finds(monkeypatch, record(year=1951, pages=1), "found", record(year=2000, pages=939))
    desk.client.submit(f"/titel/{desk.title}/nachschlagen")
    assert (desk.read()[0].year, desk.read()[0].pages) == (2000, 939)


@pytest.mark.parametrize(
    ("outcome", "sentence"), [("not_found", "nirgends etwas verzeichnet"), ("unavailable", "antworten gerade nicht")]
)
def test_nothing_found_is_said(desk: Desk, monkeypatch: pytest.MonkeyPatch, outcome: Any, sentence: str) -> None:
    finds(monkeypatch, None, outcome)
    assert sentence in text_of(desk.client.submit(f"/titel/{desk.title}/nachschlagen").text)


def test_looking_up_again_asks_the_sources_again_and_says_who_did_not_answer(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[bool] = []
    away = LookupResult(
        isbn=ISBN, outcome="found", record=record(pages=939), sources=(("dnb", "found"), ("k10plus", "unavailable"))
    )

    def find(*_asked: object, fresh: bool = False) -> LookupResult:
        asked.append(fresh)
        return away

    monkeypatch.setattr(lookup, "find", find)
    said = text_of(desk.client.submit(f"/titel/{desk.title}/nachschlagen").text)
    assert "übernommen: Seiten." in said
    assert "Keine Antwort kam von: K10plus" in said
    # What a page offered is taken from what they answered then.
    desk.client.submit(f"/titel/{desk.title}/nachschlagen", field="year", value="1999")
    assert asked == [True, False]


def test_where_nobody_answers_what_is_stored_changes_nothing(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    before = desk.read()
    old = LookupResult(isbn=ISBN, outcome="found", record=record(pages=1), sources=(("dnb", "throttled"),))
    monkeypatch.setattr(lookup, "find", lambda *_asked, **_how: old)
    said = text_of(desk.client.submit(f"/titel/{desk.title}/nachschlagen").text)
    assert "Die Quellen antworten gerade nicht. Es bleibt alles, wie es ist." in said
    assert desk.read() == before


def test_what_is_wrong_is_said_in_the_order_of_the_fields(desk: Desk) -> None:
    shown = desk.save(title="", pages="bald", edition="x" * 400, subjects="x" * 1000)
    assert shown.status_code == 422
    summary = re.search(r'<div class="error-summary".*?</div>', shown.text, re.S)
    assert summary
    assert re.findall(r'href="#f-(\w+)"', summary[0]) == ["title", "pages", "edition", "subjects"]


def test_without_isbn_nobody_is_asked(desk: Desk) -> None:
    desk.save(isbns="")
    assert "Ohne ISBN" in text_of(desk.client.submit(f"/titel/{desk.title}/nachschlagen").text)


# ---- Make one of two ----


def test_two_titles_are_merged_and_parted_again(desk: Desk) -> None:
    with desk.library.database.writing() as db:
        other = add_title(db, TitleFields(title="Das andere Geschlecht: Neuausgabe", pages=939, year=1999), NOON)
        other_id, code = other.id, make.copy(db, other).code
    here = f"/titel/{desk.title}"
    assert f"{here}/zusammenfuehren?mit={other_id}" in desk.client.get(f"{here}/zusammenfuehren").text
    plan = text_of(desk.client.get(f"{here}/zusammenfuehren", params={"mit": other_id}).text)
    assert f"1 Exemplar zieht um: {code}" in plan
    assert "Das kommt hinzu Seiten 939" in plan
    assert "Das fällt weg Titel Das andere Geschlecht: Neuausgabe Jahr 1999" in plan

    merged = desk.client.submit(f"{here}/zusammenfuehren", mit=str(other_id))
    assert code in merged.text
    assert desk.client.get(f"/titel/{other_id}").url.path == here
    number = re.search(r'name="merge" value="(\d+)"', merged.text)[1]  # type: ignore[index]
    assert "Wieder trennen" not in Client(desk.library).get(here).text
    parted = desk.client.submit(f"{here}/trennen", merge=number)
    assert parted.url.path == f"/titel/{other_id}"
    assert code in parted.text
    assert desk.read()[0].pages is None
    assert desk.client.submit(f"{here}/trennen", merge=number).status_code == 404


def test_parted_titles_keep_no_copy_for_who_waits_for_the_other(desk: Desk) -> None:
    with desk.library.database.writing() as db:
        other_id, copy = make.title(db).id, make.copy(db, make.db_title(db, desk.title))
        make.loan(db, make.copy(db, make.db_title(db, other_id)))
        hold = holds.place(db, other_id, make.member(db).id, NOON, NOON.date()).id
        loan = make.loan(db, copy)
    merged = desk.client.submit(f"/titel/{desk.title}/zusammenfuehren", mit=str(other_id))
    with desk.library.database.writing() as db:
        assert lending.give_back(db, copy, NOON, NOON.date()).loan_id == loan.id
        assert db.get_one(Hold, hold).copy_id == copy.id
    number = re.search(r'name="merge" value="(\d+)"', merged.text)[1]  # type: ignore[index]
    desk.client.submit(f"/titel/{desk.title}/trennen", merge=number)
    with desk.library.database.reading() as db:
        found = db.get_one(Hold, hold)
        assert (found.title_id, found.copy_id) == (other_id, None)


def test_merging_a_title_with_itself_or_nothing_is_refused(desk: Desk) -> None:
    here = f"/titel/{desk.title}/zusammenfuehren"
    assert desk.client.submit(here, mit=str(desk.title)).status_code == 409
    assert desk.client.submit(here, mit="999999").status_code == 404
    assert desk.client.submit(here, mit="").status_code == 422
    nobody = f"/titel/{2**70}"
    assert desk.client.submit(f"{nobody}/zusammenfuehren", mit=str(desk.title)).status_code == 404
    assert desk.client.submit(f"{nobody}/trennen", merge="1").status_code == 404
    for odd in ("", "x", "99999999999999", str(desk.title)):
        assert desk.client.get(here, params={"mit": odd}).status_code == 200
    assert desk.client.get(here, params={"q": "gibt es nicht"}).status_code == 200


# ---- Series ----


def test_a_series_is_shown_in_the_order_of_its_numbers(both: Library) -> None:
    with both.database.writing() as db:
        make.admin(db)
        for number in ("10", "2", "Bd. 3"):
            make.copy(db, make.title(db, f"Teil {number}", series=(("Das & Kapital", number),)))
        last = make.title(db, "Ohne Nummer", series=(("Das & Kapital", None),))
    with both.client() as client:
        title = client.get(f"/titel/{last.id}").text
        (address,) = re.findall(r'href="(/katalog/reihe[^"]*)"', title)
        html = client.get(address.replace("&amp;", "&")).text
        assert re.findall(r'<h2 class="book__title"><a[^>]*>([^<]*)<', html) == [
            "Teil 2",
            "Teil Bd. 3",
            "Teil 10",
            "Ohne Nummer",
        ]
        assert "4 Titel aus dieser Reihe stehen hier." in text_of(html)
        assert client.get("/katalog/reihe", params={"name": "Das & Kapital", "seite": "7"}).status_code == 200
        for nothing in ("", "gibt es nicht", new_card_code()):
            assert client.get("/katalog/reihe", params={"name": nothing}).status_code == 404
