"""The camera as a scanner in a real browser: clips for its false camera, photos, and everything that can go wrong with a camera."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from playwright.sync_api import FilePayload, Locator, Page, Playwright, expect

from bibliothek.kiosk import actions as kiosk
from bibliothek.members import actions as members
from tests import make
from tests.browser.clips import (
    FAKECAM,
    NOTE_READS,
    SITUATIONS,
    as_held,
    chromium_seeing,
    clip,
    ean,
    packed,
    picture,
    qr,
)
from tests.browser.conftest import PageAt, Server
from tests.catalogue.drawn import TEXT, book

pytestmark = pytest.mark.browser

ISBN, SECOND, SHAMPOO = "9783551551672", "9783161484100", "4006381333931"
PHONE, TABLET = (390, 844), (1280, 800)
# A picture is read within a few hundred milliseconds; only a machine that does ten other things needs longer.
PATIENCE = 20_000

beside = pytest.mark.skipif(not FAKECAM.exists(), reason="what draws the clips does not lie beside this checkout")

CameraAt = Callable[..., Page]


@pytest.fixture
def seeing(playwright: Playwright) -> Iterator[Callable[..., object]]:
    """`seeing(clip)` starts a Chromium whose camera shows the clip."""
    with ExitStack() as open_browsers:
        yield lambda clip, *more: open_browsers.enter_context(chromium_seeing(playwright, clip, more))


@pytest.fixture
def camera_at(seeing: Callable[..., object], page_at: PageAt) -> CameraAt:
    """`camera_at(clip, size, path, cookies)` opens a page in a Chromium whose camera shows the clip."""

    def open_page(clip: Path, size: tuple[int, int], path: str, cookies: dict[str, str]) -> Page:
        page = page_at(*size, cookies=cookies, chromium=seeing(clip))
        page.goto(path)
        page.evaluate(NOTE_READS)
        return page

    return open_page


@pytest.fixture
def librarian(server: Server) -> dict[str, str]:
    with server.library.database.writing() as db:
        return {"bibliothek": members.start_session(db, make.admin(db), server.clock())}


@pytest.fixture
def tablet(server: Server) -> dict[str, str]:
    with server.library.database.writing() as db:
        make.admin(db)
        return {"tablet": kiosk.enrol(db, "Eingang", server.clock())}


def new_copy(server: Server) -> str:
    with server.library.database.writing() as db:
        return make.copy(db, title="Tschick").code


def label(code: str) -> str:
    return f"HTTPS://BIBLIOTHEK.EXAMPLE/C/{code}"


def switch_on(page: Page, name: str = "Kamera") -> Locator:
    page.get_by_role("button", name=name, exact=True).first.click()
    return page.get_by_role("dialog", name="Kamera")


def reads(page: Page) -> list[str]:
    return [read["text"] for read in page.evaluate("window.reads")]


def some_read(page: Page, count: int = 1) -> None:
    for _ in range(PATIENCE // 50):
        if len(reads(page)) >= count:
            return
        page.wait_for_timeout(50)
    pytest.fail(f"{len(reads(page))} of {count} codes were read")


# ---- Real pictures, read by zbar ----


@beside
@pytest.mark.parametrize("situation", SITUATIONS)
def test_an_isbn_is_read_however_a_book_is_held(
    camera_at: CameraAt, librarian: dict[str, str], tmp_path: Path, situation: str
) -> None:
    held = as_held("ean13", ISBN, situation, tmp_path / "book.mjpeg")
    page = camera_at(held, PHONE, "/spenden", librarian)
    switch_on(page)
    some_read(page)
    page.wait_for_timeout(500)
    assert reads(page) == [ISBN]
    expect(page.locator(f'#pile-rows [data-isbn="{ISBN}"]')).to_have_count(1)


@beside
@pytest.mark.parametrize("situation", SITUATIONS)
def test_a_label_is_read_however_a_book_is_held(
    server: Server, camera_at: CameraAt, tablet: dict[str, str], tmp_path: Path, situation: str
) -> None:
    code = new_copy(server)
    held = as_held("qr", label(code), situation, tmp_path / "label.mjpeg")
    page = camera_at(held, TABLET, "/kiosk", tablet)
    switch_on(page)
    some_read(page)
    page.wait_for_timeout(500)
    assert reads(page) == [code]
    expect(page.locator("[data-result]")).to_have_attribute("data-kind", "basket")


def test_book_after_book_gets_onto_the_pile_and_none_twice(
    camera_at: CameraAt, librarian: dict[str, str], tmp_path: Path
) -> None:
    books = clip(tmp_path / "pile.mjpeg", (picture(ean(ISBN)), 1.2), (picture(), 0.3), (picture(ean(SECOND)), 1.2))
    page = camera_at(books, PHONE, "/spenden", librarian)
    view = switch_on(page)
    some_read(page, 2)
    # Once more round: both come into sight again before they were away for three seconds.
    page.wait_for_timeout(3200)
    assert sorted(reads(page)) == sorted([ISBN, SECOND])
    expect(page.locator("#pile-rows [data-isbn]")).to_have_count(2)
    expect(view).to_be_visible()


def test_card_and_label_before_the_tablets_camera_borrow_without_a_tap(
    server: Server, camera_at: CameraAt, tablet: dict[str, str], tmp_path: Path
) -> None:
    code = new_copy(server)
    with server.library.database.writing() as db:
        card = make.card(db, make.member(db, "Mitglied 8"))
    # The ISBN on the same back stands aside, and says nothing afterwards either.
    both = picture(ean(ISBN), qr(label(code)))
    page = camera_at(clip(tmp_path / "kiosk.mjpeg", (picture(qr(card)), 1.5), (both, 2.5)), TABLET, "/kiosk", tablet)
    view = switch_on(page)
    expect(page.locator("[data-result]")).to_have_attribute("data-kind", "lent", timeout=PATIENCE)
    expect(page.locator("#result")).to_contain_text("Tschick")
    page.wait_for_timeout(1500)
    assert card not in page.content()
    assert ISBN not in reads(page)
    # The camera is still there after a reload, as a tablet needs it, until somebody closes it.
    page.reload()
    expect(view).to_be_visible()
    page.keyboard.press("Escape")
    expect(view).to_be_hidden()
    page.reload()
    expect(page.get_by_role("button", name="Kamera", exact=True)).to_be_visible()
    expect(view).to_be_hidden()


# ---- A camera that the page only believes in, and a reader that sees what the test says ----

FALSE_CAMERA = """
window.tracks = [];
window.sights = [[]];
window.constraints = [];
navigator.mediaDevices.getUserMedia = async (asked) => {
  window.constraints.push(asked);
  const canvas = Object.assign(document.createElement("canvas"), { width: 640, height: 360 });
  const context = canvas.getContext("2d");
  setInterval(() => context.fillRect(0, 0, 640, 360), 30);
  const stream = canvas.captureStream(30);
  window.tracks.push(...stream.getTracks());
  return stream;
};
window.BarcodeDetector = class {
  static async getSupportedFormats() { return ["ean_13", "qr_code"]; }
  async detect({ width, height }) {
    const seen = window.sights.length > 1 ? window.sights.shift() : window.sights[0];
    return seen.map(([format, rawValue, across = 0.5]) => (
      { format, rawValue, boundingBox: new DOMRect(across * width, height / 2, 0, 0) }
    ));
  }
};
"""


@pytest.fixture
def pile(page_at: PageAt, librarian: dict[str, str]) -> Page:
    """The pile on a phone with the false camera."""
    page = page_at(*PHONE, cookies=librarian)
    page.add_init_script(FALSE_CAMERA)
    page.goto("/spenden")
    page.evaluate(NOTE_READS)
    return page


def see(page: Page, *sights: list[list[object]]) -> None:
    """What the reader finds in the next pictures, the last for good: format, text, and how far across the picture (0 to 1)."""
    page.evaluate("sights => { window.sights = sights; }", list(sights))


def wait_for_sights(page: Page) -> None:
    for _ in range(200):
        if page.evaluate("window.sights.length") == 1:
            break
        page.wait_for_timeout(25)
    page.wait_for_timeout(300)


def is_off(page: Page) -> bool:
    states = page.evaluate("window.tracks.map(track => track.readyState)")
    return bool(states) and set(states) == {"ended"}


def said(page: Page) -> Locator:
    return page.get_by_role("dialog").get_by_role("status")


def test_the_browsers_own_reader_is_taken_and_nothing_fetched_before_the_button(pile: Page) -> None:
    fetched: list[str] = []
    pile.on("request", lambda request: fetched.append(request.url))
    pile.reload()
    pile.evaluate(NOTE_READS)
    assert not [url for url in fetched if "camera.js" in url]
    see(pile, [["ean_13", ISBN]])
    switch_on(pile)
    some_read(pile)
    assert [url for url in fetched if "camera.js" in url]
    assert not [url for url in fetched if "zbar" in url or "read-codes" in url]
    assert pile.evaluate("window.constraints[0].video.facingMode") == "environment"


def test_a_reader_that_was_only_promised_is_replaced(pile: Page) -> None:
    pile.evaluate(
        "() => { BarcodeDetector.prototype.detect = async () => { throw new DOMException('', 'NotSupportedError'); } }"
    )
    with pile.expect_response(re.compile(r"/zbar\.wasm")) as wasm:
        switch_on(pile)
    assert wasm.value.headers["content-type"] == "application/wasm"
    expect(said(pile)).to_contain_text("Halte den Strichcode")


def test_what_only_one_frame_says_counts_for_nothing(pile: Page) -> None:
    wrong = [["ean_13", SECOND]]
    right = [["ean_13", ISBN]]
    see(pile, wrong, right, wrong, [], right, wrong, right, right, [])
    switch_on(pile)
    wait_for_sights(pile)
    assert reads(pile) == [ISBN]


def test_a_number_with_a_wrong_check_digit_is_never_read(pile: Page) -> None:
    see(pile, [["ean_13", ISBN[:-1] + "0"]])
    switch_on(pile)
    expect(said(pile)).to_contain_text("keine ISBN")
    assert reads(pile) == []


@pytest.mark.parametrize(
    ("format_", "text", "sentence"),
    [
        ("ean_13", SHAMPOO, "Das ist ein Strichcode, aber keine ISBN: Die beginnt mit 978 oder 979."),
        ("qr_code", "https://example.org/werbung", "Dieser QR-Code ist keiner von hier."),
        ("qr_code", "https://example.org/c/RA12B", "Dieser QR-Code ist keiner von hier."),
    ],
)
def test_what_is_no_book_is_refused_kindly(pile: Page, format_: str, text: str, sentence: str) -> None:
    see(pile, [[format_, text]])
    switch_on(pile)
    expect(said(pile)).to_have_text(sentence)
    see(pile, [[format_, text], ["ean_13", ISBN, 0.9]])
    some_read(pile)
    assert reads(pile) == [ISBN]
    expect(pile.locator("#pile-rows [data-isbn]")).to_have_count(1)


def test_a_label_on_the_pile_is_named_as_out_of_place(server: Server, pile: Page) -> None:
    see(pile, [["qr_code", label(new_copy(server)).lower() + "/?von=handy"]])
    switch_on(pile)
    expect(said(pile)).to_have_text(
        "Dieser Code gehört nicht hierher. Halte den Strichcode auf der Rückseite ins Bild."
    )


def test_the_price_beside_an_isbn_is_not_mentioned(pile: Page) -> None:
    see(pile, [["ean_13", SHAMPOO], ["ean_13", ISBN, 0.9]])
    switch_on(pile)
    some_read(pile)
    for _ in range(8):
        pile.wait_for_timeout(200)
        assert "keine ISBN" not in said(pile).inner_text()


def test_a_second_copy_counts_once_the_first_was_out_of_sight(pile: Page) -> None:
    see(pile, [["ean_13", ISBN]])
    switch_on(pile)
    some_read(pile)
    expect(said(pile)).to_contain_text("Schon gescannt", timeout=6000)
    see(pile, [])
    pile.wait_for_timeout(3200)
    see(pile, [["ean_13", ISBN]])
    some_read(pile, 2)
    assert reads(pile) == [ISBN, ISBN]
    expect(pile.locator("#pile-rows [data-isbn]")).to_have_count(2)


def test_of_two_books_in_sight_the_one_in_the_middle_is_meant(pile: Page) -> None:
    both = [["ean_13", SECOND, 0.1], ["ean_13", ISBN, 0.55]]
    see(pile, both, both, [])
    switch_on(pile)
    wait_for_sights(pile)
    assert reads(pile) == [ISBN]


@pytest.mark.parametrize("how", ["escape", "button", "hidden"])
def test_the_camera_goes_off_when_nobody_needs_it(pile: Page, how: str) -> None:
    view = switch_on(pile)
    expect(said(pile)).to_contain_text("Halte den Strichcode")
    assert not is_off(pile)
    if how == "escape":
        pile.keyboard.press("Escape")
        expect(view).to_be_hidden()
        expect(pile.locator("#pile-isbn")).to_be_focused()
    elif how == "button":
        view.get_by_role("button", name="Schließen").click()
        expect(view).to_be_hidden()
    else:
        pile.evaluate("Object.defineProperty(document, 'hidden', { value: true, configurable: true })")
        pile.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
        expect(said(pile)).to_contain_text("solange diese Seite nicht zu sehen ist")
    assert is_off(pile)
    if how == "hidden":
        pile.evaluate("delete document.hidden; document.dispatchEvent(new Event('visibilitychange'))")
        expect(said(pile)).to_contain_text("Halte den Strichcode")
        assert not is_off(pile)


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        ("NotAllowedError", "lässt diese Seite nicht an die Kamera"),
        ("NotFoundError", "keine Kamera zu finden"),
        ("NotReadableError", "wird gerade anderswo gebraucht"),
    ],
)
def test_a_camera_that_does_not_come_says_why_and_a_photo_will_do(pile: Page, error: str, sentence: str) -> None:
    works = "const works = navigator.mediaDevices.getUserMedia;"
    pile.evaluate(
        f"""() => {{ {works} let tries = 0; navigator.mediaDevices.getUserMedia = async (asked) => {{
          if (tries++) return works(asked);
          throw new DOMException("", "{error}");
        }}; }}"""
    )
    view = switch_on(pile)
    expect(said(pile)).to_contain_text(sentence)
    expect(view.get_by_role("button", name="Foto machen")).to_be_visible()
    view.get_by_role("button", name="Noch einmal versuchen").click()
    expect(said(pile)).to_contain_text("Halte den Strichcode")


def test_a_camera_that_is_pulled_out_is_missed(pile: Page) -> None:
    switch_on(pile)
    expect(said(pile)).to_contain_text("Halte den Strichcode")
    pile.evaluate("window.tracks[0].dispatchEvent(new Event('ended'))")
    expect(said(pile)).to_contain_text("Die Kamera ist ausgegangen.")
    assert is_off(pile)


def test_a_camera_that_sees_nothing_gives_advice_and_goes_off(pile: Page) -> None:
    pile.evaluate(
        """() => {
          window.ahead = 0;
          const now = performance.now.bind(performance);
          performance.now = () => now() + window.ahead;
        }"""
    )
    view = switch_on(pile)
    expect(said(pile)).to_contain_text("Halte den Strichcode")
    pile.evaluate("window.ahead = 8_001")
    expect(said(pile)).to_contain_text("Geh näher heran")
    pile.evaluate("window.ahead = 180_001")
    expect(said(pile)).to_contain_text("weil lange nichts zu lesen war")
    assert is_off(pile)
    expect(view.get_by_role("button", name="Noch einmal versuchen")).to_be_visible()


def test_light_and_another_camera_are_offered_where_they_are(pile: Page) -> None:
    view = switch_on(pile)
    expect(said(pile)).to_contain_text("Halte den Strichcode")
    for name in ("Licht", "Andere Kamera"):
        expect(view.get_by_role("button", name=name)).to_be_hidden()
    pile.keyboard.press("Escape")
    pile.evaluate(
        """() => {
          MediaStreamTrack.prototype.getCapabilities = () => ({ torch: true });
          MediaStreamTrack.prototype.applyConstraints = async (asked) => { window.asked = asked; };
          navigator.mediaDevices.enumerateDevices = async () =>
            ["vorn", "hinten"].map((deviceId) => ({ kind: "videoinput", deviceId }));
        }"""
    )
    switch_on(pile)
    torch = view.get_by_role("button", name="Licht")
    torch.click()
    expect(torch).to_have_attribute("aria-pressed", "true")
    assert pile.evaluate("window.asked") == {"advanced": [{"torch": True}]}
    view.get_by_role("button", name="Andere Kamera").click()
    expect(said(pile)).to_contain_text("Halte den Strichcode")
    assert pile.evaluate("window.constraints.at(-1).video.deviceId") == {"ideal": "vorn"}


def test_a_scanner_still_types_while_the_camera_is_on(pile: Page) -> None:
    switch_on(pile)
    field = pile.locator("#pile-isbn")
    expect(field).to_be_focused()
    expect(field).to_have_attribute("inputmode", "none")
    pile.keyboard.type(SECOND, delay=4)
    pile.keyboard.press("Enter")
    expect(pile.locator(f'#pile-rows [data-isbn="{SECOND}"]')).to_have_count(1)
    pile.keyboard.press("Escape")
    expect(field).to_have_attribute("inputmode", "text")


# ---- Fields that want one code ----


def test_at_the_desk_label_and_card_are_scanned_and_the_book_is_lent(
    server: Server, page_at: PageAt, librarian: dict[str, str]
) -> None:
    code = new_copy(server)
    with server.library.database.writing() as db:
        card = make.card(db, make.member(db, "Mitglied 8"))
    page = page_at(*PHONE, cookies=librarian)
    page.add_init_script(FALSE_CAMERA)
    page.goto("/verwaltung/ausleihen")
    buttons = page.get_by_role("button", name="Mit der Kamera scannen")
    see(page, [["qr_code", label(code)], ["ean_13", ISBN]])
    buttons.nth(1).click()
    expect(page.locator("#f-copy")).to_have_value(code)
    expect(page.locator("#f-member")).to_be_focused()
    expect(page.get_by_role("dialog")).to_be_hidden()
    assert is_off(page)
    see(page, [["qr_code", card]])
    buttons.nth(2).click()
    expect(page.locator(".flash")).to_contain_text("Mitglied 8 hat jetzt „Tschick“")
    see(page, [["qr_code", label(code)]])
    buttons.nth(0).click()
    expect(page.locator(".flash")).to_contain_text("„Tschick“ ist zurück.")


def test_the_form_of_a_book_keeps_a_scanned_isbn_to_be_looked_over(page_at: PageAt, librarian: dict[str, str]) -> None:
    page = page_at(*PHONE, cookies=librarian)
    page.add_init_script(FALSE_CAMERA)
    page.goto("/spenden/buch")
    page.locator("#f-title").fill("Tschick")
    see(page, [["ean_13", ISBN]])
    page.get_by_role("button", name="Mit der Kamera scannen").first.click()
    expect(page.locator("#f-isbn")).to_have_value(ISBN)
    expect(page.locator("#f-isbn")).to_be_focused()
    assert page.url.endswith("/spenden/buch")


@pytest.mark.parametrize("path", ["/", "/katalog"])
def test_anybody_finds_a_book_by_scanning_it(server: Server, page_at: PageAt, path: str) -> None:
    with server.library.database.writing() as db:
        make.admin(db)
        make.copy(db, make.title(db, "Tschick", isbns=(ISBN,)))
    page = page_at(*PHONE)
    page.add_init_script(FALSE_CAMERA)
    page.goto(path)
    see(page, [["ean_13", ISBN]])
    switch_on(page)
    page.wait_for_url(re.compile(f"/katalog.*q={ISBN}"))
    expect(page.locator(".book__title")).to_have_text("Tschick")


def test_a_label_scanned_where_a_code_is_asked_opens_its_book(server: Server, page_at: PageAt) -> None:
    code = new_copy(server)
    with server.library.database.writing() as db:
        make.admin(db)
    page = page_at(*PHONE)
    page.add_init_script(FALSE_CAMERA)
    page.goto("/c")
    see(page, [["qr_code", label(code)]])
    switch_on(page, "Mit der Kamera scannen")
    page.wait_for_url(re.compile(f"/c/{code}$"))


# ---- Photos ----


@pytest.fixture
def plain_http(seeing: Callable[..., object], page_at: PageAt, server: Server, tmp_path: Path) -> Page:
    """The catalogue by plain http from another host, where browsers lend no camera."""
    with server.library.database.writing() as db:
        make.admin(db)
        make.copy(db, make.title(db, "Tschick", isbns=(ISBN,)))
    nothing = clip(tmp_path / "nothing.mjpeg", (picture(), 0.1))
    chromium = seeing(nothing, "--host-resolver-rules=MAP bibliothek.test 127.0.0.1")
    page = page_at(*PHONE, chromium=chromium, base_url=server.url.replace("127.0.0.1", "bibliothek.test"))
    page.goto("/katalog")
    return page


def send_photo(page: Page, button: Locator, content: bytes, name: str = "foto.jpg") -> None:
    with page.expect_file_chooser() as chooser:
        button.click()
    chooser.value.set_files(FilePayload(name=name, mimeType="image/jpeg", buffer=content))


def test_without_https_a_photo_is_read_and_the_page_says_why(plain_http: Page) -> None:
    page = plain_http
    assert not page.evaluate("window.isSecureContext")
    expect(page.get_by_text("Ohne HTTPS gibt es hier kein Kamerabild.")).to_be_visible()
    expect(page.get_by_role("button", name="Kamera", exact=True)).to_be_hidden()
    button = page.get_by_role("button", name="Foto", exact=True)
    refused = {
        "kein Code zu erkennen": book(),
        "kein Bild, das der Browser öffnen kann": TEXT,
        "keine ISBN": packed(picture(ean(SHAMPOO))),
    }
    for sentence, content in refused.items():
        send_photo(page, button, content)
        expect(said(page)).to_contain_text(sentence, timeout=PATIENCE)
        expect(page.get_by_role("button", name="Noch einmal versuchen")).to_be_hidden()
        button = page.get_by_role("dialog").get_by_role("button", name="Foto machen")
    tilted = picture(ean(ISBN)).rotate(30, fillcolor=120).resize((3000, 1688))
    send_photo(page, button, packed(tilted))
    page.wait_for_url(re.compile(f"q={ISBN}"), timeout=PATIENCE)
    expect(page.get_by_role("dialog")).to_be_hidden()
    expect(page.locator(".book__title")).to_have_text("Tschick")


def test_of_several_codes_in_a_photo_one_is_chosen(plain_http: Page) -> None:
    page = plain_http
    photo = packed(picture(ean(SECOND), ean(ISBN)))
    send_photo(page, page.get_by_role("button", name="Foto", exact=True), photo)
    expect(said(page)).to_have_text("Auf dem Foto sind mehrere Codes. Welchen meinst du?", timeout=PATIENCE)
    page.get_by_role("button", name=ISBN).click()
    page.wait_for_url(re.compile(f"q={ISBN}"))


def test_a_photo_goes_the_same_way_as_a_scan(pile: Page) -> None:
    pile.evaluate(
        "() => { navigator.mediaDevices.getUserMedia = async () => { throw new DOMException('', 'NotFoundError'); } }"
    )
    view = switch_on(pile)
    see(pile, [["ean_13", ISBN]])
    send_photo(pile, view.get_by_role("button", name="Foto machen"), book())
    expect(pile.locator(f'#pile-rows [data-isbn="{ISBN}"]')).to_have_count(1)
    expect(view).to_be_hidden()


def test_a_photo_that_is_too_large_is_refused(pile: Page) -> None:
    pile.evaluate(
        "() => { navigator.mediaDevices.getUserMedia = async () => { throw new DOMException('', 'AbortError'); } }"
    )
    pile.evaluate("() => { Object.defineProperty(File.prototype, 'size', { get: () => 25_000_001 }); }")
    view = switch_on(pile)
    send_photo(pile, view.get_by_role("button", name="Foto machen"), book())
    expect(said(pile)).to_contain_text("höchstens 25 MB")
    assert reads(pile) == []


# ---- Without ----


def test_without_scripts_there_is_no_camera_button(page_at: PageAt, librarian: dict[str, str]) -> None:
    page = page_at(*PHONE, cookies=librarian, java_script_enabled=False)
    for path in ("/", "/katalog", "/spenden", "/spenden/buch", "/verwaltung/ausleihen", "/c"):
        page.goto(path)
        assert page.locator(".camera-ask").count() > 0, path
        assert page.locator(".camera-ask:visible, .camera-why:visible, dialog:visible").count() == 0, path


def test_a_reader_that_cannot_be_fetched_says_so_and_is_fetched_anew(pile: Page) -> None:
    pile.evaluate("delete window.BarcodeDetector")
    pile.route("**/zbar.wasm*", lambda route: route.abort("connectionrefused"))
    view = switch_on(pile)
    expect(said(pile)).to_contain_text("ließ sich nicht laden", timeout=PATIENCE)
    assert is_off(pile)
    pile.unroute("**/zbar.wasm*")
    view.get_by_role("button", name="Noch einmal versuchen").click()
    expect(said(pile)).to_contain_text("Halte den Strichcode")
    pile.wait_for_timeout(500)
    expect(said(pile)).to_contain_text("Halte den Strichcode")


def test_a_camera_that_cannot_be_fetched_says_so(pile: Page) -> None:
    pile.route("**/camera.js*", lambda route: route.abort("connectionrefused"))
    view = switch_on(pile)
    expect(said(pile)).to_contain_text("Prüfe die Verbindung und lade die Seite neu.")
    pile.keyboard.press("Escape")
    expect(view).to_be_hidden()
