"""Pictures to test with, and files that only pretend to be some."""

from __future__ import annotations

import random
import struct
import zlib
from io import BytesIO
from typing import Any

from PIL import Image, ImageDraw

SVG = b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
TEXT = "Das ist kein Foto, auch wenn die Datei foto.jpg heißt.\n".encode() * 20


def book(width: int = 600, height: int = 900, kind: str = "JPEG", cloth: str = "#1f3157", **options: Any) -> bytes:
    """A cover: cloth with a pale label in its upper half, so that one sees which way up it is."""
    image = Image.new("RGB", (width, height), cloth)
    draw = ImageDraw.Draw(image)
    draw.rectangle((width // 6, height // 8, width * 5 // 6, height * 3 // 8), fill="#f6f2e8")
    return packed(image, kind, **options)


def packed(image: Image.Image, kind: str, **options: Any) -> bytes:
    out = BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def noise(width: int, height: int, kind: str = "PNG") -> bytes:
    """What cannot be packed any smaller."""
    image = Image.frombytes("RGB", (width, height), random.Random(1).randbytes(width * height * 3))
    return packed(image, kind, **({"compress_level": 0} if kind == "PNG" else {"quality": 100}))


def bomb(width: int, height: int) -> bytes:
    """A PNG of a few kilobytes whose head promises this many points."""
    head = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    rows = zlib.compress(bytes(1 + min(width, 9000) // 8) * min(height, 2000), 9)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", head) + _chunk(b"IDAT", rows) + _chunk(b"IEND", b"")


def _chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def with_orientation(orientation: int, **more: Any) -> bytes:
    """A photo whose notes say how the camera was held, and where it was."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif[0x010F] = "A camera"
    exif.get_ifd(0x8825)[1] = "N"
    return book(exif=exif.tobytes(), **more)


def opened(content: bytes) -> Image.Image:
    return Image.open(BytesIO(content))
