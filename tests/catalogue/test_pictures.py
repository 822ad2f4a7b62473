"""Pictures: whatever somebody sends, two clean ones come of it, or a sentence."""

from __future__ import annotations

import subprocess
import sys

import pytest
from PIL import Image

from bibliothek.catalogue import pictures
from bibliothek.catalogue.pictures import (
    BrokenPicture,
    NotAPicture,
    PictureTooLarge,
    PictureTooSmall,
    TooManyPixels,
    prepare,
)
from tests.catalogue import drawn


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_a_picture_becomes_one_for_lists_and_one_for_its_page(kind: str) -> None:
    picture = prepare(drawn.book(600, 900, kind))
    small, large = drawn.opened(picture.small), drawn.opened(picture.large)
    assert (small.size, large.size) == ((160, 240), (480, 720))
    assert (small.format, large.format) == ("WEBP", "WEBP")
    assert len(picture.small) < 5_000
    assert len(picture.digest) == 32


def test_the_same_picture_has_the_same_name() -> None:
    assert prepare(drawn.book()).digest == prepare(drawn.book()).digest != prepare(drawn.book(cloth="#a3281e")).digest


def test_a_small_picture_is_not_blown_up() -> None:
    assert drawn.opened(prepare(drawn.book(100, 150)).large).size == (100, 150)


def test_a_strip_is_no_higher_than_three_times_its_width() -> None:
    width, height = drawn.opened(prepare(drawn.book(200, 4000)).large).size
    assert height == 1440
    assert width == 72


def _is_pale(picture: Image.Image, x: float, y: float) -> bool:
    shown = picture.convert("L")
    return int(shown.getpixel((int(x * (shown.width - 1)), int(y * (shown.height - 1))))) > 200  # type: ignore[arg-type,call-overload]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_photo_is_turned_upright(orientation: int) -> None:
    """What a camera writes that is held so: the same book, turned the other way round."""
    from PIL.Image import Transpose

    back = {
        1: None,
        2: Transpose.FLIP_LEFT_RIGHT,
        3: Transpose.ROTATE_180,
        4: Transpose.FLIP_TOP_BOTTOM,
        5: Transpose.TRANSPOSE,
        6: Transpose.ROTATE_90,
        7: Transpose.TRANSVERSE,
        8: Transpose.ROTATE_270,
    }[orientation]
    image = drawn.opened(drawn.book())
    exif = Image.Exif()
    exif[0x0112] = orientation
    sent = drawn.packed(image.transpose(back) if back is not None else image, "JPEG", exif=exif.tobytes())
    shown = drawn.opened(prepare(sent).large)
    assert shown.size == (480, 720)
    assert _is_pale(shown, 0.5, 0.25)
    assert not _is_pale(shown, 0.5, 0.75)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_what_the_camera_noted_is_gone(kind: str) -> None:
    sent = drawn.with_orientation(1, kind=kind)
    assert b"A camera" in sent
    picture = prepare(sent)
    for size in (picture.small, picture.large):
        assert b"A camera" not in size
        assert not dict(drawn.opened(size).getexif())
        assert "icc_profile" not in drawn.opened(size).info


def test_what_is_transparent_lies_on_white_paper() -> None:
    image = Image.new("RGBA", (200, 300), (255, 0, 0, 0))
    shown = drawn.opened(prepare(drawn.packed(image, "PNG")).large).convert("RGB")
    assert min(shown.getpixel((100, 150))) > 250  # type: ignore[arg-type,type-var]


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "CMYK", "I;16"])
def test_pictures_in_all_kinds_of_colours_are_read(mode: str) -> None:
    kind = "JPEG" if mode == "CMYK" else "PNG"
    assert prepare(drawn.packed(Image.new(mode, (200, 300)), kind)).large


@pytest.mark.parametrize(
    ("sent", "no"),
    [
        (b"", NotAPicture),
        (drawn.TEXT, NotAPicture),
        (drawn.SVG, NotAPicture),
        (drawn.packed(Image.new("P", (100, 150)), "GIF"), NotAPicture),
        (drawn.packed(Image.new("RGB", (100, 150)), "TIFF"), NotAPicture),
        (drawn.packed(Image.new("RGB", (100, 150)), "BMP"), NotAPicture),
        (b"%PDF-1.7\n" + drawn.TEXT, NotAPicture),
        (drawn.bomb(30_000, 30_000), TooManyPixels),
        (drawn.bomb(8_000, 8_000), TooManyPixels),
        (drawn.bomb(6_000, 5_000), TooManyPixels),
        (drawn.bomb(2**31 - 1, 2**31 - 1), TooManyPixels),
        (drawn.packed(Image.new("RGB", (1, 1)), "JPEG"), PictureTooSmall),
        (drawn.book()[:3000], BrokenPicture),
        (drawn.book(kind="PNG")[:1000], BrokenPicture),
        (drawn.book(kind="WEBP")[:500], BrokenPicture),
        (b"\xff\xd8\xff" + drawn.TEXT, NotAPicture),
        (bytes(pictures.MOST_BYTES + 1), PictureTooLarge),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else "",
)
def test_what_is_no_good_picture_is_refused_with_a_sentence(sent: bytes, no: type[Exception]) -> None:
    with pytest.raises(no) as caught:
        prepare(sent)
    assert str(caught.value).endswith(".")


def test_what_was_cut_off_or_bent_anywhere_is_read_or_refused_and_nothing_else() -> None:
    sent = drawn.book(120, 180, exif=drawn.Image.Exif().tobytes())
    for at in range(0, len(sent), 7):
        for bent in (sent[:at], sent[:at] + b"\xff" + sent[at + 1 :], sent[:at] + b"\x00\x00" + sent[at + 2 :]):
            try:
                prepare(bent)
            except (NotAPicture, BrokenPicture, TooManyPixels, PictureTooSmall):
                pass


def _peak_mib(make: str) -> float:
    """How much memory a process has had at most that prepares the picture which `make` draws, above one that draws it only."""
    script = (
        "import resource, sys\nfrom tests.catalogue import drawn\nfrom bibliothek.catalogue.pictures import prepare\n"
        "def peak(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024\n"
        "prepare(drawn.book())\nsent = open(sys.argv[1], 'rb').read()\nbefore = peak()\nprepare(sent)\nprint(peak() - before)"
    )
    done = subprocess.run([sys.executable, "-c", script, make], capture_output=True, text=True, check=True)
    return float(done.stdout)


def test_a_photo_of_fifty_million_pixels_takes_little_memory(tmp_path: object) -> None:
    file = f"{tmp_path}/large.jpg"
    with open(file, "wb") as out:
        out.write(drawn.book(8200, 6100))
    assert _peak_mib(file) < 60
