"""A series, or a work of several volumes, in the order of its numbers."""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import urlencode

from litestar.params import FromQuery

from bibliothek.catalogue import covers, queries
from bibliothek.catalogue.series import in_series
from bibliothek.codes import holds_card
from bibliothek.i18n import _
from bibliothek.lending.queries import copy_counts
from bibliothek.problems import NotFound
from bibliothek.web.paging import page_number
from bibliothek.web.routes import page
from bibliothek.web.sign_in import Audience
from bibliothek.web.visit import Page, Visit

PER_PAGE = 50
_ALSO = (*copy_counts(), covers.DIGEST)


class NoSuchSeries(NotFound):
    """No title is in a series of this name."""

    code = "unknown-series"

    def __init__(self) -> None:
        super().__init__(_("Diese Reihe gibt es hier nicht, oder nicht mehr."))


class Volume(NamedTuple):
    """A title in its series; `number` as printed."""

    id: int
    number: str | None
    title: str
    byline: str
    year: int | None
    available: int
    total: int
    picture: str | None


@page("/katalog/reihe", Audience.EVERYONE)
def series(visit: Visit, name: FromQuery[str] = "", seite: FromQuery[str] = "1") -> Page:
    """The titles of one series."""
    places = [] if holds_card(name) else in_series(visit.db, name)
    if not places:
        raise NoSuchSeries
    pages = max(1, -(-len(places) // PER_PAGE))
    number = min(page_number(seite), pages)
    shown = places[(number - 1) * PER_PAGE : number * PER_PAGE]
    rows = {row.id: row for row in queries.title_rows(visit.db, [place.title_id for place in shown], _ALSO)}
    return visit.page(
        "catalogue/series.html",
        name=name,
        volumes=[
            Volume(row.id, place.number, row.title, row.byline, row.year, *row.also)
            for place in shown
            if (row := rows.get(place.title_id))
        ],
        total=len(places),
        page=number,
        pages=pages,
        base="/katalog/reihe?" + urlencode({"name": name}) + "&seite=",
    )


handlers = [series]
