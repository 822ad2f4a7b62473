"""The search index in the languages of our two databases: how its rows are written, and how its terms are asked for.

Both take terms as they are: no parser and no dictionary of theirs has a say in what a word is. A term holds letters, digits
and the marks of `entries.py`, never a quote, so nothing that somebody types can be read as an operator.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
from sqlalchemy import Column, Integer, MetaData, Table, TextClause, text

from bibliothek.catalogue.entries import FILED, LANGUAGE, NAMED, TITLE, Wanted


class Dialect(msgspec.Struct, frozen=True):
    """Statements and signs of one database. `table` knows one column of the index: the title's number."""

    table: Table
    insert: TextClause
    delete: TextClause
    stored: TextClause
    match: str
    quote: str
    unfinished: str
    both: str
    either: str
    but_not: str

    def row(self, title_id: int, terms: Iterable[str]) -> dict[str, int | str]:
        """The parameters of `insert`, named and written as `stored` reads them; `terms` in order of bytes."""
        quote = "'" if self.quote == "'" else ""
        return {"id": title_id, "words": " ".join(f"{quote}{term}{quote}" for term in terms)}

    def matches(self, name: str) -> TextClause:
        """SQL: the row answers the question that is bound under `name`."""
        return text(self.match.format(name=name))

    def questions(self, wanted: Wanted, language: str | None = None) -> dict[str, str]:
        """A question for every tier of `search.TIERS`, each without the hits of those before.

        `surely` asks for all titles with these words as they are, `every` also for those in which the last one goes on.
        """
        also = [self._term((language,), LANGUAGE)] if language else []
        whole = self._join(self._term((wanted.whole,)), *also)
        title, named, surely = (self._all(wanted, mark, False, also) for mark in (TITLE, NAMED, ""))
        title_soon, named_soon, every = (self._all(wanted, mark, True, also) for mark in (TITLE, NAMED, ""))
        starts, starts_soon = (
            self._join(self._filed(wanted, False), title),
            self._join(self._filed(wanted, True), title_soon),
        )
        return {
            "whole": whole,
            "starts": self._less(starts, whole),
            "title": self._less(title, whole, starts),
            "named": self._less(named, title),
            "starts_soon": self._less(starts_soon, named),
            "title_soon": self._less(title_soon, named, starts_soon),
            "named_soon": self._less(named_soon, named, title_soon),
            "elsewhere": self._less(surely, named_soon),
            "elsewhere_soon": self._less(every, named_soon, surely),
            "surely": surely,
            "every": every,
        }

    def _all(self, wanted: Wanted, mark: str, soon: bool, also: list[str]) -> str:
        *words, last = wanted.words
        ends = soon and wanted.unfinished
        return self._join(*(self._term(word, mark) for word in words), self._term(last, mark, ends), *also)

    def _filed(self, wanted: Wanted, soon: bool) -> str:
        is_last = wanted.first == len(wanted.words) - 1
        return self._term(wanted.words[wanted.first], FILED, soon and wanted.unfinished and is_last)

    def _term(self, spellings: tuple[str, ...], mark: str = "", unfinished: bool = False) -> str:
        end = self.unfinished if unfinished else ""
        return "(" + self.either.join(f"{self.quote}{mark}{word}{self.quote}{end}" for word in spellings) + ")"

    def _join(self, *questions: str) -> str:
        return "(" + self.both.join(questions) + ")"

    def _less(self, question: str, *others: str) -> str:
        return f"{question}{self.but_not}({self.either.join(others)})"


DIALECTS = {
    # https://www.sqlite.org/fts5.html#full_text_query_syntax
    "sqlite": Dialect(
        table=Table("title_search", MetaData(), Column("rowid", Integer)),
        insert=text("INSERT INTO title_search (rowid, words) VALUES (:id, :words)"),
        delete=text("DELETE FROM title_search WHERE rowid = :id"),
        stored=text("SELECT rowid AS id, words FROM title_search WHERE rowid BETWEEN :first AND :last"),
        match="title_search MATCH :{name}",
        quote='"',
        unfinished="*",
        both=" AND ",
        either=" OR ",
        but_not=" NOT ",
    ),
    # https://www.postgresql.org/docs/current/datatype-textsearch.html
    "postgresql": Dialect(
        table=Table("title_search", MetaData(), Column("title_id", Integer)),
        insert=text("INSERT INTO title_search (title_id, words) VALUES (:id, CAST(:words AS tsvector))"),
        delete=text("DELETE FROM title_search WHERE title_id = :id"),
        stored=text(
            "SELECT title_id AS id, CAST(words AS text) AS words FROM title_search WHERE title_id BETWEEN :first AND :last"
        ),
        match="title_search.words @@ CAST(:{name} AS tsquery)",
        quote="'",
        unfinished=":*",
        both=" & ",
        either=" | ",
        but_not=" & !",
    ),
}
