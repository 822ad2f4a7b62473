"""Bibliographic records: what is printed on the title page."""

from datetime import datetime

from sqlalchemy import ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column, relationship

from bibliothek.db import Base


class Title(Base):
    """A bibliographic record. `language` is ISO 639-1; `sort_title` drops the leading article."""

    __tablename__ = "title"
    __table_args__ = (
        Index("ix_title_sort_title_id", "sort_title", "id"),
        # On PostgreSQL in the order of `info`, which the migration alone says: SQLite has no NULLS LAST there, and needs none.
        Index("ix_title_year_id", "year", "id", info={"order": "year DESC NULLS LAST, id DESC"}),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str]
    subtitle: Mapped[str | None]
    sort_title: Mapped[str]
    publisher: Mapped[str | None]
    place: Mapped[str | None]
    year: Mapped[int | None]
    edition: Mapped[str | None]
    pages: Mapped[int | None]
    language: Mapped[str | None] = mapped_column(index=True)
    # Where the record came from ("dnb", "openlibrary"), with a link to it there; None when a person typed it.
    source: Mapped[str | None]
    source_url: Mapped[str | None]
    created_at: Mapped[datetime]
    # Where each field came from (JSON of catalogue.provenance); pages that list titles do without.
    origins: Mapped[str | None] = mapped_column(deferred=True, deferred_raiseload=True)

    contributors: Mapped[list["Contributor"]] = relationship(
        lazy="raise_on_sql", order_by="Contributor.position", cascade="all, delete-orphan", passive_deletes=True
    )
    series: Mapped[list["SeriesPart"]] = relationship(
        lazy="raise_on_sql", order_by="SeriesPart.position", cascade="all, delete-orphan", passive_deletes=True
    )
    isbns: Mapped[list["TitleIsbn"]] = relationship(
        lazy="raise_on_sql", order_by="TitleIsbn.position", cascade="all, delete-orphan", passive_deletes=True
    )
    subjects: Mapped[list["Subject"]] = relationship(
        lazy="raise_on_sql", order_by="Subject.position", cascade="all, delete-orphan", passive_deletes=True
    )


class Contributor(Base):
    """A person or body with a MARC relator code (`aut`, `edt`, `trl` …); the name is "Family, Given"."""

    __tablename__ = "contributor"

    title_id: Mapped[int] = mapped_column(ForeignKey("title.id", ondelete="CASCADE"), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(index=True)
    role: Mapped[str]


class SeriesPart(Base):
    """The series a title appeared in, with its number there as printed."""

    __tablename__ = "series_part"

    title_id: Mapped[int] = mapped_column(ForeignKey("title.id", ondelete="CASCADE"), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True)
    series: Mapped[str] = mapped_column(index=True)
    number: Mapped[str | None]


class TitleIsbn(Base):
    """An ISBN of 13 digits. Not unique: two editions may share one."""

    __tablename__ = "title_isbn"

    title_id: Mapped[int] = mapped_column(ForeignKey("title.id", ondelete="CASCADE"), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True)
    isbn: Mapped[str] = mapped_column(index=True)


class Subject(Base):
    """What a title is about, in the words of its source."""

    __tablename__ = "subject"

    title_id: Mapped[int] = mapped_column(ForeignKey("title.id", ondelete="CASCADE"), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]


class Material(Base):
    """A kind of thing that is lent by rules of its own: "Film", "Spiel". `sort_name` is the name as it is sorted and compared."""

    __tablename__ = "material"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    sort_name: Mapped[str] = mapped_column(unique=True)


class TitleMaterial(Base):
    """What kind of thing a title is, where it is not a book like any other."""

    __tablename__ = "title_material"

    title_id: Mapped[int] = mapped_column(ForeignKey("title.id", ondelete="CASCADE"), primary_key=True)
    material_id: Mapped[int] = mapped_column(ForeignKey("material.id", ondelete="CASCADE"), index=True)


class Cover(Base):
    """The picture of a title. The file lies in the data folder, named by its digest; None while it is still to be fetched.

    `source` is "own" for a photo that somebody took, which no source replaces, or the name of a source, in which `reference`
    is the picture's number. After `tries` in vain the next one is at `next_try_at`, never again where that is None.
    """

    __tablename__ = "cover"

    title_id: Mapped[int] = mapped_column(ForeignKey("title.id", ondelete="CASCADE"), primary_key=True)
    source: Mapped[str]
    reference: Mapped[str | None]
    digest: Mapped[str | None] = mapped_column(index=True)
    at: Mapped[datetime]
    tries: Mapped[int] = mapped_column(server_default="0", default=0)
    next_try_at: Mapped[datetime | None] = mapped_column(index=True)


class TitleMerge(Base):
    """Two titles that became one. `gone` (JSON) is the title that is no more, with all that moved, so that it can come back.

    Links to `gone_id` lead to `kept_id` until the merge is undone.
    """

    __tablename__ = "title_merge"
    __table_args__ = ({"sqlite_autoincrement": True},)

    id: Mapped[int] = mapped_column(primary_key=True)
    gone_id: Mapped[int] = mapped_column(index=True)
    kept_id: Mapped[int] = mapped_column(ForeignKey("title.id", ondelete="CASCADE"), index=True)
    gone: Mapped[str]
    merged_at: Mapped[datetime]
    undone_at: Mapped[datetime | None]
