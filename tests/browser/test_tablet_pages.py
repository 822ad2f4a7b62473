"""The tablet's other pages in a real browser: the catalogue and the donation form on a device that belongs to everybody."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import update

from bibliothek.codes import command_code
from bibliothek.kiosk import actions as kiosk
from bibliothek.library.models import Library
from tests import make
from tests.browser.conftest import PageAt, Server

pytestmark = pytest.mark.browser


@pytest.fixture
def cookies(server: Server) -> dict[str, str]:
    with server.library.database.writing() as db:
        make.admin(db)
        return {"tablet": kiosk.enrol(db, "Eingang", server.clock())}


def scan(page: Page, text: str) -> None:
    page.keyboard.type(text, delay=4)
    page.keyboard.press("Enter")


AT_ONCE = """(text) => {
  const field = document.activeElement;
  for (const key of text) {
    field.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
    if (field !== document.body) field.value += key;
  }
  field.dispatchEvent(new InputEvent("input", { bubbles: true }));
  const enter = new KeyboardEvent("keydown", { key: "Enter", bubbles: true, cancelable: true });
  if (field.dispatchEvent(enter)) field.form?.requestSubmit();
}"""


def scan_at_once(page: Page, text: str) -> None:
    """As `scan`, where the time between two keys decides: however busy the machine is, it is that of a scanner."""
    page.evaluate(AT_ONCE, text)


@pytest.mark.parametrize("path", ["/spenden", "/spenden/buch", "/katalog"])
def test_a_page_left_open_on_the_tablet_goes_back_to_scanning(
    page_at: PageAt, cookies: dict[str, str], path: str
) -> None:
    page = page_at(1280, 800, cookies=cookies)
    page.clock.install()
    page.goto(path)
    page.clock.run_for(80_000)
    page.keyboard.press("Shift")
    page.clock.run_for(80_000)
    assert page.url.endswith(path)
    page.clock.run_for(11_000)
    page.wait_for_url(re.compile("/kiosk$"))


def test_what_a_guest_typed_and_left_goes_too_and_a_scan_there_is_done(
    server: Server, page_at: PageAt, cookies: dict[str, str]
) -> None:
    with server.library.database.writing() as db:
        db.execute(update(Library).values(takes_guests=True))
        card = make.card(db, make.member(db, "Mitglied 8"))
    page = page_at(1280, 800, cookies=cookies)
    page.clock.install()
    page.goto("/kiosk/gast")
    page.get_by_label("Dein Vorname").fill("Gast")
    page.clock.run_for(91_000)
    page.wait_for_url(re.compile("/kiosk$"))
    page.goto("/kiosk/gast")
    page.get_by_label("Dein Vorname").focus()
    scan_at_once(page, card)
    expect(page.locator("[data-result]")).to_have_attribute("data-kind", "card")


def test_a_tablet_without_scripts_goes_back_to_scanning_too(page_at: PageAt, cookies: dict[str, str]) -> None:
    page = page_at(1280, 800, cookies=cookies, java_script_enabled=False)
    for path, times in (("/spenden", 1), ("/kiosk", 0)):
        page.goto(path)
        assert page.locator('meta[http-equiv="refresh"]').count() == times


def test_a_scan_that_no_field_expects_is_done(server: Server, page_at: PageAt, cookies: dict[str, str]) -> None:
    with server.library.database.writing() as db:
        card = make.card(db, make.member(db, "Mitglied 8"))
    page = page_at(1280, 800, cookies=cookies)
    page.goto("/katalog")
    page.evaluate("document.activeElement.blur()")
    scan_at_once(page, card)
    expect(page.locator("[data-result]")).to_have_attribute("data-kind", "card")
    expect(page.locator("#scan")).to_be_focused()


@pytest.mark.parametrize("path", ["/katalog", "/c"])
def test_a_code_scanned_into_another_field_is_done_as_well(
    server: Server, page_at: PageAt, cookies: dict[str, str], path: str
) -> None:
    with server.library.database.writing() as db:
        card = make.card(db, make.member(db, "Mitglied 8"))
        label = f"HTTP://BIBLIOTHEK.LOCAL/C/{make.copy(db).code}"
    page = page_at(1280, 800, cookies=cookies)
    for code, kind in ((card, "card"), (label, "lent"), (command_code("undo"), "command")):
        page.goto(path)
        page.locator("main input:not([type=checkbox])").first.focus()
        scan_at_once(page, code)
        expect(page.locator("[data-result]")).to_have_attribute("data-kind", kind)
        assert card not in page.content()


def test_what_a_person_types_and_what_is_no_code_stays_in_its_field(
    server: Server, page_at: PageAt, cookies: dict[str, str]
) -> None:
    with server.library.database.writing() as db:
        code = make.copy(db).code
    page = page_at(1280, 800, cookies=cookies)
    wrong = code[:-1] + ("0" if code[-1] != "0" else "1")
    for text in (code, wrong, "Bananen"):
        page.goto("/c")
        page.locator("#code").focus()
        if text == code:
            page.keyboard.type(text, delay=130)
            page.keyboard.press("Enter")
        else:
            scan_at_once(page, text)
        # As this field's own form does it: the copy is shown, and nothing is done.
        page.wait_for_url(re.compile(f"/kiosk.exemplar={text}$", re.IGNORECASE))


def test_a_card_scanned_for_the_donor_stays_in_the_form(
    server: Server, page_at: PageAt, cookies: dict[str, str]
) -> None:
    with server.library.database.writing() as db:
        card = make.card(db, make.member(db, "Mitglied 8"))
    page = page_at(1280, 800, cookies=cookies)
    page.goto("/spenden/buch")
    page.locator("#f-title").fill("Zine")
    page.locator("#f-donor").focus()
    scan_at_once(page, card)
    expect(page.locator("main")).to_contain_text("ist aufgenommen")


def test_an_ordinary_browser_stays_where_it_is(page_at: PageAt, cookies: dict[str, str]) -> None:
    page = page_at(1280, 800)
    page.goto("/katalog")
    assert page.locator("#scan-elsewhere").count() == 0
    assert page.locator('script[src*="away"]').count() == 0


def test_the_next_scan_follows_one_that_was_wrong(page_at: PageAt, cookies: dict[str, str]) -> None:
    page = page_at(1280, 800, cookies=cookies)
    page.goto("/spenden")
    for wrong in ("9783551551673", "4006381333931"):
        scan(page, wrong)
        expect(page.locator("[role=alert]").first).to_contain_text(wrong)
        expect(page.locator("#pile-isbn")).to_have_value("")
