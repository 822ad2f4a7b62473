"""What a form says about a print."""

from __future__ import annotations

from typing import Annotated

import msgspec


class PrintForm(msgspec.Struct):
    """What to print where: `start` is the first free place of the sheet, 1 in the upper left corner."""

    codes: list[str]
    sheet: str
    start: Annotated[int, msgspec.Meta(ge=1, le=200)]
