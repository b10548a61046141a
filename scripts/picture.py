"""Draws docs/assets/demo.svg: what `pixmill demo` says in a terminal, from a real run of it.

The demo runs in an empty folder and is told to color its table as for a terminal. The picture names
no font or file from elsewhere, and its ids are the same in every run.
"""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text

PICTURE = Path(__file__).parents[1] / "docs" / "assets" / "demo.svg"
COLUMNS = 92
THEME = TerminalTheme(
    (16, 20, 28),
    (214, 220, 228),
    [
        *((16, 20, 28), (230, 90, 100), (130, 200, 130), (225, 190, 110)),
        *((110, 160, 230), (190, 140, 220), (100, 200, 200), (214, 220, 228)),
    ],
)
SVG = """\
<svg class="rich-terminal" viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg"
 xml:space="preserve">
<style>
.{unique_id}-matrix {{ font-family: ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", monospace;
  font-size: {char_height}px; line-height: {line_height}px; font-variant-east-asian: full-width; }}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal">
<rect x="0" y="0" width="{terminal_width}" height="{terminal_height}"/>
</clipPath>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""


def said_by_demo() -> str:
    """Run the command in an empty folder; returns what it wrote, with its escape sequences."""
    colored = {"COLUMNS": str(COLUMNS), "FORCE_COLOR": "1", "COLORTERM": "truecolor"}
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [sys.executable, "-m", "pixmill", "demo"],
            cwd=folder,
            env=os.environ | colored,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=True,
        )
    return done.stdout


def drawn(said: str) -> str:
    """Draw lines with escape sequences as a picture."""
    console = Console(
        record=True,
        width=COLUMNS,
        file=io.StringIO(),
        force_terminal=True,
        color_system="truecolor",
        highlight=False,
    )
    console.print(Text.from_ansi(f"$ make demo\n{said.strip()}"), soft_wrap=True)
    svg = console.export_svg(title="pixmill demo", theme=THEME, code_format=SVG, unique_id="demo")
    # The port is another one in every run.
    return re.sub(r"(127\.0\.0\.1:)\d{4,5}", r"\g<1>40123", svg)


def main() -> None:
    """Write the picture."""
    PICTURE.parent.mkdir(parents=True, exist_ok=True)
    PICTURE.write_text(drawn(said_by_demo()), encoding="utf-8")


if __name__ == "__main__":
    main()
