"""The pile in a real browser: scan after scan as a scanner does it, while the sources take their time."""

from __future__ import annotations

import os
import random
import re
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import isbnlib
import pytest
import uvicorn
from playwright.sync_api import Locator, Page, Route, expect
from sqlalchemy import select

from bibliothek.app import create_app
from bibliothek.catalogue import covers
from bibliothek.copies.models import Copy
from bibliothek.donations.models import Donation, PileBook
from bibliothek.kiosk import actions as kiosk
from bibliothek.members import actions as members
from tests import make
from tests.browser.conftest import PageAt, RunningClock, Server, running
from tests.catalogue import drawn
from tests.conftest import Library
from tests.lookup.stand_in import StandIn

pytestmark = pytest.mark.browser

TORTURE = os.environ.get("TORTURE") == "1"
ISBN, UNKNOWN = "9783551551672", "9791090636071"


def isbn(n: int) -> str:
    body = f"9783{n:08}"
    return str(body + isbnlib.check_digit13(body))


@dataclass
class SlowSources(StandIn):
    """Each answer takes another time."""

    least_s: float = 0.0
    most_s: float = 0.0

    @property  # type: ignore[override]
    def delay_s(self) -> float:  # type: ignore[override]
        return random.uniform(self.least_s, self.most_s)

    @delay_s.setter
    def delay_s(self, value: float) -> None:
        pass


@pytest.fixture
def sources() -> Iterator[SlowSources]:
    with SlowSources() as stand_in:
        yield stand_in


@pytest.fixture
def server(library: Library, sources: SlowSources) -> Iterator[Server]:
    """As the other browser tests have it, but it asks the stand-in."""
    clock = RunningClock()
    settings = replace(library.settings, **sources.settings())  # type: ignore[arg-type]
    app = create_app(settings, library.database, clock)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        config = uvicorn.Config(app, log_level="warning", access_log=False, timeout_graceful_shutdown=1)
        with running(uvicorn.Server(config), listener):
            yield Server(f"http://127.0.0.1:{listener.getsockname()[1]}", library, clock)


@pytest.fixture
def member(server: Server) -> dict[str, str]:
    """The cookies of somebody who is signed in."""
    with server.library.database.writing() as db:
        make.admin(db)
        return {"bibliothek": members.start_session(db, make.member(db), server.clock())}


@pytest.fixture
def page(page_at: PageAt, member: dict[str, str]) -> Page:
    page = page_at(1280, 800, cookies=member)
    page.goto("/spenden")
    return page


# What a scanner does: all keys within a few milliseconds, to whatever has the focus.
SCAN = """([text, enters, end]) => {
  for (const key of text) {
    const event = new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true });
    const field = document.activeElement;
    if (field.dispatchEvent(event) && field.matches("input, textarea")) field.value += key;
  }
  for (let n = 0; n < enters; n += 1) {
    const field = document.activeElement;
    const last = new KeyboardEvent("keydown", { key: end, bubbles: true, cancelable: true });
    if (field.dispatchEvent(last) && end === "Enter") field.form?.requestSubmit();
  }
}"""

# From the Enter of a scan until its row has been painted, in milliseconds.
WATCH = """() => {
  window.took = [];
  let enter = 0;
  document.addEventListener("keydown", (event) => { if (event.key === "Enter") enter = performance.now(); }, true);
  new MutationObserver((changes) => {
    const added = changes.flatMap((change) => [...change.addedNodes]).some((node) => node.matches?.("li:not([data-row])"));
    if (added) requestAnimationFrame(() => setTimeout(() => window.took.push(performance.now() - enter)));
  }).observe(document.getElementById("pile-rows"), { childList: true });
}"""


def scan(page: Page, text: str, enters: int = 1, end: str = "Enter") -> None:
    page.evaluate(SCAN, [text, enters, end])


def states(page: Page) -> list[tuple[str, str]]:
    """ISBN and state of every row, in the order scanned."""
    pairs = page.eval_on_selector_all(
        "#pile-rows [data-isbn]", "rows => rows.map(row => [row.dataset.isbn, row.dataset.state])"
    )
    return [(number, state) for number, state in reversed(pairs)]


def all_known(page: Page, seconds: float = 30) -> None:
    expect(page.locator('#pile-rows [data-state="looking"]')).to_have_count(0, timeout=seconds * 1000)


def stored(server: Server) -> list[str | None]:
    with server.library.database.reading() as db:
        return list(db.scalars(select(PileBook.isbn).order_by(PileBook.id)))


def test_forty_scans_are_all_right_none_lost_and_in_order(
    server: Server, page: Page, sources: SlowSources, capsys: pytest.CaptureFixture[str]
) -> None:
    sources.least_s, sources.most_s = (0.5, 3.0) if TORTURE else (0.05, 0.3)
    pause = 1.0 if TORTURE else 0.1
    wanted = [isbn(n) for n in random.sample(range(10**6, 10**8), 40)]
    page.evaluate(WATCH)
    for number in wanted:
        scan(page, number)
        time.sleep(pause)
    all_known(page)
    assert states(page) == [(number, "found") for number in wanted]
    for number in (wanted[0], wanted[-1]):
        expect(page.locator(f'[data-isbn="{number}"] .pile__title')).to_have_text(f"Buch {number[4:12]}")
    took = sorted(page.evaluate("window.took"))
    assert len(took) == 40
    with capsys.disabled():
        print(f"\nscan to row: median {took[20]:.1f} ms, slowest {took[-1]:.1f} ms")
    page.get_by_role("button", name="Alle aufnehmen (40)").click()
    expect(page.locator("main")).to_contain_text("40 Bücher aus diesem Stapel")
    assert stored(server) == wanted
    with server.library.database.reading() as db:
        assert len(db.scalars(select(Donation)).all()) == 1
        assert len(db.scalars(select(Copy)).all()) == 40


def test_a_book_that_is_here_is_known_at_once(server: Server, page: Page, capsys: pytest.CaptureFixture[str]) -> None:
    with server.library.database.writing() as db:
        make.copy(db, make.title(db, "Tschick", isbns=(ISBN,)))
        make.copy(db, make.title(db, "Momo", isbns=(UNKNOWN,)))
    # The first scan after a start of the server loads what reads ISBNs.
    scan(page, UNKNOWN)
    all_known(page)
    page.evaluate(
        """() => {
          const began = {};
          document.addEventListener("keydown", (event) => { if (event.key === "Enter") began.at = performance.now(); }, true);
          new MutationObserver(() => {
            if (document.querySelectorAll('[data-state="found"]').length > 1) window.known ??= performance.now() - began.at;
          }).observe(document.getElementById("pile-rows"), { childList: true });
        }"""
    )
    scan(page, ISBN)
    expect(page.locator(f'[data-isbn="{ISBN}"]')).to_contain_text("noch ein Exemplar")
    with capsys.disabled():
        print(f"\nscan to a book that is here: {page.evaluate('window.known'):.1f} ms")


def test_an_enter_too_many_is_one_scan_and_five_slow_ones_are_five_books(page: Page) -> None:
    page.clock.install()
    scan(page, ISBN, enters=2)
    for _again in range(4):
        page.clock.run_for(3100)
        scan(page, ISBN)
    page.clock.resume()
    all_known(page)
    assert states(page) == [(ISBN, "found")] * 5


def test_five_copies_in_a_row_are_five_books_counted_and_visible(
    server: Server, page: Page, sources: SlowSources
) -> None:
    page.clock.install()
    for _copy in range(5):
        scan(page, ISBN)
        page.clock.run_for(1100)
    page.clock.resume()
    all_known(page)
    expect(page.locator("#pile-more")).to_be_hidden()
    expect(page.locator(".pile__total")).to_have_text("5 Bücher auf dem Stapel")
    page.get_by_role("button", name="Alle aufnehmen (5)").click()
    expect(page.locator("main")).to_contain_text("5 Bücher aus diesem Stapel")
    with server.library.database.reading() as db:
        assert len(set(db.scalars(select(Copy.title_id)))) == 1
        assert len(db.scalars(select(Copy)).all()) == 5
    assert [asked.source for asked in sources.asked] == ["dnb"]


def test_what_was_read_twice_at_once_is_one_book_and_one_question(server: Server, page: Page) -> None:
    more = page.locator("#pile-more")
    scan(page, ISBN, enters=2)
    expect(more).to_be_hidden()
    for _read in range(3):
        scan(page, ISBN)
    all_known(page)
    assert states(page) == [(ISBN, "found")]
    expect(more).to_contain_text("Es zählt als ein Buch")
    more.get_by_role("button", name="Noch 3 dazulegen").click()
    expect(more).to_be_hidden()
    expect(page.locator("#pile-isbn")).to_be_focused()
    all_known(page)
    expect(page.locator(".pile__total")).to_have_text("4 Bücher auf dem Stapel")
    assert stored(server) == [ISBN] * 4


def test_a_card_that_was_read_twice_is_asked_about_nowhere(server: Server, page: Page) -> None:
    with server.library.database.writing() as db:
        card = make.card(db)
    for _read in range(2):
        scan(page, card)
    expect(page.locator(".pile__wrong")).to_have_count(1)
    expect(page.locator("#pile-more")).to_be_hidden()
    assert card not in page.content()


def test_a_scanner_may_end_with_a_tab_and_a_person_who_types_is_not_taken_for_one(page: Page) -> None:
    scan(page, ISBN, end="Tab")
    all_known(page)
    assert states(page) == [(ISBN, "found")]
    expect(page.locator("#pile-isbn")).to_be_focused()
    expect(page.locator("#pile-isbn")).to_have_value("")
    page.keyboard.type("97835515", delay=150)
    page.keyboard.press("Tab")
    expect(page.locator("#pile-isbn")).to_have_value("97835515")
    assert states(page) == [(ISBN, "found")]


def test_a_scanner_set_to_an_american_keyboard_is_understood(server: Server, page: Page) -> None:
    with server.library.database.writing() as db:
        card, code = make.card(db), make.copy(db).code
    for number in ("9783551551672", "+E09783499623479", "978ß3ß440ß10700ß3"):
        scan(page, number)
    expect(page.locator("#pile-rows [data-row]")).to_have_count(3)
    all_known(page)
    assert stored(server) == ["9783551551672", "9783499623479", "9783440107003"]
    scan(page, f"httpÖ--bibliothekßdresden.example-c-{code}")
    expect(page.locator(".pile__wrong")).to_contain_text("Etikett dieser Bibliothek")
    scan(page, f"+Q1{card}")
    expect(page.locator(".pile__wrong").first).to_contain_text("Das ist eine Karte")
    assert card not in page.content()


def test_a_scan_counts_wherever_the_focus_is(page: Page) -> None:
    page.locator("#pile-sound").focus()
    scan(page, ISBN)
    all_known(page)
    expect(page.locator("#pile-isbn")).to_be_focused()
    expect(page.locator("#pile-isbn")).to_have_value("")
    page.get_by_role("link", name="Buch ohne ISBN").click()
    page.locator("#f-title").fill("Zine")
    scan(page, isbn(7))
    expect(page.locator("#f-title")).to_have_value("Zine")
    all_known(page)
    assert states(page) == [(ISBN, "found"), (isbn(7), "found")]


def test_a_dead_network_and_a_reload_lose_no_scan(server: Server, page: Page) -> None:
    wanted = [isbn(n) for n in range(6)]
    scan(page, wanted[0])
    all_known(page)
    page.context.route("**/spenden/stapel", lambda route: route.abort())
    for number in wanted[1:4]:
        scan(page, number)
    expect(page.locator("#pile-status")).to_contain_text("Keine Verbindung")
    assert [number for number, _state in states(page)] == wanted[:4]
    page.reload()
    assert [number for number, _state in states(page)] == wanted[:4]
    for number in wanted[4:]:
        scan(page, number)
    page.context.unroute("**/spenden/stapel")
    all_known(page)
    assert states(page) == [(number, "found") for number in wanted]
    assert stored(server) == wanted
    expect(page.locator("#pile-status")).to_be_empty()


def test_an_answer_that_is_lost_makes_no_second_book(server: Server, page: Page) -> None:
    lost: list[str] = []

    def lose(route: Route) -> None:
        if not lost:
            lost.append(route.fetch().text())
            route.abort()
        else:
            route.continue_()

    page.context.route("**/spenden/stapel", lose)
    scan(page, ISBN)
    all_known(page)
    assert lost
    assert stored(server) == [ISBN]


def test_what_is_no_book_is_said_and_goes_away_when_read(page: Page) -> None:
    scan(page, "9783551551673")
    wrong = page.locator(".pile__wrong")
    expect(wrong).to_contain_text("9783551551673")
    assert states(page) == []
    wrong.get_by_role("button").click()
    expect(wrong).to_have_count(0)
    expect(page.locator("#pile-isbn")).to_be_focused()


def test_a_card_is_neither_shown_nor_kept_in_the_browser(server: Server, page: Page) -> None:
    with server.library.database.writing() as db:
        card = make.card(db)
    scan(page, card)
    expect(page.locator(".pile__wrong")).to_contain_text("Das ist eine Karte")
    assert card not in page.content()
    assert card not in page.evaluate("JSON.stringify(localStorage)")


def test_a_missing_book_is_typed_in_the_row_and_the_pile_goes_on(page: Page) -> None:
    scan(page, UNKNOWN)
    row = page.locator(f'[data-isbn="{UNKNOWN}"]')
    expect(row).to_have_attribute("data-state", "missing")
    row.get_by_role("link", name="Selbst eintragen").click()
    expect(page.locator("#f-title")).to_be_focused()
    page.get_by_role("button", name="Auf den Stapel").click()
    page.locator("#f-title").fill("Sonderdruck")
    page.get_by_role("button", name="Auf den Stapel").click()
    expect(row).to_have_attribute("data-state", "found")
    expect(row).to_contain_text("Sonderdruck")
    expect(page.locator("#pile-isbn")).to_be_focused()
    row.get_by_role("button", name="Weg").click()
    row.get_by_role("button", name="Doch aufnehmen").click()
    expect(page.get_by_role("button", name="Alle aufnehmen (1)")).to_be_visible()


def within(row: Locator, part: str) -> tuple[float, ...]:
    """Where a part of a row stands in it, and how large: x, y, width, height in pixels."""
    outer, inner = row.bounding_box(), row.locator(part).bounding_box()
    assert outer
    assert inner
    return inner["x"] - outer["x"], inner["y"] - outer["y"], inner["width"], inner["height"]


def test_a_picture_comes_into_its_row_while_somebody_chooses_there(server: Server, page: Page) -> None:
    scan(page, ISBN)
    all_known(page)
    row = page.locator(f'[data-isbn="{ISBN}"]')
    chosen = row.locator("select[name=condition]")
    chosen.focus()
    before = within(row, ".cover")
    digest = covers.keep(covers.folder_of(server.library.settings), drawn.book())
    with server.library.database.writing() as db:
        book = db.scalars(select(PileBook)).one()
        book.picture, book.picture_source, book.picture_at = digest, covers.OPEN_LIBRARY, None
    expect(row.locator("img.cover")).to_be_visible()
    assert within(row, ".cover") == before
    expect(chosen).to_be_focused()
    chosen.select_option("good")
    expect(row.locator("select[name=condition]")).to_have_value("good")
    expect(row.locator("img.cover")).to_be_visible()
    assert row.locator("img.cover").evaluate("image => image.decode().then(() => image.naturalWidth)") > 0


def test_a_photo_goes_along_and_a_bad_one_loses_nothing(page: Page, tmp_path: Path) -> None:
    good, bad = tmp_path / "gut.jpg", tmp_path / "riesig.jpg"
    good.write_bytes(drawn.book())
    bad.write_bytes(bytes(40_000_000))
    page.get_by_role("link", name="Buch ohne ISBN").click()
    page.locator("#f-title").fill("Zine")
    send = page.get_by_role("button", name="Auf den Stapel")
    page.locator("#f-picture").set_input_files(bad)
    send.click()
    expect(page.locator("#f-picture-error")).to_contain_text("Das Bild ist zu groß")
    expect(page.locator("#f-title")).to_have_value("Zine")
    page.locator("#f-picture").set_input_files(good)
    send.click()
    expect(page.locator("#pile-rows img.cover")).to_be_visible()
    expect(page.locator("#pile-form")).to_have_count(0)


def test_a_photo_too_large_to_be_read_is_said_in_the_form(page: Page) -> None:
    page.get_by_role("link", name="Buch ohne ISBN").click()
    page.locator("#f-title").fill("Zine")
    page.context.route(
        "**/spenden/stapel/buch", lambda route: route.fulfill(status=413, body="<p>Das ist zu groß.</p>")
    )
    page.get_by_role("button", name="Auf den Stapel").click()
    expect(page.locator(".pile__refused")).to_have_text("Das ist zu groß.")
    expect(page.locator("#f-title")).to_have_value("Zine")


def test_a_title_that_is_here_is_offered_while_it_is_typed(server: Server, page: Page) -> None:
    with server.library.database.writing() as db:
        title = make.title(db, "Die unendliche Geschichte")
    page.get_by_role("link", name="Buch ohne ISBN").click()
    page.locator("#f-title").press_sequentially("Die unendl", delay=120)
    page.get_by_role("button", name="Die unendliche Geschichte").click()
    expect(page.locator("#pile-rows")).to_contain_text("noch ein Exemplar")
    page.get_by_role("button", name="Alle aufnehmen (1)").click()
    expect(page.locator("main")).to_contain_text("1 Buch aus diesem Stapel")
    with server.library.database.reading() as db:
        assert db.scalars(select(Copy.title_id)).all() == [title.id]


def test_the_sound_is_remembered(page: Page) -> None:
    page.get_by_role("button", name="Ton ist an").click()
    page.reload()
    expect(page.get_by_role("button", name="Ton ist aus")).to_be_visible()


def test_a_pile_on_the_tablet_waits_there(server: Server, page_at: PageAt) -> None:
    with server.library.database.writing() as db:
        make.admin(db)
        cookies = {"tablet": kiosk.enrol(db, "Eingang", server.clock())}
    page = page_at(1280, 800, cookies=cookies)
    page.goto("/spenden")
    scan(page, ISBN)
    all_known(page)
    page.goto("/kiosk")
    page.goto("/spenden")
    assert states(page) == [(ISBN, "found")]
    page.get_by_role("button", name="Alle aufnehmen (1)").click()
    page.wait_for_url(re.compile("/spenden/aufgenommen/"))


@pytest.mark.parametrize(("width", "height"), [(320, 640), (390, 844), (1280, 800)])
def test_nothing_is_wider_than_the_screen(page_at: PageAt, member: dict[str, str], width: int, height: int) -> None:
    page = page_at(width, height, cookies=member)
    page.goto("/spenden")
    for number in (ISBN, UNKNOWN, "9783551551673"):
        scan(page, number)
    all_known(page)
    page.get_by_role("link", name="Buch ohne ISBN").click()
    expect(page.locator("#f-title")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
