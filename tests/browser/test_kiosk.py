"""The tablet in a real browser, scanned at as a scanner does: every key within 10 ms, Enter at the end."""

from __future__ import annotations

import os
import random
import re
import time
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs

import pytest
from playwright.sync_api import Page, Request, Route, expect
from sqlalchemy import select

from bibliothek.codes import command_code
from bibliothek.copies.models import Copy
from bibliothek.kiosk import actions as kiosk
from bibliothek.kiosk import queries as kiosk_queries
from bibliothek.lending.models import Borrower, Loan
from bibliothek.members.queries import member_by_card
from tests import make
from tests.browser.conftest import PageAt, Server

pytestmark = pytest.mark.browser

NAME = "Ava Unverkennbar"
TORTURE = os.environ.get("TORTURE") == "1"
SCANS = 200 if TORTURE else 40


class Keyboard:
    """Chromium's own keys, with the times at which they say they went down: however busy the machine is, a scanner stays one."""

    def __init__(self, page: Page) -> None:
        self._chromium = page.context.new_cdp_session(page)
        self._now = time.time()

    def pause(self, milliseconds: float) -> None:
        self._now += milliseconds / 1000

    def press(self, key: str, after: float) -> None:
        self.pause(after)
        text = {"text": {"Enter": "\r", "Tab": ""}.get(key, key)}
        code = {"windowsVirtualKeyCode": {"Enter": 13, "Tab": 9}.get(key, 0)}
        for kind, more in (("keyDown", text), ("keyUp", {})):
            event = {"type": kind, "key": key, "timestamp": self._now, **code, **more}
            self._chromium.send("Input.dispatchKeyEvent", event)


@dataclass
class Tablet:
    page: Page
    server: Server
    card: str
    other_card: str
    copies: list[str]

    def scan(self, text: str, end: str = "Enter", delay: float = 4) -> None:
        self.page.keyboard.type(text, delay=delay)
        self.page.keyboard.press(end)

    def expect(self, kind: str) -> None:
        expect(self.page.locator("[data-result]")).to_have_attribute("data-kind", kind)

    def pass_time(self, seconds: float) -> None:
        """Let time pass for the server and the page."""
        self.server.clock.pass_time(seconds=seconds)
        self.page.clock.run_for(int(seconds * 1000))

    def borrowed(self) -> list[str]:
        with self.server.library.database.reading() as db:
            query = select(Copy.code).join(Loan, Loan.copy_id == Copy.id).join(Borrower, Borrower.loan_id == Loan.id)
            return list(db.scalars(query.where(Loan.returned_at.is_(None)).order_by(Loan.id)))


@pytest.fixture
def tablet(server: Server, page_at: PageAt) -> Tablet:
    with server.library.database.writing() as db:
        make.admin(db)
        card, other_card = make.card(db, make.member(db, NAME)), make.card(db)
        copies = [make.copy(db, title=f"Buch Nummer {n}").code for n in range(12)]
        cookie = kiosk.enrol(db, "Eingang", server.clock())
    page = page_at(1280, 800, cookies={"tablet": cookie})
    page.goto("/kiosk")
    return Tablet(page, server, card, other_card, copies)


def scans_sent(tablet: Tablet) -> list[str]:
    """What goes to the server as a scan from now on."""
    sent: list[str] = []

    def note(request: Request) -> None:
        if request.method == "POST" and request.url.endswith("/kiosk"):
            sent.append(parse_qs(request.post_data or "")["scan"][0])

    tablet.page.on("request", note)
    return sent


def with_clock(tablet: Tablet) -> None:
    """From now on the page's time passes only when the test says so."""
    tablet.page.clock.install()
    tablet.page.goto("/kiosk")


def test_the_idle_screen_fits_the_tablet_at_the_wall(tablet: Tablet) -> None:
    assert tablet.page.evaluate("document.documentElement.scrollHeight") == 800


def test_large_letters_are_a_third_larger_and_what_is_said_stays_in_sight(tablet: Tablet) -> None:
    with tablet.server.library.database.writing() as db:
        of = make.title(
            db, "Ein Titel, der auf mehr als eine Zeile kommt", ("Beauvoir, Simone de", "Sartre, Jean-Paul")
        )
        copies = [make.copy(db, of) for _n in range(6)]
        for copy, member in zip(copies[:4], [member_by_card(db, tablet.card)] * 2 + [make.member(db)] * 2, strict=True):
            make.loan(db, copy, member)
        own, others, here = (tuple(copy.code for copy in copies[n : n + 2]) for n in (0, 2, 4))
    answers = {"card": (tablet.card, tablet.card), "own": own, "lent": here, "other": others}
    usual = {kind: sizes(tablet, codes[0], kind) for kind, codes in answers.items()}
    tablet.scan(command_code("large"))
    expect(tablet.page.locator("body.kiosk--large")).to_be_visible()
    for kind, codes in answers.items():
        large = sizes(tablet, codes[1], kind)
        # Beside a sentence there is room for the date as large as it was: more than three times as large as the sentence.
        parts = usual[kind].keys() - ({"time"} if "text" in large else set())
        assert all(large[part] >= 1.28 * usual[kind][part] for part in parts), (kind, usual[kind], large)


SIZES = """() => {
  const bar = document.getElementById("scan-form").getBoundingClientRect();
  const parts = [...document.querySelectorAll(".result__said > *, .result__book p")];
  const inSight = parts.every((part) => part.getBoundingClientRect().bottom <= bar.top);
  const read = { greeting: ".greeting", word: ".result__word", text: ".result__text", time: ".result__due time" };
  const found = Object.entries(read).map(([name, part]) => [name, document.querySelector(part)]).filter(([, part]) => part);
  const sizes = found.map(([name, part]) => [name, parseFloat(getComputedStyle(part).fontSize)]);
  return [inSight && document.documentElement.scrollWidth <= innerWidth, Object.fromEntries(sizes)];
}"""


def sizes(tablet: Tablet, code: str, kind: str) -> dict[str, float]:
    """How large the letters of the answer to a scan are, in pixels, by its parts, all of which are in sight."""
    tablet.scan(code)
    tablet.expect(kind)
    is_in_sight, found = tablet.page.evaluate(SIZES)
    assert is_in_sight, kind
    return dict(found)


def test_two_scans_borrow_and_one_returns_without_a_tap(tablet: Tablet) -> None:
    tablet.scan(tablet.card)
    tablet.expect("card")
    expect(tablet.page.get_by_text(NAME)).to_be_visible()
    tablet.scan(tablet.copies[0])
    tablet.expect("lent")
    due = tablet.page.locator(".result__due time")
    expect(due).to_have_attribute("datetime", "2026-12-21")
    assert due.evaluate("element => parseFloat(getComputedStyle(element).fontSize)") >= 100
    assert tablet.borrowed() == [tablet.copies[0]]
    with_clock(tablet)
    tablet.pass_time(31)
    tablet.scan(tablet.copies[0])
    tablet.expect("returned")
    assert tablet.borrowed() == []


def test_scans_faster_than_answers_are_all_done_in_order(tablet: Tablet) -> None:
    def slowly(route: Route) -> None:
        tablet.page.wait_for_timeout(30)
        route.continue_()

    tablet.page.route("**/kiosk", slowly)
    for code in (tablet.card, *tablet.copies):
        tablet.scan(code, delay=1)
    expect(tablet.page.locator("#result")).to_contain_text("Du hast 12 Bücher.")
    assert tablet.borrowed() == tablet.copies


def test_a_scanner_that_ends_with_tab_is_understood(tablet: Tablet) -> None:
    tablet.scan(tablet.card, "Tab")
    tablet.expect("card")
    tablet.scan(tablet.copies[0], "Tab")
    tablet.expect("lent")


def test_the_field_has_the_focus_wherever_somebody_tapped(tablet: Tablet) -> None:
    field = tablet.page.locator("input[name=scan]")
    expect(field).to_be_focused()
    tablet.page.locator("#result").click()
    expect(field).to_be_focused()
    tablet.page.get_by_role("link", name="Katalog").focus()
    tablet.scan(tablet.card)
    tablet.expect("card")
    tablet.page.get_by_role("button", name="Fertig").focus()
    tablet.scan(tablet.copies[0])
    tablet.expect("lent")
    expect(field).to_be_focused()
    expect(field).to_have_value("")


def test_what_somebody_half_typed_does_not_spoil_the_next_scan(tablet: Tablet) -> None:
    sent = scans_sent(tablet)
    tablet.page.keyboard.type("M3x", delay=80)
    tablet.page.keyboard.press("ArrowLeft")
    tablet.scan(tablet.card)
    tablet.expect("card")
    assert sent == [tablet.card]


def test_of_all_scans_wherever_the_focus_is_none_is_wrong_and_none_is_lost(tablet: Tablet) -> None:
    chance = random.Random(1)
    with tablet.server.library.database.writing() as db:
        copies = [make.copy(db).code for _ in range(SCANS // 2 - 1)]
    sent = scans_sent(tablet)
    keyboard = Keyboard(tablet.page)

    def scan(code: str) -> None:
        at = chance.choice(["#scan", "a[href='/katalog']", "#sound", "#keys", "body"])
        tablet.page.evaluate("at => document.activeElement.blur() || document.querySelector(at).focus()", at)
        for sign in chance.choice(["", "", "B", "97x", "M4"]):
            keyboard.press(sign, chance.uniform(60, 400))
        keyboard.pause(chance.uniform(5, 1000))
        for sign in code:
            keyboard.press(sign, chance.uniform(2, 30))
        keyboard.press(chance.choice(["Enter", "Tab"]), chance.uniform(2, 30))

    for code in (tablet.card, *copies):
        scan(code)
    expect(tablet.page.locator("#result")).to_contain_text(f"Du hast {len(copies)} Bücher.")
    assert tablet.borrowed() == copies
    tablet.server.clock.pass_time(seconds=31)
    for code in (*copies, tablet.other_card):
        scan(code)
    tablet.expect("card")
    assert tablet.borrowed() == []
    assert sent == [tablet.card, *copies, *copies, tablet.other_card]


def test_the_same_code_within_three_seconds_is_one_scan(tablet: Tablet) -> None:
    sent: list[str] = []
    tablet.page.on("request", lambda request: sent.append(request.url) if request.method == "POST" else None)
    tablet.scan(tablet.card)
    tablet.scan(tablet.copies[0])
    tablet.scan(tablet.copies[0])
    tablet.scan(tablet.copies[0])
    tablet.scan(tablet.copies[1])
    expect(tablet.page.locator("#result")).to_contain_text("Buch Nummer 1")
    assert len(sent) == 3
    assert tablet.borrowed() == tablet.copies[:2]


def test_no_scan_is_lost_while_the_network_is_away(tablet: Tablet) -> None:
    lost = {"left": 3}

    def away(route: Route) -> None:
        if lost["left"]:
            lost["left"] -= 1
            route.abort("connectionrefused")
        else:
            route.continue_()

    tablet.page.route("**/kiosk", away)
    tablet.scan(tablet.card)
    expect(tablet.page.locator("#scan-status")).to_contain_text("Keine Verbindung")
    tablet.scan(tablet.copies[0])
    tablet.expect("lent")
    expect(tablet.page.locator("#scan-status")).to_have_text("")
    assert tablet.borrowed() == [tablet.copies[0]]


def test_what_was_said_before_is_no_answer_to_a_scan_that_waits(tablet: Tablet) -> None:
    tablet.scan(tablet.card)
    tablet.scan(tablet.copies[0])
    tablet.expect("lent")
    tablet.page.route("**/kiosk", lambda route: route.abort("connectionrefused"))
    tablet.scan(tablet.copies[1])
    expect(tablet.page.get_by_role("heading", name="Noch nicht gebucht")).to_be_visible()
    assert "Buch Nummer 0" not in tablet.page.locator("#result").inner_text()
    tablet.page.unroute("**/kiosk")
    expect(tablet.page.locator("#result")).to_contain_text("Buch Nummer 1")
    tablet.expect("lent")


def test_what_was_said_stays_in_sight_on_a_flat_screen(tablet: Tablet) -> None:
    tablet.page.set_viewport_size({"width": 640, "height": 400})
    tablet.scan(tablet.card)
    tablet.scan(tablet.copies[0])
    tablet.expect("lent")
    word = tablet.page.locator(".result__word").bounding_box()
    due = tablet.page.locator(".result__due").bounding_box()
    bar = tablet.page.locator("#scan-form").bounding_box()
    assert word
    assert due
    assert bar
    assert word["y"] >= 0
    assert due["y"] + due["height"] <= bar["y"]
    assert bar["height"] <= 80


def test_a_guests_language_goes_with_the_guest(tablet: Tablet) -> None:
    with_clock(tablet)
    for end in (lambda: tablet.page.get_by_role("button", name="Done").click(), lambda: tablet.pass_time(61)):
        tablet.page.get_by_role("button", name="English").click()
        expect(tablet.page.get_by_role("button", name="Deutsch")).to_be_visible()
        expect(tablet.page.locator("#scan")).to_be_focused()
        tablet.scan(tablet.card)
        expect(tablet.page.get_by_text(f"Hello, {NAME}")).to_be_visible()
        end()
        expect(tablet.page.get_by_text("Nur das Buch.")).to_be_visible()
    tablet.page.get_by_role("button", name="English").click()
    expect(tablet.page.get_by_role("button", name="Deutsch")).to_be_visible()
    tablet.pass_time(61)
    expect(tablet.page.get_by_text("Nur das Buch.")).to_be_visible()


def test_an_answer_that_got_lost_on_the_way_is_given_again(tablet: Tablet) -> None:
    with tablet.server.library.database.writing() as db:
        make.loan(db, db.scalars(select(Copy).where(Copy.code == tablet.copies[0])).one())
    lost = {"left": 1}

    def lose_answer(route: Route) -> None:
        if lost["left"]:
            lost["left"] -= 1
            route.fetch()
            # Long enough not to be taken for a scanner that read twice.
            tablet.server.clock.pass_time(seconds=20)
            route.abort("connectionreset")
        else:
            route.continue_()

    tablet.page.route("**/kiosk", lose_answer)
    tablet.scan(tablet.copies[0])
    tablet.expect("returned")
    assert tablet.borrowed() == []


def test_a_book_scanned_in_time_is_lent_and_said_after_the_network_was_away(tablet: Tablet) -> None:
    with_clock(tablet)
    tablet.scan(tablet.card)
    tablet.expect("card")
    tablet.page.route("**/kiosk", lambda route: route.abort("connectionrefused"))
    tablet.scan(tablet.copies[0])
    expect(tablet.page.locator("#scan-status")).to_contain_text("Keine Verbindung")
    tablet.pass_time(45)
    assert NAME not in tablet.page.content()
    expect(tablet.page.get_by_role("heading", name="Noch nicht gebucht")).to_be_visible()
    tablet.page.unroute("**/kiosk")
    with tablet.page.expect_response("**/kiosk/fertig"):
        tablet.pass_time(5)
    tablet.expect("lent")
    assert NAME not in tablet.page.content()
    assert tablet.borrowed() == [tablet.copies[0]]
    tablet.pass_time(16)
    expect(tablet.page.get_by_text("Nur das Buch.")).to_be_visible()


def test_nobodys_name_stays_on_the_screen(tablet: Tablet) -> None:
    with_clock(tablet)
    tablet.scan(tablet.card)
    tablet.scan(tablet.copies[0])
    tablet.expect("lent")
    assert NAME in tablet.page.content()
    tablet.pass_time(10.5)
    assert NAME not in tablet.page.content()
    assert "Buch Nummer 0" not in tablet.page.locator("#result").inner_text()
    expect(tablet.page.get_by_text("Noch da?")).to_be_visible()
    tablet.page.locator(".result").click()
    expect(tablet.page.get_by_text(NAME)).to_be_visible()
    tablet.pass_time(31)
    expect(tablet.page.get_by_text("Nur das Buch.")).to_be_visible()
    assert NAME not in tablet.page.content()


def test_titles_of_a_whole_basket_go_as_soon_as_that_of_one_book(tablet: Tablet) -> None:
    with_clock(tablet)
    for code in (*tablet.copies[:2], tablet.card):
        tablet.scan(code)
    tablet.expect("lent")
    assert "Buch Nummer 1" in tablet.page.locator("#result").inner_text()
    tablet.pass_time(10.5)
    assert "Buch Nummer" not in tablet.page.locator("#result").inner_text()


def test_the_countdown_of_a_long_session_is_its_last_part(tablet: Tablet) -> None:
    with tablet.server.library.database.writing() as db:
        device = kiosk_queries.device_for_change(db, 1)
        now = tablet.server.clock()
        kiosk.begin_session(db, device, make.member(db, NAME).id, now, now + timedelta(seconds=90), make.TODAY)
    with_clock(tablet)
    tablet.pass_time(10.5)
    assert NAME not in tablet.page.content()
    expect(tablet.page.get_by_text("Noch da?")).to_be_hidden()
    tablet.pass_time(60)
    expect(tablet.page.get_by_text("Noch da?")).to_be_visible()


def test_whoever_goes_from_button_to_button_by_keyboard_is_still_there_and_keeps_their_place(tablet: Tablet) -> None:
    with_clock(tablet)
    tablet.scan(tablet.card)
    tablet.expect("card")
    tablet.pass_time(11)
    expect(tablet.page.get_by_text("Noch da?")).to_be_visible()
    done = tablet.page.locator("#result form[data-ends] button")
    tablet.page.evaluate("window.before = document.querySelector('#result form[data-ends] button')")
    done.focus()
    tablet.page.keyboard.press("Shift+Tab")
    tablet.page.keyboard.press("Tab")
    expect(tablet.page.get_by_text("Noch da?")).to_be_hidden()
    expect(done).to_be_focused()
    assert not tablet.page.evaluate("window.before.isConnected")


def test_nobodys_name_comes_back_while_their_end_is_on_its_way(tablet: Tablet) -> None:
    with_clock(tablet)
    tablet.scan(tablet.card)
    tablet.expect("card")
    tablet.page.route("**/kiosk/fertig", lambda _route: None)
    tablet.page.get_by_role("button", name="Fertig").click()
    loaded: list[str] = []
    tablet.page.on("request", lambda request: loaded.append(request.url) if "/hallo" in request.url else None)
    for _second in range(5):
        tablet.page.clock.run_for(1000)
        tablet.page.wait_for_timeout(100)
    assert loaded == []
    assert NAME not in tablet.page.content()


def test_fertig_ends_the_session_and_the_back_button_shows_nobody(tablet: Tablet) -> None:
    tablet.scan(tablet.card)
    tablet.expect("card")
    with tablet.page.expect_response("**/kiosk/fertig"):
        tablet.page.get_by_role("button", name="Fertig").click()
    tablet.page.get_by_role("link", name="Katalog").click()
    tablet.page.wait_for_url(re.compile("/katalog"))
    tablet.page.go_back()
    expect(tablet.page.get_by_text("Nur das Buch.")).to_be_visible()
    assert NAME not in tablet.page.content()
    tablet.scan(tablet.copies[0])
    tablet.expect("basket")


def ask_about_somebody_elses_book(tablet: Tablet) -> None:
    with tablet.server.library.database.writing() as db:
        make.loan(db, db.scalars(select(Copy).where(Copy.code == tablet.copies[0])).one())
    with_clock(tablet)
    tablet.scan(tablet.card)
    tablet.scan(tablet.copies[0])
    tablet.expect("other")


def test_an_unanswered_question_is_a_return_after_ten_seconds(tablet: Tablet) -> None:
    ask_about_somebody_elses_book(tablet)
    tablet.pass_time(9)
    assert tablet.borrowed() == [tablet.copies[0]]
    tablet.pass_time(2)
    tablet.expect("returned")
    assert tablet.borrowed() == []


def test_the_seconds_left_for_an_answer_are_counted(tablet: Tablet) -> None:
    ask_about_somebody_elses_book(tablet)
    seconds = tablet.page.locator("[data-left]")
    before = int(seconds.inner_text())
    tablet.pass_time(3)
    assert int(seconds.inner_text()) == before - 3


def test_fertig_says_what_became_of_the_book_asked_about(tablet: Tablet) -> None:
    ask_about_somebody_elses_book(tablet)
    tablet.page.get_by_role("button", name="Fertig").click()
    tablet.expect("returned")
    expect(tablet.page.locator("#result")).to_contain_text("Buch Nummer 0")
    assert NAME not in tablet.page.content()
    assert tablet.borrowed() == []


def test_a_tap_takes_the_book_along(tablet: Tablet) -> None:
    ask_about_somebody_elses_book(tablet)
    tablet.page.get_by_role("button", name="Ich nehme es mit").click()
    tablet.expect("lent")
    tablet.pass_time(12)
    assert tablet.borrowed() == [tablet.copies[0]]


def test_a_book_nobody_gave_yet_leads_to_the_form_of_donations(tablet: Tablet) -> None:
    tablet.scan("9783499623479")
    tablet.expect("title")
    tablet.page.get_by_role("button", name="Spenden").click()
    tablet.page.wait_for_url(re.compile("/spenden"))
    expect(tablet.page.locator("body")).to_contain_text("978-3-499-62347-9")


def test_everything_works_without_scripts(tablet: Tablet, page_at: PageAt) -> None:
    with tablet.server.library.database.writing() as db:
        cookie = kiosk.enrol(db, "Küche", tablet.server.clock())
    page = page_at(1280, 800, cookies={"tablet": cookie}, java_script_enabled=False)
    page.goto("/kiosk")

    def scan(text: str, kind: str) -> None:
        page.locator("input[name=scan]").fill(text)
        page.keyboard.press("Enter")
        expect(page.locator("[data-result]")).to_have_attribute("data-kind", kind)

    scan(tablet.card, "card")
    scan(tablet.copies[0], "lent")
    page.get_by_role("button", name="Fertig").click()
    expect(page.locator("[data-result]")).to_have_count(0)
    tablet.server.clock.pass_time(seconds=5)
    scan(tablet.copies[0], "returned")
    assert tablet.borrowed() == []


def test_keys_on_the_screen_type_a_code_and_go(tablet: Tablet) -> None:
    page, pad = tablet.page, tablet.page.get_by_role("group", name="Tastatur")
    expect(page.locator("#scan")).to_have_attribute("inputmode", "none")
    expect(pad).to_be_hidden()
    for key in (tablet.card, tablet.copies[0]):
        page.get_by_role("button", name="Tastatur").click()
        pad.get_by_role("button", name="W", exact=True).click()
        pad.get_by_role("button", name="Zeichen löschen").click()
        for sign in key:
            pad.get_by_role("button", name=sign, exact=True).click()
        expect(page.locator("#scan")).to_be_focused()
        pad.get_by_role("button", name="Eingeben").click()
        expect(pad).to_be_hidden()
    tablet.expect("lent")
    assert tablet.borrowed() == [tablet.copies[0]]


@pytest.mark.parametrize("size", [(1280, 800), (390, 844), (320, 640)])
def test_keys_on_the_screen_are_as_large_as_a_finger_and_all_in_sight(tablet: Tablet, size: tuple[int, int]) -> None:
    tablet.page.set_viewport_size({"width": size[0], "height": size[1]})
    tablet.page.get_by_role("button", name="Tastatur").click()
    keys = tablet.page.locator("#pad button").all()
    assert len(keys) == 31
    for key in keys:
        box = key.bounding_box()
        assert box
        assert (box["width"], box["height"]) >= (44, 56)
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= size[0]
        assert box["y"] >= 0
        assert box["y"] + box["height"] <= size[1]


def test_keys_on_the_screen_are_pressed_by_keyboard_too(tablet: Tablet) -> None:
    page, field = tablet.page, tablet.page.locator("#scan")
    keyboard = page.get_by_role("button", name="Tastatur")
    keyboard.press("Enter")
    for sign, key in (("B", "Space"), ("7", "Space"), ("X", "Enter")):
        page.locator(f"[data-key='{sign}']").press(key)
    expect(field).to_have_value("B7X")
    page.locator("[data-key='X']").press("Escape")
    expect(keyboard).to_have_attribute("aria-expanded", "false")
    expect(field).to_be_focused()


def test_what_was_half_typed_goes_with_who_typed_it(tablet: Tablet) -> None:
    with_clock(tablet)
    tablet.page.keyboard.type("M3Q")
    tablet.pass_time(61)
    expect(tablet.page.locator("#scan")).to_have_value("")


NOTE_TIMES = """() => {
  const status = document.getElementById("scan-status");
  const note = () => { if (status.textContent) window.saidAt ??= performance.now(); };
  new MutationObserver(note).observe(status, { childList: true });
  document.addEventListener("keydown", (event) => { if (event.key === "Enter") window.enterAt = performance.now(); }, true);
}"""


def top_of(page: Page) -> float:
    """Where the bar with the scan field begins, in pixels."""
    box = page.locator("#scan-form").bounding_box()
    assert box
    return box["y"]


def test_that_a_scan_is_being_read_is_said_within_100_ms_until_the_answer_is_there(tablet: Tablet) -> None:
    page, status = tablet.page, tablet.page.locator("#scan-status")
    top = top_of(page)
    held: list[Route] = []
    page.route("**/kiosk", lambda route: held.append(route))
    page.evaluate(NOTE_TIMES)
    tablet.scan(tablet.card)
    expect(status).to_have_text("Wird gelesen …")
    assert abs(top_of(page) - top) < 1
    assert 40 <= page.evaluate("saidAt - enterAt") <= 100
    held[0].continue_()
    tablet.expect("card")
    expect(status).to_have_text("")


NOTE_SOUNDS = """
window.sounds = [];
const start = OscillatorNode.prototype.start;
OscillatorNode.prototype.start = function (...when) {
  window.sounds.push(this.frequency.value);
  start.apply(this, when);
};
"""


def test_each_answer_has_its_own_sound_until_somebody_turns_it_off(tablet: Tablet) -> None:
    page = tablet.page
    page.add_init_script(NOTE_SOUNDS)
    page.goto("/kiosk")

    def sounds(text: str, result: str) -> list[float]:
        page.evaluate("sounds.length = 0")
        tablet.scan(text)
        expect(page.locator("[data-result]")).to_have_attribute("data-result", result)
        found: list[float] = page.evaluate("sounds")
        return found

    heard = [sounds(tablet.card, "ok"), sounds("9783499623479", "look"), sounds("4006381333931", "stop")]
    assert heard == [[880], [660, 660], [220, 220]]
    page.get_by_role("button", name="Ton ist an").click()
    page.reload()
    expect(page.get_by_role("button", name="Ton ist aus")).to_be_visible()
    assert sounds(tablet.other_card, "ok") == []
    expect(page.locator(".result__word .icon")).to_be_visible()


def test_the_last_thing_done_can_be_undone_after_a_reload_while_its_time_runs(tablet: Tablet) -> None:
    tablet.scan(tablet.card)
    tablet.scan(tablet.copies[0])
    tablet.expect("lent")
    with_clock(tablet)
    button = tablet.page.get_by_role("button", name="Rückgängig")
    expect(button).to_be_visible()
    button.click()
    expect(tablet.page.get_by_role("heading", name="Rückgängig gemacht")).to_be_visible()
    assert tablet.borrowed() == []
    tablet.scan(tablet.copies[1])
    tablet.expect("lent")
    tablet.page.reload()
    expect(button).to_be_visible()
    tablet.pass_time(31)
    expect(button).to_have_count(0)


def test_one_tap_on_ones_own_phone_borrows_and_brings_back(tablet: Tablet, page_at: PageAt) -> None:
    from bibliothek.members.actions import start_session
    from bibliothek.members.models import Member

    with tablet.server.library.database.writing() as db:
        session = start_session(db, db.get_one(Member, 2), tablet.server.clock())
    page = page_at(390, 844, cookies={"bibliothek": session})
    page.goto(f"/C/{tablet.copies[0]}")
    button: Any = page.get_by_role("button", name="Ausleihen")
    box = button.bounding_box()
    assert box["height"] >= 48
    assert box["y"] + box["height"] <= 844
    button.click()
    expect(page.get_by_text("bei dir bis 21. Dezember 2026")).to_be_visible()
    page.get_by_role("button", name="Zurückgeben").click()
    expect(page.get_by_text("Zurückgegeben, danke!")).to_be_visible()
    assert tablet.borrowed() == []


def test_signing_in_on_ones_own_phone_finishes_what_was_begun_there(tablet: Tablet, page_at: PageAt) -> None:
    from bibliothek.members.models import Member
    from bibliothek.members.sign_in import new_link

    page = page_at(390, 844)
    page.goto(f"/c/{tablet.copies[0]}")
    page.get_by_role("button", name="Anmelden und ausleihen").click()
    page.wait_for_url(re.compile("/anmelden"))
    with tablet.server.library.database.writing() as db:
        link = new_link(db, db.get_one(Member, 2), tablet.server.clock())
    page.goto(f"/anmelden/{link}")
    page.get_by_role("button", name="Dieses Gerät anmelden").click()
    page.wait_for_url(re.compile(f"/c/{tablet.copies[0]}"))
    # What was begun before is done now.
    expect(page.get_by_text("bei dir bis 21. Dezember 2026")).to_be_visible()
    assert tablet.borrowed() == [tablet.copies[0]]
