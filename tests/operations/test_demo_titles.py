"""The records of the demo library are what they say: complete, clean, valid, mostly German."""

from __future__ import annotations

import json
import re
import unicodedata
from pathlib import Path
from typing import Any

import isbnlib
import pytest

FILE = Path(__file__).parents[2] / "bibliothek" / "operations" / "demo_titles.jsonl"
FIELDS = {
    "title", "subtitle", "sort_title", "contributors", "publisher", "place", "year", "edition", "pages",
    "language", "series", "isbns", "classes", "source",
}  # fmt: skip
ROLES = {"aut", "edt", "trl", "ill", "ctb"}
SOURCES = {"dnb", "k10plus", "lobid"}
# People known by one name, and one group: all others are "Family, Given".
ONE_NAME = {
    "Achdé", "Catel", "Enzo", "Fabcaro", "Flix", "Jaromír 99", "Jul", "Luz", "Nicoby",
    "Young Academy for Sustainability Research",
}  # fmt: skip

Record = dict[str, Any]


@pytest.fixture(scope="module")
def records() -> list[Record]:
    return [json.loads(line) for line in FILE.read_text(encoding="utf-8").splitlines()]


def texts(value: object) -> list[str]:
    """All strings in a record, however deep."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        return [text for part in value.values() for text in texts(part)]
    return [text for part in value for text in texts(part)] if isinstance(value, list) else []


def test_there_are_about_two_hundred_and_most_are_german(records: list[Record]) -> None:
    assert 190 <= len(records) <= 230
    german = sum(record["language"] == "de" for record in records)
    assert german / len(records) >= 0.75


def test_every_line_has_the_same_fields(records: list[Record]) -> None:
    assert all(record.keys() == FIELDS for record in records)
    for record in records:
        assert record["title"]
        assert record["classes"]
        assert re.fullmatch(r"[a-z]{2}", record["language"])
        assert record["source"]["name"] in SOURCES
        assert record["year"] is None or 1800 <= record["year"] <= 2026
        assert record["pages"] is None or 10 <= record["pages"] <= 1000


def test_texts_are_clean(records: list[Record]) -> None:
    for text in (text for record in records for text in texts(record)):
        assert text == unicodedata.normalize("NFC", text)
        assert text == text.strip()
        assert text
        assert not any(unicodedata.category(sign) in {"Cc", "Cf", "Co", "Cn"} for sign in text), text
        assert not re.search(r"@|<<|>>|  |\[|\]|�|\bEUR\b|Online-Ressource|E-Book|digital$", text), text


def test_isbns_are_valid_thirteen_digits_and_used_once(records: list[Record]) -> None:
    isbns = [isbn for record in records for isbn in record["isbns"]]
    assert all(isbnlib.is_isbn13(isbn) and isbn == isbnlib.canonical(isbn) for isbn in isbns)
    assert len(isbns) == len(set(isbns))
    assert len(isbns) >= 25


def test_no_title_is_there_twice(records: list[Record]) -> None:
    keys = [
        (record["title"].casefold(), record["subtitle"], record["publisher"], str(record["contributors"]))
        for record in records
    ]
    assert len(keys) == len(set(keys))
    ids = [(record["source"]["name"], record["source"]["id"]) for record in records]
    assert len(ids) == len(set(ids))


def test_names_are_family_and_given_with_a_role(records: list[Record]) -> None:
    for person in (person for record in records for person in record["contributors"]):
        assert person.keys() == {"name", "role"}
        assert person["role"] in ROLES
        assert re.fullmatch(r"[^,]+, [^,]+", person["name"]) or person["name"] in ONE_NAME, person["name"]
        assert not re.search(r"(?i)\b(hrsg|übers|illustr|zeichn|verlag)\b\.?\s", person["name"]), person["name"]
    for record in records:
        people = [(person["name"], person["role"]) for person in record["contributors"]]
        assert len(people) == len(set(people)), record["title"]


def test_the_title_without_its_article_is_the_end_of_the_title(records: list[Record]) -> None:
    for record in records:
        article = re.match(r"(Der|Die|Das|Ein|Eine|The|Le|La|Les|Il) ", record["title"])
        if record["sort_title"] is not None:
            assert record["title"].endswith(" " + record["sort_title"])
            assert article
        elif record["language"] == "de":
            assert not article, record["title"]


def test_the_records_show_what_a_catalogue_must_bear(records: list[Record]) -> None:
    assert any(not record["contributors"] for record in records)
    assert any(len(record["contributors"]) >= 4 for record in records)
    assert any(len(record["isbns"]) > 1 for record in records)
    assert any(len(record["title"]) > 50 for record in records)
    assert any(len(record["title"]) <= 4 for record in records)
    assert any("ß" in record["title"] for record in records)
    assert sum(bool(record["series"]) for record in records) >= 25
    assert {"de", "en", "fr", "tr", "pl"} <= {record["language"] for record in records}
    volumes = [record["series"][0]["number"] for record in records if record["series"]]
    assert sum(number is not None for number in volumes) >= 20


def test_records_with_the_most_facts_come_first(records: list[Record]) -> None:
    rank = [(bool(record["isbns"]), record["pages"] is not None, record["year"] is not None) for record in records]
    assert rank == sorted(rank, reverse=True)
