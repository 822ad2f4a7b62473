"""Which shelf a book may belong on, by the subject group that DNB gave it. Pure: it suggests, and decides nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeVar

from bibliothek.catalogue.words import fold

# Beginnings of DNB's subject groups (B, K, S, or three digits of Dewey; https://d-nb.info/1052810241/34) and how the name of a
# fitting shelf may begin, folded, the best word first. A longer beginning counts before a shorter one.
_WORDS = {
    "B": ("roman", "belletristik", "literatur", "erzahl", "prosa", "krimi"),
    "K": ("kinder", "jugend"),
    "S": ("schul", "lern"),
    "0": ("nachschlag", "allgemein", "medien", "sachbuch"),
    "004": ("informatik", "computer", "technik"),
    "07": ("medien", "journalis"),
    "1": ("philosophie", "theorie"),
    "13": ("psychologie", "esoterik"),
    "15": ("psychologie", "philosophie"),
    "2": ("religion", "theologie", "philosophie"),
    "3": ("gesellschaft", "soziolog", "politik", "sozial"),
    "305": ("feminis", "gender", "geschlecht", "gesellschaft", "politik"),
    "32": ("politik", "gesellschaft"),
    "33": ("wirtschaft", "okonomie", "politik", "gesellschaft"),
    "34": ("recht", "jura", "politik", "gesellschaft"),
    "35": ("politik", "verwaltung", "militar"),
    "37": ("bildung", "padagogik", "erziehung", "gesellschaft"),
    "39": ("kultur", "volkskunde", "gesellschaft"),
    "4": ("sprach",),
    "5": ("natur", "wissenschaft", "sachbuch"),
    "57": ("biologie", "natur", "umwelt"),
    "6": ("technik", "sachbuch"),
    "610": ("medizin", "gesundheit"),
    "630": ("garten", "landwirtschaft", "umwelt"),
    "640": ("koch", "haushalt", "ernahrung"),
    "650": ("wirtschaft", "management"),
    "7": ("kunst", "kultur"),
    "741": ("comic", "graphic", "manga", "kunst"),
    "770": ("foto", "kunst"),
    "78": ("musik", "kunst"),
    "79": ("film", "theater", "sport", "spiel"),
    "8": ("roman", "belletristik", "literatur", "lyrik"),
    "9": ("geschichte", "geschichtlich"),
    "91": ("reise", "geographie", "landerkunde"),
    "920": ("biograf", "biograph", "geschichte"),
}  # fmt: skip


class HasName(Protocol):
    """A shelf as it is looked at here."""

    @property
    def name(self) -> str: ...


S = TypeVar("S", bound=HasName)


def suggested(classes: Sequence[str], shelves: Sequence[S]) -> S | None:
    """The first shelf whose name fits the first class that fits any: by the class itself ("320 Politik"), else by a word."""
    named = [(fold(shelf.name), shelf) for shelf in shelves]
    for group in classes:
        for wanted in (group.lower(), *_words_for(group)):
            for words, shelf in named:
                if any(word == wanted or (len(wanted) > 3 and word.startswith(wanted)) for word in words):
                    return shelf
    return None


def _words_for(group: str) -> list[str]:
    """The words for a class, those of its longest beginning first."""
    beginnings = [group[:length] for length in range(len(group), 0, -1)]
    return [word for beginning in beginnings for word in _WORDS.get(beginning, ())]
