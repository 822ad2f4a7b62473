"""Text made fit for paper: fonts that know the letters, lines that fit the width."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence
from itertools import groupby
from pathlib import Path

FONTS = Path(__file__).parent / "fonts"
SANS = "DejaVuSans"
BOLD = "DejaVuSans-Bold"
MONO = "DejaVuSansMono-Bold"

# DejaVu Sans Condensed is the same drawing, a tenth narrower: a third word gets into a line of a label.
CONDENSED = 0.9
LEADING = 1.2
MISSING = "□"

# What `wrap` asks: is this line narrow enough?
Fits = Callable[[str], bool]


def register_fonts() -> None:
    """Make the three fonts known to reportlab, once. Not safe in two threads at once: the caller sees to that."""
    from reportlab.pdfbase import pdfmetrics, ttfonts

    known = pdfmetrics.getRegisteredFontNames()
    for name in (SANS, BOLD, MONO):
        if name not in known:
            pdfmetrics.registerFont(ttfonts.TTFont(name, str(FONTS / f"{name}.ttf")))


def width(text: str, font: str, size: float) -> float:
    """How wide `text` is when written, in the unit of `size`. Everything but MONO is set condensed."""
    from reportlab.pdfbase.pdfmetrics import stringWidth

    natural: float = stringWidth(text, font, size)
    return natural if font == MONO else natural * CONDENSED


def printable(text: str, font: str) -> str:
    """`text` as `font` can print it.

    Accents are composed (DNB writes them apart), white space becomes single spaces, control and format characters go, and
    each run of letters that the font lacks becomes one □. Right-to-left letters stay in the order in which they are stored.
    """
    from reportlab.pdfbase.pdfmetrics import getFont

    known = getFont(font).face.charToGlyph
    composed = unicodedata.normalize("NFC", " ".join(text.split()))
    wanted = (char for char in composed if not _is_invisible(char, known))
    runs = groupby(wanted, key=lambda char: ord(char) in known)
    return " ".join("".join("".join(run) if has_glyph else MISSING for has_glyph, run in runs).split())


def _is_invisible(char: str, known: dict[int, int]) -> bool:
    """Control and format characters, variation selectors (of emoji), and marks that the font lacks: nobody misses those."""
    category = unicodedata.category(char)
    return category in ("Cc", "Cf") or 0xFE00 <= ord(char) <= 0xFE0F or (category[0] == "M" and ord(char) not in known)


def fit(text: str, font: str, sizes: Sequence[float], wide: float, high: float, most: int) -> tuple[float, list[str]]:
    """The largest of `sizes` (descending) at which all of `text` fits into `wide` × `high`, and its lines, at most `most`.

    If there is none: the smallest size, with long words broken and the end cut.
    """
    text = printable(text, font)
    whole = text.replace(" ", "")
    size, lines = sizes[-1], []
    for size in sizes:
        room = max(1, min(most, int(high / (size * LEADING))))
        lines = wrap(text, _narrower(font, size, wide), room)
        if "".join(lines).replace(" ", "") == whole and "&" not in lines:
            break
    return size, lines


def _narrower(font: str, size: float, wide: float) -> Fits:
    return lambda line: width(line, font, size) <= wide


def wrap(text: str, fits: Fits, most: int) -> list[str]:
    """`text` in at most `most` lines that fit. Words too long for a line are broken; a rest is cut at a word and shown by …"""
    words = _with_next(text.split())
    lines: list[str] = []
    while words and len(lines) < most:
        words = _broken(words, fits)
        count = _words_that_fit(words, fits)
        lines.append(" ".join(words[:count]))
        words = words[count:]
    if words and lines:
        lines[-1] = _with_ellipsis(lines[-1], fits)
    return lines


def _with_next(words: list[str]) -> list[str]:
    """`words`, an & tied to the one behind it: it must not end a line, nor be one."""
    tied: list[str] = []
    for word in words:
        if tied and tied[-1].split()[-1] == "&":
            tied[-1] += " " + word
        else:
            tied.append(word)
    return tied


def _words_that_fit(words: list[str], fits: Fits) -> int:
    """How many of `words` go into one line; at least one, or nothing would ever be written."""
    count = 1
    while count < len(words) and fits(" ".join(words[: count + 1])):
        count += 1
    return count


def _broken(words: list[str], fits: Fits) -> list[str]:
    """`words`, the first one broken in two if it is too long for a line: after its own hyphen or slash, else anywhere."""
    first = words[0]
    if fits(first):
        return words
    if " " in first:
        return _broken([*first.split(" ", 1), *words[1:]], fits)
    at_hyphens = [match.end() for match in re.finditer(r"[-–/](?=.)", first) if fits(first[: match.end()])]
    if at_hyphens:
        return [first[: at_hyphens[-1]], first[at_hyphens[-1] :], *words[1:]]
    length = 1
    while length < len(first) - 1 and fits(first[: length + 1] + "-"):
        length += 1
    return [first[:length] + "-", first[length:], *words[1:]] if length < len(first) else words


def _with_ellipsis(line: str, fits: Fits) -> str:
    """`line` with as many of its last words given up as it takes to say that there is more."""
    words = line.split()
    while len(words) > 1 and not fits(" ".join(words) + " …"):
        words.pop()
    kept = " ".join(words).rstrip(" -–:;,./(")
    if fits(kept + " …"):
        return kept + " …"
    while len(kept) > 1 and not fits(kept + "…"):
        kept = kept[:-1]
    return kept + "…"
