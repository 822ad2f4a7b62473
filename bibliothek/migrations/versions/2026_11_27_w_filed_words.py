"""A title is found by the words that it is filed under, also where these were told apart from its own: "1984" by
"neunzehnhundertvierundachtzig".
"""

from alembic import op
from sqlalchemy import Connection, text

from bibliothek.catalogue.words import both_spellings

revision = "2026_11_27_w_filed_words"
down_revision = "2026_11_27_v_desk"
branch_labels = None
depends_on = None

MARKS = ("", "~", "=")
READ = {
    "sqlite": "SELECT words FROM title_search WHERE rowid = :id",
    "postgresql": "SELECT array_to_string(tsvector_to_array(words), ' ') FROM title_search WHERE title_id = :id",
}
WRITE = {
    "sqlite": "UPDATE title_search SET words = :words WHERE rowid = :id",
    "postgresql": "UPDATE title_search SET words = array_to_tsvector(string_to_array(:words, ' ')) WHERE title_id = :id",
}


def upgrade() -> None:
    index_filed_words(op.get_bind())


def index_filed_words(connection: Connection) -> None:
    """Add them to the rows of the search index in which they are missing."""
    titles = text("SELECT id, title, sort_title FROM title").execution_options(yield_per=1000)
    others = [
        (number, words)
        for number, title, sort_title in connection.execute(titles)
        if (words := set(sort_title.split()).difference(both_spellings(title)))
    ]
    name = connection.dialect.name
    for number, words in others:
        known = connection.execute(text(READ[name]), {"id": number}).scalar_one().split()
        terms = {*known, *(mark + word for mark in MARKS for word in words)}
        connection.execute(text(WRITE[name]), {"id": number, "words": " ".join(sorted(terms, key=str.encode))})
