"""Labels and cards as they come out of the printer, looked at by pdftoppm, zxing-cpp, pdffonts and pdftotext."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from msgspec.structs import replace
from PIL import Image, ImageOps

from bibliothek.codes import Kind, Scanned, new_code, read
from bibliothek.i18n import use_language
from bibliothek.labels.drawing import grouped
from bibliothek.labels.pdf import (
    CARD,
    CardText,
    LabelText,
    NothingToPrint,
    ShelfText,
    label_sheet,
    member_cards,
    shelf_labels,
)
from bibliothek.labels.qr import copy_url
from bibliothek.labels.sheets import SHEETS, NoSuchPlace, Sheet, positions
from tests.labels.printed import Printed

L7160 = SHEETS["L7160"]
BASE = "https://bibliothek.example.org"
LIBRARY = "Bibliothek im Hinterhaus"
TITLES = [
    ("Die Kunst des Liebens", "Erich Fromm", "Regal 1"),
    ("Österreichische Gesellschaftswissenschaftsgrundlagen für Jede und Jeden", "Jürgen Groß und andere", "Ökonomie"),
    ("Мастер и Маргарита", "Михаил Булгаков", "Русский"),
    ("İnce Memed", "Yaşar Kemal", "Türkçe"),
    ("", "", ""),
]
ODD_TITLES = [
    "",
    " ",
    "x" * 500,
    "Wort " * 100,
    "🎉🎉",
    "三体",
    "שלום עולם",
    "مرحبا",
    "\x00\x1b[31m\u202e",
    "\ud800",
    "(\\) Tj ET",
    "a\u0308" * 90,
    "{title} %s",
]


def some_labels(count: int) -> list[LabelText]:
    return [LabelText(new_code(Kind.COPY), *TITLES[number % len(TITLES)]) for number in range(count)]


def some_cards(count: int) -> list[CardText]:
    return [CardText(new_code(Kind.CARD), f"Mitglied {number + 1}") for number in range(count)]


def sheet_of(labels: list[LabelText], sheet: Sheet = L7160, start: int = 1, base_url: str = BASE) -> bytes:
    return label_sheet(labels, sheet, base_url=base_url, library=LIBRARY, start=start)


@pytest.mark.parametrize("dpi", [150, 200, 300])
def test_a_full_sheet_of_21_labels_is_read_back_completely(dpi: int, tmp_path: Path) -> None:
    labels = some_labels(21)
    codes = Printed(sheet_of(labels), tmp_path).codes(dpi)
    assert [code.text for code in codes] == [copy_url(BASE, label.code) for label in labels]


@pytest.mark.parametrize("base_url", [BASE, "http://192.168.1.20:8000", "https://example.org/gruppe/buecher"])
@pytest.mark.parametrize("sheet", SHEETS.values(), ids=SHEETS)
def test_every_sheet_is_read_back_completely_at_150_dpi(sheet: Sheet, base_url: str, tmp_path: Path) -> None:
    labels = some_labels(sheet.places)
    codes = Printed(sheet_of(labels, sheet, base_url=base_url), tmp_path).codes(150)
    assert [code.text for code in codes] == [copy_url(base_url, label.code) for label in labels]


def test_what_is_read_from_a_label_is_the_copy(tmp_path: Path) -> None:
    [label] = some_labels(1)
    [code] = Printed(sheet_of([label]), tmp_path).codes(150)
    assert read(code.text) == Scanned("copy", label.code)


def test_the_codes_stand_to_the_tenth_of_a_millimetre_where_the_labels_are(tmp_path: Path) -> None:
    codes = Printed(sheet_of(some_labels(21)), tmp_path).codes(600)
    [places] = positions(L7160, 1, 21)
    for code, place in zip(codes, places, strict=True):
        assert code.x - place.x == pytest.approx(3.0, abs=0.1)
        assert code.y - place.y == pytest.approx(codes[0].y - places[0].y, abs=0.1)


@pytest.mark.parametrize("base_url", [BASE, "http://10.0.0.2"])
@pytest.mark.parametrize("sheet", SHEETS.values(), ids=SHEETS)
def test_the_qr_code_is_at_least_22_mm_wide(sheet: Sheet, base_url: str, tmp_path: Path) -> None:
    untitled = LabelText(new_code(Kind.COPY), "", "", "")
    [page] = Printed(sheet_of([untitled], sheet, base_url=base_url), tmp_path).pages(300)
    _left, upper, _right, _lower = ink_of(page, sheet.margin_left, sheet.margin_top, sheet, 300)
    # Without a title the highest ink is the upper edge of the QR code, dark at both ends, where its finder patterns are.
    edge = replace(sheet, label_height=1.0)
    left, _upper, right, _lower = ink_of(page, sheet.margin_left, sheet.margin_top + upper, edge, 300)
    assert right - left >= 21.9


def test_start_position_5_leaves_the_first_four_places_free(tmp_path: Path) -> None:
    labels = some_labels(3)
    codes = Printed(sheet_of(labels, start=5), tmp_path).codes(150)
    places = positions(L7160, 5, 3)[0]
    assert [code.text for code in codes] == [copy_url(BASE, label.code) for label in labels]
    for code, place in zip(codes, places, strict=True):
        assert place.x < code.x < place.x + 63.5
        assert place.y < code.y < place.y + 38.1


def test_22_labels_make_two_pages_and_21_make_one(tmp_path: Path) -> None:
    labels = some_labels(22)
    printed = Printed(sheet_of(labels), tmp_path)
    assert printed.about()["Pages"] == "2"
    assert [code.page for code in printed.codes(150)] == [0] * 21 + [1]
    assert Printed(sheet_of(labels[:21]), tmp_path).about()["Pages"] == "1"


@pytest.mark.parametrize("sheet", SHEETS.values(), ids=SHEETS)
def test_no_ink_comes_near_the_edge_of_a_label(sheet: Sheet, tmp_path: Path) -> None:
    """Also with the longest titles and dots on capitals, so that a page printed 2 mm aside is still good."""
    odd = [
        LabelText(new_code(Kind.COPY), title * 9 or "Ägäis", title or "Éluard", title * 9)
        for title in ("", *ODD_TITLES)
    ]
    labels = (odd + some_labels(sheet.places))[: sheet.places]
    [page] = Printed(sheet_of(labels, sheet), tmp_path).pages(200)
    for place in positions(sheet, 1, sheet.places)[0]:
        ink = ink_of(page, place.x, place.y, sheet, 200)
        assert ink[0] >= sheet.safe_x - 0.2
        assert ink[1] >= sheet.safe_y - 0.2
        assert ink[2] <= sheet.label_width - sheet.safe_x + 0.2
        assert ink[3] <= sheet.label_height - sheet.safe_y + 0.2


def ink_of(page: Image.Image, x: float, y: float, sheet: Sheet, dpi: int) -> tuple[float, float, float, float]:
    """Left, upper, right and lower edge of what is printed on one label, in millimetres from its upper left corner."""
    dots = dpi / 25.4
    edges = (x * dots, y * dots, (x + sheet.label_width) * dots, (y + sheet.label_height) * dots)
    box = ImageOps.invert(page.crop(tuple(round(edge) for edge in edges))).getbbox()
    assert box is not None
    return box[0] / dots, box[1] / dots, box[2] / dots, box[3] / dots


def test_every_font_is_embedded_and_is_ours(tmp_path: Path) -> None:
    for pdf in (sheet_of(some_labels(3)), member_cards(some_cards(1), library=LIBRARY)):
        fonts = Printed(pdf, tmp_path).fonts()
        assert fonts
        for name, *_kind, embedded, _subset, has_unicode, _object, _generation in fonts:
            assert name.partition("+")[2] in ("DejaVuSans", "DejaVuSans-Bold", "DejaVuSansMono-Bold")
            assert embedded == "yes"
            assert has_unicode == "yes"
        assert b"Helvetica" not in pdf


def test_the_text_holds_codes_in_one_piece_and_titles_in_their_own_letters(tmp_path: Path) -> None:
    labels = some_labels(5)
    text = Printed(sheet_of(labels), tmp_path).text()
    for label in labels:
        assert label.code in text
    for word in ("Liebens", "Erich Fromm", "Маргарита", "İnce Memed", "Yaşar Kemal", "Türkçe", "Jürgen Groß", LIBRARY):
        assert word in text


def test_a_code_is_printed_in_groups_that_read_as_the_same_code() -> None:
    assert grouped("B7KD3A2") == "B 7KD 3A2"
    assert grouped("R2K7M") == "R 2K7M"
    assert grouped("M" + "7KD3" * 7) == "M" + " 7KD3" * 7
    for kind in Kind:
        code = new_code(kind)
        assert read(grouped(code)).value == code


@pytest.mark.parametrize("title", ODD_TITLES)
def test_odd_titles_are_printed_without_complaint(title: str, tmp_path: Path) -> None:
    label = LabelText(new_code(Kind.COPY), title, title, title)
    pdf = label_sheet([label], L7160, base_url=BASE, library=title)
    printed = Printed(pdf, tmp_path)
    assert [code.text for code in printed.codes(150)] == [copy_url(BASE, label.code)]
    assert label.code in printed.text()
    assert member_cards([CardText(new_code(Kind.CARD), title)], library=title)


def test_the_same_labels_make_the_same_bytes() -> None:
    labels, cards = some_labels(22), some_cards(2)
    assert sheet_of(labels) == sheet_of(labels)
    assert member_cards(cards, library=LIBRARY) == member_cards(cards, library=LIBRARY)


def test_two_librarians_may_print_at_once() -> None:
    orders = [some_labels(number) for number in range(1, 13)]
    alone = [sheet_of(order) for order in orders]
    patience = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(4) as pool:
            assert list(pool.map(sheet_of, orders)) == alone
    finally:
        sys.setswitchinterval(patience)


def test_the_document_says_what_it_is_but_not_who_made_it(tmp_path: Path) -> None:
    about = Printed(sheet_of(some_labels(1)), tmp_path).about()
    assert about["Title"] == f"Etiketten · {LIBRARY}"
    assert about["Author"] == ""
    assert about["Page size"].endswith("(A4)")


def test_print_dialogs_are_told_not_to_shrink_the_page() -> None:
    assert b"/PrintScaling /None" in sheet_of(some_labels(1))


def test_no_labels_and_impossible_places_are_refused() -> None:
    with pytest.raises(NothingToPrint):
        sheet_of([])
    with pytest.raises(NothingToPrint):
        member_cards([], library=LIBRARY)
    with pytest.raises(NoSuchPlace):
        sheet_of(some_labels(1), start=22)


def test_the_label_of_a_shelf_shows_its_name_and_is_read_as_the_shelf(tmp_path: Path) -> None:
    shelves = [
        ShelfText(new_code(Kind.SHELF), name)
        for name in ("Regal 1", "Politische Ökonomie", "Gesellschaftswissenschaften")
    ]
    printed = Printed(shelf_labels(shelves, L7160, base_url=BASE, library=LIBRARY), tmp_path)
    assert [read(code.text) for code in printed.codes(150)] == [Scanned("shelf", shelf.code) for shelf in shelves]
    text = printed.text()
    assert "Regal 1" in text
    assert all(shelf.code in text for shelf in shelves)
    assert printed.about()["Title"].startswith("Regaletiketten")


@pytest.mark.parametrize("dpi", [150, 300])
def test_member_cards_hold_the_plain_code_and_are_read_back(dpi: int, tmp_path: Path) -> None:
    cards = some_cards(11)
    codes = Printed(member_cards(cards, library=LIBRARY), tmp_path).codes(dpi)
    assert [code.text for code in codes] == [card.code for card in cards]
    assert [code.page for code in codes] == [0] * 10 + [1]


def test_a_member_card_says_whose_it_is_what_it_does_and_where_it_belongs(tmp_path: Path) -> None:
    [card] = some_cards(1)
    text = Printed(member_cards([card], library=LIBRARY), tmp_path).text()
    for words in ("Mitglied 1", LIBRARY, card.code, "Karte scannen, Buch scannen: ausgeliehen.", "Gefunden?"):
        assert words in text


def test_member_cards_have_the_size_of_bank_cards_and_stay_off_the_cut(tmp_path: Path) -> None:
    assert (CARD.label_width, CARD.label_height) == (85.6, 54.0)
    assert 2 * CARD.margin_left + 2 * 85.6 == pytest.approx(210)
    assert 2 * CARD.margin_top + 5 * 54 == pytest.approx(297)
    cards = [CardText(new_code(Kind.CARD), name) for name in ("Ä" * 200, "Mitglied Ö", *ODD_TITLES[:8])]
    [page] = Printed(member_cards(cards, library="Österreichische Bibliothek " * 9), tmp_path).pages(200)
    for place in positions(CARD, 1, 10)[0]:
        left, upper, right, lower = ink_of(page, place.x, place.y, CARD, 200)
        assert left >= 3
        assert upper >= 3
        assert right <= 82.6
        assert lower <= 51


def test_cutting_marks_stand_outside_the_cards_on_every_cut(tmp_path: Path) -> None:
    [page] = Printed(member_cards(some_cards(1), library=LIBRARY), tmp_path).pages(300)
    dots = 300 / 25.4
    above = ImageOps.invert(page.crop((0, 0, page.width, round(13 * dots))))
    marked = [x for x in range(above.width) if above.crop((x, 0, x + 1, above.height)).getbbox()]
    cuts = [19.4, 105.0, 190.6]
    assert all(min(abs(x / dots - cut) for x in marked) < 0.2 for cut in cuts)
    # The level marks of the uppermost cut lie beside the cards, not on them.
    assert not [x for x in marked if 20 < x / dots < 104]


def test_cards_and_labels_speak_the_language_of_the_moment() -> None:
    with use_language("en"):
        assert b"/Lang (en)" in sheet_of(some_labels(1))
    assert b"/Lang (de)" in sheet_of(some_labels(1))


def test_a_missing_poppler_names_the_one_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    printed = Printed(b"", tmp_path)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(pytest.fail.Exception, match="apt-get install -y --no-install-recommends poppler-utils"):
        printed.pages(150)


def test_a_label_names_one_person_whole_rather_than_two_in_part(tmp_path: Path) -> None:
    long = "Die Geschichte der Arbeiterbewegung in Ostwestfalen-Lippe von 1848 bis heute"
    labels = [
        LabelText(new_code(Kind.COPY), "Zine", "Gül Öztürk, Jürgen Übermut-Schlüter", "Romane"),
        LabelText(new_code(Kind.COPY), long, "Kim Maier", ""),
    ]
    text = " ".join(Printed(sheet_of(labels), tmp_path).text().split())
    assert "Gül Öztürk u. a." in text
    assert "…" not in text
    assert "heute" in text
