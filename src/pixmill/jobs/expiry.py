"""The end of results: what jobs made is dropped after a while, and later what is known of them."""

from __future__ import annotations

import secrets
from datetime import timedelta
from typing import TYPE_CHECKING

from pixmill.jobs.list_files import clear
from pixmill.jobs.list_orders import KINDS
from pixmill.jobs.sharding import drop_shards

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from pixmill.store.blobs import BlobStore
    from pixmill.store.catalog import Catalog
    from pixmill.store.jobs import Job

KNOWN = timedelta(days=30)  # an expired job is told of for so long after its end
_AT_ONCE = 100
_DROPPING_S = 600.0  # for which an abandoned job is held while its files are deleted


class Expiry:
    """Drops results and jobs; any number of processes may do it at once. Raises OutputError."""

    def __init__(self, catalog: Catalog, results: BlobStore) -> None:
        self._catalog = catalog
        self._jobs = catalog.jobs
        self._results = results

    def expire(self, job: Job) -> None:
        """Drop the result of a job that has ended; its row is told to be without one first."""
        if self._jobs.move(job.id, "expire"):
            self.clear(job)

    def clear(self, job: Job) -> None:
        """Delete the files of a job that has ended and is not at work."""
        if job.kind in KINDS:
            clear(self._results, job)
            drop_shards(self._catalog, self._results, job.id)
        elif job.outcome.result:
            self._results.delete(job.outcome.result.name)

    def expire_before(self, moment: datetime) -> int:
        """Expire the jobs that ended before a time, and forget those of long before; how many.

        So are those of commands that nobody ran again since, whose tables are with the commands.
        """
        number = 0
        while found := self._jobs.finished_before(moment, _AT_ONCE):
            for job in found:
                self.expire(job)
            number += len(found)
        self._jobs.forget(moment - KNOWN)
        return number + self.drop_abandoned(moment)

    def drop_abandoned(self, moment: datetime, stopped: Callable[[], bool] = lambda: False) -> int:
        """Drop jobs of commands from before a time that nobody ran again since; how many.

        No other is begun once it is `stopped`.
        """
        number = 0
        while not stopped() and (found := self._jobs.abandoned_before(moment, _AT_ONCE)):
            mine = [job for job in found if not stopped() and self._drop(job, moment)]
            number += len(mine)
            if not mine:  # all of them are others' by now
                break
        return number

    def _drop(self, job: Job, moment: datetime) -> bool:
        """Delete what there is of a job, which is held meanwhile: its command may come again."""
        if not self._jobs.abandon(job.id, moment, secrets.token_hex(16), _DROPPING_S):
            return False
        drop_shards(self._catalog, self._results, job.id)
        self._jobs.drop(job.id)
        return True
