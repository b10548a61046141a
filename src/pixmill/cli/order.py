"""What one call of a command asks for, apart from the settings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pixmill.analysis import Wanted
from pixmill.cli.flags import Alpha

if TYPE_CHECKING:
    from pathlib import Path

    from pixmill.batch.job import Stage
    from pixmill.batch.options import Keeper
    from pixmill.batch.sink.rows import Product
    from pixmill.imaging.operations import Chain
    from pixmill.matching import Matcher

_ENDINGS = {
    "colors": "-colors",
    "clusters": "-colors",
    "match": "-match",
    "arrival": "-ingest",
    "picture": "-transformed",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Ingest:
    """What takes images into an archive, beside the table that tells of it.

    `spool` is where large grey images are written first, `identity` what bears on the table.
    """

    keeper: Keeper
    stage: Stage
    spool: Path
    identity: dict[str, object]


@dataclass(frozen=True, kw_only=True, slots=True)
class Order:
    """The flags of the command that are no settings.

    `product` is what the table tells of each image; a match needs a `matcher`, an arrival needs
    `ingest`, a picture, which lies beside its table, a `chain`. With `json` rows are JSON where no
    name of an output says otherwise.
    """

    inputs: tuple[str, ...]
    output: str | None = None
    product: Product = "colors"
    matcher: Matcher | None = None
    ingest: Ingest | None = None
    chain: Chain | None = None
    json: bool = False
    n: int = 3
    counts: bool = False
    header: bool = False
    keep_columns: tuple[str, ...] = ()
    alpha: Alpha = "visible"
    url_column: str | None = None
    allow_files: bool = False
    overwrite: bool = False
    dedupe: bool = True
    verbosity: int = 0

    @property
    def ending(self) -> str:
        """What is put behind an input's name to name its table."""
        return _ENDINGS[self.product] + (".jsonl" if self.json else ".csv")

    def wanted(self, *, md5: bool) -> Wanted:
        """Say what is asked of each image."""
        if self.product == "clusters":
            return Wanted(n=0, md5=md5, summarizer="kmeans", k=self.n)
        if self.chain is not None:
            return Wanted(n=0, md5=False)
        if self.matcher is not None:
            return Wanted(n=0, md5=md5, summarizer=self.matcher.summarizer)
        if self.ingest is not None:
            spool = str(self.ingest.spool)
            return Wanted(n=self.n, alpha=self.alpha, summarizer="kmeans", grey=spool)
        return Wanted(n=self.n, alpha=self.alpha, md5=md5)
