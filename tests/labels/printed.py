"""What comes out of the printer: pages as images, the QR codes on them, fonts and text, all by programs that are not ours."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import pytest
import zxingcpp
from PIL import Image

INSTALL = "sudo apt-get install -y --no-install-recommends poppler-utils"


@dataclass(frozen=True)
class Read:
    """A QR code as it was read: its page (0 is the first) and its upper left corner in millimetres on that page."""

    text: str
    page: int
    x: float
    y: float


class Printed:
    """A PDF on the table; `folder` is for the programs that look at it."""

    def __init__(self, pdf: bytes, folder: Path) -> None:
        self.folder = folder
        self.file = folder / "printed.pdf"
        self.file.write_bytes(pdf)

    def pages(self, dpi: int) -> list[Image.Image]:
        """The pages in grey, `dpi` dots to the inch."""
        for old in self.folder.glob("page-*"):
            old.unlink()
        self._run("pdftoppm", "-gray", "-r", str(dpi), str(self.file), str(self.folder / "page"))
        return [Image.open(BytesIO(file.read_bytes())) for file in sorted(self.folder.glob("page-*"))]

    def codes(self, dpi: int) -> list[Read]:
        """Every QR code that zxing-cpp finds on the pages, in reading order."""
        found = [
            Read(code.text, number, code.position.top_left.x / dpi * 25.4, code.position.top_left.y / dpi * 25.4)
            for number, page in enumerate(self.pages(dpi))
            for code in zxingcpp.read_barcodes(page)
        ]
        return sorted(found, key=lambda read: (read.page, round(read.y), read.x))

    def text(self) -> str:
        return self._run("pdftotext", "-layout", str(self.file), "-")

    def fonts(self) -> list[list[str]]:
        """The words of each line of pdffonts: name, type, encoding, embedded, subset, has Unicode table …"""
        return [line.split() for line in self._run("pdffonts", str(self.file)).splitlines()[2:]]

    def about(self) -> dict[str, str]:
        """Title, author, pages … as pdfinfo says them."""
        pairs = (line.partition(":") for line in self._run("pdfinfo", str(self.file)).splitlines())
        return {name: value.strip() for name, _colon, value in pairs}

    def _run(self, program: str, *arguments: str) -> str:
        if shutil.which(program) is None:
            pytest.fail(f"{program} fehlt. Installieren: {INSTALL}")
        done = subprocess.run([program, *arguments], capture_output=True, check=True)
        assert done.stderr == b"", done.stderr.decode()
        return done.stdout.decode("utf-8")
