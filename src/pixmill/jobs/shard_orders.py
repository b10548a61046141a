"""What is to be done with the items of a job that workers share, as JSON, and back.

What bears on the rows is the order's: it is the same whoever works. What is a worker's own is left
to its settings: how many downloads at once, how much memory, and which addresses it may reach.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Self

from pixmill.analysis import Wanted
from pixmill.batch.options import RunOptions
from pixmill.batch.sink import TableOptions
from pixmill.color.palette_files import read_palette
from pixmill.errors import OutputError
from pixmill.imaging.probe import Limits
from pixmill.ingest.arrivals import Arrivals
from pixmill.ingest.keeper import ArchiveKeeper
from pixmill.matching import Matcher

if TYPE_CHECKING:
    from pixmill.batch.job import Job as Table
    from pixmill.settings import Settings

_OF_MATCH = {"palette", "metric", "max_distance", "summarizer"}
_OF_INGEST = {"sender", "originals"}


@dataclass(frozen=True, kw_only=True, slots=True)
class ShardOrder:
    """The order of one job.

    `rows` is the form of the parts, `csv` or `jsonl`; `limits` are the most pixels of an image and
    of its sides; `run` is the name that rows go through a stage by. `match` has the options of a
    match besides the palette, `ingest` who the images that go into the archive are said to be from,
    and whether originals are kept.
    """

    rows: str
    table: dict[str, Any]
    wanted: dict[str, Any]
    limits: tuple[int, int]
    max_bytes: int
    timeout_s: float
    retries: int
    dedupe: bool
    run: str = ""
    match: dict[str, Any] | None = None
    ingest: dict[str, Any] | None = None

    @classmethod
    def of(cls, job: Table, run_name: str) -> Self:
        """Read the order from a job as it would be carried out here."""
        run, matcher = job.run, job.run.matcher
        stage, keeper = job.stage, run.keeper
        ingest = None
        if isinstance(stage, Arrivals) and isinstance(keeper, ArchiveKeeper):
            ingest = {"sender": stage.sender.name, "originals": keeper.originals}
        return cls(
            rows="csv" if job.output.suffix.lower() == ".csv" else "jsonl",
            table=asdict(job.table),
            wanted=run.wanted._replace(grey=None)._asdict(),
            limits=(run.limits.max_pixels, run.limits.max_side),
            max_bytes=run.max_bytes,
            timeout_s=run.timeout_s,
            retries=run.retries,
            dedupe=run.dedupe,
            run=run_name,
            match=_match_of(matcher) if isinstance(matcher, Matcher) else None,
            ingest=ingest,
        )

    @classmethod
    def read(cls, document: bytes) -> Self:
        """Read what `written` gave. Raises OutputError for what another version wrote."""
        try:
            told = json.loads(document)
            max_pixels, max_side = told["limits"]
            order = cls(**{**told, "limits": (max_pixels, max_side)})
            order.table_options()
            order.wanted_of("")
            for options, names in ((order.match, _OF_MATCH), (order.ingest, _OF_INGEST)):
                if options is not None and set(options) != names:
                    raise ValueError(f"{options} is not what this one knows")
        except (ValueError, TypeError, KeyError) as error:
            raise OutputError(f"the order of the job is of another pixmill: {error}") from error
        return order

    def written(self) -> bytes:
        """Write it as JSON."""
        return json.dumps(asdict(self)).encode()

    def table_options(self) -> TableOptions:
        """Say what the rows are to be; a header is the merged table's alone."""
        columns = tuple(self.table["keep_columns"])
        return TableOptions(**{**self.table, "keep_columns": columns, "header": False})

    def wanted_of(self, spool: str) -> Wanted:
        """Say what is asked of each image; large greys of an ingest are written into `spool`."""
        return Wanted(**{**self.wanted, "grey": spool if self.ingest else None})

    def options(self, settings: Settings, **more: Any) -> RunOptions:
        """Say how a worker with these settings carries it out."""
        return RunOptions.of(
            settings,
            limits=Limits(max_pixels=self.limits[0], max_side=self.limits[1]),
            max_bytes=self.max_bytes,
            timeout_s=self.timeout_s,
            retries=self.retries,
            dedupe=self.dedupe,
            **more,
        )


def matcher_of(order: ShardOrder, document: bytes) -> Matcher:
    """Make what matches, given the palette's document. Raises UsageError where that is none."""
    told = order.match or {}
    palette = read_palette(document, told["palette"], "json")
    return Matcher(palette, told["metric"], told["max_distance"], told["summarizer"])


def _match_of(matcher: Matcher) -> dict[str, Any]:
    return {
        "palette": matcher.palette.name,
        "metric": matcher.metric,
        "max_distance": matcher.max_distance,
        "summarizer": matcher.summarizer,
    }
