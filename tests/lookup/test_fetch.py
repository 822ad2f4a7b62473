"""Asking a server that is slow, broken or hostile: always an Answer, always in time."""

from __future__ import annotations

import asyncio
import threading
import time
import tracemalloc
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from bibliothek import __version__
from bibliothek.lookup import fetch as module
from bibliothek.lookup.catalogues import XML
from bibliothek.lookup.fetch import Answer, fetch, user_agent
from bibliothek.lookup.politeness import Politeness
from tests.conftest import NOON
from tests.lookup.stand_in import StandIn, nobody_listens

QUESTION = {"query": "num=9783551551672", "recordSchema": "MARC21-xml"}


@pytest.fixture(scope="module")
def server() -> Iterator[StandIn]:
    with StandIn(drip_s=0.02) as stand_in:
        # The first request pays for importing httpx and reading the certificates.
        ask(stand_in, seconds=10)
        yield stand_in


@pytest.fixture(autouse=True)
def _good_manners(server: StandIn) -> None:
    server.manners.clear()
    server.asked.clear()
    server.retry_after = "7"


def ask(server: StandIn, seconds: float = 3, timeout: float = 4, url: str | None = None) -> Answer:
    return fetch(
        url or f"{server.url}/dnb",
        QUESTION,
        accept=XML,
        agent="test",
        deadline=time.monotonic() + seconds,
        timeout=timeout,
    )


@pytest.mark.parametrize("manner", ["well", "packed", "redirect"])
def test_a_good_answer_comes_whole(server: StandIn, manner: str) -> None:
    server.behave("dnb", manner)
    answer = ask(server)
    assert (answer.status, answer.trouble, answer.content_type) == (200, None, "text/xml")
    assert answer.body.startswith(b"<?xml")
    assert answer.body.rstrip().endswith(b"</searchRetrieveResponse>")


@pytest.mark.parametrize(
    ("manner", "reason"),
    [
        ("hang-up", "RemoteProtocolError"),
        ("cut", "RemoteProtocolError"),
        ("huge", "too large"),
        ("gzip-bomb", "too large"),
        ("redirect-away", "redirect to localhost"),
        ("redirect-loop", "too many redirects"),
        ("html", "content type text/html"),
        ("plain", "content type text/plain"),
        ("error", "500"),
    ],
)
def test_a_bad_answer_is_unavailable(server: StandIn, manner: str, reason: str) -> None:
    server.behave("dnb", manner)
    start = time.monotonic()
    answer = ask(server)
    assert (answer.trouble, answer.body) == ("unavailable", b"")
    assert reason in answer.reason
    assert time.monotonic() - start < 3


@pytest.mark.parametrize("manner", ["drip", "drip-header", "hang"])
def test_the_deadline_holds_wherever_a_server_is_slow(server: StandIn, manner: str) -> None:
    server.behave("dnb", manner)
    start = time.monotonic()
    answer = ask(server, seconds=0.4)
    assert (answer.trouble, answer.reason) == ("unavailable", "deadline passed")
    assert 0.3 < time.monotonic() - start < 2.0


def test_a_silent_server_is_given_up_before_the_deadline(server: StandIn) -> None:
    server.behave("dnb", "hang")
    start = time.monotonic()
    answer = ask(server, seconds=5, timeout=0.2)
    assert answer.reason.startswith("ReadTimeout")
    assert time.monotonic() - start < 3


def test_after_the_deadline_nothing_is_asked(server: StandIn) -> None:
    assert ask(server, seconds=-1).reason == "no time left"
    assert server.asked == []


def test_nobody_there(server: StandIn) -> None:
    with nobody_listens() as url:
        assert ask(server, url=url).reason.startswith("ConnectError")


@pytest.mark.parametrize(
    "url", ["http://no-such-host.invalid/", "http://127.0.0.1:1/", "http://[", "ftp://127.0.0.1/", "http://a..b/"]
)
def test_an_address_that_leads_nowhere(server: StandIn, url: str) -> None:
    assert ask(server, url=url).trouble == "unavailable"


def test_429_says_when_to_come_again(server: StandIn) -> None:
    server.behave("dnb", "throttle")
    assert ask(server) == Answer(429, trouble="throttled", reason="429", retry_after=7)


@pytest.mark.parametrize(("header", "seconds"), [("0", 1), ("120", 120), ("999999999999", 3600)])
def test_retry_after_is_a_number(server: StandIn, header: str, seconds: int) -> None:
    server.behave("dnb", "throttle")
    server.retry_after = header
    assert ask(server).retry_after == seconds


@pytest.mark.parametrize(("minutes", "least", "most"), [(10, 500, 600), (-60, 1, 1)])
def test_retry_after_may_be_a_date(server: StandIn, minutes: int, least: int, most: int) -> None:
    server.behave("dnb", "throttle")
    server.retry_after = format_datetime(datetime.now(UTC) + timedelta(minutes=minutes), usegmt=True)
    seconds = ask(server).retry_after
    assert seconds is not None
    assert least <= seconds <= most


@pytest.mark.parametrize("header", ["", "bald", "-1", "²", "Mon, 99 Foo 2026"])
def test_a_retry_after_nobody_can_read_is_none(server: StandIn, header: str) -> None:
    server.behave("dnb", "throttle")
    server.retry_after = header.encode().decode("latin-1")
    assert ask(server).retry_after is None


def test_404_is_an_answer(server: StandIn) -> None:
    server.behave("dnb", "missing")
    assert (ask(server).status, ask(server).trouble) == (404, None)


@pytest.mark.parametrize("manner", ["huge", "gzip-bomb"])
def test_a_bomb_takes_no_memory(server: StandIn, manner: str) -> None:
    """50 MB are sent, or unpack from 50 KB: little more than the 2 MB that are allowed is ever held."""
    server.behave("dnb", manner)
    ask(server)
    tracemalloc.start()
    try:
        ask(server)
        _now, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 10 << 20


def test_the_question_carries_our_name_and_nothing_else(server: StandIn) -> None:
    ask(server)
    headers = server.asked[0].headers
    assert headers["user-agent"] == "test"
    assert headers["accept-encoding"] == "gzip"
    assert set(headers) == {"host", "user-agent", "accept", "accept-encoding", "connection"}
    assert "num%3D9783551551672" in server.asked[0].path


def test_cookies_are_not_kept(server: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.lookup.stand_in.XML", "text/xml\r\nSet-Cookie: who=you; Path=/")
    ask(server)
    ask(server)
    assert "cookie" not in server.asked[1].headers


def test_loopback_is_asked_directly_whatever_proxy_is_set(server: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    with nobody_listens() as proxy:
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy)
        kept = module._client
        made = []
        monkeypatch.setattr(module, "_client", lambda: made[0] if made else made.append(kept.__wrapped__()) or made[0])
        assert ask(server).status == 200
        assert ask(server, url="http://example.org/").reason.startswith("ConnectError")
    asyncio.run_coroutine_threadsafe(made[0].aclose(), module._loop()).result(5)


@pytest.mark.parametrize(
    ("contact", "base_url", "said"),
    [
        ("admin@example.org", "https://b.example.org", "+https://b.example.org; admin@example.org"),
        (None, "https://b.example.org", "+https://b.example.org"),
        (None, "http://localhost:8000", "+https://bibliothek.example"),
        ("admin@example.org", "http://127.0.0.1:8000", "+https://bibliothek.example; admin@example.org"),
        ("Jörg\r\nX: (y)", "", "+https://bibliothek.example; Jrg X: y"),
    ],
)
def test_who_asks_and_whom_to_write_to_is_in_the_user_agent(contact: str | None, base_url: str, said: str) -> None:
    assert user_agent(contact, base_url).encode("ascii") == f"Bibliothek/{__version__} ({said})".encode()


def test_the_project_has_an_address_of_its_own_as_soon_as_it_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PROJECT_URL", "https://code.example.org/bibliothek")
    assert "(+https://code.example.org/bibliothek; a@b.org)" in user_agent("a@b.org", "https://b.example.org")


# --- politeness ------------------------------------------------------------------------------------------------------


def test_turns_keep_their_distance() -> None:
    turns, politeness = [], Politeness(seconds_apart=0.1, at_once=2)
    for _ in range(3):
        with politeness.turn(time.monotonic() + 5) as ours:
            assert ours
            turns.append(time.monotonic())
    assert turns[2] - turns[0] >= 0.15


def test_no_more_than_two_at_a_time() -> None:
    politeness = Politeness(seconds_apart=0, at_once=2)
    far = time.monotonic() + 5
    with politeness.turn(far) as first, politeness.turn(far) as second:
        start = time.monotonic()
        with politeness.turn(start + 0.1) as third:
            assert (first, second, third) == (True, True, False)
        assert 0.05 < time.monotonic() - start < 2
    with politeness.turn(far) as again:
        assert again


def test_a_turn_that_would_come_too_late_is_not_taken() -> None:
    politeness = Politeness(seconds_apart=60, at_once=2)
    with politeness.turn(time.monotonic() + 1) as first:
        assert first
    start = time.monotonic()
    with politeness.turn(start + 1) as second:
        assert not second
    assert time.monotonic() - start < 0.9


def test_who_waits_for_a_turn_does_not_ask_a_source_that_others_found_in_trouble() -> None:
    politeness = Politeness(seconds_apart=0, at_once=1)
    took: list[bool] = []

    def wait() -> None:
        with politeness.turn(time.monotonic() + 5) as ours:
            took.append(ours)

    with politeness.turn(time.monotonic() + 1) as first:
        assert first
        waiting = threading.Thread(target=wait)
        waiting.start()
        time.sleep(0.1)
        politeness.breaker.fail("unavailable", None, NOON, NOON)
    waiting.join()
    assert took == [False]
