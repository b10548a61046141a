"""`pixmill backup` and `pixmill restore`: catalog and archive of the data folder in one file."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO

import typer

from pixmill.cli import flags as f
from pixmill.cli.ending import EXIT_SOME_FAILED
from pixmill.cli.standard_output import write_lines
from pixmill.cli.terminal import counted
from pixmill.errors import InputError, OutputError, OutputLocked, UsageError
from pixmill.settings import load_settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pixmill.settings import Settings

BackupFile = Annotated[
    str, typer.Argument(metavar="FILE", help="The backup, a tar; - is standard output.")
]
RestoredFile = Annotated[
    str, typer.Argument(metavar="FILE", help="The backup, a tar; - is standard input.")
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace a FILE that stands there.")]


def backup(
    file: BackupFile,
    overwrite: Overwrite = False,
    blobs: f.Blobs = None,
) -> None:
    """Write keys, palettes and the archive with all its images to one file.

    Also while a service or an ingest runs: the backup is of the moment at which it began.
    """
    from pixmill.store.backup import back_up  # noqa: PLC0415  help needs none of it

    database, folder = _places(load_settings(blobs=blobs))
    if not database.exists():
        raise InputError(f"there is nothing to back up: {database} does not exist")
    if file != "-" and Path(file).exists() and not overwrite:
        raise UsageError(f"{file} exists; --overwrite replaces it")
    if file != "-" and Path(file).exists() and not Path(file).is_file():
        raise UsageError(f"{file} is no regular file; - is standard output")
    if file == "-":
        with _work_folder(database.parent) as work:
            summary = back_up(database, folder, sys.stdout.buffer, work)
    else:
        with _replacing(Path(file)) as target, _work_folder(Path(file).absolute().parent) as work:
            summary = back_up(database, folder, target, work)
    said = f"backed up {counted(summary.images, 'image')} ({_size(summary.bytes)})"
    if summary.gone:
        said += f"; {counted(summary.gone, 'file')} went meanwhile"
    if summary.damaged:
        said += f"; {counted(summary.damaged, 'damaged original')} left out"
    if file == "-":
        sys.stderr.write(f"{said}\n")
    else:
        write_lines([f"{said} to {file}"])
    if summary.damaged:
        raise SystemExit(EXIT_SOME_FAILED)


def restore(file: RestoredFile, blobs: f.Blobs = None) -> None:
    """Read a backup into a data folder that has no catalog yet."""
    from pixmill.store import restore as work  # noqa: PLC0415

    database, folder = _places(load_settings(blobs=blobs))
    if file == "-":
        summary = work.restore(sys.stdin.buffer, database, folder)
    else:
        try:
            source = Path(file).open("rb")  # noqa: SIM115  it is a context below
        except OSError as error:
            raise InputError(f"can not read {file}: {error.strerror}") from error
        with source:
            summary = work.restore(source, database, folder)
    write_lines([f"restored {counted(summary.images, 'image')} ({_size(summary.bytes)})"])


def _places(settings: Settings) -> tuple[Path, Path]:
    """Return the database and the folder of images. Raises UsageError where they are elsewhere."""
    from pixmill.store import where  # noqa: PLC0415
    from pixmill.store.opening import embedded_store  # noqa: PLC0415

    places = embedded_store(*where(settings))
    if places is None:
        raise UsageError(
            "catalog and archive are not in one SQLite file: back them up by their own means "
            "(pg_dump, mongodump), and then the folder of images"
        )
    return places


@contextmanager
def _work_folder(beside: Path) -> Iterator[Path]:
    """Make a folder for the copy of the database, and delete it at the end."""
    from pixmill.store.backup import explained  # noqa: PLC0415  help needs none of it
    from pixmill.store.work_folder import work_folder  # noqa: PLC0415

    with explained(f"{beside} can not be written"), work_folder(beside, ".backup-") as folder:
        yield folder


@contextmanager
def _replacing(path: Path) -> Iterator[BinaryIO]:
    """Open a file, for its owner alone, that takes its place once it is whole and on the disk."""
    part = path.with_name(path.name + ".part")
    try:
        part.unlink(missing_ok=True)
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as target:
                yield target
                target.flush()
                os.fsync(target.fileno())
                if not os.path.samestat(os.fstat(descriptor), part.stat()):
                    raise OutputLocked(f"another backup to {path} was begun meanwhile")
                part.rename(path)
        except BaseException:
            part.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise OutputError(f"{path} can not be written: {error.strerror or error}") from error


def _size(n_bytes: int) -> str:
    return f"{n_bytes / 1e9:,.1f} GB" if n_bytes >= 1e9 else f"{n_bytes / 1e6:,.1f} MB"
