"""From an ISBN to a draft title: the two sources, and what is made of their answers."""

from __future__ import annotations

import dataclasses
import json
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bibliothek.catalogue.fields import Part, Person
from bibliothek.catalogue.rules import checked, checked_origin
from bibliothek.lookup import dnb, openlibrary, politeness
from bibliothek.lookup.ask import look_up, read_stored, sources_from
from bibliothek.lookup.isbn import NotAnIsbn, PlaceholderIsbn
from bibliothek.lookup.merge import LookupResult, put_together
from bibliothek.lookup.politeness import Politeness
from bibliothek.lookup.record import Record
from bibliothek.settings import Settings
from tests.lookup import marcxml
from tests.lookup.stand_in import MANNERS, StandIn, made_record, nobody_listens

NOW = datetime(2026, 11, 23, 11, 0, tzinfo=UTC)
POTTER = "9783551551672"
TSCHICK = "9783499256356"
GEDAECHTNIS = "9783406568442"
GERMAN = "9783453416017"
ENGLISH = "9780439023481"
FRENCH = "9782070291342"
BAD_MANNERS = sorted(set(MANNERS) - {"well", "packed", "redirect", "nothing", "throttle", "slow"})


@pytest.fixture(scope="module", autouse=True)
def _warm() -> None:
    """The first look-up of a process imports pymarc and httpx; times are measured after it."""
    with StandIn() as stand_in:
        look_up(POTTER, stand_in.sources(), now=NOW)


@pytest.fixture
def server() -> Iterator[StandIn]:
    with StandIn(drip_s=0.02) as stand_in:
        yield stand_in


def ask(server: StandIn, isbn: str = POTTER, seconds: float = 4, **more: Any) -> LookupResult:
    return look_up(isbn, server.sources(), now=NOW, deadline_s=seconds, **more)


def asked(server: StandIn) -> list[str]:
    """Who was asked, in order of time."""
    return [request.source for request in server.asked]


# --- DNB -------------------------------------------------------------------------------------------------------------


def test_dnb_is_asked_as_its_manual_says(server: StandIn) -> None:
    ask(server)
    path = next(asked.path for asked in server.asked if asked.source == "dnb")
    for part in ("version=1.1", "operation=searchRetrieve", "recordSchema=MARC21-xml", "maximumRecords=10"):
        assert part in path
    assert "num%3D9783551551672" in path
    assert "num%3D3551551677" in path


def test_a_number_without_ten_digits_is_asked_alone(server: StandIn) -> None:
    ask(server, "9791090636071")
    assert "+or+" not in next(asked.path for asked in server.asked if asked.source == "dnb").replace("%20", "+")


def test_records_that_merely_mention_the_number_are_alternatives() -> None:
    own = made_record(GERMAN, "Das Buch", "Person 1")
    ebook = marcxml.record(
        marcxml.field("020", "a 9783641000000"),
        marcxml.field("245", "a Das Buch"),
        marcxml.field("338", "b cr"),
        marcxml.field("776", f"z {GERMAN}"),
    )
    answer = dnb.read(GERMAN, marcxml.sru(ebook, own), "text/xml", NOW)
    assert answer.outcome == "found"
    assert [record.isbns for record in answer.records] == [(GERMAN,)]
    assert [record.carrier for record in answer.similar] == ["online"]


def test_an_e_book_under_the_very_number_is_no_book() -> None:
    ebook = marcxml.record(
        marcxml.field("020", f"a {GERMAN}"), marcxml.field("245", "a Das Buch"), marcxml.field("338", "b cr")
    )
    answer = dnb.read(GERMAN, marcxml.sru(ebook), "text/xml", NOW)
    assert (answer.outcome, answer.records, len(answer.similar)) == ("not_found", (), 1)


def test_ten_digits_in_the_record_are_the_same_number() -> None:
    old = marcxml.record(marcxml.field("020", "a 3551551677 (Pp.)"), marcxml.field("245", "a Alt"))
    assert dnb.read(POTTER, marcxml.sru(old), "text/xml", NOW).outcome == "found"


def test_the_fuller_record_goes_first_then_the_newer() -> None:
    poor = marcxml.record(marcxml.field("020", f"a {GERMAN}"), marcxml.field("245", "a Das Buch"))
    full = made_record(GERMAN, "Das Buch", "Person 1")
    answer = dnb.read(GERMAN, marcxml.sru(poor, full), "text/xml", NOW)
    assert [record.year for record in answer.records] == [2020, None]


def test_records_without_any_title_are_an_outage() -> None:
    answer = dnb.read(GERMAN, marcxml.sru(marcxml.record(marcxml.field("020", f"a {GERMAN}"))), "text/xml", NOW)
    assert answer.outcome == "unavailable"


def test_a_volume_called_only_volume_takes_the_title_of_its_set(server: StandIn) -> None:
    volume = marcxml.record(
        marcxml.control("001", "111"),
        marcxml.control("003", "DE-101"),
        marcxml.field("020", f"a {GERMAN}"),
        marcxml.field("245", "a Bd. 3"),
        marcxml.field("264", "c 1981", ind=" 1"),
        marcxml.field("773", "w (DE-101)222", ind="08"),
    )
    the_set = marcxml.record(
        marcxml.control("001", "222"),
        marcxml.control("003", "DE-101"),
        marcxml.field("041", "a ger"),
        marcxml.field("100", "a Weiss, Peter", "4 aut", ind="1 "),
        marcxml.field("245", "a \x98Die\x9c Ästhetik des Widerstands", "b Roman"),
        leader="00000nam a2200000 a 4500",
    )
    server.add_record(GERMAN, volume)
    server.add_record("222", the_set)
    result = ask(server, GERMAN)
    assert result.record is not None
    assert result.record.title == "Die Ästhetik des Widerstands"
    assert result.record.sort_title == "Ästhetik des Widerstands"
    assert result.record.contributors == (Person("Weiss, Peter", "aut"),)
    assert (result.record.year, result.record.language) == (1981, "de")
    assert result.record.series == (Part("Die Ästhetik des Widerstands", "Bd. 3"),)
    # What is stored can be read again on its own.
    assert result.alternatives == ()
    kept = next(answer for answer in result.answers if answer.source == "dnb")
    assert read_stored("dnb", GERMAN, kept.raw, kept.content_type, NOW) == kept


def test_each_of_two_requests_to_a_source_has_its_own_turn(server: StandIn) -> None:
    volume = marcxml.record(
        marcxml.control("001", "111"),
        marcxml.control("003", "DE-101"),
        marcxml.field("020", f"a {GERMAN}"),
        marcxml.field("245", "a Bd. 3"),
        marcxml.field("773", "w (DE-101)222", ind="08"),
    )
    server.add_record(GERMAN, volume)
    look_up(GERMAN, server.sources(lambda: Politeness(0.4, 2)), now=NOW)
    first, second = [asked.at for asked in server.asked if asked.source == "dnb"]
    assert second - first >= 0.35


# --- Open Library ----------------------------------------------------------------------------------------------------


def test_open_library_is_asked_as_its_manual_says(server: StandIn) -> None:
    server.behave("dnb", "nothing")
    ask(server)
    path = next(asked.path for asked in server.asked if asked.source == "openlibrary")
    assert path.replace("%3A", ":") == f"/openlibrary/api/books.json?bibkeys=ISBN:{POTTER}&jscmd=data"


def fixture(isbn: str) -> bytes:
    return (Path(__file__).parent / "fixtures" / f"openlibrary-{isbn}.json").read_bytes()


def test_a_book_of_open_library_becomes_ours() -> None:
    (record,) = openlibrary.read(POTTER, fixture(POTTER), "application/json", NOW).records
    assert record == Record(
        title="Harry Potter und der Stein der Weisen",
        contributors=(Person("Rowling, J. K.", "aut"),),
        publisher="Carlsen",
        place="Hamburg, Germany",
        year=1998,
        pages=335,
        isbns=(POTTER,),
        subjects=("Magic", "School life"),
        source="openlibrary",
        source_id="OL20176009M",
        source_url="https://openlibrary.org/books/OL20176009M",
    )


def test_the_cover_and_the_year_of_a_vendors_date() -> None:
    (record,) = openlibrary.read(TSCHICK, fixture(TSCHICK), "application/json", NOW).records
    assert (record.cover_id, record.year, record.publisher) == (10838632, 2012, "Rowohlt Verlag")
    assert record.contributors == (Person("Herrndorf, Wolfgang", "aut"),)


@pytest.mark.parametrize(
    ("raw", "outcome"),
    [
        (b"{}", "not_found"),
        (f'{{"ISBN:{POTTER}": {{}}}}'.encode(), "not_found"),
        (f'{{"ISBN:{POTTER}": {{"title": 7}}}}'.encode(), "not_found"),
        (f'{{"ISBN:{POTTER}": "?"}}'.encode(), "not_found"),
        (b'{"status": 429, "message": "Too Many Requests."}', "throttled"),
        (b'{"error": "internal"}', "unavailable"),
        (b"[]", "unavailable"),
        (b"null", "unavailable"),
        (b"internal error", "unavailable"),
        (b"", "unavailable"),
        (b"\xff\xfe", "unavailable"),
        (b"[" * 100_000, "unavailable"),
    ],
)
def test_other_answers_of_open_library(raw: bytes, outcome: str) -> None:
    assert openlibrary.read(POTTER, raw, "application/json", NOW).outcome == outcome


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=30),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["name", "key", "large", "isbn_13"]), inner)
    ),
    max_leaves=8,
)
FIELDS = [
    "title",
    "subtitle",
    "authors",
    "publishers",
    "publish_places",
    "publish_date",
    "number_of_pages",
    "pagination",
]
FIELDS += ["languages", "identifiers", "subjects", "cover", "key", "url"]


@given(st.dictionaries(st.sampled_from(FIELDS), json_values), st.text(min_size=1, max_size=2000))
def test_whatever_open_library_sends_fits_the_catalogue(book: dict[str, Any], title: str) -> None:
    raw = json.dumps({f"ISBN:{POTTER}": {"title": title, **book}}).encode()
    for record in openlibrary.read(POTTER, raw, "application/json", NOW).records:
        assert checked(record.fields()) == record.fields()
        checked_origin(record.origin())


@given(
    st.lists(
        st.tuples(
            st.sampled_from("001 007 008 020 024 041 082 100 110 245 250 264 300 338 490 653 689 700 773 830".split()),
            st.sampled_from("abcenptvw04"),
            st.text(
                st.characters(min_codepoint=32, exclude_categories=["Cs"], exclude_characters="\ufffe\uffff"),
                max_size=40,
            ),
        ),
        max_size=12,
    )
)
def test_whatever_dnb_sends_fits_the_catalogue(fields: list[tuple[str, str, str]]) -> None:
    written = [
        marcxml.control(tag, text) if tag < "010" else marcxml.field(tag, f"{code} {text}", ind="31")
        for tag, code, text in fields
    ]
    raw = marcxml.sru(marcxml.record(marcxml.field("020", f"a {POTTER}"), marcxml.field("245", "a Titel"), *written))
    answer = dnb.read(POTTER, raw, "text/xml", NOW)
    for record in answer.records + answer.similar:
        assert checked(record.fields()) == record.fields()
        checked_origin(record.origin())


# --- several together ------------------------------------------------------------------------------------------------


def test_what_dnb_found_is_enough(server: StandIn) -> None:
    result = ask(server)
    assert result.outcome == "found"
    assert result.isbn == POTTER
    assert result.sources == (("dnb", "found"),)
    assert result.record is not None
    assert result.record.source == "dnb"
    assert result.origin["title"] == "dnb"
    assert set(result.origin) == set(result.record.filled())
    assert "edition" not in result.origin
    assert (result.alternatives, result.choose) == ((), False)
    assert result.retry_after is None
    assert [answer.source for answer in result.answers] == ["dnb"]
    assert all(answer.raw and answer.content_type and answer.asked_at == NOW for answer in result.answers)
    assert asked(server) == ["dnb"]


def test_open_library_helps_out(server: StandIn) -> None:
    result = ask(server, ENGLISH)
    assert result.sources == (("dnb", "not_found"), ("openlibrary", "found"))
    assert result.record is not None
    assert result.record.source == "openlibrary"
    assert set(result.origin.values()) == {"openlibrary"}


def test_two_editions_under_one_isbn_are_offered(server: StandIn) -> None:
    result = ask(server, GEDAECHTNIS)
    assert result.record is not None
    assert result.record.year == 2013
    assert [record.year for record in result.alternatives] == [2007]
    assert result.choose


def test_found_nowhere(server: StandIn) -> None:
    result = ask(server, FRENCH)
    assert (result.outcome, result.record, result.retry_after) == ("not_found", None, None)
    assert result.sources == (("dnb", "not_found"), ("openlibrary", "not_found"))


@pytest.mark.parametrize("manner", BAD_MANNERS)
def test_whatever_both_do_there_is_one_clear_outcome_in_time(server: StandIn, manner: str) -> None:
    server.behave("both", manner)
    start = time.monotonic()
    result = ask(server, seconds=1.0)
    assert time.monotonic() - start < 3
    assert result.outcome == "unavailable"
    assert result.record is None
    assert result.retry_after in (30, 60)
    assert result.sources == (("dnb", "unavailable"), ("openlibrary", "unavailable"))
    assert all(answer.reason and not answer.raw for answer in result.answers)


@pytest.mark.parametrize("manner", ["html", "bomb", "hang", "throttle", "redirect-away"])
def test_open_library_is_enough_while_dnb_is_away(server: StandIn, manner: str) -> None:
    server.behave("dnb", manner)
    result = ask(server, seconds=1.0)
    assert result.outcome == "found"
    assert result.record is not None
    assert result.record.source == "openlibrary"


def test_not_found_at_one_and_no_answer_from_the_other_is_not_not_found(server: StandIn) -> None:
    server.behave("dnb", "nothing")
    server.behave("openlibrary", "html")
    result = ask(server)
    assert (result.outcome, result.retry_after) == ("unavailable", 60)
    server.behave("openlibrary", "throttle")
    result = ask(server)
    assert (result.outcome, result.retry_after) == ("throttled", 7)
    server.behave("dnb", "error")
    result = ask(server)
    assert (result.outcome, result.retry_after) == ("unavailable", 7)


def test_nobody_listens(server: StandIn) -> None:
    with nobody_listens() as url:
        sources = tuple(msgspec.structs.replace(source, url=url) for source in server.sources())
        assert look_up(POTTER, sources, now=NOW).outcome == "unavailable"


def test_with_all_sources_switched_off_nothing_is_known() -> None:
    result = look_up(POTTER, (), now=NOW)
    assert (result.outcome, result.sources, result.record) == ("unavailable", (), None)


def test_a_slow_leader_is_waited_for(server: StandIn) -> None:
    server.drip_s = 0.0001
    server.behave("dnb", "drip")
    result = ask(server, seconds=8, grace_s=0.0)
    assert result.record is not None
    assert result.record.source == "dnb"


def test_many_at_once_all_get_an_answer_in_time(server: StandIn) -> None:
    server.behave("dnb", "hang")
    results: list[LookupResult] = []
    start = time.monotonic()
    threads = [threading.Thread(target=lambda: results.append(ask(server, FRENCH, seconds=1.0))) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 12
    assert {result.outcome for result in results} <= {"unavailable", "throttled"}
    assert time.monotonic() - start < 4


def test_a_source_is_asked_in_turn(server: StandIn) -> None:
    sources = server.sources(lambda: Politeness(0.3, 2))
    for _ in range(3):
        look_up(FRENCH, sources, now=NOW)
    for name in ("dnb", "openlibrary"):
        times = [asked.at for asked in server.asked if asked.source == name]
        assert times[2] - times[0] >= 0.55


def test_no_turn_in_time_is_throttled(server: StandIn) -> None:
    sources = server.sources(lambda: Politeness(60, 2))
    assert look_up(FRENCH, sources, now=NOW, deadline_s=3).outcome == "not_found"
    result = look_up(FRENCH, sources, now=NOW, deadline_s=1)
    assert (result.outcome, result.retry_after) == ("throttled", 5)
    assert len(server.asked) == 2
    # That is our own hurry, and no trouble of theirs.
    assert all(source.resting(NOW) is None for source in sources)


@pytest.mark.parametrize("text", ["0000000000", "9781234567897"])
def test_a_placeholder_is_never_looked_up(server: StandIn, text: str) -> None:
    with pytest.raises(PlaceholderIsbn):
        ask(server, text)
    assert server.asked == []


def test_no_isbn_no_question(server: StandIn) -> None:
    with pytest.raises(NotAnIsbn):
        ask(server, "9783551551671")
    assert server.asked == []


# --- the parts -------------------------------------------------------------------------------------------------------


def test_the_sources_of_the_settings(sources: StandIn) -> None:
    settings = dataclasses.replace(Settings(contact="admin@example.org"), **sources.settings())  # type: ignore[arg-type]
    both = sources_from(settings)
    assert [(source.name, source.url) for source in both] == [
        ("dnb", settings.dnb_url),
        ("openlibrary", settings.openlibrary_url),
    ]
    assert look_up(POTTER, both, now=NOW).outcome == "found"
    assert "(+https://bibliothek.example; admin@example.org)" in sources.asked[0].headers["user-agent"]
    assert sources_from(dataclasses.replace(settings, dnb_url=None))[0].name == "openlibrary"


def test_google_books_is_a_source_only_with_a_key() -> None:
    assert [source.name for source in sources_from(Settings())] == ["dnb", "k10plus", "lobid", "openlibrary"]
    google = sources_from(Settings(googlebooks_key="k"))[-1]
    assert (google.name, google.key) == ("googlebooks", "k")
    assert [source.key for source in sources_from(Settings(googlebooks_key="k"))[:-1]] == [None] * 4


def test_sources_share_their_turns_in_the_whole_process() -> None:
    first, second = sources_from(Settings()), sources_from(Settings())
    assert first[0].politeness is second[0].politeness
    assert first[0].politeness is not first[1].politeness
    assert (politeness.SECONDS_APART, politeness.AT_ONCE) == (1.0, 2)


@pytest.mark.parametrize("isbn", [POTTER, GEDAECHTNIS, ENGLISH, FRENCH])
def test_a_stored_answer_reads_like_a_fresh_one(server: StandIn, isbn: str) -> None:
    result = ask(server, isbn)
    again = [read_stored(a.source, isbn, a.raw, a.content_type, a.asked_at) for a in result.answers]
    assert put_together(isbn, [answer.source for answer in result.answers], again) == result


def test_an_answer_of_a_source_that_is_gone_cannot_be_read() -> None:
    with pytest.raises(KeyError):
        read_stored("altavista", POTTER, b"", "", NOW)


def test_a_record_gives_the_catalogue_only_what_it_shows() -> None:
    (record,) = dnb.read(
        POTTER, (Path(__file__).parent / "fixtures" / f"dnb-{POTTER}.xml").read_bytes(), "", NOW
    ).records
    assert type(record.fields()).__name__ == "TitleFields"
    assert record.fields().title == record.title
    assert record.origin().source_url == "https://d-nb.info/958577617"
