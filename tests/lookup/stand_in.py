"""A stand-in for all sources on loopback, that answers in their formats or misbehaves on demand.

    with StandIn() as stand_in:
        settings = dataclasses.replace(settings, **stand_in.settings())   # DNB and Open Library; settings(*ALL) for all
        stand_in.behave("dnb", "drip")

It knows the fixtures, whatever was added (`add`), and makes up a plain record for every German ISBN (978-3, at DNB) and every
English one (978-0, 978-1, at Open Library). All others are unknown; K10plus, lobid and Google Books know only what was added.

On its own: `python -m tests.lookup.stand_in --port 8899 [--all] [--dnb drip] [--openlibrary throttle]`; then
`curl -X POST 'http://127.0.0.1:8899/behave?source=dnb&as=html'` changes its manners while it runs.
"""

from __future__ import annotations

import argparse
import contextlib
import gzip
import json
import re
import socket
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from bibliothek.lookup import dnb, googlebooks, k10plus, lobid, openlibrary, politeness
from bibliothek.lookup.isbn import hyphenated, isbn10, isbns_in
from bibliothek.lookup.politeness import Politeness
from bibliothek.lookup.sources import Source
from tests.lookup import marcxml

ALL = ("dnb", "k10plus", "lobid", "openlibrary", "googlebooks")
FIRST_AND_LAST = ("dnb", "openlibrary")
SRU = ("dnb", "k10plus")
KEY = "a-key-of-our-own"
_ASKING = {
    "dnb": dnb.ask,
    "k10plus": k10plus.ask,
    "lobid": lobid.ask,
    "openlibrary": openlibrary.ask,
    "googlebooks": googlebooks.ask,
}

FIXTURES = Path(__file__).parent / "fixtures"
XML = "text/xml;charset=UTF-8"
JSON = "application/json"
BOMB = (
    '<?xml version="1.0"?>\n<!DOCTYPE bomb [<!ENTITY a "ha">'
    + "".join(f'<!ENTITY {b} "{f"&{a};" * 10}">' for a, b in zip("abcdefghi", "bcdefghij", strict=True))
    + "]>\n<searchRetrieveResponse><numberOfRecords>1</numberOfRecords><records>&j;</records></searchRetrieveResponse>"
).encode()


@dataclass(frozen=True)
class Asked:
    """One request that came in: when (monotonic), for which source, path with query, and its headers in lower case."""

    at: float
    source: str
    path: str
    headers: dict[str, str]


@dataclass
class StandIn:
    """The server. Use it as a context manager; `asked` lists what came in."""

    port: int = 0
    drip_s: float = 1.0
    delay_s: float = 0.0
    slow_s: float = 6.0
    retry_after: str = "7"
    manners: dict[str, str] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)
    stopping: threading.Event = field(default_factory=threading.Event)
    _records: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    _books: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)

    def __enter__(self) -> StandIn:
        # Another one may have had this port, and its troubles are not ours.
        politeness.forget()
        self._server = _Server(("127.0.0.1", self.port), _Handler)
        self._server.stand_in = self
        self.port = self._server.server_port
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.stopping.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def settings(self, *names: str) -> dict[str, str | None]:
        """For `dataclasses.replace(settings, …)`: these sources (by default DNB and Open Library) and no other."""
        on = {f"{name}_url": f"{self.url}/{name}" for name in names or FIRST_AND_LAST}
        off = dict.fromkeys(f"{name}_url" for name in (*ALL, "covers"))
        return {**off, **on, "googlebooks_key": KEY if "googlebooks" in names else None}

    def sources(
        self, politeness: Callable[[], Politeness] = lambda: Politeness(0, 8), names: tuple[str, ...] = FIRST_AND_LAST
    ) -> tuple[Source, ...]:
        """The sources as `look_up` takes them, by default two and without pauses; each call knows of no trouble yet."""
        return tuple(
            Source(
                name=name,
                url=f"{self.url}/{name}",
                agent="test",
                politeness=politeness(),
                asking=_ASKING[name],
                key=KEY,
            )
            for name in names
        )

    def behave(self, source: str, manner: str = "well") -> None:
        """How a source, "both" (DNB and Open Library) or "all" behave from now on: "well", or a name of MANNERS."""
        if manner not in MANNERS:
            raise ValueError(f"{manner!r} is none of {', '.join(MANNERS)}")
        for name in {"both": FIRST_AND_LAST, "all": ALL}.get(source, (source,)):
            self.manners[name] = manner

    def add(self, isbn13: str, title: str, author: str = "Person 1", *more: str, source: str = "dnb") -> None:
        """A source knows this book from now on; `more` are MARC fields (`marcxml.field(…)`) for DNB and K10plus."""
        if source in SRU:
            self.add_record(isbn13, made_record(isbn13, title, author, *more), source)
        else:
            self._books[source, isbn13] = _MADE[source](isbn13, title, author)

    def add_record(self, isbn13: str, record: str, source: str = "dnb") -> None:
        """DNB or K10plus answers with this MARC record, too, for the ISBN or for the record's own number."""
        self._records.setdefault((source, isbn13), []).append(record)

    def forget(self, isbn13: str) -> None:
        """Nobody knows any more what was added for this ISBN."""
        for source in ALL:
            self._records.pop((source, isbn13), None)
            self._books.pop((source, isbn13), None)

    def add_book(self, isbn13: str, source: str = "openlibrary", **book: Any) -> None:
        """Open Library, lobid or Google Books answers with this object for the ISBN."""
        self._books[source, isbn13] = book

    def dnb_answer(self, query: str) -> bytes:
        numbers = re.findall(r"(?:num|idn)=(\w+)", query)
        isbns = dict.fromkeys([*isbns_in(" ; ".join(numbers)), *numbers])
        for isbn in isbns:
            fixture = FIXTURES / f"dnb-{isbn}.xml"
            if fixture.exists() and ("dnb", isbn) not in self._records:
                return fixture.read_bytes()
        records = [record for isbn in isbns for record in self._records.get(("dnb", isbn), [])]
        made = [made_record(isbn, f"Buch {isbn[4:12]}", "Person 1") for isbn in isbns if isbn.startswith("9783")]
        return marcxml.sru(*(records or made))

    def k10plus_answer(self, query: str) -> bytes:
        found = re.fullmatch(r"pica\.(?:isb|ppn)=(\w+)", query)
        if not found:
            return marcxml.diagnostic("Query syntax error")
        return marcxml.sru(*self._records.get(("k10plus", found.group(1)), []), prefix="zs")

    def lobid_answer(self, query: str) -> bytes:
        book = self._books.get(("lobid", query.removeprefix("isbn:")))
        members = [book] if book else []
        return json.dumps({"totalItems": len(members), "member": members}).encode()

    def googlebooks_answer(self, query: str) -> bytes:
        book = self._books.get(("googlebooks", query.removeprefix("isbn:")))
        found = {"kind": "books#volumes", "totalItems": 1, "items": [book]} if book else {"totalItems": 0}
        return json.dumps(found).encode()

    def openlibrary_answer(self, keys: str) -> bytes:
        found: dict[str, Any] = {}
        for isbn in isbns_in(keys.replace(",", " ; ")):
            fixture = FIXTURES / f"openlibrary-{isbn}.json"
            if ("openlibrary", isbn) in self._books:
                found[f"ISBN:{isbn}"] = self._books["openlibrary", isbn]
            elif fixture.exists():
                found |= json.loads(fixture.read_text(encoding="utf-8"))
            elif isbn.startswith(("9780", "9781")):
                found[f"ISBN:{isbn}"] = made_book(isbn, f"Book {isbn[4:12]}", "Person 2")
        return json.dumps(found).encode()


def made_record(isbn13: str, title: str, author: str, *more: str) -> str:
    """A plain record of a printed book, as DNB writes it."""
    ten = isbn10(isbn13)
    return marcxml.record(
        marcxml.control("001", isbn13[3:]),
        marcxml.control("003", "DE-101"),
        marcxml.control("007", "tu"),
        marcxml.control("008", "200101s2020    gw ||||| |||| 00||||ger  "),
        marcxml.field("020", f"a {isbn13}", "c kart. : EUR 10.00", f"9 {hyphenated(isbn13)}"),
        *([marcxml.field("020", f"a {ten}")] if ten else []),
        marcxml.field("041", "a ger"),
        marcxml.field("100", f"a {author}", "4 aut", ind="1 "),
        marcxml.field("245", f"a {title}", ind="10"),
        marcxml.field("264", "a Dresden", "b Verlag 1", "c 2020", ind=" 1"),
        marcxml.field("300", "a 200 S."),
        marcxml.field("338", "a Band", "b nc", "2 rdacarrier"),
        *more,
    )


def made_book(isbn13: str, title: str, author: str) -> dict[str, Any]:
    """A plain book of Open Library."""
    return {
        "url": f"https://openlibrary.org/books/OL{isbn13[3:12]}M/Book",
        "key": f"/books/OL{isbn13[3:12]}M",
        "title": title,
        "authors": [{"name": author}],
        "publishers": [{"name": "Press 1"}],
        "publish_date": "2001",
        "number_of_pages": 100,
        "identifiers": {"isbn_13": [isbn13]},
    }


def made_member(isbn13: str, title: str, author: str) -> dict[str, Any]:
    """A plain record of lobid."""
    return {
        "id": f"http://lobid.org/resources/99{isbn13[3:12]}0206441#!",
        "almaMmsId": f"99{isbn13[3:12]}0206441",
        "type": ["BibliographicResource", "Book"],
        "medium": [{"label": "Print", "id": "http://rdaregistry.info/termList/RDAproductionMethod/1010"}],
        "title": title,
        "isbn": [isbn13],
        "extent": "123 Seiten",
        "publication": [
            {"type": ["PublicationEvent"], "startDate": "2005", "location": ["Köln"], "publishedBy": ["Verlag 5"]}
        ],
        "contribution": [
            {
                "agent": {"label": author, "type": ["Person"]},
                "role": {"id": "http://id.loc.gov/vocabulary/relators/aut"},
            }
        ],
        "language": [{"id": "http://id.loc.gov/vocabulary/iso639-2/ger"}],
    }


def made_volume(isbn13: str, title: str, author: str) -> dict[str, Any]:
    """A plain volume of Google Books."""
    return {
        "id": f"g{isbn13[3:12]}",
        "volumeInfo": {
            "title": title,
            "authors": [author],
            "publisher": "Press 7",
            "publishedDate": "2007-03-01",
            "industryIdentifiers": [{"type": "ISBN_13", "identifier": isbn13}],
            "pageCount": 77,
            "language": "de",
        },
        "saleInfo": {"isEbook": False},
    }


_MADE = {"openlibrary": made_book, "lobid": made_member, "googlebooks": made_volume}


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    stand_in: StandIn

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up early is no error here."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def log_message(self, *_args: object) -> None:
        """Quiet: pytest shows what matters."""

    @property
    def stand_in(self) -> StandIn:
        return self.server.stand_in

    def do_GET(self) -> None:
        source = urlsplit(self.path).path.split("/")[1]
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.stand_in.asked.append(Asked(time.monotonic(), source, self.path, headers))
        self.stand_in.stopping.wait(self.stand_in.delay_s)
        with contextlib.suppress(ConnectionError, TimeoutError):
            MANNERS[self.stand_in.manners.get(source, "well")](self, source)

    def do_POST(self) -> None:
        """`/behave?source=dnb&as=drip` for tests in another process."""
        query = parse_qs(urlsplit(self.path).query)
        self.stand_in.behave(query["source"][0], query["as"][0])
        self.send(b"", status=204)

    def answer(self, source: str) -> tuple[bytes, str]:
        """The right answer and its type; an empty object for what nobody here answers."""
        return self.answer_known(source) or (b"{}", JSON)

    def answer_known(self, source: str) -> tuple[bytes, str] | None:
        query = {name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()}
        path, here = urlsplit(self.path).path, self.stand_in
        is_sru = query.get("version") == "1.1" and query.get("operation") == "searchRetrieve"
        is_sru = is_sru and "query" in query
        if source == "dnb" and is_sru and query.get("recordSchema") == "MARC21-xml":
            return here.dnb_answer(query.get("query", "")), XML
        if source == "k10plus" and is_sru and query.get("recordSchema") == "marcxml":
            return here.k10plus_answer(query.get("query", "")), XML
        if source in SRU:
            return marcxml.diagnostic("Unsupported parameter"), XML
        if path == "/lobid/search" and query.get("format") == "json" and "(" not in query.get("q", ""):
            return here.lobid_answer(query.get("q", "")), JSON
        if path == "/openlibrary/api/books.json":
            return here.openlibrary_answer(query.get("bibkeys", "")), JSON
        if path == "/googlebooks/volumes" and query.get("key") == KEY:
            return here.googlebooks_answer(query.get("q", "")), JSON
        return None

    def send(self, body: bytes, kind: str = "text/html", status: int = 200, **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": kind, "Content-Length": str(len(body)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def drip(self, text: bytes) -> None:
        for n in range(len(text)):
            if self.stand_in.stopping.wait(self.stand_in.drip_s):
                break
            self.wfile.write(text[n : n + 1])
            self.wfile.flush()
        self.close_connection = True


def _well(handler: _Handler, source: str) -> None:
    known = handler.answer_known(source)
    if known:
        handler.send(*known)
    else:
        handler.send(b"<h1>404</h1>", "text/html", status=404)


def _packed(handler: _Handler, source: str) -> None:
    body, kind = handler.answer(source)
    handler.send(gzip.compress(body), kind, Content_Encoding="gzip")


def _nothing_found(handler: _Handler, source: str) -> None:
    nothing = {"lobid": b'{"totalItems": 0, "member": []}', "googlebooks": b'{"totalItems": 0}'}
    handler.send(*((marcxml.sru(), XML) if source in SRU else (nothing.get(source, b"{}"), JSON)))


def _slow(handler: _Handler, source: str) -> None:
    """The right answer, but late."""
    if not handler.stand_in.stopping.wait(handler.stand_in.slow_s):
        _well(handler, source)


def _drip(handler: _Handler, source: str) -> None:
    """The body a byte at a time."""
    body, kind = handler.answer(source)
    handler.wfile.write(f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n".encode())
    handler.drip(body)


def _drip_header(handler: _Handler, _source: str) -> None:
    """The header a byte at a time, for ever."""
    handler.drip(b"HTTP/1.1 200 OK\r\n" + b"X-Padding: slow\r\n" * 1000)


def _hang(handler: _Handler, _source: str) -> None:
    """No answer at all."""
    handler.stand_in.stopping.wait(60)
    handler.close_connection = True


def _hang_up(handler: _Handler, _source: str) -> None:
    handler.close_connection = True
    handler.connection.shutdown(socket.SHUT_RDWR)


def _cut(handler: _Handler, source: str) -> None:
    """Half of what was announced."""
    body, kind = handler.answer(source)
    handler.wfile.write(f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {len(body) * 2}\r\n\r\n".encode())
    handler.wfile.write(body)
    handler.close_connection = True


def _huge(handler: _Handler, source: str) -> None:
    """50 MB."""
    _body, kind = handler.answer(source)
    handler.wfile.write(f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {50 << 20}\r\n\r\n".encode())
    for _ in range(50 * 16):
        handler.wfile.write(b" " * (1 << 16))


@cache
def _packed_blanks() -> bytes:
    """50 MB of blanks, packed without ever being there at once."""
    packer = zlib.compressobj(wbits=zlib.MAX_WBITS | 16)
    return b"".join(packer.compress(b" " * (1 << 20)) for _ in range(50)) + packer.flush()


def _gzip_bomb(handler: _Handler, source: str) -> None:
    """50 KB that unpack to 50 MB."""
    _body, kind = handler.answer(source)
    handler.send(_packed_blanks(), kind, Content_Encoding="gzip")


def _redirect_away(handler: _Handler, _source: str) -> None:
    """To another host: the same machine by its other name, where the right answer waits."""
    away = f"http://localhost:{handler.stand_in.port}{handler.path}&redirected=1"
    handler.send(b"", status=302, Location=away)


def _redirect(handler: _Handler, source: str) -> None:
    """Within the host, once."""
    if "redirected=1" in handler.path:
        _well(handler, source)
    else:
        handler.send(b"", status=302, Location=handler.path + "&redirected=1")


def _redirect_loop(handler: _Handler, _source: str) -> None:
    handler.send(b"", status=302, Location=handler.path)


def _throttle(handler: _Handler, _source: str) -> None:
    body = json.dumps({"status": 429, "message": "Too Many Requests."}).encode()
    handler.send(body, JSON, status=429, Retry_After=handler.stand_in.retry_after)


def _plain(body: bytes, kind: str | None = None, status: int = 200) -> Callable[[_Handler, str], None]:
    """Always the same body; without `kind` under the type of a right answer."""

    def send(handler: _Handler, source: str) -> None:
        handler.send(body, kind or (XML if source in SRU else JSON), status=status)

    return send


MANNERS: dict[str, Callable[[_Handler, str], None]] = {
    "well": _well,
    "packed": _packed,
    "nothing": _nothing_found,
    "slow": _slow,
    "drip": _drip,
    "drip-header": _drip_header,
    "hang": _hang,
    "hang-up": _hang_up,
    "cut": _cut,
    "huge": _huge,
    "gzip-bomb": _gzip_bomb,
    "redirect": _redirect,
    "redirect-away": _redirect_away,
    "redirect-loop": _redirect_loop,
    "throttle": _throttle,
    "html": _plain(b"<!doctype html><title>Wartung</title><p>Wir sind gleich zur\xc3\xbcck.", "text/html"),
    "plain": _plain(b"internal error", "text/plain"),
    "broken": _plain(b"<searchRetrieveResponse><numberOfRecords>1</number"),
    "empty": _plain(b""),
    "bomb": _plain(BOMB),
    "diagnostic": _plain(marcxml.diagnostic("General system error")),
    "error": _plain(b"<h1>500</h1>", "text/html", status=500),
    "missing": _plain(b"<h1>404</h1>", "text/html", status=404),
}


@contextlib.contextmanager
def nobody_listens() -> Iterator[str]:
    """The address of a port that refuses connections."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=8899)
    parser.add_argument("--all", action="store_true", help="all sources; else DNB and Open Library")
    for name in ALL:
        parser.add_argument(f"--{name}", choices=MANNERS, default="well")
    given = parser.parse_args()
    manners = {name: getattr(given, name) for name in ALL}
    with StandIn(port=given.port, manners=manners) as stand_in:
        for name, value in stand_in.settings(*(ALL if given.all else ())).items():
            print(f"BIBLIOTHEK_{name.upper()}={value or 'off'}", flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            threading.Event().wait()


if __name__ == "__main__":
    main()
