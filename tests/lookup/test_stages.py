"""Who is asked when: DNB and K10plus at once, then lobid, Open Library and Google Books, each where those before found nothing."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from bibliothek.lookup import ask as ask_module
from bibliothek.lookup.actions import find
from bibliothek.lookup.ask import lead_order, look_up, read_stored
from bibliothek.lookup.merge import LookupResult
from bibliothek.lookup.sources import SourceAnswer
from tests.conftest import Library
from tests.lookup import marcxml
from tests.lookup.stand_in import ALL, MANNERS, StandIn

NOW = datetime(2026, 11, 23, 11, 0, tzinfo=UTC)
GERMAN = "9783453416017"
# Nobody makes these up: they are known where they were added.
FRENCH = "9782070291342"
DANISH = "9788702113976"


@pytest.fixture(scope="module", autouse=True)
def _warm() -> None:
    """The first look-up of a process imports pymarc and httpx; times are measured after it."""
    with StandIn() as stand_in:
        look_up(GERMAN, stand_in.sources(names=ALL), now=NOW)


@pytest.fixture
def server() -> Iterator[StandIn]:
    with StandIn() as stand_in:
        yield stand_in


def ask(server: StandIn, isbn: str = FRENCH, seconds: float = 4, **more: Any) -> LookupResult:
    return look_up(isbn, server.sources(names=ALL), now=NOW, deadline_s=seconds, **more)


def asked(server: StandIn) -> list[str]:
    return [request.source for request in server.asked]


def source_of(result: LookupResult) -> str | None:
    return result.record.source if result.record else None


@pytest.mark.parametrize(
    ("source", "order"),
    [
        ("dnb", ["dnb", "k10plus"]),
        ("k10plus", ["dnb", "k10plus"]),
        ("lobid", ["dnb", "k10plus", "lobid"]),
        ("openlibrary", ["dnb", "k10plus", "lobid", "openlibrary"]),
        ("googlebooks", list(ALL)),
    ],
)
def test_who_comes_later_is_asked_only_where_those_before_found_nothing(
    server: StandIn, source: str, order: list[str]
) -> None:
    server.add(DANISH, "Bogen", "Person, P.", source=source)
    result = ask(server, DANISH)
    assert (result.outcome, source_of(result)) == ("found", source)
    assert sorted(asked(server)[:2]) + asked(server)[2:] == order
    assert {name for name, _outcome in result.sources} == set(order)


def test_not_found_is_not_found_at_all_of_them(server: StandIn) -> None:
    result = ask(server)
    assert result.outcome == "not_found"
    assert dict(result.sources) == dict.fromkeys(ALL, "not_found")


def test_each_source_is_asked_as_its_manual_says(server: StandIn) -> None:
    ask(server)
    paths = {request.source: request.path.replace("%3A", ":").replace("%3D", "=") for request in server.asked}
    assert paths["k10plus"] == (
        f"/k10plus?version=1.1&operation=searchRetrieve&query=pica.isb={FRENCH}&recordSchema=marcxml&maximumRecords=10"
    )
    assert paths["lobid"] == f"/lobid/search?q=isbn:{FRENCH}&format=json"
    assert paths["googlebooks"] == f"/googlebooks/volumes?q=isbn:{FRENCH}&key=a-key-of-our-own"


def test_dnb_and_k10plus_are_asked_at_once(server: StandIn) -> None:
    server.delay_s = 0.4
    ask(server, seconds=8)
    first, second = server.asked[0].at, server.asked[1].at
    assert second - first < 0.3


@pytest.mark.parametrize(("isbn", "leader"), [(GERMAN, "dnb"), (FRENCH, "k10plus"), ("9791090636071", "k10plus")])
def test_dnb_leads_for_german_isbns_and_k10plus_for_the_rest(server: StandIn, isbn: str, leader: str) -> None:
    for source in ("dnb", "k10plus"):
        server.add(isbn, f"Titel {source}", source=source)
    assert source_of(ask(server, isbn)) == leader
    assert lead_order(isbn, ALL)[0] == leader


def test_a_slow_helper_does_not_hold_up_what_the_leader_found(server: StandIn) -> None:
    server.behave("k10plus", "hang")
    start = time.monotonic()
    result = ask(server, GERMAN, seconds=8, grace_s=0.2)
    assert time.monotonic() - start < 2
    assert result.sources == (("dnb", "found"), ("k10plus", "unavailable"))
    assert [answer.source for answer in result.answers] == ["dnb"]


def test_who_found_waits_for_the_one_that_leads(server: StandIn) -> None:
    server.add(GERMAN, "Titel", source="k10plus")
    server.slow_s = 0.6
    server.behave("dnb", "slow")
    assert source_of(ask(server, GERMAN, seconds=8, grace_s=0.0)) == "dnb"


@pytest.mark.parametrize("manner", ["html", "bomb", "throttle", "hang-up", "broken", "diagnostic", "huge"])
def test_lobid_helps_out_when_the_catalogues_are_down(server: StandIn, manner: str) -> None:
    server.add(GERMAN, "Titel", source="lobid")
    server.behave("dnb", manner)
    server.behave("k10plus", manner)
    result = ask(server, GERMAN)
    assert (source_of(result), result.sources[-1]) == ("lobid", ("lobid", "found"))


def test_the_others_get_their_time_when_the_catalogues_hang(server: StandIn) -> None:
    server.add(GERMAN, "Titel", source="openlibrary")
    for source in ("dnb", "k10plus", "lobid"):
        server.behave(source, "hang")
    start = time.monotonic()
    result = ask(server, GERMAN, seconds=2)
    assert time.monotonic() - start < 2.5
    assert source_of(result) == "openlibrary"


@pytest.mark.parametrize("manner", ["hang", "drip-header", "slow"])
def test_the_whole_look_up_ends_in_time_whatever_all_do(server: StandIn, manner: str) -> None:
    server.behave("all", manner)
    start = time.monotonic()
    result = ask(server, seconds=1.5)
    assert time.monotonic() - start < 2.5
    assert result.outcome == "unavailable"
    assert len(result.sources) == len(ALL)


def test_a_catalogue_that_answers_while_the_next_one_is_asked_still_counts(server: StandIn) -> None:
    server.slow_s = 1.3
    server.behave("dnb", "slow")
    server.behave("lobid", "hang")
    # DNB has half of two seconds; lobid is asked from then on.
    result = ask(server, GERMAN, seconds=2)
    assert source_of(result) == "dnb"
    assert "openlibrary" not in asked(server)


def test_a_late_answer_is_handed_on(server: StandIn) -> None:
    server.slow_s = 1.0
    server.behave("k10plus", "slow")
    server.add(GERMAN, "Titel", source="k10plus")
    came: list[SourceAnswer] = []
    there = threading.Event()

    def keep(answer: SourceAnswer) -> None:
        came.append(answer)
        there.set()

    ask(server, GERMAN, grace_s=0.1, late=keep)
    assert came == []
    assert there.wait(5)
    assert [(answer.source, answer.outcome) for answer in came] == [("k10plus", "found")]


def test_a_volume_without_a_title_is_not_enough(server: StandIn) -> None:
    volume = marcxml.record(marcxml.field("020", f"a {DANISH}"), marcxml.field("245", "a Bd. 3"))
    server.add_record(DANISH, volume, "k10plus")
    server.add(DANISH, "Bogen", source="lobid")
    result = ask(server, DANISH)
    assert result.record is not None
    assert (result.record.title, result.record.source, result.choose) == ("Bogen", "lobid", False)


def test_k10plus_is_asked_for_the_set_of_a_volume_too(server: StandIn) -> None:
    volume = marcxml.record(
        marcxml.control("001", "111"),
        marcxml.control("003", "DE-627"),
        marcxml.field("020", f"a {DANISH}"),
        marcxml.field("245", "a Bd. 3"),
        marcxml.field("773", "w (DE-627)222"),
    )
    the_set = marcxml.record(
        marcxml.control("001", "222"), marcxml.control("003", "DE-627"), marcxml.field("245", "a Det hele", ind="10")
    )
    server.add_record(DANISH, volume, "k10plus")
    server.add_record("222", the_set, "k10plus")
    result = ask(server, DANISH)
    assert result.record is not None
    assert (result.record.title, result.record.source_url) == (
        "Det hele",
        "https://uri.gbv.de/document/opac-de-627:ppn:111",
    )


@pytest.mark.parametrize("source", ALL)
@pytest.mark.parametrize(
    "manner", ["nothing", "throttle", "html", "broken", "bomb", "huge", "diagnostic", "plain", "empty"]
)
def test_every_source_can_misbehave_in_every_way(server: StandIn, source: str, manner: str) -> None:
    server.add(DANISH, "Bogen", source=source)
    server.behave(source, manner)
    (alone,) = server.sources(names=(source,))
    result = look_up(DANISH, [alone], now=NOW, deadline_s=4)
    expected = {"nothing": "not_found", "throttle": "throttled"}.get(manner, "unavailable")
    assert (result.outcome, result.record) == (expected, None)
    assert result.retry_after == {"not_found": None, "throttled": 7, "unavailable": 60}[expected]
    assert manner in MANNERS


@pytest.mark.parametrize("source", ALL)
def test_what_every_source_answers_can_be_read_again(server: StandIn, source: str) -> None:
    server.add(DANISH, "Bogen", "Person, P.", source=source)
    (alone,) = server.sources(names=(source,))
    (answer,) = look_up(DANISH, [alone], now=NOW).answers
    assert read_stored(source, DANISH, answer.raw, answer.content_type, NOW) == answer


# --- many at once ----------------------------------------------------------------------------------------------------


def test_one_look_up_too_many_is_told_at_once(server: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ask_module, "_places", threading.BoundedSemaphore(1))
    monkeypatch.setattr(ask_module, "PLACE_S", 0.1)
    server.behave("all", "hang")
    first = threading.Thread(target=lambda: ask(server, GERMAN, seconds=2))
    first.start()
    time.sleep(0.2)
    start = time.monotonic()
    result = ask(server)
    assert time.monotonic() - start < 1
    assert (result.outcome, result.retry_after) == ("throttled", 10)
    assert FRENCH not in "".join(request.path for request in server.asked)
    first.join()


def test_twelve_who_ask_have_their_answer_in_nine_seconds_while_all_sources_hang(
    library: Library, sources: StandIn
) -> None:
    sources.behave("all", "hang")
    asking = Library(replace(library.settings, **sources.settings(*ALL)), library.database, library.clock)  # type: ignore[arg-type]
    took: list[float] = []
    with asking.client() as client:
        client.with_token("kiosk")

        def look_up_one(isbn: str) -> None:
            start = time.monotonic()
            assert client.get(f"/api/v1/lookup/{isbn}").json()["outcome"] in ("unavailable", "throttled")
            took.append(time.monotonic() - start)

        people = [threading.Thread(target=look_up_one, args=((GERMAN, FRENCH)[number % 2],)) for number in range(12)]
        for person in people:
            person.start()
        for person in people:
            person.join()
    assert len(took) == 12
    assert max(took) < 9


def test_find_keeps_what_several_sources_said(both: Library, sources: StandIn) -> None:
    library = replace(both, settings=replace(both.settings, **sources.settings(*ALL)))  # type: ignore[arg-type]
    sources.add(GERMAN, "Titel", source="dnb")
    sources.add(GERMAN, "Titel", source="k10plus")
    first = find(library.database, library.settings, GERMAN, library.clock())
    sources.asked.clear()
    again = find(library.database, library.settings, GERMAN, library.clock())
    assert (again.record, again.sources, sources.asked) == (first.record, (("dnb", "found"), ("k10plus", "found")), [])
