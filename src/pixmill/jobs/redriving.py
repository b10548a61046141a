"""Dead shards done again, and the job that was stalled by them gone on with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pixmill.store.jobs import FINISHED
from pixmill.store.opening import utc_now

if TYPE_CHECKING:
    from pixmill.jobs.cluster import Broker
    from pixmill.store import Catalog


def redrive(catalog: Catalog, job_id: str) -> bool:
    """Have the dead shards of a job done again, and a stalled job go on; False where neither is.

    A job may stall just after its last dead shard was redriven, so it goes on without one too. Of a
    job that is over nothing is done any more. Raises OutputError.
    """
    job = catalog.jobs.find(job_id)
    if job is None or job.state in FINISHED:
        return False
    redriven = catalog.shards.redrive(job_id) > 0
    moved = catalog.jobs.move(job_id, "redrive")  # one that is not stalled yet just goes on
    return redriven or moved is not None


def redrive_messages(catalog: Catalog, broker: Broker) -> int:
    """Empty the dead-letter queue, and have workers told anew of all that waits; how many messages.

    What the messages told of stands in the catalog. Raises OutputError.
    """
    number = broker.drop_dead()
    now = utc_now()
    catalog.shards.recall(now)
    catalog.jobs.recall(now)
    return number
