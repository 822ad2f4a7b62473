"""The codes on paper: printed for ever, so every promise about them is tried."""

from __future__ import annotations

import re

import isbnlib
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bibliothek import codes
from bibliothek.codes import ALPHABET, Kind, Scanned

# A busy machine is no bug: examples may take their time.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")

values = st.integers(0, 28)
kinds = st.sampled_from(list(Kind))


@st.composite
def made_codes(draw: st.DrawFn) -> str:
    kind = draw(kinds)
    chosen = iter(draw(st.lists(values, min_size=codes.LENGTH[kind], max_size=codes.LENGTH[kind])))
    return codes.new_code(kind, lambda: next(chosen))


def test_the_alphabet_is_the_one_on_paper() -> None:
    assert ALPHABET == "0123456789ABCDEFGHJKMNPRSTVWX"
    assert len(set(ALPHABET)) == 29
    assert not set(ALPHABET) & set("ILOQUYZ")


def test_the_check_symbol_is_worked_out_by_hand() -> None:
    # 1·1 + 2·2 + 3·3 = 14; the fourth place must bring it to a multiple of 29: 4·v ≡ 15, v = 11, which is B.
    assert codes.check_symbol("123") == "B"
    assert codes.check_symbol("00000") == "0"


@pytest.mark.parametrize(("kind", "length"), [(Kind.COPY, 7), (Kind.SHELF, 5), (Kind.CARD, 29)])
def test_a_new_code_has_its_kind_and_length(kind: Kind, length: int) -> None:
    code = codes.new_code(kind)
    assert code[0] == kind
    assert len(code) == length
    assert set(code[1:]) <= set(ALPHABET)


def test_new_codes_are_not_alike() -> None:
    assert len({codes.new_code(Kind.CARD) for _ in range(500)}) == 500


@given(made_codes())
def test_a_code_is_read_as_it_was_made(code: str) -> None:
    kind = {"B": "copy", "R": "shelf", "M": "card"}[code[0]]
    assert codes.read(code) == Scanned(kind, code)  # type: ignore[arg-type]


@given(made_codes(), st.data())
def test_every_single_wrong_symbol_is_caught(code: str, data: st.DataObject) -> None:
    place = data.draw(st.integers(1, len(code) - 1))
    other = data.draw(st.sampled_from([symbol for symbol in ALPHABET if symbol != code[place]]))
    assert codes.read(code[:place] + other + code[place + 1 :]).kind == "misread"


@given(made_codes(), st.data())
def test_every_swap_of_neighbours_is_caught(code: str, data: st.DataObject) -> None:
    place = data.draw(st.integers(1, len(code) - 2))
    swapped = code[:place] + code[place + 1] + code[place] + code[place + 2 :]
    assert swapped == code or codes.read(swapped).kind == "misread"


def test_every_wrong_symbol_and_swap_of_one_code_is_caught() -> None:
    code = codes.new_code(Kind.COPY, iter([3, 28, 0, 17, 9]).__next__)
    wrong = [code[:n] + s + code[n + 1 :] for n in range(1, 7) for s in ALPHABET if s != code[n]]
    swaps = [code[:n] + code[n + 1] + code[n] + code[n + 2 :] for n in range(1, 6)]
    assert len(wrong) == 6 * 28
    assert {codes.read(text).kind for text in wrong + swaps} == {"misread"}


@given(made_codes(), st.booleans())
def test_case_and_look_alikes_do_not_matter(code: str, small: bool) -> None:
    typed = code[0] + code[1:].replace("0", "O").replace("1", "I")
    assert codes.read(typed.lower() if small else typed).value == code
    assert codes.read(code[0] + code[1:].replace("1", "l")).value == code


@pytest.mark.parametrize(
    "typed",
    [
        "B12 345{c}",
        " B-12345-{c} ",
        "b 1 2 3 4 5 {c}\r\n",
        "B12345\u2013{c}",
        "]Q3B12345{c}",
        "+Q3B12345{c}",
        "B12345{c}",
        "https://buecher.example.org/c/B12345{c}",
        "HTTPS://BUECHER.EXAMPLE.ORG/C/B12345{c}",
        "http://192.168.0.7:8000/c/b12345{c}/",
        "https://example.org/verein/c/B12345{c}?von=etikett",
        "https://example.org/c/B12345{c}#oben",
        # German computer, scanner set to a US keyboard; and the other way round.
        "HTTPSÖ--BUECHER.EXAMPLE.ORG-C-B12345{c}",
        "http>&&buecher.example.org&c&B12345{c}",
        "/c/B12345{c}",
    ],
)
def test_a_copy_is_read_however_it_is_typed(typed: str) -> None:
    check = codes.check_symbol("12345")
    assert codes.read(typed.format(c=check)) == Scanned("copy", f"B12345{check}")


def test_the_last_code_segment_of_an_address_counts() -> None:
    first, second = codes.new_code(Kind.COPY), codes.new_code(Kind.COPY)
    assert codes.read(f"https://example.org/c/{first}/c/{second}").value == second


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "B",
        "B123",
        "Hallo",
        "9783551551672",
        "3551551677",
        "B00009EF82",
        "Bücher!",
        "https://example.org/c/",
        "\0",
    ],
)
def test_what_has_not_the_shape_of_a_code_is_unknown(text: str) -> None:
    assert codes.read(text) == Scanned("unknown", text.strip())


@pytest.mark.parametrize("text", ["B12345Y", "RUUUU", "BZ23450", "https://example.org/c/B12345Y"])
def test_a_letter_that_is_on_no_label_makes_it_misread(text: str) -> None:
    assert codes.read(text).kind == "misread"


@given(st.text(max_size=60))
def test_reading_never_raises(text: str) -> None:
    assert codes.read(text).kind in ("copy", "shelf", "card", "misread", "unknown")


def test_a_very_long_text_is_read_quickly() -> None:
    assert codes.read("/c/" * 1_000_000).kind == "unknown"


@pytest.mark.parametrize(
    ("piece", "holds"),
    [("A", False), ("1", False), ("A1", True), ("A ", False), ("1A ", False), ("A1-", False), ("\u0301\u0323", False)],
)
def test_whether_a_very_long_text_holds_a_card_is_told_quickly(piece: str, holds: bool) -> None:
    # Were a text searched from each of its letters to its end, this would take hours.
    assert codes.holds_card(piece * (1_000_000 // len(piece))) is holds
    assert codes.holds_card(piece * 100_000 + " " + codes.new_card_code(b"sixteen or more bytes"))


@given(st.text("AM1é -", max_size=80))
def test_a_card_is_found_in_any_text_with_so_long_a_mixed_word(text: str) -> None:
    whole = re.compile(r"(?=[0-9A-Z]*\d[A-Z]+\d)[0-9A-Z]{22,}")
    assert not whole.search(text) or codes.holds_card(text)


@pytest.mark.parametrize(
    "card",
    [
        "MMJM3319241RSDJXEBFJDTNAVXNFP",
        "MNA64NRRXDWNWSEWMXBRCRHPBKGAX",
        "MP9ATGSKSEFVDJMARVCGNSKVXBBBX",
        codes.new_code(Kind.CARD, lambda: ALPHABET.index("W")),
    ],
)
@pytest.mark.parametrize("around", ["{}", "9783551551670 {}", "{}: title", "Karte={}", "9783551551670\n{}"])
def test_a_card_whose_digits_stand_side_by_side_is_found_beside_other_words(card: str, around: str) -> None:
    assert codes.read(card).kind == "card"
    assert codes.holds_card(around.format(card))
    assert codes.holds_card(around.format(card.lower()))


@given(st.integers(0, 999_999_999), st.booleans())
def test_an_isbn_is_never_a_code(number: int, long: bool) -> None:
    body = f"{number:09}"
    isbn13 = isbnlib.to_isbn13(body + isbnlib.check_digit10(body))
    isbn = isbn13 if long else isbnlib.to_isbn10(isbn13)
    assert codes.read(isbn).kind == "unknown"
    assert codes.read(isbnlib.mask(isbn) or isbn).kind == "unknown"


def test_a_card_from_the_same_secret_is_the_same_card() -> None:
    seed = b"sixteen bytes at least"
    assert codes.new_card_code(seed) == codes.new_card_code(seed)
    assert codes.new_card_code(seed) != codes.new_card_code(seed + b"!")
    assert codes.read(codes.new_card_code(seed)).kind == "card"
    assert codes.new_card_code() != codes.new_card_code()


def test_a_short_secret_is_refused() -> None:
    with pytest.raises(ValueError, match="16 bytes"):
        codes.new_card_code(b"15 bytes, no mo")


def test_the_symbols_of_seeded_cards_are_equally_likely() -> None:
    counts = dict.fromkeys(ALPHABET, 0)
    for n in range(400):
        for symbol in codes.new_card_code(n.to_bytes(16))[1:-1]:
            counts[symbol] += 1
    # 10,800 symbols, 372 of each expected; five standard deviations are 95.
    assert all(abs(count - 372) < 95 for count in counts.values())
