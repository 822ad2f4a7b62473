"""Bibliographic records: what is printed on the title page."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column, relationship

from bibliothek.db import Base


class Title(Base):
    """A bibliographic record. `language` is ISO 639-1; `sort_title` drops the leading article."""

    __tablename__ = "title"
    __table_args__ = ({"sqlite_autoincrement": True},)

    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str]
    subtitle: Mapped[str | None]
    sort_title: Mapped[str] = mapped_column(index=True)
    publisher: Mapped[str | None]
    place: Mapped[str | None]
    year: Mapped[int | None] = mapped_column(index=True)
    edition: Mapped[str | None]
    pages: Mapped[int | None]
    language: Mapped[str | None] = mapped_column(index=True)
    # Where the record came from ("dnb", "openlibrary"), with a link to it there; None when a person typed it.
    source: Mapped[str | None]
    source_url: Mapped[str | None]
    created_at: Mapped[datetime]

    contributors: Mapped[list[Contributor]] = relationship(
        lazy="raise_on_sql", order_by="Contributor.position", cascade="all, delete-orphan", passive_deletes=True
    )
    series: Mapped[list[SeriesPart]] = relationship(
        lazy="raise_on_sql", order_by="SeriesPart.position", cascade="all, delete-orphan", passive_deletes=True
    )
    isbns: Mapped[list[TitleIsbn]] = relationship(
        lazy="raise_on_sql", order_by="TitleIsbn.position", cascade="all, delete-orphan", passive_deletes=True
    )
    subjects: Mapped[list[Subject]] = relationship(
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
