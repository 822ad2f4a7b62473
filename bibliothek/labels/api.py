"""Labels for programs."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Response, Router
from litestar.params import FromQuery

from bibliothek.labels.actions import print_labels
from bibliothek.labels.sheets import SHEETS, sheet_named
from bibliothek.library.queries import library
from bibliothek.web.calls import Call, Made, read_call, write_call
from bibliothek.web.sign_in import Audience


class SheetAnswer(msgspec.Struct):
    """A kind of label sheet: `name` goes into `labels.pdf?sheet=`, `label` says its size."""

    name: str
    label: str


@read_call("/labels/sheets", Audience.LIBRARIAN_TOKENS)
def sheets(_call: Call) -> list[SheetAnswer]:
    """The label sheets that can be printed."""
    return [SheetAnswer(sheet.name, sheet.label) for sheet in SHEETS.values()]


def pdf_answer(_call: Call, ids: dict[str, Any]) -> Response[bytes]:
    """The PDF just made."""
    return Response(ids["pdf"], media_type="application/pdf", headers={"cache-control": "no-store"})


@write_call("/labels.pdf", Audience.LIBRARIAN_TOKENS, pdf_answer, method="GET", status=200)
def labels_pdf(call: Call, codes: FromQuery[str] = "", sheet: FromQuery[str] = "", start: FromQuery[int] = 1) -> Made:
    """The labels of the copies `codes` (with commas between them), row by row from place `start` of the sheet on.

    Printing its label takes a copy out of the label queue and makes it active, also when it is asked for here.
    """
    row = library(call.db)
    wanted = [code for code in codes.split(",") if code.strip()]
    chosen = sheet_named(sheet or row.label_sheet)
    base_url = call.kit.settings.base_url
    pdf = print_labels(call.db, wanted, chosen, start, base_url=base_url, library=row.name, now=call.now)
    return Made(200, {"pdf": pdf})


api = Router("/api/v1", route_handlers=[sheets, labels_pdf])
