"""`pixmill upload`: files to a service, with what is to be done with them, and results back."""

from __future__ import annotations

import asyncio
import json as json_module
import re
import sys
from collections import deque
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pixmill.cli import flags as f
from pixmill.cli.chains import read_chain
from pixmill.cli.ending import EXIT_SOME_FAILED
from pixmill.cli.refusals import refuse_inputs_within
from pixmill.cli.server_key import VARIABLE, read_key
from pixmill.cli.standard_output import write_lines
from pixmill.cli.terminal import printable
from pixmill.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from pixmill.client.sending import Sent, Wish
    from pixmill.record import Item

_WORD = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,99}")
_UPLOADS_AT_ONCE = 4
_FILES_AT_ONCE = 32  # those that wait for their jobs among them


def _say(text: str) -> str:
    return text.replace("[", r"\[")


Files = Annotated[
    list[str],
    typer.Argument(metavar="FILE", help="Files, and folders of them.", show_default=False),
]
Server = Annotated[
    str,
    typer.Option("--server", metavar="URL", help="Address of the service.", show_default=False),
]
KeyText = Annotated[
    str | None,
    typer.Option(
        "--key",
        metavar="KEY",
        help=_say(f"Key to send; others of this machine may see it here [default: {VARIABLE}]"),
        show_default=False,
    ),
]
KeyFile = Annotated[
    Path | None,
    typer.Option("--key-file", metavar="FILE", help="File with the key alone.", show_default=False),
]
SourceWord = Annotated[
    str | None,
    typer.Option(
        "--source", metavar="WORD", help="Who sends the images, as cam-7.", show_default=False
    ),
]
ReferenceWord = Annotated[
    str | None,
    typer.Option(
        "--reference", metavar="WORD", help="The sender's word for them.", show_default=False
    ),
]
Wait = Annotated[
    bool,
    typer.Option("--wait", metavar="", help="Follow the jobs to their ends.", show_default=False),
]
ResultFolder = Annotated[
    str | None,
    typer.Option(
        "-o",
        "--output",
        metavar="DIR",
        help="Wait, and save results into this folder.",
        show_default=False,
    ),
]
Patience = Annotated[
    float,
    typer.Option(
        "--timeout",
        metavar="SECONDS",
        min=0.001,
        max=604_800,
        help=_say("Deadline of a file over all attempts and waits [default: 600]"),
        show_default=False,
    ),
]
AsJson = Annotated[
    bool,
    typer.Option("--json", metavar="", help="One JSON object a line.", show_default=False),
]


def upload(
    files: Files,
    server: Server,
    key: KeyText = None,
    key_file: KeyFile = None,
    source: SourceWord = None,
    reference: ReferenceWord = None,
    op: f.Op = None,
    operations: f.Operations = None,
    wait: Wait = False,
    output: ResultFolder = None,
    timeout: Patience = 600.0,
    json: AsJson = False,
) -> None:
    """Send images to a service, have operations carried out on them, and fetch the results.

    Safe to run again: what came before is a duplicate, and the same file with the same operations,
    source and reference is the same job. Tries again while the service is away or busy. Prints a
    line a file; exits with 1 if any failed.
    """
    from pixmill.client.sending import Wish  # noqa: PLC0415  help needs none of it
    from pixmill.client.service import service_address  # noqa: PLC0415
    from pixmill.imaging.operations import canonical  # noqa: PLC0415

    chain = canonical(read_chain(op or (), operations))
    if not chain and (wait or output is not None):
        raise UsageError("--wait and -o are for operations: name them by --op or --operations")
    if "" in (*files, output):
        raise UsageError("the name of a FILE or of the output folder is empty")
    for flag, word in (("--source", source), ("--reference", reference)):
        if word is not None and not _WORD.fullmatch(word):
            raise UsageError(
                f"{flag}: letters, digits, dots, dashes and _, no leading dot, at most 100"
            )
    base, is_open = service_address(server)
    order = _Order(base, read_key(key, key_file), tuple(files), json)
    if is_open:
        sys.stderr.write(
            f"note: the key goes to {base} unencrypted; use https where there is any\n"
        )
    folder = None if output is None else Path(output)
    if folder is not None:
        refuse_inputs_within(order.files, folder)
        _make(folder)
    wish = Wish(
        chain=chain,
        source=source,
        reference=reference,
        wait=wait or folder is not None,
        folder=folder,
        timeout_s=timeout,
    )
    if asyncio.run(_send_all(order, wish)):
        raise SystemExit(EXIT_SOME_FAILED)


@dataclass(frozen=True, slots=True)
class _Order:
    base: str
    key: str
    files: tuple[str, ...]
    json: bool


def _make(folder: Path) -> None:
    from pixmill.batch.durable import output_errors  # noqa: PLC0415

    with output_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)


async def _send_all(order: _Order, wish: Wish) -> int:
    """Send every file and tell of each, in their order; give the number of those that failed."""
    failed = 0
    async for sent in _sent(order, wish):
        failed += sent.code is not None
        _tell(sent, json=order.json)
    return failed


async def _sent(order: _Order, wish: Wish) -> AsyncIterator[Sent]:
    """Send a bounded number of files at once."""
    from pixmill.batch.naming import Names  # noqa: PLC0415
    from pixmill.client.sending import Sending  # noqa: PLC0415
    from pixmill.client.service import Service  # noqa: PLC0415

    names, items = Names(order.files), _items(order.files)
    async with Service.open(order.base, order.key) as service:
        sending = Sending(service, wish, _UPLOADS_AT_ONCE)
        tasks: deque[asyncio.Task[Sent]] = deque()
        try:
            for item in items:
                work = sending.send(item.path or "", item.url, partial(names.of, item))
                tasks.append(asyncio.create_task(work))
                if len(tasks) >= _FILES_AT_ONCE:
                    yield await tasks.popleft()
            while tasks:
                yield await tasks.popleft()
        finally:
            for task in tasks:
                task.cancel()
            with suppress(asyncio.CancelledError):
                await asyncio.gather(*tasks, return_exceptions=True)


def _items(names: tuple[str, ...]) -> Iterator[Item]:
    """List files as they are named, whatever they are, and those of folders."""
    from pixmill.batch.source.entry import display  # noqa: PLC0415
    from pixmill.batch.source.folder import Folder  # noqa: PLC0415
    from pixmill.record import Item  # noqa: PLC0415

    line = 0
    for index, name in enumerate(names):
        if Path(name).is_dir():
            line = yield from Folder(name, index).items(line, 0)
        else:
            line += 1
            yield Item(line, display(name), (), (index, 0), None, name)


def _tell(sent: Sent, *, json: bool) -> None:
    if json:
        write_lines([json_module.dumps(asdict(sent), ensure_ascii=False)])
        return
    name = printable(sent.file)
    if sent.code is not None:
        sys.stderr.write(f"{name}: {printable(sent.code)} ({printable(sent.message or '', 500)})\n")
        sys.stderr.flush()
        return
    state = sent.state or ("duplicate" if sent.arrival == "duplicate" else "stored")
    parts = [name, state, sent.job or sent.md5 or "", printable(sent.result or "")]
    write_lines(["  ".join(part for part in parts if part)])
