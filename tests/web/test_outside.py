"""Look-ups that hang keep nobody waiting but each other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Event, Semaphore
from typing import Any, NoReturn

import pytest

from bibliothek.lookup import actions as lookup
from bibliothek.problems import Problem
from tests import make
from tests.client import Client
from tests.conftest import Library

ISBN = "9783518368541"
Ask = Callable[[Client], Any]


class Gone(Problem):
    """The source is asked no more."""

    def __init__(self) -> None:
        super().__init__("Weg.")


@pytest.fixture
def client(library: Library) -> Iterator[Client]:
    settings = replace(library.settings, smtp_url="smtp+plain://127.0.0.1:9", mail_from="bibliothek@example.org")
    with library.database.writing() as db:
        make.admin(db)
        make.title(db, "Momo")
        card = make.member(db)
    with Library(settings, library.database, library.clock).client() as client:
        yield client.sign_in(card).with_token("librarian")


@pytest.fixture
def _eight_hang(client: Client, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Eight people look something up at a source that does not answer."""
    begun, over = Semaphore(0), Event()

    def hang(*_given: Any) -> NoReturn:
        begun.release()
        over.wait(30)
        raise Gone

    monkeypatch.setattr(lookup, "find", hang)
    with ThreadPoolExecutor(8) as people:
        for _ in range(8):
            people.submit(donate, client)
        for _ in range(8):
            assert begun.acquire(timeout=10)
        yield
        over.set()


def scan_onto_the_pile(client: Client) -> Any:
    return client.submit("/spenden", False, isbn=ISBN)


def donate(client: Client) -> Any:
    return client.post("/api/v1/donations", json={"isbn": ISBN})


def sign_in(client: Client) -> Any:
    return client.submit("/anmelden", False, email="mitglied@example.org")


def choose_language(client: Client) -> Any:
    return client.submit("/sprache", False, sprache="en")


def donate_by_title(client: Client) -> Any:
    return client.post("/api/v1/donations", json={"title": "Die unendliche Geschichte"})


def print_labels(client: Client) -> Any:
    return client.get("/api/v1/labels.pdf?codes=" + donate_by_title(client).json()["copy"]["code"])


@pytest.mark.usefixtures("_eight_hang")
@pytest.mark.parametrize(
    ("ask", "status"),
    [(sign_in, 303), (choose_language, 303), (donate_by_title, 201), (print_labels, 200), (scan_onto_the_pile, 303)],
)
def test_eight_look_ups_that_hang_keep_nobody_waiting(client: Client, ask: Ask, status: int) -> None:
    with ThreadPoolExecutor(1) as one_more:
        assert one_more.submit(ask, client).result(timeout=10).status_code == status
