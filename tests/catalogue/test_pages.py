from __future__ import annotations

import re
from datetime import timedelta

import pytest
from sqlalchemy.orm import Session

from bibliothek.catalogue import pages
from bibliothek.catalogue.actions import add_title
from bibliothek.catalogue.fields import Origin, Part, Person, TitleFields
from bibliothek.codes import new_card_code
from bibliothek.lending import holds
from tests import make
from tests.client import Client, text_of
from tests.conftest import NOON, Library
from tests.counting import count

HTMX = {"hx-request": "true"}


def set_up(library: Library) -> None:
    with library.database.writing() as db:
        make.admin(db)


def many(db: Session, number: int) -> None:
    for n in range(number):
        make.copy(db, title=f"Titel {n:03}")


def listed(html: str) -> list[str]:
    return re.findall(r'<h2 class="book__title"><a href="/titel/\d+">([^<]*)</a>', html)


def get(client: Client, path: str, **query: object) -> str:
    answer = client.get(path, params=query)
    assert answer.status_code == 200, answer.text
    return str(answer.text)


# ---- Start ----


def test_an_empty_library_invites(library: Library) -> None:
    set_up(library)
    with library.client() as client:
        said = text_of(get(client, "/"))
        assert "Noch ist das Regal leer" in said
        assert "Erstes Buch spenden" in said
        assert "Noch keine Titel" in text_of(get(client, "/katalog"))


def test_the_start_page_shows_what_is_new_and_how_much_is_here(both: Library) -> None:
    set_up(both)
    with both.database.writing() as db:
        many(db, 20)
        make.loan(db)
    with both.client() as client:
        html = get(client, "/")
        said = text_of(html)
        assert "21 Titel stehen hier" in said
        assert "20 davon kannst du sofort mitnehmen" in said
        assert html.count('class="wall__caption"') == 18
        assert "Bei dir zu Hause" not in said


def test_when_all_is_here_the_start_page_says_so(library: Library) -> None:
    set_up(library)
    with library.database.writing() as db:
        many(db, 2)
    with library.client() as client:
        assert "alle kannst du sofort mitnehmen" in text_of(get(client, "/"))


def test_the_start_page_shows_own_loans_due_first_and_nobody_elses(both: Library) -> None:
    set_up(both)
    with both.database.writing() as db:
        me, other = make.member(db), make.member(db)
        for n, days in enumerate([3, 0, 2, 1]):
            make.loan(db, make.copy(db, title=f"Meins {n}"), me, today=make.TODAY + timedelta(days=days))
        make.loan(db, make.copy(db, title="Fremdes"), other)
    with both.client() as client:
        html = get(client.sign_in(me), "/")
        own = html[html.index('id="loans"') : html.index('id="newest"')]
        assert re.findall(r"Meins \d", own) == ["Meins 1", "Meins 3", "Meins 2"]
        assert "Alles, was du hast" in own
        assert "Fremdes" not in own
        both.clock.pass_time(days=40)
        assert "fällig" in text_of(get(client, "/"))


def test_the_tablet_starts_at_its_scan_field(library: Library) -> None:
    set_up(library)
    with library.client() as client:
        answer = client.be_tablet().get("/", follow_redirects=False)
        assert (answer.status_code, answer.headers["location"]) == (303, "/kiosk")


# ---- Catalogue ----


def test_everybody_may_search_and_sees_what_is_here(both: Library) -> None:
    set_up(both)
    with both.database.writing() as db:
        make.copy(db, title="Der Process")
        make.loan(db, make.copy(db, title="Das Schloss"))
        two = make.copy(db, title="Amerika").title_id
        db.flush()
        make.loan(db, make.copies.add_copy(db, two, None, make.NOW))  # type: ignore[arg-type]
        make.title(db, "Die Verwandlung")
    with both.client() as client:
        said = text_of(get(client, "/katalog"))
        for fact in ("4 Titel", "Der Process", "1 von 2 da", "ausgeliehen", "kein Exemplar"):
            assert fact in said
        assert listed(get(client, "/katalog", q="schlo")) == ["Das Schloss"]
        assert listed(get(client, "/katalog", verfuegbar="1")) == ["Amerika", "Der Process"]
        assert listed(get(client, "/katalog", verfuegbar="0")) == listed(get(client, "/katalog"))


def test_htmx_gets_the_results_alone(library: Library) -> None:
    set_up(library)
    with library.database.writing() as db:
        many(db, 3)
    with library.client() as client:
        part = client.get("/katalog", params={"q": "titel"}, headers=HTMX).text
        assert "<html" not in part
        assert listed(part) == ["Titel 002", "Titel 001", "Titel 000"]
        assert 'data-hx-swap-oob="innerHTML">3 Titel<' in part
        whole = get(client, "/katalog", q="titel")
        assert "<html" in whole
        assert "data-hx-swap-oob" not in whole
        query = {"q": " titel ", "regal": "", "sprache": "xyz", "sortierung": "titel", "seite": "9"}
        answer = client.get("/katalog", params=query, headers=HTMX)
        assert answer.headers["hx-replace-url"] == "/katalog?q=titel&sortierung=titel"
        assert client.get("/katalog", headers=HTMX).headers["hx-replace-url"] == "/katalog"
        assert 'action="/katalog"' in whole


def test_a_search_keeps_what_was_typed_and_chosen(library: Library) -> None:
    set_up(library)
    with library.database.writing() as db:
        shelf = make.shelf(db, "Politik & Geschichte")
        many(db, 30)
        for n in range(25):
            make.copy(db, make.title(db, f"Roman {n}", language="fr"), shelf)
        make.title(db, "A Novel", language="en")
        code = shelf.code
    query = {"q": "roman & co", "verfuegbar": "1", "regal": code, "sprache": "fr", "sortierung": "titel"}
    with library.client() as client:
        html = get(client, "/katalog", **{**query, "q": "roman"})
        assert 'value="roman"' in html
        assert re.search(r'name="verfuegbar"\s+value="1" checked', html)
        assert f'<option value="{code}" selected>Politik &amp; Geschichte</option>' in html
        assert '<option value="fr" selected>Französisch</option>' in html
        assert '<option value="titel" selected>' in html
        assert (
            f"/katalog?q=roman&amp;verfuegbar=1&amp;regal={code}&amp;sprache=fr&amp;sortierung=titel&amp;seite=2"
            in html
        )
        assert "Mit diesen Einschränkungen" in get(client, "/katalog", **query)


CARD = new_card_code(b"sixteen or more bytes")


@pytest.mark.parametrize("q", [CARD, CARD.lower(), f" {CARD} ", CARD[:-1], " ".join(re.findall(".{1,5}", CARD))])
def test_a_card_scanned_into_the_search_is_neither_shown_nor_searched_for(library: Library, q: str) -> None:
    set_up(library)
    with library.database.writing() as db:
        many(db, 1)
    with library.client() as client:
        answer = client.get("/katalog", params={"q": q, "verfuegbar": "1"})
        assert answer.url.raw_path == b"/katalog?verfuegbar=1"
        assert listed(answer.text) == ["Titel 000"]
        assert "Mitgliedskarte" in answer.text
        assert q.strip().upper()[:11] not in answer.text.upper()
        while_typing = client.get("/katalog", params={"q": q}, headers=HTMX)
        assert (while_typing.text, while_typing.headers["hx-redirect"]) == ("", "/katalog")
        assert "Mitgliedskarte" in client.get("/katalog").text


def test_a_shelf_shows_its_books_by_code_and_by_name(both: Library) -> None:
    set_up(both)
    with both.database.writing() as db:
        shelf = make.shelf(db, "Küche")
        make.copy(db, make.title(db, "Hier"), shelf)
        make.loan(db, make.copy(db, make.title(db, "Verliehen"), shelf))
        gone = make.copy(db, make.title(db, "Weg"), shelf)
        gone.state = "withdrawn"
        make.copy(db, title="Woanders")
        code = shelf.code
    with both.client() as client:
        assert listed(get(client, "/katalog", regal=code)) == ["Verliehen", "Hier"]
        assert listed(get(client, "/katalog", regal="Küche", q="hier")) == ["Hier"]
        assert listed(get(client, "/katalog", regal=code, verfuegbar="1")) == ["Hier"]
        said = text_of(get(client, "/katalog", regal="Keller"))
        assert "Dieses Regal gibt es hier nicht" in said
        assert "Keller" in said


def test_available_on_a_shelf_means_the_same_copy(library: Library) -> None:
    set_up(library)
    with library.database.writing() as db:
        kitchen, cellar = make.shelf(db, "Küche"), make.shelf(db, "Keller")
        title = make.title(db, "Zweimal")
        make.loan(db, make.copy(db, title, kitchen))
        make.copy(db, title, cellar)
    with library.client() as client:
        assert listed(get(client, "/katalog", regal="Küche", verfuegbar="1")) == []
        assert listed(get(client, "/katalog", regal="Keller", verfuegbar="1")) == ["Zweimal"]


def test_a_search_without_result_helps_on(library: Library) -> None:
    set_up(library)
    with library.database.writing() as db:
        make.copy(db, title="Amerika")
    with library.client() as client:
        assert "hilft ein einzelnes Wort" in text_of(get(client, "/katalog", q="gibtsnicht"))
        narrowed = get(client, "/katalog", q="amerika", sprache="tr")
        assert "Im ganzen Katalog suchen" in narrowed
        assert 'href="/katalog?q=amerika"' in narrowed
        assert "Gerade nichts dabei" in get(client, "/katalog", sprache="tr")


@pytest.mark.parametrize(
    ("page", "shown"),
    [
        ("1", 1),
        ("2", 2),
        ("3", 3),
        ("4", 3),
        ("1000000000", 3),
        ("9" * 200, 3),
        ("0", 1),
        ("-1", 1),
        ("abc", 1),
        ("", 1),
        ("1.5", 1),
        ("²", 1),
        ("٣", 3),
    ],
)
def test_odd_page_numbers_lead_to_the_nearest_page(library: Library, page: str, shown: int) -> None:
    set_up(library)
    with library.database.writing() as db:
        many(db, 45)
    with library.client() as client:
        html = get(client, "/katalog", seite=page, q="titel")
        assert f"Seite {shown} von 3" in text_of(html)
        assert len(listed(html)) == (5 if shown == 3 else 20)


@pytest.mark.parametrize(
    "query",
    [
        {"q": "\x00"},
        {"q": "a" * 10_000},
        {"q": "\U0001f4da"},
        {"q": "'\"*^()"},
        {"sprache": "deutsch"},
        {"sprache": "'; --"},
        {"sprache": "\x00"},
        {"sprache": "x" * 5000},
        {"sortierung": "zufall"},
        {"regal": "R000"},
        {"regal": "RABCX"},
        {"regal": "\x00"},
        {"regal": "x" * 10_000},
        {"verfuegbar": "vielleicht"},
        {"unbekannt": "1"},
        {"q": ["a", "b"], "seite": ["1", "2"]},
    ],
)
def test_odd_parameters_never_give_an_error_page(both: Library, query: dict[str, object]) -> None:
    set_up(both)
    with both.database.writing() as db:
        make.copy(db, make.title(db, "Titel", language="de"))
    with both.client() as client:
        assert "Katalog" in get(client, "/katalog", **query)
        assert client.get("/katalog", params=query, headers=HTMX).status_code == 200


@pytest.mark.parametrize(
    ("said", "is_yes"),
    [
        *[(yes, True) for yes in ("1", "true", "on")],
        *[(no, False) for no in ("", " ", "0", "False", "nein", "no", "off")],
    ],
)
def test_only_what_is_here_is_shown_to_whoever_says_so(library: Library, said: str, is_yes: bool) -> None:
    set_up(library)
    with library.database.writing() as db:
        make.loan(db, make.copy(db, title="Verliehen"))
    with library.client() as client:
        html = get(client, "/katalog", verfuegbar=said)
        assert ("Verliehen" not in html) == is_yes
        assert ('value="1" checked' in html) == is_yes


def test_everything_can_be_leafed_through_beyond_two_thousand(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    from bibliothek.catalogue import queries, search

    monkeypatch.setattr(search, "CAP", 40)
    monkeypatch.setattr(queries, "CAP", 40)
    queries._listed.cache_clear()
    set_up(library)
    with library.database.writing() as db:
        many(db, 65)
    with library.client() as client:
        last = get(client, "/katalog", seite=4)
        assert "Mehr als 40 Titel" in text_of(last)
        assert "Seite 4 von 4" in text_of(last)
        assert len(listed(last)) == 5
        # Of a search, only the best are shown.
        assert "Seite 2 von 2" in text_of(get(client, "/katalog", q="titel", seite=4))
    queries._listed.cache_clear()


@pytest.mark.parametrize("order", ["", "titel"])
def test_of_words_with_a_filter_fewer_hits_are_counted_in_a_large_library(
    both: Library, monkeypatch: pytest.MonkeyPatch, order: str
) -> None:
    monkeypatch.setattr(pages, "MOST_FILTERED", 30)
    monkeypatch.setattr(pages, "MANY", 64)
    set_up(both)
    with both.database.writing() as db:
        many(db, 65)
    with both.client() as client:
        last = get(client, "/katalog", q="titel", verfuegbar="1", sortierung=order, seite=4)
        assert "Mehr als 30 Titel" in text_of(last)
        assert "Seite 2 von 2" in text_of(last)
        assert len(listed(last)) == 10
        assert "65 Titel" in text_of(get(client, "/katalog", q="titel", sortierung=order))
        monkeypatch.setattr(pages, "MANY", 65)
        assert "65 Titel" in text_of(get(client, "/katalog", q="titel", verfuegbar="1", sortierung=order))


@pytest.mark.parametrize("query", [{}, {"q": "titel"}, {"q": "titel", "verfuegbar": "1", "sortierung": "titel"}])
def test_twenty_rows_cost_as_many_statements_as_ten(library: Library, query: dict[str, str]) -> None:
    set_up(library)
    with library.database.writing() as db:
        many(db, 10)
    with library.client() as client:
        ten = count(lambda: get(client, "/katalog", **query))
        start = count(lambda: get(client, "/"))
        with library.database.writing() as db:
            many(db, 10)
        assert len(listed(get(client, "/katalog", **query))) == 20
        assert count(lambda: get(client, "/katalog", **query)) == ten <= 6
        assert count(lambda: get(client, "/")) == start


# ---- A title ----


def full_title(db: Session) -> int:
    fields = TitleFields(
        title="Das andere Geschlecht",
        subtitle="Sitte und Sexus der Frau",
        contributors=(
            Person("Beauvoir, Simone de", "aut"),
            Person("Aumüller, Uli", "trl"),
            Person("Osterwald, Grete", "trl"),
        ),
        publisher="Rowohlt",
        place="Reinbek",
        year=2000,
        edition="Neuausg.",
        pages=939,
        language="de",
        series=(Part("rororo", "22785"),),
        isbns=("9783499227851",),
    )
    origin = Origin(subjects=("Frau & Gesellschaft",), source="dnb", source_url="https://d-nb.info/958166315")
    return add_title(db, fields, NOON, origin).id


def test_a_title_page_says_all_there_is(both: Library) -> None:
    set_up(both)
    with both.database.writing() as db:
        number = full_title(db)
    with both.client() as client:
        html = get(client, f"/titel/{number}")
        said = text_of(html)
        for fact in (
            "Das andere Geschlecht",
            "Sitte und Sexus der Frau",
            "Text Simone de Beauvoir",
            "Übersetzung Uli Aumüller , Grete Osterwald",
            "Rowohlt",
            "Reinbek",
            "2000",
            "Neuausg.",
            "939 Seiten",
            "Deutsch",
            "rororo ; 22785",
            "978-3-499-22785-1",
            "Frau &amp; Gesellschaft",
            "Deutsche Nationalbibliothek",
            "Gerade kein Exemplar",
        ):
            assert fact in said, fact
        assert 'href="/katalog?q=Beauvoir%2C+Simone+de"' in html
        assert 'href="/katalog?q=Frau+%26+Gesellschaft"' in html
        assert '<a href="https://d-nb.info/958166315"' in html
        assert listed(get(client, "/katalog", q="Beauvoir, Simone de")) == ["Das andere Geschlecht"]


def test_a_bare_title_page_shows_nothing_empty(library: Library) -> None:
    set_up(library)
    with library.database.writing() as db:
        number = make.title(db, "Flugblatt", authors=()).id
    with library.client() as client:
        said = text_of(get(client, f"/titel/{number}"))
        assert "Flugblatt" in said
        for label in ("Verlag", "ISBN", "Reihe", "Herkunft", "None"):
            assert label not in said


def test_a_title_page_shows_copies_but_never_who_has_them(both: Library) -> None:
    set_up(both)
    with both.database.writing() as db:
        me, other = make.member(db, "Mitglied Ich"), make.member(db, "Mitglied Fremd")
        librarian = make.member(db, role="librarian")
        title = make.title(db, "Gefragt")
        here = make.copy(db, title, make.shelf(db, "Küche"))
        make.loan(db, make.copy(db, title), other)
        broken = make.copy(db, title)
        broken.state = "repair"
        gone = make.copy(db, title)
        gone.state = "withdrawn"
        number, code, gone_code = title.id, here.code, gone.code
    for who in (None, me, librarian):
        with both.client() as client:
            html = get(client.sign_in(who) if who else client, f"/titel/{number}")
            said = text_of(html)
            for fact in (
                "3 Exemplare",
                code,
                "Regal Küche",
                "noch ohne Regal",
                "ausgeliehen bis 21. Dezember 2026",
                "in Reparatur",
            ):
                assert fact in said, fact
            # Those who can bring a withdrawn copy back see that there was one.
            assert (f"{gone_code} ausgesondert" in said) == (who is librarian)
            assert who is librarian or gone_code not in said
            assert "Mitglied Fremd" not in said
    both.clock.pass_time(days=60)
    with both.client() as client:
        assert "seit 21. Dezember 2026 zurückerwartet" in text_of(get(client, f"/titel/{number}"))


def test_a_title_page_invites_nobody_to_take_what_is_kept_for_somebody(both: Library) -> None:
    set_up(both)
    with both.database.writing() as db:
        me, other = make.member(db), make.member(db, "Mitglied Fremd")
        kept = make.copy(db)
        number = kept.title_id
    with both.client() as client:
        client.sign_in(me)
        assert "Nimm es dir einfach" in text_of(get(client, f"/titel/{number}"))
        with both.database.writing() as db:
            holds.place(db, number, other.id, make.NOW, make.TODAY)
        said = text_of(get(client, f"/titel/{number}"))
    assert "vorgemerkt" in said
    assert "Nimm es dir einfach" not in said
    assert "Mitglied Fremd" not in said


def test_the_title_page_costs_the_same_however_many_titles_there_are(library: Library) -> None:
    set_up(library)
    with library.database.writing() as db:
        number = full_title(db)
        make.loan(db, make.copy(db))
    with library.client() as client:
        few = count(lambda: get(client, f"/titel/{number}"))
        with library.database.writing() as db:
            many(db, 30)
        assert count(lambda: get(client, f"/titel/{number}")) == few


@pytest.mark.parametrize("number", ["0", "999999", "99999999999999999999", "abc", "-1"])
def test_a_title_that_is_not_there_is_said(library: Library, number: str) -> None:
    set_up(library)
    with library.client() as client:
        answer = client.get(f"/titel/{number}")
        assert answer.status_code == 404
        assert "<html" in answer.text


def test_what_a_record_holds_is_never_markup(both: Library) -> None:
    evil = '<script>alert("x")</script>'
    set_up(both)
    with both.database.writing() as db:
        fields = TitleFields(
            title=evil,
            subtitle=evil,
            contributors=(Person(evil, "aut"),),
            publisher=evil,
            series=(Part(evil, evil),),
            language="de",
        )
        title = add_title(db, fields, NOON, Origin(subjects=(evil,), source=evil, source_url="javascript:alert(1)"))
        make.copy(db, title, make.shelf(db, evil))
        number = title.id
    with both.client() as client:
        for html in (
            get(client, "/"),
            get(client, "/katalog", q="script"),
            get(client, "/katalog", q=evil, regal=evil, sprache=evil, sortierung=evil),
            get(client, f"/titel/{number}"),
        ):
            assert "<script>" not in html
            assert "javascript:" not in html
            assert "&lt;script&gt;" in html
