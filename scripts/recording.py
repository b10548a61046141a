"""Records docs/assets/cluster.svg: a cluster that comes up and does what six cameras send.

RabbitMQ, PostgreSQL, a service and two workers are started on this machine, and the example of the
cameras is run against them; what they say is shown in the order and at the pace it came, each line
with the seconds since the start, but for the service's log of requests. The picture names no font
or file from elsewhere.
"""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from html import escape
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from tests.services import RABBITMQ, free_port, serve_postgres, serve_rabbit  # noqa: E402

from pixmill.store import open_catalog  # noqa: E402

PICTURE = ROOT / "docs" / "assets" / "cluster.svg"
COLORS = {"$": "#ffffff", "serve": "#6ea0e6", "cameras": "#82c882"}
WORKER, LINE_HEIGHT, MARGIN, WIDTH = "#e1be6e", 22, 16, 1160
SVG = """\
<svg viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg" xml:space="preserve">
<title>A cluster comes up and does what six cameras send</title>
<style>
text {{ font: 15px ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", monospace;
  white-space: pre; }}
@media (prefers-reduced-motion: no-preference) {{
text {{ opacity: 0; animation: say 0.1s linear forwards; }}
}}
@keyframes say {{ to {{ opacity: 1; }} }}
</style>
<rect width="100%" height="100%" rx="8" fill="#10141c"/>
{lines}
</svg>
"""


@dataclass
class Record:
    """Lines with their time, and who said them."""

    began: float = field(default_factory=time.monotonic)
    lines: list[tuple[float, str, str]] = field(default_factory=list)

    def say(self, who: str, text: str) -> None:
        """Keep a line."""
        if " info request " not in text:
            self.lines.append((time.monotonic() - self.began, who, text.rstrip()))

    def listen(self, who: str, process: subprocess.Popen[str]) -> threading.Thread:
        """Keep all that a process says, in a thread."""

        def read() -> None:
            for line in process.stdout or ():
                self.say(who, line)

        thread = threading.Thread(target=read, daemon=True)
        thread.start()
        return thread


def main() -> None:
    """Record it, and write the picture."""
    program = RABBITMQ.find()
    if program is None:
        raise SystemExit(f"RabbitMQ is missing: {RABBITMQ.how}")
    record, port = Record(), free_port()
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        (folder / "rabbit").mkdir()
        env = os.environ | {"PIXMILL_DATA": str(folder / "data"), "PYTHONUNBUFFERED": "1"}

        def start(who: str, *words: str) -> subprocess.Popen[str]:
            record.say("$", "pixmill " + " ".join(words))
            process = subprocess.Popen(  # noqa: S603  our own words
                [sys.executable, "-m", "pixmill", *words],
                env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=folder,
            )  # fmt: skip
            stack.callback(process.wait)
            stack.callback(process.terminate)
            record.listen(who, process)
            return process

        rabbit = stack.enter_context(serve_rabbit(program, folder / "rabbit"))
        postgres = stack.enter_context(serve_postgres())
        env |= {
            "PIXMILL_BROKER": rabbit.url,
            "PIXMILL_CATALOG": postgres.url,
            "PIXMILL_BLOBS": str(folder / "nas"),
        }
        with open_catalog(postgres.url, folder / "data") as catalog:
            key = catalog.keys.add("cameras", ["read", "write", "jobs"])[1]
        record.began = time.monotonic()
        start("serve", "serve", "--port", str(port))
        start("worker-1", "worker", "--name", "worker-1")
        start("worker-2", "worker", "--name", "worker-2")
        while len([said for *_, said in record.lines if "pixmill works as" in said]) < 2:
            time.sleep(0.1)
        while not any("pixmill serves" in said for *_, said in record.lines):
            time.sleep(0.1)
        record.say("$", "examples/cameras/run.sh http://127.0.0.1:5000 $KEY")
        url = f"http://127.0.0.1:{port}"
        cameras = subprocess.Popen(  # noqa: S603  our own script
            [ROOT / "examples" / "cameras" / "run.sh", url, key, folder / "results"],
            env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        record.listen("cameras", cameras).join()
        if cameras.wait():
            raise SystemExit("\n".join(text for *_, text in record.lines))
        end = len(record.lines)
    PICTURE.write_text(drawn(record.lines[:end], port), encoding="utf-8")


def drawn(lines: list[tuple[float, str, str]], port: int) -> str:
    """Draw lines that come one after the other."""
    texts = []
    for number, (at, who, said) in enumerate(lines):
        text = re.sub(r"([?&]code=|/login/)\S+", r"\1…", said).replace(str(port), "5000")
        text = f"{at:5.1f}  {who:<9} {text}"
        color = COLORS.get(who, WORKER)
        texts.append(
            f'<text x="{MARGIN}" y="{MARGIN + LINE_HEIGHT * (number + 1)}" fill="{color}" '
            f'style="animation-delay: {at:.2f}s">{escape(text[:125])}</text>'
        )
    height = 2 * MARGIN + LINE_HEIGHT * (len(lines) + 1)
    return SVG.format(width=WIDTH, height=height, lines="\n".join(texts))


if __name__ == "__main__":
    main()
