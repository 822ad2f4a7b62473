"""Which column of a table is what: exports of other programs are recognised, hand-made lists are guessed. Pure, but for reading
the first rows.

Headings, with the places where they are described or were seen: Goodreads (Import and export, goodreads_library_export.csv),
LibraryThing (More → Export, tab-delimited), Libib (Settings → Export library), OpenLibry (lib/utils/xlsColumnsMapping.ts).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Literal

import msgspec

from bibliothek.catalogue.words import fold
from bibliothek.i18n import N_, _
from bibliothek.lookup.isbn import NotAnIsbn, RoundedNumber, read_isbn
from bibliothek.problems import Invalid
from bibliothek.transfer.tables import MOST_COLUMNS, NoTable, Reading, Row, look_at, rows_of

# What a column may hold. The first ones stand on the page for every list; what follows SPECIAL only our own exports have.
TARGETS = {
    "title": N_("Titel"),
    "subtitle": N_("Untertitel"),
    "persons": N_("Personen"),
    "editors": N_("Herausgabe"),
    "translators": N_("Übersetzung"),
    "isbn": N_("ISBN"),
    "publisher": N_("Verlag"),
    "imprint": N_("Verlag, Jahr und mehr"),
    "place": N_("Ort"),
    "year": N_("Jahr"),
    "edition": N_("Auflage"),
    "pages": N_("Seiten"),
    "language": N_("Sprache"),
    "series": N_("Reihe"),
    "number": N_("Band"),
    "subjects": N_("Themen"),
    "shelf": N_("Regal"),
    "condition": N_("Zustand"),
    "donor": N_("Spende von"),
    "copies": N_("Anzahl der Exemplare"),
    "owned": N_("Exemplare (0: unbekannt)"),
    "wish": N_("Gelesen oder nur gewünscht"),
    "row_id": N_("Nummer in der Liste"),
    "code": N_("Exemplar-Code"),
    "state": N_("Stand"),
    "created": N_("Aufgenommen am"),
    "labelled": N_("Etikett gedruckt am"),
    "withdrawn": N_("Ausgesondert am"),
    "reason": N_("Grund"),
    "shelf_code": N_("Regal-Code"),
    "title_number": N_("Titel-Nr."),
    "title_created": N_("Titel seit"),
    "sort_title": N_("Sortiertitel"),
    "source": N_("Quelle"),
    "source_url": N_("Quelladresse"),
    "origins": N_("Herkunft der Angaben"),
}
# These may be in several columns; of the others there is one each.
SEVERAL = {"isbn", "persons", "editors", "translators", "subjects"}

# The headings of our own export, in its order. Whatever language the pages speak: the file must come back.
OWN_HEADINGS = {
    "code": "Exemplar-Code",
    "title_number": "Titel-Nr.",
    "title": "Titel",
    "subtitle": "Untertitel",
    "persons": "Personen",
    "publisher": "Verlag",
    "place": "Ort",
    "year": "Jahr",
    "edition": "Auflage",
    "pages": "Seiten",
    "language": "Sprache",
    "series": "Reihe",
    "number": "Band",
    "isbn": "ISBN",
    "subjects": "Themen",
    "shelf": "Regal",
    "shelf_code": "Regal-Code",
    "condition": "Zustand",
    "state": "Stand",
    "donor": "Spende von",
    "created": "Aufgenommen am",
    "labelled": "Etikett gedruckt am",
    "withdrawn": "Ausgesondert am",
    "reason": "Grund",
    "title_created": "Titel seit",
    "sort_title": "Sortiertitel",
    "source": "Quelle",
    "source_url": "Quelladresse",
    "origins": "Herkunft der Angaben",
}
# The column that a list of failed rows has in front; it is read by people only.
WRONG_HEADING = "Warum nicht"


class Format(msgspec.Struct, frozen=True):
    """A program's export: `marks` are headings that only it has together, `columns` its headings and what they hold."""

    name: str
    marks: tuple[str, ...]
    columns: dict[str, str]
    names: Literal["given", "family", ""] = ""


OWN, LIST = "bibliothek", "list"
FORMATS = {
    OWN: Format(
        N_("Export dieser Bibliothek"),
        ("Exemplar-Code", "Titel-Nr.", "Titel"),
        {heading: target for target, heading in OWN_HEADINGS.items()},
    ),
    "goodreads": Format(
        "Goodreads",
        ("Book Id", "Title", "Author l-f", "Exclusive Shelf"),
        {
            "Book Id": "row_id", "Title": "title", "Author": "persons", "Additional Authors": "persons", "ISBN": "isbn",
            "ISBN13": "isbn", "Publisher": "publisher", "Number of Pages": "pages", "Year Published": "year",
            "Exclusive Shelf": "wish", "Owned Copies": "owned",
        },
        "given",
    ),
    "librarything": Format(
        "LibraryThing",
        ("Title", "Primary Author", "Secondary Author", "Publication"),
        {
            "Book Id": "row_id", "Title": "title", "Primary Author": "persons", "Secondary Author": "persons",
            "Publication": "imprint", "Date": "year", "Page Count": "pages", "Languages": "language", "ISBN": "isbn",
            "ISBNs": "isbn", "Subjects": "subjects", "Tags": "subjects", "Copies": "copies", "Collections": "wish",
        },
        "family",
    ),
    "libib": Format(
        "Libib",
        ("title", "creators", "ean_isbn13", "upc_isbn10"),
        {
            "title": "title", "creators": "persons", "ean_isbn13": "isbn", "upc_isbn10": "isbn", "publisher": "publisher",
            "publish_date": "year", "length": "pages", "tags": "subjects", "copies": "copies",
        },
        "given",
    ),
    "openlibry": Format(
        "OpenLibry",
        ("Mediennummer", "Titel", "Autor", "Schlagworte"),
        {
            "Mediennummer": "row_id", "Titel": "title", "Untertitel": "subtitle", "Autor": "persons",
            "Schlagworte": "subjects", "ISBN": "isbn", "Edition": "edition", "Verlagsort": "place", "Seiten": "pages",
            "Verlag": "publisher", "Publikationsdatum": "year", "Regal": "shelf",
        },
    ),
    LIST: Format(N_("Liste"), (), {}),
}  # fmt: skip

# Headings of lists that people make, folded and without signs.
_WORDS = {
    "title": "titel title buchtitel booktitle hauptsachtitel sachtitel name buch werk titre",
    "subtitle": "untertitel subtitle zusatz titelzusatz",
    "persons": "autor autoren autorin autorinnen autorenschaft autornamen verfasser verfasserin verfasserinnen author authors "
    "creator creators person personen autorverfasser urheber urheberschaft autorname verfassername autorenname namedesautors "
    "autorinoderautor autorautorin autorundautorin authorname",
    "editors": "hrsg hg herausgeber herausgeberin herausgebende herausgabe editor editors",
    "translators": "ubersetzer ubersetzerin ubersetzung ubersetzt translator translators",
    "isbn": "isbn isbn13 isbn10 isbnnummer isbnnr isbnean ean ean13 isbnissn barcode strichcode",
    "publisher": "verlag publisher verlagsname verlage",
    "place": "ort verlagsort erscheinungsort place publisherplace",
    "year": "jahr erscheinungsjahr year publicationyear yearpublished publikationsjahr erschienen originalpublicationyear "
    "publishedyear jahrgang publikationsdatum erscheinungsdatum publicationdate publishdate published ej",
    "edition": "auflage edition ausgabe aufl",
    "pages": "seiten seitenzahl pages pagecount numberofpages numpages umfang anzahlseiten anzahlderseiten",
    "language": "sprache language languagecode lang sprachen languages",
    "series": "reihe serie series reihentitel schriftenreihe",
    "number": "band bandnummer bandnr nummerderreihe volume vol reihennummer",
    "subjects": "thema themen schlagwort schlagworte schlagworter schlagwoerter genre kategorie kategorien tags subjects "
    "sachgebiet rubrik subject keywords",
    "shelf": "regal standort standorte fach shelf location signatur aufstellung platz stellplatz",
    "condition": "zustand condition",
    "donor": "spende spendevon gespendetvon spender spenderin herkunft donor",
    "copies": "anzahl exemplare copies anzahlexemplare anzahlderexemplare stuck stuckzahl menge quantity",
    "row_id": "id inventarnummer mediennummer bookid buchnummer inventarnr",
    "wish": "exclusiveshelf",
}
_TARGET_OF = {word: target for target, words in _WORDS.items() for word in words.split()}
_LOOKED_AT = 200
_HEADER_WITHIN = 10
_YEAR = re.compile(r"(1[5-9]|20)\d\d([.,]0)?")


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """All that decides how a file comes in, as it is shown and corrected.

    `columns` says for every column what it holds ("" for nothing we want). `names`: "given" for "Simone de Beauvoir", "family" for
    "Beauvoir, Simone de". `which`: "all" rows, those that are not only wished for ("kept"), or only "owned" ones. `source` is
    the name of the list: its rows are remembered under it. `only_new` leaves out what was here before without the list.
    """

    reading: Reading
    format: str
    columns: list[str]
    names: Literal["given", "family"] = "given"
    which: Literal["all", "kept", "owned"] = "kept"
    source: str = ""
    only_new: bool = False


class Column(msgspec.Struct, frozen=True):
    """A column as the page shows it; `number` counts from 0."""

    number: int
    heading: str
    samples: tuple[str, ...]


class BadMapping(Invalid):
    """Which column is what does not fit together; `errors` are by the form's fields."""

    code = "bad-mapping"

    def __init__(self, errors: dict[str, str]) -> None:
        super().__init__(next(iter(errors.values())))
        self.errors = errors


def guess(path: Path, reading: Reading | None = None) -> Plan:
    """How this file is best taken in. With `reading` a person has said how to read it. Raises TooLargeFile, NoTable."""
    found = reading or look_at(path)
    first = first_rows(path, found)
    if not first:
        raise NoTable(_("Die Datei ist leer."))
    name, header, columns = _recognised(first) if reading is None or reading.header else (LIST, 0, [])
    if not header:
        columns = _by_content(first)
    below = [row.cells for row in first if row.number > header and not row.torn]
    if not below:
        raise NoTable(_("In der Datei stehen nur Überschriften und keine Bücher."))
    return Plan(
        reading=msgspec.structs.replace(found, header=header),
        format=name,
        columns=columns,
        names=FORMATS[name].names or _name_order(below, columns),
        # Not in the language of the page: the rows of a list are remembered under its name.
        source=FORMATS[name].name,
    )


def first_rows(path: Path, reading: Reading) -> list[Row]:
    with rows_of(path, reading) as rows:
        return [_narrow(row) for row in islice(rows, _LOOKED_AT)]


def columns_of(path: Path, plan: Plan) -> list[Column]:
    """The columns with their headings and three values that they hold."""
    first = first_rows(path, plan.reading)
    headings = next((row.cells for row in first if row.number == plan.reading.header), [])
    below = [row.cells for row in first if row.number > plan.reading.header and not row.torn]
    width = len(plan.columns)

    def samples(n: int) -> tuple[str, ...]:
        values = (" ".join(cells[n].split())[:80] for cells in below if len(cells) > n and cells[n].strip())
        return tuple(islice(dict.fromkeys(values), 3))

    return [Column(n, headings[n].strip() if n < len(headings) else "", samples(n)) for n in range(width)]


def check_mapping(columns: Sequence[str]) -> None:
    """Raises BadMapping: no title, or two columns for what there is only once."""
    errors: dict[str, str] = {}
    seen: set[str] = set()
    for n, target in enumerate(columns):
        if target and target in seen and target not in SEVERAL:
            errors[f"c{n}"] = _("„{what}“ ist schon einer anderen Spalte zugeordnet.", what=_(TARGETS[target]))
        seen.add(target)
    if "title" not in seen:
        errors[f"c{0}"] = _("Welche Spalte ist der Titel? Ohne ihn lässt sich kein Buch aufnehmen.")
    if errors:
        raise BadMapping(errors)


def _narrow(row: Row) -> Row:
    return row if len(row.cells) <= MOST_COLUMNS else Row(row.number, row.cells[:MOST_COLUMNS], row.torn)


def _recognised(first: list[Row]) -> tuple[str, int, list[str]]:
    """The format, the row of the headings (0: none) and what the columns hold."""
    width = max(len(row.cells) for row in first)
    best: tuple[int, str, int, list[str]] = (0, LIST, 0, [])
    for row in first[:_HEADER_WITHIN]:
        headings = [_key(cell) for cell in row.cells]
        name = next(
            (name for name, one in FORMATS.items() if one.marks and set(map(_key, one.marks)) <= set(headings)), LIST
        )
        known = {_key(heading): target for heading, target in FORMATS[name].columns.items()}
        of = known if name != LIST else _TARGET_OF
        targets = _once([of.get(heading, "") for heading in headings])
        count = len([target for target in targets if target])
        if count > best[0] and ("title" in targets or count > 1):
            best = (count, name, row.number, targets)
    _count, name, header, targets = best
    return name, header, targets + [""] * (width - len(targets)) if header else []


def _once(targets: list[str]) -> list[str]:
    """The second column that would be the same as an earlier one holds nothing we want."""
    seen: set[str] = set()
    kept = []
    for target in targets:
        kept.append("" if target in seen and target not in SEVERAL else target)
        seen.add(target)
    return kept


def _key(heading: str) -> str:
    return "".join(fold(heading))


def _by_content(first: list[Row]) -> list[str]:
    """Without headings: ISBNs and years are told by their look, and the first other text is taken for the title, the next for
    the persons."""
    rows = [row.cells for row in first if not row.torn]
    if not rows:
        raise NoTable(_("Die Datei ist leer."))
    targets = []
    for n in range(max(map(len, rows))):
        cells = [cells[n].strip() for cells in rows if len(cells) > n and cells[n].strip()]
        if cells and sum(map(_is_isbn, cells)) > len(cells) / 2:
            targets.append("isbn")
        elif cells and sum(bool(_YEAR.fullmatch(cell)) for cell in cells) > len(cells) / 2:
            targets.append("year")
        elif cells and sum(any(map(str.isalpha, cell)) for cell in cells) > len(cells) / 2:
            targets.append("text")
        else:
            targets.append("")
    guessed = iter(("title", "persons"))
    return _once([next(guessed, "") if target == "text" else target for target in targets])


def _is_isbn(cell: str) -> bool:
    try:
        read_isbn(cell)
    except RoundedNumber:
        return True
    except NotAnIsbn:
        return False
    return True


def _name_order(rows: list[list[str]], columns: list[str]) -> Literal["given", "family"]:
    """How most names are written: with exactly one comma in most cells, the family name comes first."""
    kinds: Counter[str] = Counter()
    for n, target in enumerate(columns):
        if target in ("persons", "editors", "translators"):
            for cells in rows:
                for name in re.split(r"[;\n/|]", cells[n]) if len(cells) > n else ():
                    if name.strip():
                        kinds["family" if name.count(",") == 1 else "given"] += " " in name.strip()
    return "family" if kinds["family"] > kinds["given"] else "given"
