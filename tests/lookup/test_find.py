"""What is stored is asked first, and what a source that leads did not say is asked again."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from bibliothek.lookup import ask as ask_module
from bibliothek.lookup.actions import find, fresh_answers, keep, stored_record
from bibliothek.lookup.ask import look_up
from bibliothek.lookup.merge import LookupResult
from bibliothek.lookup.models import StoredAnswer
from bibliothek.lookup.politeness import Politeness
from tests.conftest import Library
from tests.lookup import marcxml
from tests.lookup.stand_in import ALL, StandIn

POTTER = "9783551551672"
GERMAN = "9783453416017"
ENGLISH = "9780439023481"
FRENCH = "9782070291342"


@pytest.fixture
def asking(both: Library, sources: StandIn) -> Library:
    return replace(both, settings=replace(both.settings, **sources.settings()))


def ask(library: Library, isbn: str = POTTER, fresh: bool = False) -> LookupResult:
    return find(library.database, library.settings, isbn, library.clock(), fresh=fresh)


def asked(server: StandIn) -> list[str]:
    """Who was asked since the last time."""
    names = sorted(request.source for request in server.asked)
    server.asked.clear()
    return names


def source_of(result: LookupResult) -> str | None:
    return result.record.source if result.record else None


def test_what_the_leading_source_found_is_asked_once_in_half_a_year(asking: Library, sources: StandIn) -> None:
    assert source_of(ask(asking)) == "dnb"
    assert asked(sources) == ["dnb"]
    asking.clock.pass_time(days=179)
    assert source_of(ask(asking)) == "dnb"
    assert asked(sources) == []
    asking.clock.pass_time(days=2)
    ask(asking)
    assert asked(sources) == ["dnb"]


def test_a_helpers_answer_does_not_keep_the_leading_source_from_being_asked(asking: Library, sources: StandIn) -> None:
    sources.behave("dnb", "error")
    sources.add_book(POTTER, title="Harry Potter", identifiers={"isbn_13": [POTTER]})
    assert source_of(ask(asking)) == "openlibrary"
    assert asked(sources) == ["dnb", "openlibrary"]
    asking.clock.pass_time(minutes=2)
    assert source_of(ask(asking)) == "openlibrary"
    assert asked(sources) == ["dnb"]
    sources.behave("dnb")
    asking.clock.pass_time(minutes=6)
    result = ask(asking)
    assert (source_of(result), result.sources) == ("dnb", (("dnb", "found"), ("openlibrary", "found")))
    assert asked(sources) == ["dnb"]
    assert source_of(ask(asking)) == "dnb"
    assert asked(sources) == []


def test_what_the_leading_source_did_not_know_it_is_asked_again_after_a_week(asking: Library, sources: StandIn) -> None:
    assert source_of(ask(asking, ENGLISH)) == "openlibrary"
    asked(sources)
    asking.clock.pass_time(days=6)
    assert source_of(ask(asking, ENGLISH)) == "openlibrary"
    assert asked(sources) == []
    asking.clock.pass_time(days=2)
    assert source_of(ask(asking, ENGLISH)) == "openlibrary"
    assert asked(sources) == ["dnb"]


def test_who_answered_is_not_asked_again_because_another_did_not(asking: Library, sources: StandIn) -> None:
    sources.behave("openlibrary", "error")
    assert ask(asking, FRENCH).outcome == "unavailable"
    asked(sources)
    sources.behave("openlibrary")
    asking.clock.pass_time(minutes=2)
    assert ask(asking, FRENCH).outcome == "not_found"
    assert asked(sources) == ["openlibrary"]
    assert ask(asking, FRENCH).outcome == "not_found"
    assert asked(sources) == []


def test_a_volume_whose_set_could_not_be_asked_for_is_not_stored(both: Library, sources: StandIn) -> None:
    volume = marcxml.record(
        marcxml.control("001", "111"),
        marcxml.control("003", "DE-101"),
        marcxml.field("020", f"a {GERMAN}"),
        marcxml.field("245", "a Bd. 3"),
        marcxml.field("773", "w (DE-101)222", ind="08"),
    )
    sources.add_record(GERMAN, volume)
    found = look_up(GERMAN, sources.sources(lambda: Politeness(60, 2)), now=both.clock(), deadline_s=2)
    assert found.record is not None
    assert found.record.title == "Bd. 3"
    with both.database.writing() as db:
        keep(db, GERMAN, found.answers)
        assert [answer.source for answer in fresh_answers(db, GERMAN, both.clock())] == ["openlibrary"]


def test_an_answer_that_comes_late_serves_the_next_one(
    asking: Library, sources: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ask_module, "SOURCE_S", 0.5)
    sources.slow_s = 1.5
    sources.behave("both", "slow")
    start = time.monotonic()
    assert ask(asking).outcome == "unavailable"
    assert time.monotonic() - start < 1.4
    for _ in range(100):
        with asking.database.reading() as db:
            if fresh_answers(db, POTTER, asking.clock()):
                break
        time.sleep(0.05)
    asked(sources)
    assert source_of(ask(asking)) == "dnb"
    assert asked(sources) == []


def raw_of(library: Library, source: str) -> bytes:
    with library.database.reading() as db:
        return db.get_one(StoredAnswer, (POTTER, source)).raw


def test_asked_afresh_the_source_is_asked_again_and_its_new_answer_is_kept(asking: Library, sources: StandIn) -> None:
    sources.add_record(GERMAN, bare(GERMAN, "Vorab"))
    assert ask(asking, GERMAN).record == ask(asking, GERMAN).record
    assert asked(sources) == ["dnb"]
    sources.forget(GERMAN)
    sources.add_record(GERMAN, bare(GERMAN, "Endgültig"))
    asking.clock.pass_time(hours=1)
    found = ask(asking, GERMAN, fresh=True)
    assert asked(sources) == ["dnb"]
    assert found.record is not None
    assert found.record.title == "Endgültig"
    assert ask(asking, GERMAN).record == found.record
    assert asked(sources) == []


@pytest.mark.parametrize("manner", ["error", "html", "hang-up", "throttle"])
def test_asked_afresh_a_source_that_is_away_keeps_its_old_answer_and_is_said_to_be_away(
    asking: Library, sources: StandIn, manner: str
) -> None:
    before, raw = ask(asking), raw_of(asking, "dnb")
    sources.behave("both", manner)
    asked(sources)
    found = ask(asking, fresh=True)
    assert found.outcome == "found"
    assert found.record == before.record
    assert dict(found.sources)["dnb"] in ("unavailable", "throttled")
    assert raw_of(asking, "dnb") == raw
    asked(sources)
    # The breaker holds here, too.
    again = ask(asking, fresh=True)
    assert asked(sources) == []
    assert (again.record, dict(again.sources)["dnb"]) == (before.record, dict(found.sources)["dnb"])


def test_asked_afresh_and_never_found_before_an_error_is_an_error(asking: Library, sources: StandIn) -> None:
    sources.behave("both", "error")
    assert ask(asking, fresh=True).outcome == "unavailable"


def test_with_all_sources_off_nobody_is_asked_and_nothing_is_known(both: Library, sources: StandIn) -> None:
    off = dict.fromkeys(f"{name}_url" for name in ALL)
    result = find(both.database, replace(both.settings, **off), POTTER, both.clock())
    assert (result.outcome, result.sources, sources.asked) == ("unavailable", (), [])


def test_what_is_taken_over_is_what_was_shown(both: Library, sources: StandIn) -> None:
    library = replace(both, settings=replace(both.settings, **sources.settings(*ALL)))
    sources.add_record(ENGLISH, bare(ENGLISH, "The Book"), "k10plus")
    sources.add(ENGLISH, "The book", "Doe, Jane", source="dnb")
    shown = ask(library, ENGLISH).record
    assert shown is not None
    assert (shown.title, shown.source, shown.pages) == ("The Book", "k10plus", 200)
    with library.database.reading() as db:
        assert stored_record(db, ENGLISH) == shown


def bare(isbn: str, title: str) -> str:
    """A record that says next to nothing."""
    return marcxml.record(marcxml.field("020", f"a {isbn}"), marcxml.field("245", f"a {title}", ind="10"))
