"""ISBNs as they really come in. The first table is written by hand; the second lies beside the checkout."""

from __future__ import annotations

import csv
from pathlib import Path

import isbnlib
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bibliothek import codes, i18n
from bibliothek.lookup import isbn
from bibliothek.lookup.isbn import NotAnIsbn, first_isbn, hyphenated, isbn10, isbns_in, read_isbn
from bibliothek.lookup.scan import read_scan
from bibliothek.problems import Problem

VECTORS = Path(__file__).parents[3] / "shared" / "data" / "isbn" / "vectors.tsv"

# The list calls this number wrong, because two digits of 9783551551672 changed places. But 7 and 2 differ by five, and
# such a swap is the one that the check digit of ISO 2108 cannot see: the number is a right ISBN.
BLIND_SPOT = "9783551551627"


def vectors() -> list[dict[str, str]]:
    if not VECTORS.exists():
        return []
    with VECTORS.open(encoding="utf-8", newline="") as file:
        return [
            row for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE) if row["input"] != BLIND_SPOT
        ]


@pytest.mark.skipif(not VECTORS.exists(), reason="the list of ISBNs does not lie beside this checkout")
@pytest.mark.parametrize("row", vectors(), ids=lambda row: row["input"])
def test_every_isbn_of_the_list_is_read_as_it_says(row: dict[str, str]) -> None:
    if not row["expect_isbn13"]:
        with pytest.raises(NotAnIsbn):
            read_isbn(row["input"])
        return
    found = read_isbn(row["input"])
    assert found.isbn13 == row["expect_isbn13"]
    assert (isbn10(found.isbn13) or "") == row["expect_isbn10"]
    assert found.placeholder == ("placeholder" in row["note"])


@pytest.mark.parametrize(
    "text",
    [
        "9783551551672",
        "978-3-551-55167-2",
        "3-551-55167-7",
        "3551551677",
        " 978 3 551 55167 2\r\n",
        "978\u20113\u2011551\u201155167\u20112",
        "978\u20123\u2013551\u201455167\u22122",
        "978\u00ad355\u200b1551672\ufeff",
        "９７８３５５１５５１６７２",
        "ISBN 978-3-551-55167-2",
        "isbn:9783551551672",
        "ISBN-13: 978-3-551-55167-2",
        "ISBN-10 3-551-55167-7",
        "ISBN13 9783551551672",
        "e-ISBN 978-3-551-55167-2",
        "ISBN 3-551-55167-7 (Pp.) : DM 26.00",
        "(9783551551672)",
        "[3551551677]",
        '="9783551551672"',
        '=""3551551677""',
        "'9783551551672",
        "9783551551672.0",
        "9783551551672,0",
        "urn:isbn:9783551551672",
        "https://openlibrary.org/isbn/9783551551672",
        "https://www.example.org/buch/3551551677?seite=2",
        "9783551551672 51299",
        "978355155167251299",
        "978355155167212",
        "]E09783551551672",
        # German computer, scanner set to a US keyboard.
        "+E09783551551672",
        "978ß3ß551ß55167ß2",
        "ISBN 3ß551ß55167ß7",
    ],
)
def test_one_isbn_in_many_clothes(text: str) -> None:
    assert read_isbn(text) == isbn.Isbn("9783551551672")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("373350920X", "9783733509200"),
        ("3-7335-0920-x", "9783733509200"),
        ("439023483", "9780439023481"),
        ("ISBN 0-439-02348-3", "9780439023481"),
        ("9791090636071", "9791090636071"),
        ("9783551551672 / 9783499256356", "9783551551672"),
        ("9783551551671, richtig 9783499256356", "9783499256356"),
    ],
)
def test_other_right_ones(text: str, expected: str) -> None:
    assert read_isbn(text).isbn13 == expected


@pytest.mark.parametrize(
    ("text", "refusal", "says"),
    [
        ("", NotAnIsbn, "gib eine ISBN ein"),
        ("-", NotAnIsbn, "keine ISBN"),
        ("k.A.", NotAnIsbn, "keine ISBN"),
        ("B00009EF82", NotAnIsbn, "keine ISBN"),
        ("97O3551551672", NotAnIsbn, "keine ISBN"),
        ("35515X1677", NotAnIsbn, "keine ISBN"),
        ("Die Ästhetik des Widerstands", NotAnIsbn, "keine ISBN"),
        ("3551551679", isbn.WrongCheckDigit, "falsch oder vertauscht"),
        ("9783551551671", isbn.WrongCheckDigit, "falsch oder vertauscht"),
        ("9783515551672", isbn.WrongCheckDigit, "falsch oder vertauscht"),
        ("978-3-551-55167-7", isbn.WrongCheckDigit, "falsch oder vertauscht"),
        ("ISBN 1011111111", isbn.WrongCheckDigit, "falsch oder vertauscht"),
        ("97835515516722", isbn.WrongLength, "14 Ziffern"),
        ("978355155167", isbn.WrongLength, "12 Ziffern"),
        ("439023484", isbn.WrongLength, "9 Ziffern"),
        ("61120081", isbn.ZerosLost, "978-0-06-112008-4"),
        ("61120082", isbn.WrongLength, "8 Ziffern"),
        ("9,78355E+12", isbn.RoundedNumber, "Tabelle gerundet"),
        ("9.78043902348e+12", isbn.RoundedNumber, "Tabelle gerundet"),
        ("9790060115615", isbn.PrintedMusic, "Noten"),
        ("979-0-0601-1561-5", isbn.PrintedMusic, "Noten"),
        ("4006381333931", isbn.OtherBarcode, "978 oder 979"),
        ("2000000000015", isbn.OtherBarcode, "978 oder 979"),
    ],
)
def test_what_is_no_isbn_is_said_clearly(text: str, refusal: type[NotAnIsbn], says: str) -> None:
    with pytest.raises(NotAnIsbn) as caught:
        read_isbn(text)
    assert type(caught.value) is refusal
    assert says in caught.value.sentence
    assert caught.value.status == 422


def test_a_swap_of_digits_that_differ_by_five_cannot_be_seen() -> None:
    assert read_isbn(BLIND_SPOT).isbn13 == BLIND_SPOT


def test_eight_digits_are_a_question_with_a_suggestion() -> None:
    with pytest.raises(isbn.ZerosLost) as caught:
        read_isbn("61120081")
    assert caught.value.more == {"suggestion": "9780061120084"}


@pytest.mark.parametrize(
    "text", ["0000000000", "1111111111", "9780000000002", "3333333333", "123456789X", "978-1-2345-6789-7"]
)
def test_placeholders_are_right_but_never_looked_up(text: str) -> None:
    assert read_isbn(text).placeholder
    assert isbn10(read_isbn(text).isbn13) is None
    assert isbns_in(text) == []
    assert read_scan(text).kind == "unknown"
    with pytest.raises(isbn.PlaceholderIsbn, match="Platzhalter"):
        isbn.book_isbn(text)


def test_a_refusal_does_not_repeat_a_whole_page() -> None:
    with pytest.raises(Problem) as caught:
        read_isbn("9783551551671 " + "lang " * 100)
    assert len(caught.value.sentence) < 200


def test_all_isbns_of_a_text_are_found_once_and_in_order() -> None:
    text = "Gebunden 978-3-551-55167-2, auch 3551551677; Taschenbuch: 9783499256356 (falsch: 9783499256357)."
    assert isbns_in(text) == ["9783551551672", "9783499256356"]


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        ("379101949X (Gb.)", "9783791019499"),
        ("9783551551672", "9783551551672"),
        ("1-283-52654-9", "9781283526548"),
        ("0-8389-0950-7:", "9780838909508"),
        ("(Pp.) 9783551551672", None),
        ("9783551551671", None),
        ("", None),
    ],
)
def test_the_first_token_of_marc_020_counts(field: str, expected: str | None) -> None:
    assert first_isbn(field) == expected


def test_hyphens_are_for_people() -> None:
    assert hyphenated("9783551551672") == "978-3-551-55167-2"
    assert hyphenated("9799999999990") == "9799999999990"


def test_refusals_speak_english_too() -> None:
    with i18n.use_language("en"), pytest.raises(NotAnIsbn):
        read_isbn("61120081")


@given(st.integers(0, 999_999_999), st.sampled_from(["", "-", " "]), st.booleans())
def test_every_right_isbn_is_read(number: int, between: str, long: bool) -> None:
    body = f"{number:09}"
    digits = "978" + body + isbnlib.check_digit13("978" + body) if long else body + isbnlib.check_digit10(body)
    text = digits[:4] + between + digits[4:7] + between + digits[7:-1] + between + digits[-1]
    assert read_isbn(text).isbn13 == "978" + body + isbnlib.check_digit13("978" + body)


@given(st.text(max_size=80))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        found = read_isbn(text).isbn13
    except NotAnIsbn:
        return
    assert isbnlib.is_isbn13(found) or read_isbn(text).placeholder


def test_a_very_long_text_is_read_quickly() -> None:
    with pytest.raises(NotAnIsbn):
        read_isbn("978" * 1_000_000)


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ("978-3-551-55167-2", "isbn", "9783551551672"),
        ("3551551677", "isbn", "9783551551672"),
        ("9783551551671", "misread", "9783551551671"),
        ("3551551679", "misread", "3551551679"),
        ("B000000", "copy", "B000000"),
        ("https://example.org/c/b000000", "copy", "B000000"),
        ("B000001", "misread", "B000001"),
        ("4006381333931", "unknown", "4006381333931"),
        (" Kapital ", "unknown", "Kapital"),
        ("", "unknown", ""),
    ],
)
def test_the_scan_field_tells_books_from_codes(text: str, kind: str, value: str) -> None:
    assert read_scan(text) == codes.Scanned(kind, value)  # type: ignore[arg-type]
