"""QR codes (ISO/IEC 18004), for paper and for pages."""

from __future__ import annotations

from functools import cache
from html import escape
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from qrcode.util import QRData

# ISO/IEC 18004 wants four modules of white around the symbol.
QUIET = 4

# Any of the eight masks can be read. Trying them all costs eight times the work for each code; this one has the lowest mean
# penalty over addresses and card codes of versions 2 to 4.
MASK = 1


def copy_url(base_url: str, code: str) -> str:
    """What the QR code of a copy or a shelf holds: `<BASE_URL>/c/<code>`.

    Upper case where BASE_URL has no path, because a QR code is coarser then (alphanumeric mode); scheme and host do not mind.
    """
    base = base_url.rstrip("/")
    address = f"{base}/c/{code}"
    # Outside ASCII upper case changes the host: ß becomes SS, which is another domain.
    return address.upper() if base.isascii() and not urlsplit(base).path else address


def qr_matrix(text: str) -> list[list[bool]]:
    """The modules of the smallest QR code with error correction M for `text`, row by row, True is dark, no quiet zone.

    Raises qrcode.exceptions.DataOverflowError beyond some 2,300 bytes.
    """
    from qrcode.constants import ERROR_CORRECT_M
    from qrcode.main import QRCode
    from qrcode.util import QRData

    content = QRData(text)
    version = _smallest_version(content.mode, len(content))
    code = QRCode(version=version, error_correction=ERROR_CORRECT_M, border=0, mask_pattern=MASK)
    code.add_data(content)
    code.make(fit=False)
    matrix: list[list[bool]] = code.get_matrix()
    return matrix


@cache
def _smallest_version(mode: int, length: int) -> int:
    """Mode and length decide the version, so the labels of one library need this once."""
    from qrcode.constants import ERROR_CORRECT_M
    from qrcode.main import QRCode
    from qrcode.util import QRData

    probe: QRData = QRData(b"0" * length, mode=mode, check_data=False)
    code = QRCode(error_correction=ERROR_CORRECT_M)
    code.add_data(probe)
    return int(code.best_fit())


def dark_runs(matrix: list[list[bool]]) -> list[tuple[int, int, int]]:
    """The dark modules as (column, row, how many in a row): a third of the shapes that single modules would need."""
    runs = []
    for y, row in enumerate(matrix):
        x = 0
        while x < len(row):
            start = x
            while x < len(row) and row[x]:
                x += 1
            if x > start:
                runs.append((start, y, x - start))
            x += 1
    return runs


def qr_svg(text: str, title: str) -> str:
    """`text` as inline SVG of dark modules on white, quiet zone included; `title` is what a screen reader says.

    It has no size of its own: the page gives it one. It stays dark on white in a dark page, because many readers want that.
    """
    matrix = qr_matrix(text)
    side = len(matrix) + 2 * QUIET
    path = "".join(f"M{x + QUIET} {y + QUIET}h{n}v1h-{n}z" for x, y, n in dark_runs(matrix))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {side} {side}" role="img" shape-rendering="crispEdges">'
        f'<title>{escape(title)}</title><rect width="{side}" height="{side}" fill="#fff"/><path d="{path}"/></svg>'
    )
