"""The files of a list job: its list, the table that grows, and what others find when it is done.

Owns their names. While a job is at work its files lie in a folder beside the blobs, so that any
process over the same storage goes on where another died. The folder stays until the job is dropped:
by it a job that ended is known to have ended, and lines that failed are merged in when they are
tried again.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal, cast

from pixmill.batch.durable import write_atomically
from pixmill.batch.job import is_finished
from pixmill.batch.sink import errors_path
from pixmill.errors import NotKept, OutputError
from pixmill.jobs.list_orders import ListOptions
from pixmill.jobs.results import result_name

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pixmill.store.blobs import BlobStore
    from pixmill.store.jobs import Job

FOLDER = "lists"
_WORK_FOLDER = re.compile(r"job-([0-9a-f]{32})")
_PIECE_BYTES = 1 << 20
Stage = Literal["run", "retry", "done"]


def errors_name(job: Job) -> str:
    """Name the blob of the table of lines that failed."""
    return result_name(job, "csv").removesuffix(".csv") + "-errors.csv"


def table_name(job: Job) -> str:
    """Name the blob of the table."""
    return result_name(job, ListOptions.of(job).format)


def clear(blobs: BlobStore, job: Job) -> None:
    """Delete all that a job has and made. Raises OutputError."""
    for name in (table_name(job), errors_name(job), job.spec["list"]):
        blobs.delete(name)
    drop_work_folder(_folder(blobs, job))


def work_folders(blobs: BlobStore, before: datetime) -> Iterator[tuple[str, Path]]:
    """Give the folders of jobs that nothing was put into since a time, and the ids of the jobs."""
    spool = blobs.spool
    with _explained(spool):
        for path in spool.glob("job-*"):
            found = _WORK_FOLDER.fullmatch(path.name)
            with suppress(FileNotFoundError):  # dropped meanwhile
                if found and datetime.fromtimestamp(path.stat().st_mtime, UTC) < before:
                    yield found[1], path


def drop_work_folder(path: Path) -> None:
    """Delete the folder of a job, if it is there. Raises OutputError."""
    with _explained(path):
        if path.exists():
            shutil.rmtree(path)


class WorkFiles:
    """The folder of a job at work, made where it is missing. All methods raise OutputError."""

    def __init__(self, blobs: BlobStore, job: Job) -> None:
        self._blobs = blobs
        self._job = job
        self._folder = _folder(blobs, job)
        self._round = self._folder / "round.json"
        self._list = self._folder / f"list.{job.spec['list'].rpartition('.')[2]}"
        self.table = self._folder / f"table.{ListOptions.of(job).format}"
        with _explained(self._folder):
            self._folder.mkdir(exist_ok=True)

    def stage(self) -> Stage:
        """Tell what is to be done; a job that is begun anew after its end tries what failed.

        A job has one start from its making, or its retry, to its end, however often it is begun.
        """
        started_at = self._started_at()
        with _explained(self._folder):
            told = json.loads(self._round.read_bytes()) if self._round.exists() else {}
        if told.get("started_at") == started_at:
            return cast("Stage", told["stage"])
        stage: Stage = "retry" if is_finished(self.table) else "run"
        self.enter(stage)
        return stage

    def enter(self, stage: Stage) -> None:
        """Note durably what is to be done from now on."""
        told = {"started_at": self._started_at(), "stage": stage}
        write_atomically(self._round, json.dumps(told).encode())

    def _started_at(self) -> str:
        return str(self._job.started_at)

    def list_path(self) -> Path:
        """Bring the list here. Raises NotKept where it is gone."""
        with _explained(self._list):
            stands = self._list.exists()
        if not stands:
            self._fetch(self._job.spec["list"], self._list)
        return self._list

    def _fetch(self, name: str, path: Path) -> None:
        blob = self._blobs.open(name)
        if blob is None:
            raise NotKept("the list of the job is not there any more; submit it again")
        coming = path.with_name(path.name + ".coming")
        with blob, _explained(path):
            with coming.open("wb") as file:
                for offset in range(0, blob.size, _PIECE_BYTES):
                    file.write(blob.read(offset, _PIECE_BYTES))
            coming.replace(path)

    def kept(self, name: str, document: bytes | None) -> bytes:
        """Give what was kept under a name before, else keep the document. NotKept without one."""
        path = self._folder / name
        with _explained(path):
            if path.exists():
                return path.read_bytes()
        if document is None:
            raise NotKept(f"{name} is not there any more")
        write_atomically(path, document)
        return document

    def hand_over(self) -> int:
        """Make blobs of the table and its errors; give the bytes of the table."""
        self._put(errors_path(self.table), errors_name(self._job))
        self._put(self.table, table_name(self._job))
        with _explained(self.table):
            self._list.unlink(missing_ok=True)
            return self.table.stat().st_size

    def _put(self, path: Path, name: str) -> None:
        """Put a file that stays here as well: what is not altered any more may have two names."""
        copy = self._blobs.spool / f"{secrets.token_hex(8)}.made"
        with _explained(path):
            try:
                os.link(path, copy)
            except OSError:  # no file system for that, or another one
                shutil.copyfile(path, copy)
        self._blobs.put(name, copy)


def _folder(blobs: BlobStore, job: Job) -> Path:
    return blobs.spool / f"job-{job.id}"


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OutputError(f"{path} can not be used: {error.strerror or error}") from error
