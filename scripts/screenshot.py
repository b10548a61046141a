"""Takes docs/assets/console.png: the console in a real browser, with the answer to a picture.

A service starts over an empty catalog, the browser signs in by the one-time link and chooses a
drawn picture of hills at dusk, so that the screenshot holds nobody's photograph. Owns the picture
of the hills; what the console looks like is its own matter.
"""

from __future__ import annotations

import io
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from PIL import Image, ImageFilter
from playwright.sync_api import FilePayload, Page, expect, sync_playwright
from tests.services import CHROMIUM
from tests.serving import serving

if TYPE_CHECKING:
    from playwright.sync_api import Browser

Samples: TypeAlias = "np.ndarray[tuple[int, ...], np.dtype[np.float64]]"

PICTURE = Path(__file__).parents[1] / "docs" / "assets" / "console.png"
WIDTH, LEAST_HEIGHT = 1200, 600
HORIZON = 0.82  # share of the height; the lake is below
# how far (0 to 1), where the ridge stands in the land, how much it rises and falls
RANGES = ((0.86, 0.66, 0.045), (0.66, 0.74, 0.05), (0.44, 0.82, 0.055), (0.0, 0.94, 0.03))
HAZE = np.array((214.0, 160.0, 150.0))
NEAR = np.array((24.0, 44.0, 78.0))
SKY = (
    (0.0, (44, 92, 158)),
    (0.45, (84, 134, 190)),
    (0.75, (222, 178, 162)),
    (1.0, (255, 206, 140)),
)
SUN = (0.68, 0.56)
WAVES = range(1, 48)


def hills(width: int = 1500, height: int = 1000) -> bytes:
    """Draw ranges of hills behind a lake, under an evening sky: a JPEG, the same in every run."""
    rng = np.random.default_rng(31)
    shore = int(height * HORIZON)
    land = _sky(width, shore)
    for far, ridge, rough in RANGES:
        _add_range(land, far, _ridge(width, rng) * rough + ridge)
    picture = np.concatenate([land, _lake(land, height - shore, rng)])
    picture += rng.normal(0, 2.2, picture.shape)
    data = io.BytesIO()
    _image(picture).save(data, "JPEG", quality=88)
    return data.getvalue()


def _image(picture: Samples) -> Image.Image:
    return Image.fromarray(np.rint(np.clip(picture, 0, 255)).astype(np.uint8))


def _sky(width: int, height: int) -> Samples:
    stops = [stop for stop, _ in SKY]
    down = np.linspace(0, 1, height)
    column = [np.interp(down, stops, [color[band] for _, color in SKY]) for band in range(3)]
    sky = np.repeat(np.stack(column, axis=1)[:, None], width, axis=1)
    y, x = np.mgrid[0:height, 0:width]
    away = np.hypot(x - SUN[0] * width, y - SUN[1] * height) / height
    sky += np.exp(-((away / 0.3) ** 2))[..., None] * np.array((60, 44, 10))
    disc = np.clip((0.06 - away) * height / 2, 0, 1)[..., None]
    return np.asarray(sky * (1 - disc) + np.array((255, 246, 222)) * disc)


def _ridge(width: int, rng: np.random.Generator) -> Samples:
    """Draw a line as mountains have them: the finer the waves, the lower."""
    x = np.linspace(0, 1, width)
    line = np.zeros(width)
    for wave in WAVES:
        height, shift = rng.normal(0, 1) / wave**1.45, rng.random()
        line += height * np.sin(2 * np.pi * (wave * x * 1.2 + shift))
    return line


def _add_range(land: Samples, far: float, ridge: Samples) -> None:
    height = land.shape[0]
    below = np.arange(height)[:, None] - ridge * height
    inside = np.clip(below, 0, 1)[..., None]
    # haze lies in the valleys: a distant range grows paler towards its foot
    haze = np.clip(far + 0.5 * far * below / (0.3 * height), 0, 1)[..., None]
    land[:] = land * (1 - inside) + (NEAR * (1 - haze) + HAZE * haze) * inside


def _lake(land: Samples, height: int, rng: np.random.Generator) -> Samples:
    """Turn the land upside down, blurred along the waves and darker towards the eye."""
    mirrored = _image(land[::-1][:height]).filter(ImageFilter.GaussianBlur(2))
    rows = np.arange(height)
    swing = np.cumsum(rng.normal(0, 1, height)) * (0.4 + 3 * rows / height)
    pairs = zip(np.asarray(mirrored, float), swing, strict=True)
    water = np.stack([np.roll(row, int(by), axis=0) for row, by in pairs])
    light = np.linspace(0.88, 0.6, height)[:, None, None]
    return water * light + np.array((10, 24, 48)) * (1 - light)


def _signed_in(browser: Browser, link: str) -> Page:
    page = browser.new_page(viewport={"width": WIDTH, "height": LEAST_HEIGHT})
    page.goto(link)
    page.get_by_role("button", name="Sign in").click()
    return page


def take(page: Page, path: Path) -> None:
    """Choose the picture, and photograph the whole page as it then stands."""
    chosen = FilePayload(name="hills-at-dusk.jpg", mimeType="image/jpeg", buffer=hills())
    page.set_input_files("#file", chosen)
    expect(page.locator("#answer")).to_be_visible()
    page.evaluate("document.getAnimations().forEach((one) => one.finish())")
    shot = Image.open(io.BytesIO(page.screenshot(full_page=True)))
    shot.convert("RGB").save(path, "PNG", optimize=True)


def main() -> int:
    """Take the screenshot."""
    program = CHROMIUM.find()
    if program is None:
        sys.stderr.write(f"{CHROMIUM.name} is missing: {CHROMIUM.how}\n")
        return 1
    with (
        tempfile.TemporaryDirectory() as folder,
        serving(Path(folder)) as service,
        sync_playwright() as started,
    ):
        browser = started.chromium.launch(executable_path=program, args=["--no-sandbox"])
        take(_signed_in(browser, service.link), PICTURE)
        browser.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
