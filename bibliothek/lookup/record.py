"""What one source says about one book: a draft of a title, before anybody took it over."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from bibliothek.catalogue.fields import Origin, TitleFields
from bibliothek.catalogue.rules import MOST_SUBJECTS
from bibliothek.catalogue.words import fold

# What became of asking a source.
Outcome = Literal["found", "not_found", "throttled", "unavailable"]

PRINTED = (None, "volume")


class Record(TitleFields, frozen=True, kw_only=True):
    """The fields of a title, and what else the source knows. Everything but the title may be missing.

    `sort_title` is the title without its article where the source marks it. `classes` are DNB subject groups (B, K, S or
    three digits). `carrier` is what holds the text: "volume" (a printed book), "online", "disc", "microform", "sheet",
    "braille", "other", or None where the source is silent. `parent_id` is the set that a volume belongs to, in the source's
    own numbers; `cover_id` is Open Library's.
    """

    sort_title: str | None = None
    original_language: str | None = None
    subjects: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    binding: str | None = None
    carrier: str | None = None
    source: str | None = None
    source_id: str | None = None
    source_url: str | None = None
    parent_id: str | None = None
    cover_id: int | None = None

    @property
    def is_printed(self) -> bool:
        """A printed book, or at least nothing that says otherwise."""
        return self.carrier in PRINTED

    def fields(self) -> TitleFields:
        """What the catalogue and the API show."""
        return TitleFields(**{name: getattr(self, name) for name in TitleFields.__struct_fields__})

    def origin(self) -> Origin:
        """What comes along into the catalogue."""
        return Origin(
            sort_title=self.sort_title,
            subjects=self.subjects,
            source=self.source,
            source_url=self.source_url,
            cover_id=self.cover_id,
        )

    def filled(self) -> list[str]:
        """The names of the title's fields that say something."""
        return [name for name in TitleFields.__struct_fields__ if getattr(self, name) not in (None, ())]


def without_doubles(subjects: Iterable[str]) -> tuple[str, ...]:
    """One subject for the same words, whatever their spelling; the first one stays, and none without a word."""
    found: dict[tuple[str, ...], str] = {}
    for text in subjects:
        found.setdefault(tuple(fold(text)), text)
    return tuple(text for words, text in found.items() if words)[:MOST_SUBJECTS]
