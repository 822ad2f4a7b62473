"""The search index in the two languages of our databases: how a row is written, and how its words are asked for.

Words come folded (`words.py`), so they hold letters and digits only and nothing of FTS5's or tsquery's own signs; PostgreSQL's
text search parser is passed by, because it cuts "5e3x" in two where SQLite does not.
"""

from __future__ import annotations

from typing import Any, Protocol

from sqlalchemy import Column, Integer, MetaData, Table, TextClause, text

from bibliothek.catalogue.entries import Entry, Wanted

# Asked one after the other, every title is found by the first that fits it; see `search.py`.
TIERS = ("starts", "title", "title_persons", "starts_soon", "title_soon", "title_persons_soon", "everywhere")


class Dialect(Protocol):
    """What both sides know. `table` is the index as far as both have it: its one column is the title's number."""

    insert: TextClause
    delete: TextClause
    stored: TextClause
    table: Table

    def row(self, entry: Entry) -> dict[str, Any]:
        """The parameters of `insert`, in the names of `stored`'s columns."""
        ...

    def matches(self, name: str) -> TextClause:
        """SQL: the entry answers the question that is bound under `name`."""
        ...

    def questions(self, wanted: Wanted) -> dict[str, str]:
        """A question for each of TIERS, and `every` for all that match at all."""
        ...


class Fts5:
    """SQLite: https://www.sqlite.org/fts5.html#full_text_query_syntax"""

    insert = text("INSERT INTO title_search (rowid, title, persons, rest) VALUES (:id, :title, :persons, :rest)")
    delete = text("DELETE FROM title_search WHERE rowid = :id")
    stored = text("SELECT rowid AS id, title, persons, rest FROM title_search ORDER BY rowid")
    table = Table("title_search", MetaData(), Column("rowid", Integer))

    def row(self, entry: Entry) -> dict[str, Any]:
        return {
            "id": entry.title_id,
            "title": " ".join(entry.title),
            "persons": " ".join(entry.persons),
            "rest": " ".join(entry.rest),
        }

    def matches(self, name: str) -> TextClause:
        return text(f"title_search MATCH :{name}")

    def questions(self, wanted: Wanted) -> dict[str, str]:
        whole, soon = self._all(wanted, ""), self._all(wanted, "*")
        starts = "{title} : (" + self._all(wanted, "", wanted.first) + ")"
        starts_soon = "{title} : (" + self._all(wanted, "*", wanted.first) + ")"
        title, title_soon = "{title} : (" + whole + ")", "{title} : (" + soon + ")"
        both, both_soon = "{title persons} : (" + whole + ")", "{title persons} : (" + soon + ")"
        return {
            "starts": starts,
            "title": f"({title}) NOT ({starts})",
            "title_persons": f"({both}) NOT ({title})",
            "starts_soon": f"({starts_soon}) NOT ({both})",
            "title_soon": f"({title_soon}) NOT (({both}) OR ({starts_soon}))",
            "title_persons_soon": f"({both_soon}) NOT (({both}) OR ({title_soon}))",
            "everywhere": f"({soon}) NOT ({both_soon})",
            "every": soon,
        }

    def _all(self, wanted: Wanted, end: str, first: int | None = None) -> str:
        last = len(wanted.words) - 1
        return " AND ".join(
            self._one(word, "^" if n == first else "", end if n == last else "") for n, word in enumerate(wanted.words)
        )

    def _one(self, spellings: tuple[str, ...], start: str, end: str) -> str:
        return "(" + " OR ".join(f'{start}"{word}"{end}' for word in spellings) + ")"


class Tsvector:
    """PostgreSQL: https://www.postgresql.org/docs/current/datatype-textsearch.html

    Title, persons and rest are the weights A, B and C; the filing word stands a second time with a caret before it.
    """

    insert = text("INSERT INTO title_search (title_id, words) VALUES (:id, CAST(:words AS tsvector))")
    delete = text("DELETE FROM title_search WHERE title_id = :id")
    stored = text("SELECT title_id AS id, CAST(words AS text) AS words FROM title_search ORDER BY title_id")
    table = Table("title_search", MetaData(), Column("title_id", Integer))

    def row(self, entry: Entry) -> dict[str, Any]:
        """The tsvector as PostgreSQL itself would write it: words in order of their bytes, places with weights."""
        places: dict[str, list[str]] = {}
        parts = [
            (("^" + word for word in entry.title[:1]), "1A"),
            (entry.title, "1A"),
            (entry.persons, "2B"),
            (entry.rest, "3C"),
        ]
        for words, place in parts:
            for word in words:
                places.setdefault(word, []).append(place)
        ordered = sorted(places.items(), key=lambda pair: pair[0].encode())
        return {"id": entry.title_id, "words": " ".join(f"'{word}':{','.join(at)}" for word, at in ordered)}

    def matches(self, name: str) -> TextClause:
        return text(f"title_search.words @@ CAST(:{name} AS tsquery)")

    def questions(self, wanted: Wanted) -> dict[str, str]:
        title, title_soon = self._all(wanted, "A"), self._all(wanted, "*A")
        both, both_soon = self._all(wanted, "AB"), self._all(wanted, "*AB")
        starts, starts_soon = self._all(wanted, "A", wanted.first), self._all(wanted, "*A", wanted.first)
        return {
            "starts": starts,
            "title": f"{title} & !({starts})",
            "title_persons": f"{both} & !({title})",
            "starts_soon": f"{starts_soon} & !({both})",
            "title_soon": f"{title_soon} & !({both} | {starts_soon})",
            "title_persons_soon": f"{both_soon} & !({both} | {title_soon})",
            "everywhere": f"{self._all(wanted, '*')} & !({both_soon})",
            "every": self._all(wanted, "*"),
        }

    def _all(self, wanted: Wanted, end: str, first: int | None = None) -> str:
        last = len(wanted.words) - 1
        inner = end.lstrip("*")
        each = (
            self._one(word, "^" if n == first else "", end if n == last else inner)
            for n, word in enumerate(wanted.words)
        )
        return "(" + " & ".join(each) + ")"

    def _one(self, spellings: tuple[str, ...], start: str, end: str) -> str:
        return "(" + " | ".join(f"'{start}{word}'" + (f":{end}" if end else "") for word in spellings) + ")"


DIALECTS: dict[str, Dialect] = {"sqlite": Fts5(), "postgresql": Tsvector()}
