"""Lists as other programs and people write them, and the books in them."""

from __future__ import annotations

import io
import struct
import tarfile
import zipfile
from collections.abc import Iterable
from pathlib import Path

import msgspec
from openpyxl import Workbook

from bibliothek.transfer.entries import Entry, read_entry
from bibliothek.transfer.formats import Plan, guess
from bibliothek.transfer.tables import Reading, rows_of

GOODREADS = (
    "Book Id,Title,Author,Author l-f,Additional Authors,ISBN,ISBN13,My Rating,Publisher,Number of Pages,Year Published,"
    "Exclusive Shelf,Owned Copies\n"
    '5,"Catching Fire (The Hunger Games, #2)",Suzanne Collins,"Collins, Suzanne",,"=""0439023491""","=""9780439023498""",0,'
    "Scholastic,391,2009,read,1\n"
    '6,Wanted,Somebody,"Body, Some",,,,0,,,,to-read,0\n'
)
LIBRARYTHING = (
    "Book Id\tTitle\tSort Character\tPrimary Author\tPrimary Author Role\tSecondary Author\tPublication\tDate\tISBNs\tLanguages\t"
    "Tags\tCollections\tCopies\n"
    "9\tWalden\t1\tThoreau, Henry David\tAuthor\tCarew, Bill\tLibrary of America (2007), Edition: 1st, Hardcover, 864 pages\t"
    "2007\t[9780940450271]\tEnglish\tessays, nature\tYour library\t2\n"
)
LIBIB = (
    "item_type,title,creators,ean_isbn13,upc_isbn10,description,publisher,publish_date,length,tags,copies\n"
    'book,Momo,"Michael Ende, Friedrich Hechelmann",9783522202107,3522202104,,Thienemann,2018-05-01,304,"Zeit,Kinder",1\n'
)
OPENLIBRY = (
    "Mediennummer;Titel;Untertitel;Autor;Schlagworte;ISBN;Edition;Verlagsort;Seiten;Verlag;Publikationsdatum;Regal\n"
    "1017;Momo;ein Märchen-Roman;Ende, Michael;Zeit;978-3-522-20210-7;1. Aufl.;Stuttgart;304 S.;Thienemann;©2018;K 3\n"
)
BY_HAND = (
    "Bücher im Keller;;;;\nStand: Mai;;;;\n\nTitel;Autor/in;ISBN-Nr.;Erscheinungsjahr;Standort;Sprache\n"
    "Die Mutter;Gorki, Maxim;;ca. 1975;Romane;deutsch\nMomo;Ende, Michael;;;Kinder;de\n"
)
NO_HEADINGS = (
    "Momo;Michael Ende;9783522202107;2018\nUtopia;Thomas Morus;;1516\nWalden;Henry Thoreau;9780940450271;2007\n"
)


def a_plan(name: str, columns: Iterable[str], **changed: object) -> Plan:
    return msgspec.structs.replace(Plan(reading=Reading(kind="csv"), format=name, columns=list(columns)), **changed)


def planned(folder: Path, text: str, **changed: object) -> tuple[Path, Plan]:
    path = folder / "liste"
    path.write_text(text, encoding="utf-8")
    return path, msgspec.structs.replace(guess(path), **changed)


def books(folder: Path, text: str, **changed: object) -> list[Entry]:
    path, plan = planned(folder, text, **changed)
    with rows_of(path, plan.reading) as rows:
        return [read_entry(row, plan) for row in rows if row.number > plan.reading.header]


def book(folder: Path, **cells: str) -> Entry:
    """The book of a list with these columns, by their targets."""
    text = ";".join("Titel" if n == 0 else f"X{n}" for n in range(len(cells)))
    quoted = ";".join('"' + cell.replace('"', '""') + '"' for cell in cells.values())
    (found,) = books(folder, f"{text}\n{quoted}\n", columns=list(cells), format="list")
    return found


# ---- Files that programs write, and that they should not ----

NS = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
LAUGHS = '<!DOCTYPE a [<!ENTITY a "lol"><!ENTITY b "' + "&a;" * 9 + '"><!ENTITY c "' + "&b;" * 9 + '">]>'


def sheet(*rows: list[object]) -> bytes:
    book, out = Workbook(), io.BytesIO()
    for row in rows:
        book.active.append(row)
    book.save(out)
    return out.getvalue()


def packed(**parts: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name.replace("__", "/").replace("_xml", ".xml"), content)
    return out.getvalue()


def sheet_of(rows: str, before: str = "", *, dimension: str = "", texts: str = "") -> bytes:
    """A workbook whose sheet is written by hand; `texts` are those that its cells point to."""
    content = {
        "xl/worksheets/sheet1.xml": f"{before}<worksheet {NS}>{dimension}<sheetData>{rows}</sheetData></worksheet>"
    }
    if texts:
        content["xl/sharedStrings.xml"] = texts
    old, out = zipfile.ZipFile(io.BytesIO(sheet(["Titel"]))), io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in (*old.namelist(), *content.keys() - set(old.namelist())):
            archive.writestr(name, content[name] if name in content else old.read(name))
    return out.getvalue()


def row(number: int, *cells: str) -> str:
    inner = "".join(f'<c t="inlineStr"><is><t>{cell}</t></is></c>' for cell in cells)
    return f'<row r="{number}">{inner}</row>'


def with_flag(archive: bytes, flag: int) -> bytes:
    """The zip with a flag set for each of its parts: 1 says that they need a password."""
    changed = bytearray(archive)
    for mark, at in ((b"PK\x01\x02", 8), (b"PK\x03\x04", 6)):
        found = changed.find(mark)
        while found >= 0:
            changed[found + at] |= flag
            found = changed.find(mark, found + 4)
    return bytes(changed)


def smaller(archive: bytes) -> bytes:
    """The zip with its sheet said to be of ten bytes."""
    size = zipfile.ZipFile(io.BytesIO(archive)).getinfo("xl/worksheets/sheet1.xml").file_size
    return archive.replace(struct.pack("<I", size), struct.pack("<I", 10))


def tar() -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("buecher/liste.csv"))
    return out.getvalue()
