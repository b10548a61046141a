"""Pictures for `pixmill demo`, drawn in code: the first run needs no network and no files."""

from __future__ import annotations

import io
import math

import numpy as np
from PIL import Image, ImageDraw


def draw_samples() -> dict[str, bytes]:
    """Return the files by name: photographs as JPEG, drawings in formats without loss."""
    return {
        "dusk.jpg": _encoded(_dusk(640, 400), "JPEG", quality=88),
        "beach-ball.png": _encoded(_beach_ball(480), "PNG"),
        "poster.webp": _encoded(_poster(420, 594), "WEBP", lossless=True),
        "chessboard.gif": _encoded(_chessboard(8, 40), "GIF"),
        "logo.png": _encoded(_logo(256), "PNG"),
    }


def _encoded(image: Image.Image, form: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def _dusk(width: int, height: int) -> Image.Image:
    """Draw a sky that fades over hills, with a little noise as cameras have."""
    y, x = np.mgrid[0:height, 0:width]
    fade = (y / height)[..., None]
    sky = (1 - fade) * (38, 46, 92) + fade * (246, 154, 84)
    hills = y > height * (0.74 + 0.05 * np.sin(x / 60) + 0.03 * np.sin(x / 23 + 1))
    sky[hills] = (29, 33, 46)
    noise = np.random.default_rng(7).normal(0, 2.0, (height, width, 1))
    return Image.fromarray((sky + noise).clip(0, 255).astype(np.uint8))


def _beach_ball(side: int) -> Image.Image:
    """Draw six colored slices on a transparent ground."""
    image = Image.new("RGBA", (side, side), (0, 0, 0, 0))
    draw = ImageDraw.Draw(image)
    for slice_, color in enumerate(
        ["#E63946", "#F1FAEE", "#457B9D", "#F4A261", "#F1FAEE", "#2A9D8F"]
    ):
        draw.pieslice((8, 8, side - 8, side - 8), slice_ * 60, slice_ * 60 + 60, fill=color)
    return image


def _poster(width: int, height: int) -> Image.Image:
    """Draw flat shapes of a print."""
    image = Image.new("RGB", (width, height), "#F6E7CB")
    draw = ImageDraw.Draw(image)
    draw.ellipse(
        (width * 0.2, height * 0.1, width * 0.8, height * 0.1 + width * 0.6), fill="#D1495B"
    )
    for step in range(5):
        top = height * (0.62 + 0.08 * step)
        wave = [(x, top + 10 * math.sin(x / 35 + step)) for x in range(0, width + 5, 5)]
        draw.polygon([*wave, (width, height), (0, height)], fill=("#30638E", "#003D5B")[step % 2])
    return image


def _chessboard(squares: int, side: int) -> Image.Image:
    """Draw two colors that stand equally often: the smaller value comes first."""
    board = np.indices((squares, squares)).sum(axis=0) % 2
    pixels = np.array([[238, 238, 210], [118, 150, 86]], np.uint8)[board]
    return Image.fromarray(pixels.repeat(side, axis=0).repeat(side, axis=1))


def _logo(side: int) -> Image.Image:
    """Draw a mill's wheel of one color, mostly transparent."""
    image = Image.new("RGBA", (side, side), (255, 255, 255, 0))
    draw = ImageDraw.Draw(image)
    for step in range(4):
        draw.pieslice((16, 16, side - 16, side - 16), step * 90, step * 90 + 40, fill="#6C4AB6")
    return image
