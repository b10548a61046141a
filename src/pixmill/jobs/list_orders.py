"""What is asked of the images of a list: options of jobs, and what the pipeline is told by them.

A job's `spec` has the options of its kind as JSON, all of them, so that equal orders are equal.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, Self

from pixmill.analysis import Alpha, Wanted
from pixmill.batch.sink import TableOptions
from pixmill.batch.source import SourceOptions

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pixmill.batch.sink.rows import Product
    from pixmill.record import Summarizer
    from pixmill.store.jobs import Job

Form = Literal["csv", "jsonl", "parquet"]
KINDS = ("colors", "match", "ingest")
COMMAND = "command"  # the kind of a command's own job, whose list and table are with the command
ARCHIVE_COLORS = 5
_OF_TABLES = ("format", "header", "url_column", "keep_columns")
OPTIONS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "colors": (*_OF_TABLES, "n", "counts", "alpha"),
        "match": (*_OF_TABLES, "palette", "space", "summarizer", "max_distance"),
        "ingest": _OF_TABLES,
    }
)
"""The names of the options that each kind has."""
MEDIA_TYPES: Mapping[Form, str] = MappingProxyType(
    {
        "csv": "text/csv; charset=utf-8",
        "jsonl": "application/jsonl",
        "parquet": "application/vnd.apache.parquet",
    }
)
_PRODUCTS: Mapping[str, Product] = MappingProxyType(
    {"colors": "colors", "match": "match", "ingest": "arrival"}
)


@dataclass(frozen=True, kw_only=True, slots=True)
class ListOptions:
    """The options of all kinds; a kind looks at its own alone."""

    format: Form = "csv"
    header: bool = False
    url_column: str | None = None
    keep_columns: tuple[str, ...] = ()
    n: int = 3
    counts: bool = False
    alpha: Alpha = "visible"
    palette: str = "css"
    space: str = "srgb"
    summarizer: Summarizer = "kmeans"
    max_distance: float | None = None

    @classmethod
    def of(cls, job: Job) -> Self:
        """Read the options of a job."""
        told = dict(job.spec["options"])
        return cls(**{**told, "keep_columns": tuple(told["keep_columns"])})

    def as_json(self, kind: str) -> dict[str, Any]:
        """Tell the options that a kind has."""
        told = asdict(self)
        return {name: told[name] for name in OPTIONS[kind]} | {
            "keep_columns": list(self.keep_columns)
        }

    def source(self) -> SourceOptions:
        """Say how the list is read: it holds URLs, never paths."""
        return SourceOptions(url_column=self.url_column, keep_columns=self.keep_columns)

    def table(self, kind: str) -> TableOptions:
        """Say what the table is to be."""
        return TableOptions(
            n=ARCHIVE_COLORS if kind == "ingest" else self.n,
            counts=self.counts,
            header=self.header,
            keep_columns=self.keep_columns,
            product=_PRODUCTS[kind],
        )

    def wanted(self, kind: str, spool: str) -> Wanted:
        """Say what is asked of each image; large greys of an ingest are written into `spool`."""
        if kind == "ingest":
            return Wanted(n=ARCHIVE_COLORS, summarizer="kmeans", grey=spool)
        md5 = self.format != "csv"
        if kind == "match":
            return Wanted(n=0, md5=md5, summarizer=self.summarizer)
        return Wanted(n=self.n, alpha=self.alpha, md5=md5)


NAMES = tuple(field.name for field in fields(ListOptions))
