"""Labels for programs."""

from __future__ import annotations

import msgspec
from litestar import Response
from litestar.params import FromQuery

from bibliothek.labels.actions import print_labels
from bibliothek.labels.sheets import SHEETS
from bibliothek.web.calls import Call, read_call
from bibliothek.web.sign_in import Audience


class SheetAnswer(msgspec.Struct):
    """A kind of label sheet: `name` goes into `labels.pdf?sheet=`, `label` says its size."""

    name: str
    label: str


@read_call("/labels/sheets", Audience.LIBRARIAN_TOKENS)
def sheets(_call: Call) -> list[SheetAnswer]:
    """The label sheets that can be printed."""
    return [SheetAnswer(sheet.name, sheet.label) for sheet in SHEETS.values()]


@read_call("/labels.pdf", Audience.LIBRARIAN_TOKENS, errand=True, refuses=(404,), media_type="application/pdf")
def labels_pdf(
    call: Call, codes: FromQuery[str] = "", sheet: FromQuery[str] = "", start: FromQuery[int] = 1
) -> Response[bytes]:
    """The labels of the copies `codes` (with commas between them), row by row from place `start` of the sheet on.

    Printing its label takes a copy out of the label queue and makes it active, also when it is asked for here.
    """
    wanted = [code for code in codes.split(",") if code.strip()]
    base_url = call.kit.settings.base_url
    pdf = print_labels(call.kit.database, wanted, sheet, start, base_url=base_url, now=call.now)
    return Response(pdf, media_type="application/pdf", headers={"cache-control": "no-store"})


handlers = [sheets, labels_pdf]
