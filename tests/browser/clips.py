"""What a camera sees: clips for Chromium's false camera (JPEGs one after the other, 30 a second, round and round), and photos."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

import zxingcpp
from PIL import Image
from playwright.sync_api import Browser, Playwright

from tests.browser.conftest import CHROMIUM, FLAGS

# Draws books as people hold them up: tilted, in bad light, out of focus …; it lies beside the checkout.
FAKECAM = Path(__file__).parents[3] / "shared" / "tools" / "fakecam.py"
SITUATIONS = ("clean", "handheld", "lowlight", "tilted", "diagonal", "sideways", "small", "glare", "unfocused")
WIDTH, HEIGHT = 1280, 720
FRAMES_A_SECOND = 30

Frame = tuple[Image.Image, float]


def as_held(kind: str, text: str, situation: str, path: Path, frames: int = 3) -> Path:
    """A clip of `kind` ("ean13" or "qr") in one of the SITUATIONS, written to `path`.

    Three frames are three ways of holding it as far apart as any; more of them move more smoothly, and take longer to draw.
    """
    spec = importlib.util.spec_from_file_location("fakecam", FAKECAM)
    assert spec
    assert spec.loader
    fakecam = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(fakecam)
    fakecam.write(str(path), fakecam.frames(kind, text, situation, WIDTH, HEIGHT, frames, 1), 30, WIDTH, HEIGHT, 80)
    return path


def ean(text: str) -> Image.Image:
    """An EAN-13 on white, 380 dots wide."""
    drawn = zxingcpp.create_barcode(text, zxingcpp.BarcodeFormat.EAN13)
    return Image.fromarray(zxingcpp.write_barcode_to_image(drawn, scale=4))


def qr(text: str) -> Image.Image:
    """A QR code on white, about 250 dots wide."""
    drawn = zxingcpp.create_barcode(text, zxingcpp.BarcodeFormat.QRCode)
    return Image.fromarray(zxingcpp.write_barcode_to_image(drawn, scale=8))


def picture(*symbols: Image.Image) -> Image.Image:
    """A grey table with codes side by side on it."""
    table = Image.new("L", (WIDTH, HEIGHT), 120)
    for n, symbol in enumerate(symbols):
        middle = WIDTH * (n + 1) // (len(symbols) + 1)
        table.paste(symbol, (middle - symbol.width // 2, (HEIGHT - symbol.height) // 2))
    return table


def packed(image: Image.Image) -> bytes:
    out = BytesIO()
    image.save(out, "JPEG", quality=85)
    return out.getvalue()


def clip(path: Path, *parts: Frame) -> Path:
    """A clip of pictures, each with the seconds that it is seen."""
    path.write_bytes(b"".join(packed(image) * round(seconds * FRAMES_A_SECOND) for image, seconds in parts))
    return path


@contextmanager
def chromium_seeing(playwright: Playwright, clip: Path, more: Sequence[str] = ()) -> Iterator[Browser]:
    """A Chromium whose camera shows the clip to whoever asks."""
    camera = [
        "--use-fake-ui-for-media-stream",
        "--use-fake-device-for-media-stream",
        f"--use-file-for-fake-video-capture={clip}",
    ]
    browser = playwright.chromium.launch(executable_path=CHROMIUM, args=[*FLAGS, *camera, *more])
    try:
        yield browser
    finally:
        browser.close()


# From now on the page notes in `window.reads` what was read, and when (as performance.now() counts).
NOTE_READS = """() => {
  window.reads = [];
  const { enter } = window.scanning;
  window.scanning.enter = (...given) => {
    window.reads.push({ text: given[1], at: performance.now() });
    enter(...given);
  };
}"""
