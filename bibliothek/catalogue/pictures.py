"""A picture as people and sources send it, made into the two that the library keeps. Pure: bytes in, bytes out.

Nothing of the file that came is kept: it is unpacked and packed anew. What was hidden in it goes, and so does what a camera
notes without being asked: the place, the time, the owner.
"""

from __future__ import annotations

import hashlib
from io import BytesIO
from threading import Lock
from typing import TYPE_CHECKING

import msgspec

from bibliothek.i18n import _
from bibliothek.problems import Invalid

if TYPE_CHECKING:
    from PIL.Image import Image

MOST_BYTES = 25_000_000
# As many as the largest cameras of phones make, where the file can be unpacked to a fraction of its size (JPEG); and as many
# as are unpacked as they are, at four bytes each, several times over.
MOST_PIXELS = 60_000_000
MOST_UNPACKED = 16_000_000
# Some sources send a single point where they have no picture.
LEAST_SIDE = 32
# In points: what is as wide as a cover in a list and on its title's page, on screens with two points to a pixel as well. A
# picture that is three times as high as wide is no book.
SMALL, LARGE = (160, 480), (480, 1440)
FORMATS = ("JPEG", "PNG", "WEBP")
# WebP is a third smaller than JPEG that looks the same. Every browser that can lay out our pages has shown it for years.
EXTENSION, MEDIA_TYPE = "webp", "image/webp"
QUALITY = 80

# One after the other: unpacked, the largest pictures take 200 megabytes for a moment.
_unpacking = Lock()


class PictureTooLarge(Invalid):
    """More bytes than a photo needs."""

    status = 413
    code = "picture-too-large"

    def __init__(self) -> None:
        super().__init__(
            _(
                "Das Bild ist zu groß: höchstens {n} MB. Verkleinere es oder fotografiere mit geringerer Auflösung.",
                n=MOST_BYTES // 1_000_000,
            )
        )


class TooManyPixels(Invalid):
    """A small file may hold a picture that fills all memory when it is unpacked."""

    code = "too-many-pixels"

    def __init__(self) -> None:
        super().__init__(
            _("Das Bild hat zu viele Bildpunkte. Verkleinere es oder fotografiere mit geringerer Auflösung.")
        )


class PictureTooSmall(Invalid):
    """Nothing could be seen on it."""

    code = "picture-too-small"

    def __init__(self) -> None:
        super().__init__(_("Das Bild ist zu klein, um etwas darauf zu erkennen."))


class NotAPicture(Invalid):
    """Whatever the file is called, it holds none of the formats that are read here."""

    code = "not-a-picture"

    def __init__(self) -> None:
        super().__init__(
            _("Diese Datei ist kein Foto, das die Bibliothek lesen kann. Nimm ein Bild als JPEG, PNG oder WebP.")
        )


class BrokenPicture(Invalid):
    """It begins like a picture and does not go on like one."""

    code = "broken-picture"

    def __init__(self) -> None:
        super().__init__(_("Das Bild ist beschädigt oder unvollständig angekommen. Versuche es noch einmal."))


class Picture(msgspec.Struct, frozen=True):
    """A picture in both sizes, as MEDIA_TYPE; `digest` names it."""

    digest: str
    small: bytes
    large: bytes


def prepare(content: bytes) -> Picture:
    """The two sizes of the picture in `content`: upright, without anything that was noted in the file.

    Raises PictureTooLarge, NotAPicture, TooManyPixels, PictureTooSmall, BrokenPicture.
    """
    if len(content) > MOST_BYTES:
        raise PictureTooLarge
    with _unpacking:
        whole = _unpacked(content)
        large, small = _packed(whole, LARGE), _packed(whole, SMALL)
    return Picture(hashlib.sha256(large).hexdigest()[:32], small, large)


def _unpacked(content: bytes) -> Image:
    with _opened(content) as image:
        _check_size(image)
        try:
            image.load()
            return _upright(_plain(image), _orientation(image))
        except Exception as error:  # a hostile file provokes whatever the reader of its format can raise
            raise BrokenPicture from error


def _opened(content: bytes) -> Image:
    """What kind of picture it is says its content, never its name. Only the head is read."""
    from PIL import Image, UnidentifiedImageError

    try:
        return Image.open(BytesIO(content), formats=FORMATS)
    except UnidentifiedImageError as error:
        raise NotAPicture from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise TooManyPixels from error
    except Exception as error:
        raise BrokenPicture from error


def _check_size(image: Image) -> None:
    """Before anything is unpacked. A JPEG is told to unpack to an eighth, a quarter or a half where that is enough."""
    if min(image.size) < LEAST_SIDE:
        raise PictureTooSmall
    if _pixels(image) > MOST_PIXELS:
        raise TooManyPixels
    # One that is sent in several passes has to be held as a whole nevertheless.
    if not image.info.get("progressive"):
        image.draft("RGB", (2 * LARGE[0], 2 * LARGE[0]))
    if _pixels(image) > MOST_UNPACKED:
        raise TooManyPixels


def _pixels(image: Image) -> int:
    return image.width * image.height


def _plain(image: Image) -> Image:
    """On white paper where it is transparent; a new image, to which nothing sticks that came with the old one."""
    from PIL.Image import new

    mode = "RGBA" if image.has_transparency_data else "RGB"
    # Converting makes a copy even where nothing changes, and here the picture has its full size.
    image = image if image.mode == mode else image.convert(mode)
    image.thumbnail((LARGE[1], LARGE[1]))
    paper = new("RGB", image.size, "white")
    paper.paste(image, mask=image if image.mode == "RGBA" else None)
    return paper


def _orientation(image: Image) -> int:
    """How the camera was held (Exif 2.32, tag 0x0112), from 1 to 8. Unreadable notes make no bad picture."""
    try:
        return int(image.getexif().get(0x0112, 1))
    except Exception:  # noqa: BLE001 - as above: whatever its reader raises
        return 1


def _upright(image: Image, orientation: int) -> Image:
    from PIL.Image import Transpose

    turns = {
        2: Transpose.FLIP_LEFT_RIGHT,
        3: Transpose.ROTATE_180,
        4: Transpose.FLIP_TOP_BOTTOM,
        5: Transpose.TRANSPOSE,
        6: Transpose.ROTATE_270,
        7: Transpose.TRANSVERSE,
        8: Transpose.ROTATE_90,
    }
    return image.transpose(turns[orientation]) if orientation in turns else image


def _packed(image: Image, box: tuple[int, int]) -> bytes:
    """As large as fits into the box, never larger than it came."""
    sized = image.copy()
    sized.thumbnail(box)
    packed = BytesIO()
    sized.save(packed, "WEBP", quality=QUALITY)
    return packed.getvalue()
