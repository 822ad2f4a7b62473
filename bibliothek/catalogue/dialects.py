"""The search index in the languages of our two databases: how its rows are written, and how its terms are asked for.

Both take terms as they are: no parser and no dictionary of theirs has a say in what a word is. A term holds letters, digits
and the marks of `entries.py`, never a quote, so nothing that somebody types can be read as an operator.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
from sqlalchemy import Column, Integer, MetaData, String, Table, TextClause, bindparam, text

from bibliothek.catalogue.entries import Question, Term


class Dialect(msgspec.Struct, frozen=True):
    """Statements and signs of one database. `table` knows one column of the index: the title's number.

    `match` is true of a row that answers :question, which is bound or, where it `is_written`, part of the statement. `numbers`
    selects those in :numbers (JSON), `terms` are those of a row, joined by spaces. Beginnings of up to `ready` letters stand
    ready in the index; longer ones are gathered first. `is_in_order` says that titles come out of the index by number.
    """

    table: Table
    insert: TextClause
    delete: TextClause
    stored: TextClause
    match: str
    is_written: bool
    numbers: str
    terms: str
    ready: int
    is_in_order: bool
    quote: str
    unfinished: str
    both: str
    either: str

    def row(self, title_id: int, terms: Iterable[str]) -> dict[str, int | str]:
        """The parameters of `insert`, named and written as `stored` reads them; `terms` in order of bytes."""
        quote = "'" if self.quote == "'" else ""
        return {"id": title_id, "words": " ".join(f"{quote}{term}{quote}" for term in terms)}

    def answers(self, question: Question | None = None) -> TextClause:
        """SQL: the row answers this question, or the one that is given with the statement as "question"."""
        bound = bindparam("question", type_=String, literal_execute=self.is_written)
        if question is not None:
            bound = bindparam("question", self.write(question), String, unique=True, literal_execute=self.is_written)
        return text(self.match).bindparams(bound)

    def write(self, question: Question) -> str:
        """The question as the database reads it."""
        return self.both.join("(" + self.either.join(map(self._term, spelled)) + ")" for spelled in question)

    def _term(self, term: Term) -> str:
        return f"{self.quote}{term.text}{self.quote}{self.unfinished if term.unfinished else ''}"


DIALECTS = {
    # https://www.sqlite.org/fts5.html#full_text_query_syntax
    "sqlite": Dialect(
        table=Table("title_search", MetaData(), Column("rowid", Integer)),
        insert=text("INSERT INTO title_search (rowid, words) VALUES (:id, :words)"),
        delete=text("DELETE FROM title_search WHERE rowid = :id"),
        stored=text("SELECT rowid AS id, words FROM title_search WHERE rowid BETWEEN :first AND :last"),
        match="title_search MATCH :question",
        is_written=False,
        numbers="SELECT value FROM json_each(:numbers)",
        terms="words",
        ready=7,
        is_in_order=True,
        quote='"',
        unfinished="*",
        both=" AND ",
        either=" OR ",
    ),
    # https://www.postgresql.org/docs/current/datatype-textsearch.html
    "postgresql": Dialect(
        table=Table("title_search", MetaData(), Column("title_id", Integer)),
        insert=text("INSERT INTO title_search (title_id, words) VALUES (:id, CAST(:words AS tsvector))"),
        delete=text("DELETE FROM title_search WHERE title_id = :id"),
        stored=text(
            "SELECT title_id AS id, CAST(words AS text) AS words FROM title_search WHERE title_id BETWEEN :first AND :last"
        ),
        match="title_search.words @@ CAST(:question AS tsquery)",
        # A plan that is kept for all questions takes rare words for common ones, and looks through a million titles for them.
        is_written=True,
        numbers="SELECT CAST(value AS integer) FROM json_array_elements_text(CAST(:numbers AS json))",
        terms="array_to_string(tsvector_to_array(words), ' ')",
        ready=0,
        is_in_order=False,
        quote="'",
        unfinished=":*",
        both=" & ",
        either=" | ",
    ),
}
