"""The real records beside the checkout: DNB, K10plus, hbz; lobid's JSON of the same record as a check nobody here wrote."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pymarc
import pytest

from bibliothek.catalogue.rules import checked, checked_origin
from bibliothek.lookup.isbd import imprint
from bibliothek.lookup.languages import two_letters
from bibliothek.lookup.loose import BadAnswer
from bibliothek.lookup.marc import record_of
from bibliothek.lookup.record import Record
from bibliothek.lookup.sru import marc_records, parse_xml, read_sru

LOOKUP = Path(__file__).parents[3] / "shared" / "data" / "lookup"
LAST_YEAR = 2027

pytestmark = pytest.mark.skipif(not LOOKUP.exists(), reason="the real records do not lie beside this checkout")


def records(path: Path) -> list[Record]:
    found = [record_of(marc, "test", LAST_YEAR) for marc in marc_records(parse_xml(path.read_bytes()))]
    assert None not in found
    return [record for record in found if record]


def answers() -> list[Path]:
    paths = [*LOOKUP.glob("dnb/*.xml"), *LOOKUP.glob("k10plus/*.xml"), *LOOKUP.glob("lobid/*.xml")]
    return sorted(path for path in paths if path.name != "diagnostic.xml")


@pytest.mark.parametrize("path", answers(), ids=lambda path: path.stem)
def test_every_record_fits_the_catalogue(path: Path) -> None:
    for record in records(path):
        assert checked(record.fields()) == record.fields()
        assert checked_origin(record.origin()) == record.origin()
        assert not re.search(
            "[\x00-\x1f\x7f-\x9f]|<<|>>|^[:;=/]|[:;=/]$", "|".join([record.title, record.subtitle or ""])
        )


def test_dnb_counts_what_it_sends() -> None:
    assert read_sru((LOOKUP / "dnb" / "82-records.xml").read_bytes()).number == 82
    assert read_sru((LOOKUP / "dnb" / "not-found.xml").read_bytes()).number == 0
    with pytest.raises(BadAnswer, match="diagnostic"):
        read_sru((LOOKUP / "dnb" / "diagnostic.xml").read_bytes())


def test_every_record_of_dnb_says_what_it_must() -> None:
    found = records(LOOKUP / "dnb" / "82-records.xml")
    assert len(found) == 82
    assert all(record.carrier == "online" and record.year and record.source_url for record in found)
    # Records of several languages, and one harvested without, have none.
    assert sum(record.language is None for record in found) <= 2


def test_a_binary_record_of_k10plus_is_read_too() -> None:
    with (LOOKUP / "k10plus" / "one-record.mrc").open("rb") as file:
        (marc,) = pymarc.MARCReader(file)
    found = record_of(marc, "k10plus", LAST_YEAR)
    assert found is not None
    assert (found.title, found.year, found.pages, found.language) == (
        "Management-Handbuch Biotechnologie",
        2002,
        528,
        "de",
    )
    assert [f"{p.name} {p.role}" for p in found.contributors] == ["Herstatt, Cornelius edt", "Müller, Christian edt"]
    assert found.isbns == ("9783791019499",)


# --- lobid as a cross-check ------------------------------------------------------------------------------------------

# Where lobid says something else, and why ours is meant.
MEANT = {
    ("990118562160206441", "person"): "the set's author (100) goes before the volume's contributor (700)",
    ("99370673692206441", "person"): "lobid does not read the role in $e: issuing body",
    ("99370673692206441", "year"): "a journal: lobid names its newest publisher, we the year it began",
    ("99370673692206441", "publisher"): "the same",
    ("99374868243506441", "pages"): "a map: the pages of its booklet (300 $e)",
    ("99373335331406441", "title"): "lobid cuts the full stop of 'e.V.'",
}


def pairs() -> list[Path]:
    return sorted(path for path in LOOKUP.glob("lobid/*.xml") if path.with_suffix(".json").exists())


def lobid(path: Path) -> dict[str, Any]:
    """What lobid's JSON says, in our words. Series are compared elsewhere: lobid has them from other fields."""
    told = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    first = next(iter(told.get("publication", [])), {})
    maker = next(iter(told.get("contribution", [])), None)
    counted = re.search(r"([\d, ]*\d)\s*(?:S\b|Seiten|p\b|pages)", told.get("extent", ""))
    publisher = imprint(next(iter(first.get("publishedBy") or []), ""))
    language = next(iter(told.get("language", [])), {}).get("id", "").rpartition("/")[2]
    return {
        "title": told["title"],
        "person": (maker["agent"]["label"], maker["role"]["id"].rpartition("/")[2]) if maker else None,
        "year": int(first["startDate"]) if first.get("startDate") else None,
        "publisher": publisher,
        "pages": max(int(n) for n in re.findall(r"\d+", counted.group(1))) if counted else None,
        "language": two_letters(language),
        "isbns": {isbn for isbn in told.get("isbn", []) if len(isbn) == 13},
        "edition": " ".join(next(iter(told.get("edition", [])), "").split()) or None,
    }


def ours(record: Record) -> dict[str, Any]:
    person = next(iter(record.contributors), None)
    return {
        "title": record.title,
        "person": (person.name, person.role) if person else None,
        "year": record.year,
        "publisher": record.publisher,
        "pages": record.pages,
        "language": record.language,
        "isbns": set(record.isbns),
        "edition": record.edition,
    }


def same(name: str, record: Record, told: Any, said: Any) -> bool:
    """Equal; or a volume, whose title lobid writes behind that of its set: "Werke, 3: Der Prozess"."""
    if name != "title" or told == said:
        return bool(told == said)
    the_set = record.series[0].title.partition(". ")[0] if record.series else ""
    return bool(the_set) and told.startswith(the_set) and (said in told)


def test_lobid_says_the_same() -> None:
    found = pairs()
    assert len(found) == 57
    different = set()
    for path in found:
        (record,) = records(path)
        told, said = lobid(path), ours(record)
        different |= {(path.stem, name) for name in told if not same(name, record, told[name], said[name])}
    assert different == set(MEANT)
