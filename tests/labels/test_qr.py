"""QR codes: small, valid, quick to make, and readable by somebody else's reader."""

from __future__ import annotations

import re
import time
from xml.etree import ElementTree

import pytest
import zxingcpp
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from qrcode.constants import ERROR_CORRECT_M
from qrcode.main import QRCode

from bibliothek import codes
from bibliothek.labels.qr import QUIET, copy_url, dark_runs, qr_matrix, qr_svg

ADDRESS = "HTTPS://BIBLIOTHEK.EXAMPLE.ORG/C/B7KD3A2"


def read_back(dark: set[tuple[int, int]], side: int) -> zxingcpp.Barcode:
    """What zxing-cpp reads from dark modules (column, row) on a white square of `side` modules, four dots a module."""
    image = Image.new("L", (side, side), 255)
    for place in dark:
        image.putpixel(place, 0)
    [code] = zxingcpp.read_barcodes(image.resize((side * 4, side * 4), Image.Resampling.NEAREST))
    return code


def dark_modules(matrix: list[list[bool]]) -> set[tuple[int, int]]:
    return {(x + QUIET, y + QUIET) for y, row in enumerate(matrix) for x, dark in enumerate(row) if dark}


@pytest.mark.parametrize(
    "text", [ADDRESS, "M" + "7KD3" * 7, "https://example.org/bibliothek/c/B7KD3A2", "978", "Grüße", "Ж" * 200]
)
def test_a_code_is_read_as_it_was_written(text: str) -> None:
    matrix = qr_matrix(text)
    code = read_back(dark_modules(matrix), len(matrix) + 2 * QUIET)
    assert code.text == text
    assert code.ec_level == "M"


@given(st.text(min_size=1, max_size=300))
def test_a_code_is_as_small_as_the_library_can_make_it(text: str) -> None:
    smallest = QRCode(error_correction=ERROR_CORRECT_M)
    smallest.add_data(text, optimize=0)
    assert len(qr_matrix(text)) == 17 + 4 * smallest.best_fit()


def test_upper_case_makes_the_code_of_a_label_coarser() -> None:
    address = "https://buecher.genossenschaft.example.org/c/b7kd3a2"
    assert len(qr_matrix(address)) == 33
    assert len(qr_matrix(address.upper())) == 29


def test_codes_are_made_several_times_faster_than_with_a_search_for_the_mask() -> None:
    texts = [f"HTTPS://BIBLIOTHEK.EXAMPLE.ORG/C/B{number:06}" for number in range(40)]
    qr_matrix(texts[0])

    started = time.process_time()
    for text in texts:
        qr_matrix(text)
    ours = time.process_time() - started

    started = time.process_time()
    for text in texts:
        slow = QRCode(error_correction=ERROR_CORRECT_M)
        slow.add_data(text)
        slow.make()
    assert ours < (time.process_time() - started) / 2.5


@pytest.mark.parametrize(
    ("base_url", "address"),
    [
        ("https://bibliothek.example.org", ADDRESS),
        ("https://bibliothek.example.org/", ADDRESS),
        ("http://192.168.1.20:8000", "HTTP://192.168.1.20:8000/C/B7KD3A2"),
        ("https://example.org/Bücher", "https://example.org/Bücher/c/B7KD3A2"),
        ("https://example.org/lesen/", "https://example.org/lesen/c/B7KD3A2"),
        # In upper case this would be another host: STRASSE.EXAMPLE.
        ("https://straße.example", "https://straße.example/c/B7KD3A2"),
    ],
)
def test_the_address_is_in_upper_case_unless_that_would_change_it(base_url: str, address: str) -> None:
    assert copy_url(base_url, "B7KD3A2") == address


@pytest.mark.parametrize(
    "base_url", ["https://bibliothek.example.org", "https://example.org/lesen", "http://localhost:8000"]
)
def test_the_scan_field_reads_the_address_on_a_label(base_url: str) -> None:
    code = codes.new_code(codes.Kind.COPY)
    assert codes.read(copy_url(base_url, code)) == codes.Scanned("copy", code)


def test_runs_cover_every_dark_module_once() -> None:
    matrix = [[True, True, False, True], [False, False, False, False], [False, True, True, True]]
    assert dark_runs(matrix) == [(0, 0, 2), (3, 0, 1), (1, 2, 3)]


def test_an_svg_shows_the_code_with_its_quiet_zone() -> None:
    root = ElementTree.fromstring(qr_svg(ADDRESS, "Etikett"))
    side = int(root.attrib["viewBox"].split()[2])
    [path] = root.findall("{http://www.w3.org/2000/svg}path")
    runs = re.findall(r"M(\d+) (\d+)h(\d+)v1h-\3z", path.attrib["d"])
    dark = {(int(x) + step, int(y)) for x, y, n in runs for step in range(int(n))}
    assert dark == dark_modules(qr_matrix(ADDRESS))
    assert side == 29 + 8
    assert read_back(dark, side).text == ADDRESS


def test_an_svg_has_a_name_for_screen_readers_and_no_ids() -> None:
    svg = qr_svg(ADDRESS, 'Titel „A & B" <1>')
    root = ElementTree.fromstring(svg)
    assert root.attrib["role"] == "img"
    assert root.findtext("{http://www.w3.org/2000/svg}title") == 'Titel „A & B" <1>'
    assert "id=" not in svg
    assert "style=" not in svg
