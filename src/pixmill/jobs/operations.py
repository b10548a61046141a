"""Jobs of the kind `operations`: a chain of operations on one image of the archive."""

from __future__ import annotations

from concurrent.futures import wait
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from pixmill.imaging.operations import parse_text
from pixmill.jobs.results import result_name
from pixmill.store.jobs import Outcome, Progress, Result

if TYPE_CHECKING:
    from concurrent.futures import Future

    from pixmill.analysis.rendering import Made
    from pixmill.imaging.operations import Chain
    from pixmill.jobs.executor import Hold
    from pixmill.store.blobs import BlobStore
    from pixmill.store.jobs import Job

KIND = "operations"
ENDINGS = {"jpeg": "jpg", "png": "png", "webp": "webp", "gif": "gif", "avif": "avif", "tiff": "tif"}
_LOOK_EVERY_S = 0.25


class Maker(Protocol):
    """Makes a picture of an image of the archive, elsewhere."""

    def __call__(self, md5: str, chain: Chain) -> Future[Made]:
        """Begin; the future raises ItemError, or OutputError where this machine can not."""


class OperationsRunner:
    """Has pictures made, and puts them where results lie."""

    def __init__(self, make: Maker, blobs: BlobStore) -> None:
        self._make = make
        self._blobs = blobs

    def run(self, job: Job, hold: Hold) -> Outcome:
        """Do a job, as `Runner` says."""
        made = self._made(job, hold)
        content = made.content if isinstance(made.content, bytes) else Path(made.content)
        try:
            hold.check()
            name = result_name(job, ENDINGS[made.format])
            self._blobs.put(name, content)
        finally:
            if isinstance(content, Path):
                with suppress(OSError):
                    content.unlink(missing_ok=True)
        hold.advance(Progress(1, 0, 1))
        return Outcome(Result(name, made.size, f"image/{made.format}"))

    def dropped(self, job: Job) -> None:
        """Delete what was put."""
        for ending in ENDINGS.values():
            self._blobs.delete(result_name(job, ending))

    def _made(self, job: Job, hold: Hold) -> Made:
        future = self._make(job.spec["md5"], parse_text(job.spec["operations"]))
        try:
            while not wait([future], _LOOK_EVERY_S).done:
                hold.check()
            return future.result()
        finally:
            future.cancel()
