"""The words of a text as the search index and the order of titles know them. Pure: text in, text out.

One fold for both databases, so that SQLite and PostgreSQL find the same titles. "Müller" is indexed as `muller` and as
`mueller`, "Straße" as `strasse`; whoever looks for one spelling finds the others.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

from bibliothek.letters import SPELLED

# The second spelling: German umlauts, and their Nordic cousins.
_LONG = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ø": "oe", "å": "aa"})
_WORD = re.compile(r"[^\W_]+")

# PostgreSQL refuses words of more than 2046 bytes; nobody looks for the hundredth letter.
LONGEST_WORD = 60

_ARTICLES = {
    "de": frozenset(("der", "die", "das", "ein", "eine")),
    "en": frozenset(("the", "a", "an")),
    "fr": frozenset(("le", "la", "les", "l", "un", "une")),
    "es": frozenset(("el", "la", "los", "las", "un", "una")),
    "it": frozenset(("il", "lo", "la", "i", "gli", "le", "l", "un", "uno", "una")),
    "pt": frozenset(("o", "a", "os", "as", "um", "uma")),
    "nl": frozenset(("de", "het", "een")),
    "da": frozenset(("den", "det", "en", "et")),
    "sv": frozenset(("den", "det", "en", "ett")),
}
_EVERY_ARTICLE = frozenset[str]().union(*_ARTICLES.values())
# Without a language only what is an article in German or in English, and hardly ever the first word of a name.
_ANY_ARTICLE = _ARTICLES["de"] | {"the"}


def fold(text: str) -> list[str]:
    """The words of `text` in lower case without marks: `["muller", "strasse"]` for "Müller-Straße". Never raises."""
    if text.isascii():
        return [word[:LONGEST_WORD] for word in _WORD.findall(text.lower())]
    return _bare_words(_lower(text))


def spellings(text: str) -> list[tuple[str, ...]]:
    """The words of `text`, each with its spellings: "Frau Müller" is `(frau,)` and `(muller, mueller)`."""
    bare = fold(text)
    if text.isascii():
        return [(word,) for word in bare]
    # A long spelling puts letters in the place of letters, so both have the same words in the same places.
    return [tuple(dict.fromkeys(pair)) for pair in zip(bare, _bare_words(_lower(text).translate(_LONG)), strict=True)]


def both_spellings(text: str) -> list[str]:
    """All words of `text` in all their spellings, for the index."""
    return [spelling for word in spellings(text) for spelling in word]


def sort_form(title: str, language: str | None) -> str:
    """The title as it is filed: folded, without the leading article of its language. Never empty for a visible title."""
    words = without_article(fold(title), _ARTICLES.get(language or "", _ANY_ARTICLE))
    return " ".join(words) or title.casefold()


def without_article(words: list[str], articles: frozenset[str] = _EVERY_ARTICLE) -> list[str]:
    """Folded words without a leading article; a single word stays, whatever it is."""
    return words[1:] if len(words) > 1 and words[0] in articles else words


class _WithoutMarks(dict[int, int | None]):
    """For `str.translate`, which asks once for each sign: marks go, the rest stays. Half of an index is made of this."""

    def __missing__(self, point: int) -> int | None:
        kept = None if unicodedata.category(chr(point)).startswith("M") else point
        if point < _USUAL:
            self[point] = kept
        return kept


# Latin, Greek, Cyrillic and their marks. The rest is not kept: there are a million signs.
_USUAL = 0x2000
_WITHOUT_MARKS = _WithoutMarks()


@lru_cache(maxsize=2048)
def _lower(text: str) -> str:
    """Lower case, composed, compatibility forms (ligatures, full width) resolved."""
    # İ becomes i and a combining dot, so that one more pass is needed before the text stands still.
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).lower())


def _bare_words(small: str) -> list[str]:
    apart = unicodedata.normalize("NFKD", small.translate(SPELLED))
    bare = apart.translate(_WITHOUT_MARKS)
    return [word[:LONGEST_WORD] for word in _WORD.findall(bare.translate(SPELLED).lower())]
