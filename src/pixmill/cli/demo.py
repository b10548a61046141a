"""`pixmill demo`: the main job on real pixels without a network, drawn and served by itself."""

from __future__ import annotations

import csv
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_network
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Annotated

import typer

from pixmill.cli.terminal import printable
from pixmill.errors import OutputError, RunError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

_MARK = ".pixmill-demo"  # says that the folder is a demo's own, to be written again
_NEXT = """
Three commands to try next:
  pixmill colors {folder}/pictures -n 5 --counts -o {folder}/five.csv
  pixmill colors {folder}/pictures -o {folder}/colors.jsonl
  pixmill colors urls.txt          with a list of your own, one URL a line
"""


def demo(
    folder: Annotated[
        Path, typer.Argument(help="A new folder for pictures, list and table.")
    ] = Path("pixmill-demo"),
) -> None:
    """Draw pictures, serve them from this machine, and count their colors over HTTP."""
    from pixmill.cli.samples import draw_samples  # noqa: PLC0415  Pillow is for this command only

    try:
        pictures = _own_folder(folder) / "pictures"
        pictures.mkdir(exist_ok=True)
        samples = draw_samples()
        for name, data in samples.items():
            (pictures / name).write_bytes(data)
        with _served(samples) as origin:
            urls = [f"{origin}/{name}" for name in [*samples, "missing.jpg"]]
            (folder / "urls.txt").write_text("\n".join(urls) + "\n", encoding="ascii")
            output = _count(folder)
    except OSError as error:
        raise OutputError(f"the demo can not write to {folder}: {error.strerror}") from error
    _show(output)
    typer.echo(_NEXT.format(folder=folder))


def _own_folder(folder: Path) -> Path:
    """Make the folder, or take that of a demo before; what belongs to somebody is left alone."""
    if folder.is_dir() and any(folder.iterdir()) and not (folder / _MARK).exists():
        raise UsageError(f"the folder {folder} is not empty; name a new one")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / _MARK).touch()
    return folder


def _count(folder: Path) -> Path:
    """Run the real command on the list, whatever the user's own settings are."""
    from pixmill.cli.order import Order  # noqa: PLC0415
    from pixmill.cli.tables import carry_out  # noqa: PLC0415
    from pixmill.settings import Settings  # noqa: PLC0415

    output = folder / "urls.txt-colors.csv"
    typer.echo(f"$ pixmill colors {folder}/urls.txt --counts --allow-network 127.0.0.0/8")
    settings = Settings.model_construct(allow_networks=(ip_network("127.0.0.0/8"),), workers=1)
    order = Order(
        inputs=(str(folder / "urls.txt"),), output=str(output), counts=True, overwrite=True
    )
    report = carry_out(order, settings, retry_failed=False)
    if report.failed != {"http_error": 1}:
        raise RunError("the demo's own pictures failed; `pixmill doctor` may tell why")
    return output


def _show(output: Path) -> None:
    """Print the table that was written, with a swatch of each color."""
    from rich.box import SIMPLE_HEAD  # noqa: PLC0415
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    title = Text(printable(str(output)), style="italic")  # as a str it would be markup
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    for name in ("picture", "most common", "second", "third"):
        table.add_column(name, no_wrap=True)
    with output.open(encoding="utf-8", newline="") as file:
        for url, *cells in csv.reader(file):
            pairs = zip(cells[:3], cells[3:], strict=True)
            swatches = [
                Text.assemble(("  ", f"on {color}"), f" {color} ", (f"{int(count):>7,}", "dim"))
                for color, count in pairs
            ]
            table.add_row(url.rpartition("/")[2], *swatches)
    Console().print(table)


@contextmanager
def _served(bodies: dict[str, bytes]) -> Iterator[str]:
    """Serve bodies by name on a free port of the loopback address; gives the origin's URL."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            body = bodies.get(self.path.lstrip("/"))
            self.send_response(404 if body is None else 200)
            self.send_header("Content-Length", str(len(body or b"")))
            self.end_headers()
            self.wfile.write(body or b"")

        def log_message(self, *args: object) -> None:
            """Keep standard error for the command that is shown."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
