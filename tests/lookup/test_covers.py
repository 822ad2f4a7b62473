"""Pictures fetched in the background, from a stand-in of the covers service."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest

from bibliothek.catalogue import actions
from bibliothek.catalogue import covers as catalogue
from bibliothek.catalogue.fields import Origin, TitleFields
from bibliothek.catalogue.models import Cover
from bibliothek.lookup import covers, politeness
from bibliothek.lookup.covers import CoverRounds, fetch_one
from tests import make
from tests.catalogue import drawn
from tests.conftest import Library
from tests.lookup.stand_in import StandIn

PHOTO = drawn.book()
ISBN = "9780140328721"


@dataclass
class CoverService:
    """Answers every request with `status`, `kind` and `body`, after `delay_s`; `asked` are the addresses."""

    status: int = 200
    kind: str = "image/jpeg"
    body: bytes = PHOTO
    delay_s: float = 0.0
    headers: dict[str, str] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    url: str = ""
    # Where requests lead whose path begins like this.
    leads: dict[str, str] = field(default_factory=dict)


@contextmanager
def serving(service: CoverService) -> Iterator[CoverService]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            service.asked.append(self.path)
            time.sleep(service.delay_s)
            try:
                to = next((to for path, to in service.leads.items() if self.path.startswith(path)), None)
                self.send_response(302 if to else service.status)
                if to:
                    self.send_header("Location", to)
                self.send_header("Content-Type", service.kind)
                self.send_header("Content-Length", str(len(service.body)))
                for name, value in service.headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(service.body)
            except OSError:
                self.close_connection = True  # whoever asked has heard enough

        def log_message(self, *_given: Any) -> None:
            pass

    politeness.forget()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    service.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield service
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def service() -> Iterator[CoverService]:
    with serving(CoverService()) as running:
        yield running


@pytest.fixture
def asking(both: Library, service: CoverService) -> Library:
    off = dict.fromkeys(("dnb_url", "k10plus_url", "lobid_url", "openlibrary_url"))
    settings = replace(both.settings, covers_url=service.url, **off)  # type: ignore[arg-type]
    return Library(settings, both.database, both.clock)


def waiting(library: Library, cover_id: int | None = 7, source: str = "openlibrary") -> int:
    with library.database.writing() as db:
        fields = TitleFields(title="Matilda", isbns=(ISBN,))
        return actions.add_title(db, fields, library.clock(), Origin(source=source, cover_id=cover_id)).id


def cover_of(library: Library, title_id: int) -> Cover:
    with library.database.reading() as db:
        return db.get_one(Cover, title_id)


def fetch(library: Library) -> bool:
    return fetch_one(library.database, library.settings, library.clock)


def test_a_picture_is_fetched_once_and_kept_here(asking: Library, service: CoverService) -> None:
    title_id = waiting(asking)
    assert fetch(asking)
    assert not fetch(asking)
    assert service.asked == ["/b/id/7-L.jpg?default=false"]
    cover = cover_of(asking, title_id)
    assert (cover.source, cover.next_try_at) == ("openlibrary", None)
    with asking.database.reading() as db:
        assert catalogue.read(db, catalogue.folder_of(asking.settings), title_id, f"{cover.digest}-l")


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_other_formats_are_taken_too(asking: Library, service: CoverService, kind: str) -> None:
    service.kind, service.body = f"image/{kind.lower()}", drawn.book(kind=kind)
    title_id = waiting(asking)
    fetch(asking)
    assert cover_of(asking, title_id).digest


@pytest.mark.parametrize(
    "answer",
    [
        {"status": 404, "kind": "text/html", "body": b"none"},
        {"body": drawn.TEXT},
        {"body": drawn.SVG},
        {"body": drawn.bomb(30_000, 30_000)},
        {"body": drawn.packed(drawn.Image.new("RGB", (1, 1)), "JPEG")},
    ],
    ids=["404", "text named .jpg", "SVG named .jpg", "PNG bomb", "one point"],
)
def test_where_there_is_no_picture_nobody_asks_again(
    asking: Library, service: CoverService, answer: dict[str, Any]
) -> None:
    vars(service).update(answer)
    title_id = waiting(asking)
    fetch(asking)
    cover = cover_of(asking, title_id)
    assert (cover.digest, cover.next_try_at) == (None, None)
    asking.clock.pass_time(days=1)
    assert not fetch(asking)
    assert len(service.asked) == 1


@pytest.mark.parametrize(
    "answer",
    [
        {"kind": "text/html", "body": b"<h1>Login</h1>"},
        {"status": 302, "headers": {"Location": "http://127.0.0.2:9/evil.jpg"}},
        {"kind": "image/svg+xml", "body": drawn.SVG},
        {"body": bytes(50_000_000)},
        {"status": 500},
        {"status": 429, "headers": {"Retry-After": "20"}},
        {"delay_s": 1.5},
    ],
    ids=["HTML", "another host", "SVG", "50 MB", "500", "429", "slow"],
)
def test_after_trouble_we_ask_three_times_more_and_give_up(
    asking: Library, service: CoverService, answer: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(covers, "DEADLINE_S", 0.5)
    vars(service).update(answer)
    title_id = waiting(asking)
    for minutes in (1, 5, 30):
        assert fetch(asking)
        assert cover_of(asking, title_id).next_try_at == asking.clock() + timedelta(minutes=minutes)
        assert not fetch(asking)
        asking.clock.pass_time(minutes=minutes, seconds=1)
    assert fetch(asking)
    cover = cover_of(asking, title_id)
    assert (cover.digest, cover.next_try_at) == (None, None)
    assert len(service.asked) == 4


class OtherHosts(httpx.AsyncBaseTransport):
    """Plays the name service: requests to whatever host reach the stand-in. `asked` are their addresses."""

    def __init__(self, service: CoverService) -> None:
        self._service, self._wire = service, httpx.AsyncHTTPTransport()
        self.asked: list[str] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(str(request.url))
        request.url = httpx.URL(self._service.url).copy_with(raw_path=request.url.raw_path)
        return await self._wire.handle_async_request(request)


@pytest.fixture
def hosts(service: CoverService, monkeypatch: pytest.MonkeyPatch) -> OtherHosts:
    """Open Library's covers, whose pictures lie at the Internet Archive: the answer is of the stand-in."""
    hosts = OtherHosts(service)
    monkeypatch.setattr("bibliothek.lookup.fetch._client", lambda: httpx.AsyncClient(transport=hosts))
    return hosts


ARCHIVED = "https://archive.org/download/l_covers_0012/l_covers_0012_34.zip/0012345678-L.jpg"
MACHINE = "https://ia800505.us.archive.org/view_archive.php?archive=/7/items/l_covers_0012.zip&file=0012345678-L.jpg"


def test_a_picture_that_lies_at_the_internet_archive_is_fetched_from_there(
    asking: Library, service: CoverService, hosts: OtherHosts
) -> None:
    service.leads = {"/b/id": ARCHIVED, "/download": MACHINE}
    library = replace(asking, settings=replace(asking.settings, covers_url="https://covers.openlibrary.org"))
    title_id = waiting(library)
    fetch(library)
    assert hosts.asked == ["https://covers.openlibrary.org/b/id/7-L.jpg?default=false", ARCHIVED, MACHINE]
    assert cover_of(library, title_id).digest


@pytest.mark.parametrize(
    "elsewhere",
    [
        "http://archive.org/download/a.jpg",
        "https://archive.org:8443/download/a.jpg",
        "https://archive.org.example/download/a.jpg",
        "https://notarchive.org/download/a.jpg",
        "https://us.archive.org@192.168.0.1/download/a.jpg",
        "https://user@archive.org/download/a.jpg",
        "https://192.168.0.1/download/a.jpg",
        "https://127.0.0.1/download/a.jpg",
        "https://localhost/download/a.jpg",
        "file:///etc/passwd",
    ],
)
def test_it_is_fetched_from_nowhere_else(
    asking: Library, service: CoverService, hosts: OtherHosts, elsewhere: str
) -> None:
    library = replace(asking, settings=replace(asking.settings, covers_url="https://covers.openlibrary.org"))
    for leads in ({"/b/id": elsewhere}, {"/b/id": ARCHIVED, "/download/l_covers": elsewhere}):
        service.leads, hosts.asked = leads, []
        title_id = waiting(library)
        assert fetch(library)
        assert elsewhere not in hosts.asked
        assert len(hosts.asked) == len(leads)
        assert not cover_of(library, title_id).digest
        politeness.forget()
        with library.database.writing() as db:
            db.delete(db.get_one(Cover, title_id))


def test_a_service_of_somebody_else_leads_to_no_internet_archive(
    asking: Library, service: CoverService, hosts: OtherHosts
) -> None:
    service.leads = {"/b/id": ARCHIVED}
    library = replace(asking, settings=replace(asking.settings, covers_url="https://covers.example"))
    title_id = waiting(library)
    fetch(library)
    assert len(hosts.asked) == 1
    assert not cover_of(library, title_id).digest


def test_a_photo_taken_while_a_picture_comes_stays(asking: Library, service: CoverService) -> None:
    title_id = waiting(asking)
    with asking.database.writing() as db:
        wanted = covers.claim(db, asking.clock())
    assert wanted
    with asking.database.writing() as db:
        catalogue.set_own_picture(db, title_id, "a" * 32, asking.clock())
    with asking.database.writing() as db:
        covers.settle(db, wanted, covers.Got("picture", reference="7"), "b" * 32, asking.clock())
    cover = cover_of(asking, title_id)
    assert (cover.source, cover.digest) == ("own", "a" * 32)


@pytest.mark.parametrize(
    "decide", [catalogue.remove_picture, lambda *a: catalogue.set_own_picture(*a[:2], "a" * 32, a[2])]
)
def test_what_a_person_decided_is_never_asked_for(
    asking: Library, service: CoverService, decide: Callable[..., object]
) -> None:
    title_id = waiting(asking)
    with asking.database.writing() as db:
        decide(db, title_id, asking.clock())
    assert not fetch(asking)
    assert service.asked == []


def test_a_title_merged_away_meanwhile_gets_nothing(asking: Library) -> None:
    title_id = waiting(asking)
    with asking.database.writing() as db:
        wanted = covers.claim(db, asking.clock())
        db.delete(db.get_one(Cover, title_id))
    assert wanted
    with asking.database.writing() as db:
        covers.settle(db, wanted, covers.Got("picture"), "b" * 32, asking.clock())
        assert db.get(Cover, title_id) is None


def test_the_number_of_a_picture_is_asked_for_by_isbn(asking: Library, service: CoverService) -> None:
    with StandIn() as sources:
        sources.add_book(ISBN, title="Matilda", cover={"large": "https://covers.openlibrary.org/b/id/42-L.jpg"})
        library = replace(asking, settings=replace(asking.settings, openlibrary_url=f"{sources.url}/openlibrary"))
        title_id = waiting(library, None, "dnb")
        fetch(library)
    assert service.asked == ["/b/id/42-L.jpg?default=false"]
    assert cover_of(asking, title_id).digest
    assert cover_of(asking, title_id).reference == "42"


def test_a_book_that_open_library_does_not_know_has_no_picture(asking: Library, service: CoverService) -> None:
    title_id = waiting(asking, None, "dnb")
    fetch(asking)
    assert (cover_of(asking, title_id).next_try_at, service.asked) == (None, [])


def test_switched_off_nobody_is_asked(asking: Library, service: CoverService) -> None:
    waiting(asking)
    off = replace(asking, settings=replace(asking.settings, covers_url=None))
    assert not fetch(off)
    assert service.asked == []


def test_no_session_is_open_while_a_picture_comes(asking: Library, service: CoverService) -> None:
    service.delay_s = 0.5
    waiting(asking)
    running = threading.Thread(target=fetch, args=(asking,))
    running.start()
    while not service.asked:
        time.sleep(0.01)
    began = time.monotonic()
    with asking.database.writing() as db:
        make.title(db)
    assert time.monotonic() - began < 0.4
    running.join()


ANOTHER = """
import sys, time
from datetime import datetime
from pathlib import Path
from bibliothek.db import open_database
from bibliothek.lookup.covers import fetch_one
from bibliothek.settings import Settings
data, url, covers_url, now = sys.argv[1:]
settings = Settings(data=Path(data), database_url=url or None, covers_url=covers_url, openlibrary_url=None)
database = open_database(settings.database_url, settings.sqlite_file)
while fetch_one(database, settings, lambda: datetime.fromisoformat(now)):
    pass
database.close()
"""


def test_two_processes_fetch_every_picture_once(asking: Library, service: CoverService) -> None:
    service.delay_s = 0.05
    titles = [waiting(asking, number) for number in range(1, 13)]
    given = [str(asking.settings.data), asking.settings.database_url or "", service.url, asking.clock().isoformat()]
    running = [subprocess.Popen([sys.executable, "-c", ANOTHER, *given]) for _ in range(2)]
    assert [process.wait(60) for process in running] == [0, 0]
    assert sorted(service.asked) == sorted(f"/b/id/{number}-L.jpg?default=false" for number in range(1, 13))
    assert all(cover_of(asking, title_id).digest for title_id in titles)


def test_the_server_fetches_what_waits_by_itself(
    asking: Library, service: CoverService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(covers, "FIRST_AFTER_S", 0.01)
    title_id = waiting(asking)
    rounds = CoverRounds(asking.database, asking.settings, asking.clock)
    rounds.start()
    until = time.monotonic() + 10
    while not cover_of(asking, title_id).digest and time.monotonic() < until:
        time.sleep(0.02)
    rounds.stop()
    assert cover_of(asking, title_id).digest
