"""`pixmill doctor`: what a bug report needs, and what would keep pixmill from working well."""

from __future__ import annotations

import json as json_module
import os
import platform
import resource
import sys
import tempfile
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pixmill import __version__
from pixmill.cli import flags as f
from pixmill.cli.doctor_store import examine_store
from pixmill.cli.ending import ended_by_errors
from pixmill.cli.settings_table import settings_table
from pixmill.cli.standard_output import write_lines
from pixmill.cli.terminal import printable
from pixmill.errors import UsageError
from pixmill.settings import load_settings, usable_cpus

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pixmill.settings import Settings

_PACKAGES = (
    "numpy", "numba", "llvmlite", "simplejpeg", "pyvips", "pyvips-binary", "pillow",
    "aiohttp", "typer", "rich", "pydantic-settings", "structlog", "scipy", "pyarrow",
    "fastapi", "uvicorn", "sqlalchemy", "psycopg", "pymongo", "obstore", "celery", "kombu", "amqp",
)  # fmt: skip
_OPTIONAL = {
    "pyarrow", "pyvips-binary", "fastapi", "uvicorn", "sqlalchemy", "psycopg", "pymongo",
    "obstore", "celery", "kombu", "amqp",
}  # fmt: skip
EXIT_TROUBLE = 1
_SYSTEM_LIBVIPS = (
    "the system's libvips is in use: it is slower and opens more formats; reinstall by "
    "PKG_CONFIG=/bin/false pip install --force-reinstall --no-cache-dir 'pyvips[binary]'"
)

_NO_KERNEL_CACHE = (
    "no folder for compiled kernels can be written, so each start compiles them for up to half a "
    "minute: let NUMBA_CACHE_DIR name one"
)


def doctor(
    json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
    settings: Annotated[
        bool, typer.Option("--settings", help="Every setting, and where it comes from.")
    ] = False,
    store: Annotated[
        bool, typer.Option("--store", help="Whether rows and files belong together: images, jobs.")
    ] = False,
    mend: Annotated[
        bool,
        typer.Option(
            "--mend", help="With --store: delete files of no row or job, rows without file."
        ),
    ] = False,
    older_than: Annotated[
        float | None,
        typer.Option(
            "--older-than",
            min=0,
            max=5_256_000,
            metavar="MINUTES",
            help=r"With --store: leave younger files alone \[default: 60, of results a day]",
            show_default=False,
        ),
    ] = None,
    archive: f.ArchiveUrl = None,
    blobs: f.Blobs = None,
) -> None:
    """Show versions, decoders, processors and limits; exit with 1 if something is amiss.

    Where the settings name a catalog or a broker: whether it can be used.
    """
    if settings:
        _print_settings(as_json=json)
        return
    if mend and not store:
        raise UsageError("--mend goes with --store")
    if store:
        with ended_by_errors():
            whole = examine_store(
                load_settings(archive=archive, blobs=blobs),
                mending=mend,
                older_minutes=older_than,
                as_json=json,
            )
        raise SystemExit(0 if whole else EXIT_TROUBLE)
    facts: dict[str, str] = {}
    troubles: list[str] = []
    for section in (_machine, _packages, _decoders, _kernel, _limits, _cluster):
        for name, value, trouble in section():
            facts[name] = value
            if trouble:
                troubles.append(trouble)
    if json:
        typer.echo(json_module.dumps({"facts": facts, "troubles": troubles}, indent=1))
    else:
        width = max(map(len, facts))
        for name, value in facts.items():
            typer.echo(f"{name:<{width}}  {value}")
        for trouble in troubles:
            typer.echo(f"! {printable(trouble, 1000)}")
        typer.echo("all is well" if not troubles else "")
    if troubles:
        raise SystemExit(EXIT_TROUBLE)


def _print_settings(*, as_json: bool) -> None:
    rows = list(settings_table())
    if as_json:
        write_lines([json_module.dumps({row.name: row._asdict() for row in rows}, indent=1)])
        return
    names, values, _ = (max(map(len, column)) for column in zip(*rows, strict=True))
    write_lines(
        f"{row.name:<{names}}  {printable(row.value, 1000):<{min(values, 40)}}  {row.source}"
        for row in rows
    )


Fact = tuple[str, str, str | None]


def _machine() -> Iterator[Fact]:
    yield "pixmill", __version__, None
    yield "python", f"{platform.python_version()} ({platform.python_implementation()})", None
    yield "system", platform.platform(), None
    yield "processors", f"{usable_cpus()} usable of {os.cpu_count()}", None
    yield "processor", _processor(), None


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:  # not Linux
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _packages() -> Iterator[Fact]:
    for name in _PACKAGES:
        try:
            yield name, metadata.version(name), None
        except metadata.PackageNotFoundError:
            optional = name in _OPTIONAL
            yield (
                name,
                "not installed",
                None if optional else f"{name} is missing: reinstall pixmill",
            )


def _decoders() -> Iterator[Fact]:
    from PIL import features  # noqa: PLC0415  only this command needs them all

    from pixmill.imaging.vips import libvips_origin  # noqa: PLC0415

    version, bundled = libvips_origin()
    origin = "of the wheel" if bundled else "of the system"
    yield "libvips", f"{version}, {origin}", None if bundled else _SYSTEM_LIBVIPS
    for name in ("webp", "avif", "libtiff", "jpg", "zlib"):
        present = features.check(name)
        yield (
            f"pillow {name}",
            features.version(name) or str(present),
            (None if present else f"this Pillow has no {name}: such files are unsupported_format"),
        )


def _kernel() -> Iterator[Fact]:
    from pixmill.color.counting import kernel_name  # noqa: PLC0415

    name = kernel_name()
    if name != "numba":
        yield "counting kernel", name, "numba can not be imported: counting is slow"
        return
    yield "counting kernel", name, None
    from pixmill.color import kernels  # noqa: PLC0415  it needs numba

    dispatcher: Any = kernels.survey
    folder = dispatcher.stats.cache_path  # the first of numba's folders that it may write to
    yield "kernel cache", folder or "none", None if folder else _NO_KERNEL_CACHE


def _images(settings: Settings) -> Iterator[Fact]:
    from pixmill.store import where  # noqa: PLC0415  of no use to the other answers

    try:
        place = where(settings).blobs
    except UsageError as error:
        yield "files of images", "nowhere", str(error)
        return
    yield "files of images", str(place or settings.data / "blobs"), None


def _limits() -> Iterator[Fact]:
    try:
        settings = load_settings()
    except UsageError as error:
        yield "settings", "wrong", str(error)
        return
    yield "workers", str(settings.workers), None
    yield "memory cap", f"{settings.memory // 2**20} MiB", None
    yield from _images(settings)
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    need = settings.fetchers + settings.queue + 64
    trouble = f"only {files} open files are allowed, {need} may be needed: ulimit -n {need}"
    yield "open files", str(files), trouble if 0 <= files < need else None
    folder = Path(tempfile.gettempdir())
    usable = os.access(folder, os.W_OK)
    yield "temporary files", str(folder), None if usable else f"{folder} is not writable"
    encoding = sys.getfilesystemencoding()
    yield "file names", encoding, None if encoding == "utf-8" else "the locale is not UTF-8"


def _cluster() -> Iterator[Fact]:
    from pixmill.cli.doctor_cluster import examine_cluster  # noqa: PLC0415  as the decoders

    try:
        settings = load_settings()
    except UsageError:  # the limits tell of it
        return
    yield from examine_cluster(settings)
