"""What is found, in which order, the same on both databases."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import bindparam, exists, literal
from sqlalchemy.orm import Session

from bibliothek.catalogue import queries, search
from bibliothek.catalogue.actions import add_title
from bibliothek.catalogue.entries import typed_isbn, wanted
from bibliothek.catalogue.fields import Origin, Person, TitleFields
from bibliothek.catalogue.models import Title
from bibliothek.catalogue.queries import Found, NoSuchTitle, Sort
from bibliothek.copies.models import Copy
from bibliothek.lending.queries import availability, copy_counts, is_available
from tests import make
from tests.conftest import NOON, Library
from tests.counting import count

# (title, persons, further fields, subjects), in the order they came.
BOOKS: list[tuple[str, list[str], dict[str, object], tuple[str, ...]]] = [
    ("Der Process", ["Kafka, Franz"], {"subtitle": "Roman", "language": "de", "isbns": ("9783518188781",)}, ()),
    ("Kafka am Strand", ["Murakami, Haruki"], {"language": "de", "year": 2004}, ()),
    ("Kafka", ["Stach, Reiner"], {"language": "de", "year": 2002}, ("Biografie",)),
    ("Tagebücher", ["Brod, Max"], {"language": "de", "year": 1951}, ("Kafka, Franz",)),
    ("Kafkaeske Geschichten", ["Müller, Herta"], {"language": "de"}, ()),
    (
        "Reise durch die Straße der Müllers",
        ["Groß, Änne"],
        {"language": "de", "series": ("Die Andere Bibliothek", "12")},
        (),
    ),
    ("Die Straße", ["McCarthy, Cormac"], {"language": "de", "year": 2007}, ()),
    ("Mueller und Söhne", ["Öztürk, Şule"], {"language": "de"}, ()),
    ("Muller", ["Łukasz, Jan"], {"language": "pl"}, ()),
    ("L'Étranger", ["Camus, Albert"], {"language": "fr", "isbns": ("9782070360024",)}, ()),
    ("The Left Hand of Darkness", ["Le Guin, Ursula K."], {"language": "en", "year": 1969}, ()),
    ("Ein Mann", ["Fallaci, Oriana"], {"language": "de"}, ()),
    ("Der Mann ohne Eigenschaften", ["Musil, Robert"], {"language": "de"}, ()),
    ("Buddenbrooks", ["Mann, Thomas"], {"language": "de", "year": 1901}, ()),
    ("Mannheim", ["Keller, Gustav"], {"language": "de"}, ()),
    ("1984", ["Orwell, George"], {"language": "de", "year": 1949}, ()),
    ("Neusprech", ["Schmidt, Arno"], {"language": "de", "year": 1984}, ()),
    ("5e3x und 12eck", [], {}, ()),
    # Filed under words that do not stand in it.
    ("Nr. 7", [], {"sort_title": "nummer sieben mann"}, ()),
]


@pytest.fixture
def shelf(db: Session) -> Session:
    """A database with BOOKS in it."""
    for title, persons, fields, subjects in BOOKS:
        series = fields.get("series")
        parts = {"series": (queries.Part(*series),)} if isinstance(series, tuple) else {}
        given = {**fields, **parts}
        filed = given.pop("sort_title", None)
        contributors = tuple(Person(name, "aut") for name in persons)
        add_title(
            db,
            TitleFields(title=title, contributors=contributors, **given),
            NOON,
            Origin(subjects=subjects, sort_title=filed),
        )  # type: ignore[arg-type]
    return db


def titles(found: Found) -> list[str]:
    return [row.title for row in found.rows]


@pytest.mark.parametrize(
    ("q", "expected"),
    [
        # Called so, then beginning so, then the person, then beginnings of words, then all the rest.
        ("kafka", ["Kafka", "Kafka am Strand", "Der Process", "Kafkaeske Geschichten", "Tagebücher"]),
        ("Kafk", ["Kafkaeske Geschichten", "Kafka", "Kafka am Strand", "Der Process", "Tagebücher"]),
        ("mann", ["Ein Mann", "Der Mann ohne Eigenschaften", "Nr. 7", "Buddenbrooks", "Mannheim"]),
        ("nummer sieben", ["Nr. 7"]),
        ("nummer sieben mann", ["Nr. 7"]),
        ("sieb", ["Nr. 7"]),
        ("ein mann", ["Ein Mann"]),
        ("der mann", ["Der Mann ohne Eigenschaften"]),
        ("straße", ["Die Straße", "Reise durch die Straße der Müllers"]),
        ("die strasse", ["Die Straße", "Reise durch die Straße der Müllers"]),
        ("STRASSE", ["Die Straße", "Reise durch die Straße der Müllers"]),
        ("1984", ["1984", "Neusprech"]),
        # Umlauts in every spelling.
        ("Müller", ["Muller", "Mueller und Söhne", "Kafkaeske Geschichten", "Reise durch die Straße der Müllers"]),
        ("müllers", ["Reise durch die Straße der Müllers"]),
        ("mueller", ["Mueller und Söhne", "Kafkaeske Geschichten", "Reise durch die Straße der Müllers"]),
        ("muller", ["Muller", "Kafkaeske Geschichten", "Reise durch die Straße der Müllers"]),
        ("oeztuerk", ["Mueller und Söhne"]),
        ("ozturk sule", ["Mueller und Söhne"]),
        ("lukasz", ["Muller"]),
        ("gross", ["Reise durch die Straße der Müllers"]),
        ("tagebucher", ["Tagebücher"]),
        ("tagebuecher", ["Tagebücher"]),
        # Words of title, person, series and all the rest together.
        ("kafka process", ["Der Process"]),
        ("guin darkness", ["The Left Hand of Darkness"]),
        ("andere bibliothek 12", ["Reise durch die Straße der Müllers"]),
        ("etranger", ["L'Étranger"]),
        ("l'étranger", ["L'Étranger"]),
        ("l etr", ["L'Étranger"]),
        # ISBNs as people write them.
        ("9783518188781", ["Der Process"]),
        ("978-3-518-18878-1", ["Der Process"]),
        ("ISBN 978 3 518 18878 1", ["Der Process"]),
        ("351818878X", ["Der Process"]),
        ("2-07-036002-4", ["L'Étranger"]),
        ("978-3-518-1", ["Der Process"]),
        ("9783-51", []),
        ("9783518188782", []),
        # Numbers with letters are one word on both databases.
        ("5e3x", ["5e3x und 12eck"]),
        ("12e", ["5e3x und 12eck"]),
        ("e3x", []),
        # Nothing that is there.
        ("kafka murakami brod", []),
        ("geschlecht", []),
    ],
)
def test_the_best_match_comes_first(shelf: Session, q: str, expected: list[str]) -> None:
    found = queries.search(shelf, q)
    assert titles(found) == expected
    assert (found.total, found.more) == (len(expected), False)


@pytest.mark.parametrize(
    "q", [" ", "…", "'", '"', "* ^ ( ) -", "\U0001f4da\U0001f4da", "\x00", "%_%", "\u0308", "=", "~#@"]
)
def test_without_a_letter_or_digit_nothing_is_found(shelf: Session, q: str) -> None:
    assert queries.search(shelf, q) == Found([], 0, False)


@pytest.mark.parametrize(
    ("q", "expected"),
    [
        ("kafka OR process", []),
        ("kafka | process", ["Der Process"]),
        ("NOT kafka", []),
        ("kafka AND strand", []),
        ('"kafka am"', ["Kafka am Strand"]),
        ('kafka"', 5),
        ("kafka:*", 5),
        ("title:kafka", []),
        ("{title}: kafka", []),
        ("NEAR(kafka strand)", []),
        ("kafka*", 5),
        ("^kafka", 5),
        ("=kafka", 5),
        ("@pl", []),
        ("kafka & !strand", ["Kafka am Strand"]),
        ("kafka <-> strand", ["Kafka am Strand"]),
        ("'; DROP TABLE title; --", []),
        ("kafka') OR 1=1 --", []),
        ("\\", []),
        ("kafka\\' strand", ["Kafka am Strand"]),
        (":kafka %s %(x)s {0} strand", []),
    ],
)
def test_operators_of_the_databases_are_only_signs(shelf: Session, q: str, expected: list[str] | int) -> None:
    found = queries.search(shelf, q)
    assert (found.total if isinstance(expected, int) else titles(found)) == expected
    assert queries.search(shelf, None).total == len(BOOKS)


@pytest.mark.parametrize(
    "q",
    [
        "x" * 10_000,
        "kafka " * 2000,
        "ä" * 10_000,
        "a b c d e f g h i j k l m n o p q r s t u v w x y z " * 50,
        "9" * 10_000,
    ],
)
def test_a_book_as_a_query_is_answered(shelf: Session, q: str) -> None:
    assert queries.search(shelf, q).total in (0, 4)


@given(st.text(max_size=60))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_query_fails(shelf: Session, q: str) -> None:
    found = queries.search(shelf, q)
    assert found.total >= len(found.rows)


@given(st.sampled_from([title for title, *_ in BOOKS]), st.integers(1, 40))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_title_is_found_while_it_is_typed(shelf: Session, title: str, typed: int) -> None:
    assert title in titles(queries.search(shelf, title[:typed]))


def test_without_a_query_all_are_listed_newest_first(shelf: Session) -> None:
    newest = [title for title, *_ in reversed(BOOKS)]
    assert titles(queries.search(shelf, None)) == titles(queries.search(shelf, "")) == newest
    assert titles(queries.search(shelf, None, offset=2, limit=3)) == newest[2:5]
    assert [row.title for row in queries.recent(shelf, 2)] == newest[:2]
    assert queries.count_titles(shelf) == len(BOOKS)


@pytest.mark.parametrize(
    ("sort", "expected"),
    [
        ("newest", ["Kafkaeske Geschichten", "Tagebücher", "Kafka", "Kafka am Strand", "Der Process"]),
        ("title", ["Kafka", "Kafka am Strand", "Kafkaeske Geschichten", "Der Process", "Tagebücher"]),
        ("year", ["Kafka am Strand", "Kafka", "Tagebücher", "Kafkaeske Geschichten", "Der Process"]),
    ],
)
def test_what_is_found_can_be_sorted(shelf: Session, sort: Sort, expected: list[str]) -> None:
    assert titles(queries.search(shelf, "kafka", sort=sort)) == expected
    everything = titles(queries.search(shelf, None, sort=sort))
    assert [title for title in everything if title in expected] == expected


def test_a_language_narrows_what_is_found(shelf: Session) -> None:
    assert titles(queries.search(shelf, "m", language="pl")) == ["Muller"]
    assert titles(queries.search(shelf, "", language="fr")) == ["L'Étranger"]
    assert titles(queries.search(shelf, "etranger", language="de")) == []
    assert titles(queries.search(shelf, "muller", language="pl", sort="title")) == ["Muller"]
    for odd in ("xx", "DE", '"', "d*", "de OR en", "\x00", "x" * 5000):
        assert (
            queries.search(shelf, "kafka", language=odd)
            == queries.search(shelf, None, language=odd)
            == Found([], 0, False)
        )
    found = shelf.connection().execute(queries.languages()).scalars()
    assert [code for code in found if code] == ["de", "en", "fr", "pl"]


def test_a_condition_narrows_what_is_found_and_counted(shelf: Session) -> None:
    early = Title.year < bindparam("year")
    found = queries.search(shelf, "kafka", only=early, values={"year": 2003})
    assert titles(found) == ["Kafka", "Tagebücher"]
    assert found.total == 2
    assert titles(queries.search(shelf, None, only=early, values={"year": 1950})) == ["1984", "Buddenbrooks"]


def test_further_columns_come_along(shelf: Session) -> None:
    kafka = shelf.query(Title).filter_by(title="Kafka").one()
    make.loan(shelf, make.copy(shelf, kafka))
    make.copy(shelf, kafka)
    row = queries.search(shelf, "kafka", also=copy_counts()).rows[0]
    assert (row.title, row.also) == ("Kafka", (1, 2))
    also = (literal(7).label("seven"),)
    assert queries.search(shelf, None, also=also, limit=1).rows[0].also == (7,)


def test_only_what_is_here(shelf: Session) -> None:
    kafka, process = (shelf.query(Title).filter_by(title=name).one() for name in ("Kafka", "Der Process"))
    make.copy(shelf, process)
    make.loan(shelf, make.copy(shelf, kafka))
    found = queries.search(shelf, "kafka", only=exists().where(Copy.title_id == Title.id, is_available()))
    assert titles(found) == ["Der Process"]
    assert found.total == 1


def test_rows_are_ready_for_display(shelf: Session) -> None:
    row = queries.search(shelf, "process").rows[0]
    assert row[1:] == ("Der Process", "Roman", "Franz Kafka", None, None, "de", ())
    assert queries.search(shelf, "12eck").rows[0].byline == ""


def test_pages_follow_one_another_without_gap_or_double(db: Session) -> None:
    for n in range(25):
        make.title(db, f"Haus {n}" if n % 2 else "Burg", authors=("Haus, Anna",) if n % 4 == 0 else ())
    whole = queries.search(db, "haus", limit=100)
    parts = [queries.search(db, "haus", offset=offset, limit=4) for offset in range(0, 24, 4)]
    assert [row for part in parts for row in part.rows] == whole.rows
    assert {part.total for part in parts} == {whole.total} == {19}
    assert queries.search(db, "haus", offset=100) == Found([], 19, False)
    assert queries.search(db, "haus", limit=0) == Found([], 19, False)


def test_the_total_is_exact_up_to_two_thousand(both: Library) -> None:
    with both.database.writing() as db:
        some = [Title(title="Ding", sort_title="ding", created_at=NOON) for _ in range(2000)]
        for title in some:
            title.contributors, title.series, title.isbns, title.subjects = [], [], [], []
        db.add_all(some)
        db.flush()
        search.index(db, some, are_new=True)
        for q in ("ding", "din", None):
            assert (queries.search(db, q).total, queries.search(db, q).more) == (2000, False)
        make.title(db, "Ding")
        for q in ("ding", "din", None):
            found = queries.search(db, q, offset=1990)
            assert (found.total, found.more) == (2000, True)
            # Everything can be leafed through; of what is found, the first 2,000.
            assert len(found.rows) == (10 if q else 11)
        assert queries.search(db, "ding", offset=2000).rows == []
        assert queries.search(db, "ding", offset=5000).rows == []


@pytest.mark.parametrize("q", ["kafka", "Kafk", "mann", "der mann", "straße", "k", "m", "d", "n", "kafka am", "die st"])
def test_of_many_the_same_come_first_as_of_few(shelf: Session, monkeypatch: pytest.MonkeyPatch, q: str) -> None:
    few = titles(queries.search(shelf, q))
    monkeypatch.setattr(search, "FEW", 0)
    assert titles(queries.search(shelf, q)) == few
    # Where no more than some are counted and can be paged through, they are the best ones.
    for most in range(1, len(few)):
        found = queries.search(shelf, q, most=most)
        assert (titles(found), found.total, found.more) == (few[:most], most, True)
        assert titles(queries.search(shelf, q, most=most, offset=1, limit=1)) == few[:most][1:2]


def test_of_more_than_are_counted_the_newest_are_sorted(shelf: Session) -> None:
    newest = titles(queries.search(shelf, "kafka", sort="newest"))
    assert titles(queries.search(shelf, "kafka", sort="newest", most=3)) == newest[:3]
    assert titles(queries.search(shelf, "kafka", sort="title", most=3)) == sorted(newest[:3])


@pytest.mark.parametrize("q", [None, "titel", "beauvoir"])
def test_twenty_rows_cost_as_many_statements_as_ten(db: Session, q: str | None) -> None:
    for n in range(10):
        make.title(db, f"Titel {n}", series=(("Reihe", str(n)),))
    ten = count(lambda: queries.search(db, q))
    answers = count(lambda: answers_to(db, q))
    for n in range(10):
        make.title(db, f"Titel {n}", authors=("Beauvoir, Simone de", "Sartre, Jean-Paul"))
    assert len(queries.search(db, q).rows) == 20
    # Which there are, what they can be found by, their rows; without words all at once.
    assert count(lambda: queries.search(db, q)) == ten <= (4 if q else 1)
    assert count(lambda: answers_to(db, q)) == answers == ten + 5


def answers_to(db: Session, q: str | None) -> object:
    ids = [row.id for row in queries.search(db, q).rows]
    return queries.title_answers(db, ids, availability(db, ids))


def test_answers_keep_the_order_asked_for(shelf: Session) -> None:
    ids = [row.id for row in queries.search(shelf, "kafka").rows]
    answers = queries.title_answers(shelf, ids, availability(shelf, ids))
    assert [answer.id for answer in answers] == ids
    assert answers[2].contributors == (Person("Kafka, Franz", "aut"),)
    assert answers[2].isbns == ("9783518188781",)
    assert (answers[2].available, answers[2].total) == (0, 0)
    assert queries.title_answers(shelf, [], {}) == []
    assert queries.bylines(shelf, ids)[ids[2]] == "Franz Kafka"
    assert queries.bylines(shelf, []) == {}


def test_titles_are_found_by_their_isbn(shelf: Session) -> None:
    second = make.title(shelf, "Der Prozeß", isbns=("9783518188781",))
    found = queries.titles_by_isbn(shelf, "9783518188781")
    assert [title.title for title in found] == ["Der Process", "Der Prozeß"]
    assert found[1] is second
    assert found[0].contributors[0].name == "Kafka, Franz"
    assert queries.titles_by_isbn(shelf, "9783499227851") == []


@pytest.mark.parametrize("number", [0, -1, 999_999, 2**31, 2**63, 10**30])
def test_a_number_without_a_title_is_said(db: Session, number: int) -> None:
    with pytest.raises(NoSuchTitle):
        queries.title(db, number)


def test_isbns_are_recognised() -> None:
    assert typed_isbn("978-3-518-18878-1") == "9783518188781"
    assert typed_isbn("351818878X") == "9783518188781"
    assert typed_isbn("978-3-51") == "978351"
    assert typed_isbn("1984") is None
    assert typed_isbn("9" * 100) is None
    assert wanted("kafka").unfinished  # type: ignore[union-attr]
    assert not wanted("97835").unfinished  # type: ignore[union-attr]
