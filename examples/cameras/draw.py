"""Draws the pictures of the six cameras, each as its station on a line would see it.

    python examples/cameras/draw.py

The pictures lie beside the operations that are to be carried out on them; they are kept, so that
`run.sh` needs nothing but curl.
"""

from __future__ import annotations

import math
import random
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image, ImageDraw, ImageFilter

if TYPE_CHECKING:
    from collections.abc import Callable

SIZE = (960, 720)
HERE = Path(__file__).resolve().parent


def bottle(draw: ImageDraw.ImageDraw, _: random.Random) -> None:
    """Draw a bottle on a belt, filled a little too low."""
    draw.rectangle((0, 600, 960, 720), (60, 62, 66))
    draw.rounded_rectangle((370, 200, 590, 640), 40, (120, 190, 150), (40, 90, 70), 6)
    draw.rectangle((440, 90, 520, 220), (120, 190, 150), (40, 90, 70), 6)
    draw.rectangle((430, 60, 530, 100), (200, 40, 40))
    draw.rectangle((380, 360, 580, 630), (90, 60, 20))


def board(draw: ImageDraw.ImageDraw, rng: random.Random) -> None:
    """Draw a circuit board with one chip out of line."""
    draw.rectangle((60, 60, 900, 660), (20, 90, 50))
    for _ in range(60):
        x, y = rng.randrange(80, 860), rng.randrange(80, 640)
        draw.line((x, y, x + rng.choice((-60, 60)), y), (190, 160, 60), 3)
    for row in range(3):
        for column in range(4):
            left, top = 120 + column * 200, 110 + row * 180
            shift = 14 if (row, column) == (1, 2) else 0
            draw.rectangle((left + shift, top + shift, left + 120, top + 90), (25, 25, 28))


def gear(draw: ImageDraw.ImageDraw, _: random.Random) -> None:
    """Draw a gear with a tooth broken off."""
    for tooth in range(24):
        if tooth == 5:
            continue
        angle = math.tau * tooth / 24
        x, y = 480 + 290 * math.cos(angle), 360 + 290 * math.sin(angle)
        draw.regular_polygon((x, y, 34), 4, math.degrees(-angle), (150, 152, 158))
    draw.ellipse((210, 90, 750, 630), (150, 152, 158), (90, 92, 98), 5)
    draw.ellipse((410, 290, 550, 430), (30, 30, 34))


def label(draw: ImageDraw.ImageDraw, rng: random.Random) -> None:
    """Draw a label with a bar code, on a box."""
    draw.rectangle((0, 0, 960, 720), (170, 130, 85))
    draw.rectangle((230, 180, 730, 540), (245, 245, 240))
    x = 270
    while x < 690:
        width = rng.choice((3, 3, 6, 9))
        draw.rectangle((x, 230, x + width, 430), (10, 10, 10))
        x += width + rng.choice((3, 6, 9))
    draw.rectangle((270, 460, 690, 480), (60, 60, 60))


def weld(draw: ImageDraw.ImageDraw, rng: random.Random) -> None:
    """Draw a weld between two plates, with a pore."""
    draw.rectangle((0, 0, 960, 350), (120, 124, 130))
    draw.rectangle((0, 370, 960, 720), (128, 132, 138))
    for x in range(0, 960, 16):
        light = rng.randrange(60, 100)
        draw.ellipse((x - 18, 330, x + 18, 390), (light, light, light + 6), (40, 40, 44), 2)
    draw.ellipse((600, 348, 622, 370), (12, 10, 10))


def fabric(draw: ImageDraw.ImageDraw, _: random.Random) -> None:
    """Draw a weave with a thread missing."""
    for x in range(0, 960, 12):
        draw.line((x, 0, x, 720), (70, 80, 140), 7)
    for y in range(0, 720, 12):
        if y != 360:
            draw.line((0, y, 960, y), (100, 112, 180), 5)


SCENES: dict[str, Callable[[ImageDraw.ImageDraw, random.Random], None]] = {
    "1-bottle": bottle,
    "2-board": board,
    "3-gear": gear,
    "4-label": label,
    "5-weld": weld,
    "6-fabric": fabric,
}


def main() -> None:
    """Draw all of them."""
    for number, (name, scene) in enumerate(SCENES.items()):
        rng = random.Random(number)  # noqa: S311  no secret
        picture = Image.new("RGB", SIZE, (206, 208, 210))
        scene(ImageDraw.Draw(picture), rng)
        folder = HERE / name
        folder.mkdir(exist_ok=True)
        soft = picture.filter(ImageFilter.GaussianBlur(1.2))
        soft.save(folder / "picture.jpg", quality=88)


if __name__ == "__main__":
    main()
