"""The overview, the settings, the language, and what the library says about itself. On both databases."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from bibliothek.kiosk import actions as kiosk
from bibliothek.lending import flags
from bibliothek.library import actions, queries
from bibliothek.members.models import Member
from bibliothek.problems import Invalid
from tests import make
from tests.client import text_of
from tests.conftest import Library
from tests.make import NOW, TODAY

SETTINGS = "/verwaltung/einstellungen"
GOOD = {"name": "Bücherei", "label_sheet": "L7159"}


@pytest.fixture
def people(both: Library) -> dict[str, Member]:
    with both.database.writing() as db:
        return {role: make.member(db, role=role) for role in ("admin", "librarian", "member")}


@pytest.mark.parametrize("path", ["/verwaltung", SETTINGS])
def test_the_pages_of_librarians_are_not_for_others(both: Library, people: dict[str, Member], path: str) -> None:
    with both.client() as nobody, both.client() as member, both.client() as tablet, both.client() as librarian:
        assert nobody.get(path, follow_redirects=False).headers["location"].startswith("/anmelden")
        assert member.sign_in(people["member"]).get(path).status_code == 403
        assert tablet.be_tablet().get(path).status_code == 403
        assert librarian.sign_in(people["librarian"]).get(path).status_code == 200


def test_a_member_changes_no_settings(both: Library, people: dict[str, Member]) -> None:
    with both.client() as client:
        assert client.sign_in(people["member"]).submit(SETTINGS, **GOOD).status_code == 403
    with both.database.reading() as db:
        assert queries.library(db).loan_days == 28


def test_an_empty_library_says_what_to_do_first(both: Library, people: dict[str, Member]) -> None:
    with both.client() as client:
        client.sign_in(people["librarian"])
        page = client.get("/verwaltung").text
        assert "Die ersten Schritte" in page
        for path in ("/verwaltung/regale", "/verwaltung/tablet", "/spenden", "/verwaltung/mitglieder"):
            assert f'href="{path}"' in page
            assert client.get(path).status_code == 200, path
        with both.database.writing() as db:
            make.copy(db, shelf=make.shelf(db))
        page = text_of(client.get("/verwaltung").text)
        assert "Als Nächstes" in page
        assert "Das Tablet einrichten" in page
        assert "Ein Regal anlegen" not in page
        with both.database.writing() as db:
            kiosk.enrol(db, "Tablet", NOW)
        assert "Als Nächstes" not in client.get("/verwaltung").text


def test_the_overview_counts(both: Library, people: dict[str, Member]) -> None:
    with both.database.writing() as db:
        make.loan(db, make.copy(db, title="Momo"), people["member"])
        make.copy(db)
    both.clock.pass_time(days=40)
    with both.client() as client:
        page = client.sign_in(people["librarian"]).get("/verwaltung")
    text = text_of(page.text)
    for tile in ("1 überfällig", "1 ausgeliehen", "2 ohne Etikett", "2 Titel", "3 Mitglieder"):
        assert tile in text
    assert "Momo" in text
    assert people["member"].name in text


def test_the_overview_says_how_many_more_are_late(both: Library, people: dict[str, Member]) -> None:
    with both.database.writing() as db:
        for _n in range(10):
            make.loan(db)
    both.clock.pass_time(days=40)
    with both.client() as client:
        client.sign_in(people["librarian"])
        assert "nur=ueberfaellig" not in client.get("/verwaltung").text
        with both.database.writing() as db:
            make.loan(db, today=TODAY + timedelta(days=1))
        page = client.get("/verwaltung").text
        assert "Hier stehen die 10, die am längsten überfällig sind." in page
        assert "Alle 11 überfälligen Ausleihen ansehen" in page
        assert "11 Ausleihen" in text_of(client.get("/verwaltung/ausleihen?nur=ueberfaellig").text)


def test_the_overview_says_that_something_is_to_be_settled_only_while_it_is(
    both: Library, people: dict[str, Member]
) -> None:
    with both.client() as client:
        client.sign_in(people["librarian"])
        assert "zu klären" not in text_of(client.get("/verwaltung").text)
        with both.database.writing() as db:
            flags.put_up(db, "damaged", make.copy(db).id, NOW)
        assert "1 zu klären" in text_of(client.get("/verwaltung").text)


def test_settings_are_saved_and_shown(both: Library, people: dict[str, Member]) -> None:
    with both.client() as client:
        client.sign_in(people["librarian"])
        answer = client.submit(SETTINGS, **GOOD)
    assert "Gespeichert." in answer.text
    assert '<option value="L7159" selected>' in answer.text
    with both.database.reading() as db:
        library = queries.library(db)
        assert (library.name, library.label_sheet) == ("Bücherei", "L7159")


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": ""},
        {"name": "x" * 81},
        {"label_sheet": "X1"},
    ],
)
def test_what_does_not_fit_is_said_and_nothing_changes(
    both: Library, people: dict[str, Member], wrong: dict[str, Any]
) -> None:
    with both.client() as client:
        answer = client.sign_in(people["admin"]).submit(SETTINGS, **{**GOOD, **wrong})
    assert answer.status_code == 422
    with both.database.reading() as db:
        library = queries.library(db)
        assert (library.name, library.loan_days, library.label_sheet) == ("Bibliothek", 28, "L7160")


def test_all_that_does_not_fit_is_said_at_once(both: Library, people: dict[str, Member]) -> None:
    with both.client() as client:
        client.sign_in(people["admin"])
        text = text_of(client.submit(SETTINGS, name="", label_sheet="X1").text)
        assert "2 Felder passen noch nicht" in text
        assert "Den Etikettenbogen „X1“ gibt es hier nicht." in text


@pytest.mark.parametrize("name", ["", "  ", "x" * 81])
def test_a_library_has_a_name(both: Library, name: str) -> None:
    with pytest.raises(Invalid), both.database.writing() as db:
        actions.rename(db, name, NOW)


def test_a_chosen_language_stays_for_a_year_and_leads_back(both: Library, people: dict[str, Member]) -> None:
    with both.client() as client:
        answer = client.submit("/sprache", False, sprache="en", zurueck="/datenschutz")
        assert answer.headers["location"] == "/datenschutz"
        assert "max-age=31536000" in answer.headers["set-cookie"].lower()
        assert 'lang="en"' in client.get("/datenschutz").text
        client.submit("/sprache", sprache="de")
        assert 'lang="de"' in client.get("/datenschutz").text


@pytest.mark.parametrize("elsewhere", ["//evil.example", "https://evil.example", "/\\evil.example", ""])
def test_choosing_a_language_leads_to_no_other_site(both: Library, people: dict[str, Member], elsewhere: str) -> None:
    with both.client() as client:
        answer = client.submit("/sprache", False, sprache="en", zurueck=elsewhere)
    assert answer.headers["location"] == "/"


def test_a_language_we_do_not_speak_is_refused(both: Library, people: dict[str, Member]) -> None:
    with both.client() as client:
        assert client.submit("/sprache", sprache="tlh").status_code == 422


@pytest.mark.parametrize(
    ("path", "says"), [("/datenschutz", "Was sie vergisst"), ("/quellen", "Deutsche Nationalbibliothek")]
)
def test_everybody_may_read_what_the_library_says_about_itself(
    both: Library, people: dict[str, Member], path: str, says: str
) -> None:
    with both.client() as client:
        answer = client.get(path)
        assert answer.status_code == 200
        assert says in text_of(answer.text)
        assert client.be_tablet().get(path).status_code == 200
