"""Reading what cataloguers write: punctuation, marks for filing, years, numbers of pages, names.

The signs between the parts of a record (` / `, ` : `, ` = `, ` ; `) are those of ISBD. Pure: text in, text out.
"""

from __future__ import annotations

import re

from bibliothek.catalogue.rules import LONGEST_NAME, LONGEST_TITLE, one_line

FIRST_YEAR = 1450

# Words that are not filed: between these two controls (ISO 6630), or between << and >> (hbz).
_START, _END = "\x98", "\x9c"
_NOT_FILED = re.compile(rf"\s*(?:{_START}.*?{_END}|<<.*?>>)\s*")
_MARKS = re.compile(rf"[{_START}{_END}]|<<|>>")
# PICA marks the word to file under: "Die @Gewerkschaften". Only behind an article, so that "Leben @home" keeps its sign.
_AT = re.compile(r"^(\w{1,4}[\s'’])\s?@(?=\w)")
_LOOSE_ENDS = re.compile(r"^[:;=,]\s+|[\s/:;=,]+$")
# A word of three letters or more before the full stop: not an initial, "e.V." or "Jr.".
_FULL_STOP = re.compile(r"(?<=\w{3})\.$")
_SUPPLIED = re.compile(r"^\[([^\[\]]*)\]$")
_NOBODY = re.compile(
    r"nicht (?:ermittelbar|identifiziert|feststellbar)|not identified|^\W*(?:s\. ?[ln]|o\. ?[OV])\.?\W*$", re.I
)
_AND_OTHERS = re.compile(r"\s*\[?\b(?:u\. ?a|et ?al)\.\]?\s*$", re.I)


def shown(text: str, most: int = LONGEST_TITLE) -> str:
    """The text for people: without marks for filing, ISBD signs at its ends and control characters; NFC; at most `most`."""
    plain = one_line(_AT.sub(r"\1", _MARKS.sub("", text)))
    return _LOOSE_ENDS.sub("", plain)[:most].strip()


def filed(text: str, skip: int = 0) -> str | None:
    """The text as it is filed, without the leading article; None if nothing says what to leave out.

    `skip` is how many characters are not filed (MARC 245, second indicator).
    """
    if _NOT_FILED.match(text):
        return shown(_NOT_FILED.sub("", text, count=1)) or None
    if _AT.match(text):
        return shown(_AT.sub("", text)) or None
    plain = one_line(text)
    # A wrong count would cut a word in two.
    if 0 < skip < len(plain) and not plain[skip - 1].isalnum():
        return shown(plain[skip:]) or None
    return None


def without_stop(text: str) -> str:
    """Without the full stop that ends an ISBD area; "…" and the stop of a short word stay."""
    return _FULL_STOP.sub("", text)


def imprint(text: str) -> str | None:
    """A place or publisher: brackets of supplied ones and "[u.a.]" off; None for "[Verlag nicht ermittelbar]", "[s.l.]"."""
    name = _AND_OTHERS.sub("", shown(text, LONGEST_NAME))
    found = _SUPPLIED.match(name)
    name = shown(found.group(1) if found else name, LONGEST_NAME)
    return None if not name or _NOBODY.search(name) else name


def year_in(text: str, last: int) -> int | None:
    """The first plausible year (1450 to `last`) of `[2018]`, `©2017`, `c1989.`, `Shōwa 61-nen [1986]`."""
    years = (int(digits) for digits in re.findall(r"(?<!\d)[0-9]{4}(?!\d)", text))
    return next((year for year in years if FIRST_YEAR <= year <= last), None)


_UNIT = r"(?:S|Seiten?|p|pp|pages?|pagine|páginas|págs?|blz|str|sid(?:or)?)\b"
_UNCOUNTED = r"(?:(?:un)?gez(?:ählte|\.)|nicht gez(?:ählte|\.)|unnumbered|unpaged)\s+"
# Up to three numbers, roman ones in front, "[8]" for pages without a number; not the first page of "2019, S. 124-136".
_COUNT = re.compile(
    rf"((?:[\[(]?[0-9]{{1,5}}[\])]?\s*,\s*){{0,3}}[\[(]?[0-9]{{1,5}}[\])]?)\s*(?:{_UNCOUNTED})?{_UNIT}", re.I
)


def pages_in(text: str) -> int | None:
    """The number before S., Seiten, p., pages: of `XXIV, 541, 28 S.` the largest, never the centimetres.

    Behind " + " stands what comes along: `1 CD-ROM + 1 Beih. [6] S.` has no pages.
    """
    found = _COUNT.search(one_line(text).partition(" + ")[0])
    count = max((int(number) for number in re.findall(r"[0-9]+", found.group(1))), default=0) if found else 0
    return count or None


# What stands for the title of a part that has none of its own.
_PART_WORD = r"(?:Haupt(?:bd|band|w|werk)|Bde?|Band|Teil|Tl|T|Vol|Volume|Heft|H|Nr|No|Lfg|Lieferung|Buch|Tome|Part)"
_PLACEHOLDER = re.compile(
    rf"\[?(?:Haupt(?:bd|band|w|werk)\.?|{_PART_WORD}\.?\s*[\dIVXLC]{{1,7}}[.,]?)\]?|\[\d+\]", re.I
)


def is_placeholder(title: str) -> bool:
    """Whether it is only "[Hauptbd.]" or "Bd. 3": the parent has the title. "1984" is a title."""
    return not title or bool(_PLACEHOLDER.fullmatch(title))
