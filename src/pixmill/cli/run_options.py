"""Settings and flags to the options of a run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pixmill.analysis import analyze_greyed, analyze_packed
from pixmill.batch.gallery import FolderGallery
from pixmill.batch.memory import PARQUET_BYTES, most_workers
from pixmill.batch.naming import Names
from pixmill.batch.options import RunOptions

if TYPE_CHECKING:
    from pixmill.cli.order import Order
    from pixmill.settings import Settings

# What the parent adds where it keeps images: the database's library, and small greys in its hands.
INGEST_BYTES = 96 * 2**20


def run_options(order: Order, settings: Settings, *, wants_md5: bool) -> RunOptions:
    """Translate names; a number of workers that nobody asked for is cut to what memory allows."""
    reserved = PARQUET_BYTES * any(map(_is_parquet, (order.output or "", *order.inputs)))
    reserved += INGEST_BYTES * (order.ingest is not None)
    workers = settings.workers
    if "workers" not in settings.model_fields_set:
        workers = min(workers, most_workers(settings.memory, reserved))
    return RunOptions.of(
        settings,
        wanted=order.wanted(md5=wants_md5),
        matcher=order.matcher,
        workers=workers,
        reserved_bytes=reserved,
        dedupe=order.dedupe,
        cache=settings.cache,
        cache_max_bytes=settings.cache_max_bytes,
        tracebacks=order.verbosity > 1,
        analyze=analyze_greyed if order.ingest else analyze_packed,
        keeper=order.ingest.keeper if order.ingest else None,
        gallery=_gallery(order),
    )


def _gallery(order: Order) -> FolderGallery | None:
    if order.chain is None or order.output is None:
        return None
    return FolderGallery(Path(order.output).parent, order.chain, Names(order.inputs))


def _is_parquet(name: str) -> bool:
    return name.lower().removesuffix(".gz").endswith(".parquet")
