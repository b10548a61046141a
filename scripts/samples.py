"""Keeps what pages of the documentation show as answers equal to what is really answered.

Every block of `console` commands that is followed by a block of kind `http` or `text` is run by a
shell, in the page's order, in a folder with drawn pictures, beside an origin that serves them and,
where the page speaks of it, a service over an empty catalog; what was answered takes the place of
the second block. What differs from run to run (ports, keys, times) stands in one form for all.
Owns that and the pictures; the words between the blocks are written by hand.

`python -m scripts.samples --write` renews the pages, `--check` says which are behind and exits 1.
"""

from __future__ import annotations

import argparse
import contextlib
import difflib
import json
import os
import pty
import re
import subprocess
import sys
import tempfile
import tty
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests import command
from tests.origin import Origin
from tests.pictures import plain, png_of
from tests.serving import serving

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.serving import Service

DOCS = Path(__file__).parents[1] / "docs"
PAGES = (
    DOCS / "samples.md",
    *(DOCS / "how-to" / f"{name}.md" for name in ("serve", "keys", "match-colors", "palettes")),
)
TIMEOUT_S = 60
COLUMNS = 100
SERVICE_PORT, ORIGIN_PORT = "5000", "8000"

SAMPLE = re.compile(
    r"^```console\n(?P<commands>(?:(?!```).*\n)+)```\n\n```(?P<kind>http|text)\n(?:(?!```).*\n)*```$",
    re.MULTILINE,
)
SERVE = "pixmill serve"
KEY = re.compile(r"pm_[a-z0-9]{8}_[\w-]{43}")
ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b\]8;[^\x1b]*\x1b\\")  # colors, and links
SHOWN_HEADERS = ("content-type", "www-authenticate", "retry-after", "etag", "location")
NORMAL = {
    KEY: "pm_3f9k2c7q_…",
    re.compile(r"code=[\w-]{43}"): "code=…",
    re.compile(r"pm_[a-z0-9]{8}\b(?!_)"): "pm_3f9k2c7q",
    re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?"): "2026-11-20T10:31:00",
    re.compile(r"\d{4}-\d\d-\d\d(?!T)"): "2026-11-20",
    re.compile(r"(?<=retry-after: )\d+"): "30",
    re.compile(r"[ \t]+$", re.MULTILINE): "",
    re.compile(
        r" in [^(\n]* \([\d.,]+ images/s, [\d.,]+ MB/s\)"
    ): " in 1 s (5.0 images/s, 0.1 MB/s)",
}

WHITE, BLACK, ORANGE, RED, BLUE = (255,) * 3, (0,) * 3, (255, 165, 0), (201, 63, 56), (38, 84, 145)
PAINTS = "name,hex,id\nBrick,#CB4137,4711\nHarbor,#2A5A94,4712\nChalk,#F4F1EA,4713\n"
LISTED = ("orange.png", "brick.png", "missing.png", "flag.png")


def pictures() -> dict[str, bytes]:
    """Draw what the page speaks of, by file name."""
    square = [
        BLACK if 5 <= x < 95 and 5 <= y < 95 else WHITE for y in range(100) for x in range(100)
    ]
    flag = [BLUE] * 1200 + [WHITE] * 600 + [RED] * 1800
    return {
        "orange.png": plain(ORANGE),
        "square.png": png_of(square, 100),
        "flag.png": png_of(flag, 60),
        "brick.png": plain(RED),
        "page.html": b"<!doctype html><title>Not a picture</title>",
    }


class Session:
    """A shell in a folder of its own, beside an origin and, unless it is None, a service."""

    def __init__(self, folder: Path, origin: Origin, service: Service | None) -> None:
        self._folder = folder
        self._introduction = "\n".join(service.said) if service else ""
        self._ports = {ORIGIN_PORT: str(origin.port)}
        if service:
            self._ports[SERVICE_PORT] = service.url.rpartition(":")[2]
        self._environment = command.environment(
            {
                "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
                "HOME": str(folder),
                "PIXMILL_DATA": str(folder / "data"),
                "PIXMILL_ALLOW_NETWORKS": "127.0.0.0/8",
                "COLUMNS": str(COLUMNS),
                "TERM": "xterm",
            }
        )

    def answer(self, commands: str) -> str:
        """Run a block's commands and return what they answered, as the page shows it.

        `$KEY` is the newest key that was shown. Starting the service is not done again.
        """
        script = re.sub(r"^\$ ", "", commands, flags=re.MULTILINE)
        said = self._introduction if script.startswith(SERVE) else self._run(script)
        if found := KEY.findall(said):
            self._environment["KEY"] = found[-1]
        return normal(told(self._renumbered(said, back=True)))

    def _run(self, script: str) -> str:
        """Run it as on a terminal without colors; what it says of itself stands at the end."""
        curl = 'curl() { command curl --silent --show-error --include --max-time 30 "$@"; }\n'
        master, slave = pty.openpty()
        tty.setraw(slave)
        process = subprocess.Popen(  # noqa: S603  the commands are the page's own
            ["/bin/bash", "-c", curl + self._renumbered(script, back=False)],
            cwd=self._folder,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=slave,
            stderr=subprocess.PIPE,
        )
        os.close(slave)
        with process:
            said = b"".join(_pieces(master))
            os.close(master)
            _, troubles = process.communicate(timeout=TIMEOUT_S)
        return ESCAPE.sub("", (said + troubles).decode())

    def _renumbered(self, text: str, *, back: bool) -> str:
        for shown, real in self._ports.items():
            before, after = (real, shown) if back else (shown, real)
            text = re.sub(rf"(127\.0\.0\.1|\[::1\]):{before}\b", rf"\1:{after}", text)
        return text


def _pieces(master: int) -> Iterator[bytes]:
    """Read a terminal until nobody writes to it any more, which Linux tells as an error."""
    with contextlib.suppress(OSError):
        while piece := os.read(master, 2**16):
            yield piece


@contextlib.contextmanager
def opened(page: str) -> Iterator[Session]:
    """Start what a page needs, and lay the pictures out."""
    with contextlib.ExitStack() as running:
        folder = Path(running.enter_context(tempfile.TemporaryDirectory()))
        origin = running.enter_context(Origin())
        for file, data in pictures().items():
            (folder / file).write_bytes(data)
            origin.serve(f"/{file}", data)
        urls = [f"http://127.0.0.1:{origin.port}/{name}" for name in LISTED]
        (folder / "urls.txt").write_text("\n".join(urls) + "\n", encoding="ascii")
        (folder / "paints.csv").write_text(PAINTS, encoding="ascii")
        starts = any(
            sample["commands"].startswith(f"$ {SERVE}") for sample in SAMPLE.finditer(page)
        )
        service = running.enter_context(serving(folder)) if starts else None
        yield Session(folder, origin, service)


def renewed(page: str, answer: Callable[[str], str]) -> str:
    """Put the answers to its commands into a page; `answer` gives them, block by block."""

    def fill(sample: re.Match[str]) -> str:
        told_now = answer(sample["commands"]).rstrip("\n")
        return f"```console\n{sample['commands']}```\n\n```{sample['kind']}\n{told_now}\n```"

    return SAMPLE.sub(fill, page)


def told(said: str) -> str:
    """Shorten an HTTP answer to status, a few headers and its body, JSON over lines."""
    head, blank, body = said.replace("\r\n", "\n").partition("\n\n")
    if not (blank and head.startswith("HTTP/")):
        return said
    if head.startswith("HTTP/1.1 1"):  # the go-ahead for an upload
        return told(body)
    status, *headers = head.split("\n")
    kept = [line for line in headers if line.partition(":")[0].lower() in SHOWN_HEADERS]
    with contextlib.suppress(ValueError):
        body = laid_out(json.loads(body))
    return "\n".join([status, *kept, *(["", body] if body else [])])


def laid_out(value: Any, indent: str = "") -> str:
    """Write JSON over lines; what fits on one stays on one."""
    line = json.dumps(value, ensure_ascii=False)
    if len(indent) + len(line) <= COLUMNS or not isinstance(value, dict | list):
        return line
    deeper = indent + "  "
    if isinstance(value, dict):
        parts = [f"{json.dumps(name)}: {laid_out(part, deeper)}" for name, part in value.items()]
    else:
        parts = [laid_out(part, deeper) for part in value]
    first, last = "{}" if isinstance(value, dict) else "[]"
    return "\n".join([first, ",\n".join(deeper + part for part in parts), indent + last])


def normal(text: str) -> str:
    """Put what differs from run to run into one form."""
    for pattern, always in NORMAL.items():
        text = pattern.sub(always, text)
    return text


def stale_pages() -> Iterator[tuple[Path, str, str]]:
    """Find the pages that show other answers than are given now: path, text, and the text due."""
    for path in PAGES:
        page = path.read_text(encoding="utf-8")
        with opened(page) as session:
            fresh = renewed(page, session.answer)
        if fresh != page:
            yield path, page, fresh


def main() -> int:
    """Check or write, as asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    action = parser.add_mutually_exclusive_group(required=True)
    action.add_argument("--check", action="store_true")
    action.add_argument("--write", action="store_true")
    wanted = parser.parse_args()
    stale = list(stale_pages())
    for path, page, fresh in stale:
        if wanted.write:
            path.write_text(fresh, encoding="utf-8")
        lines = page.splitlines(keepends=True), fresh.splitlines(keepends=True)
        sys.stderr.writelines(difflib.unified_diff(*lines, path.name, "what is answered"))
    return 1 if stale and wanted.check else 0


if __name__ == "__main__":
    sys.exit(main())
