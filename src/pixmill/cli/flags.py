"""The flags that commands share: one alias each, with its names, its metavar and its help."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer


def _flag(panel: str, *names: str, say: str, switch: bool = False, **more: Any) -> Any:
    if switch:
        more["metavar"] = ""  # else help would show a type, as if a value had to follow
    # Help is rich's markup, in which [default: 3] would be a style and vanish.
    text = say.replace("[", r"\[")
    return typer.Option(*names, help=text, rich_help_panel=panel, show_default=False, **more)


def _table(*names: str, say: str, **more: Any) -> Any:
    return _flag("Table", *names, say=say, **more)


def _match(*names: str, say: str, **more: Any) -> Any:
    return _flag("Match", *names, say=say, **more)


def _archive(*names: str, say: str, **more: Any) -> Any:
    return _flag("Archive", *names, say=say, **more)


def _chain(*names: str, say: str, **more: Any) -> Any:
    return _flag("Operations", *names, say=say, **more)


def _list(*names: str, say: str, **more: Any) -> Any:
    return _flag("List", *names, say=say, **more)


def _run(*names: str, say: str, **more: Any) -> Any:
    return _flag("Run", *names, say=say, **more)


def _fetch(*names: str, say: str, **more: Any) -> Any:
    return _flag("Fetching", *names, say=say, **more)


def _listen(*names: str, say: str, **more: Any) -> Any:
    return _flag("Listening", *names, say=say, **more)


def _cluster(*names: str, say: str, **more: Any) -> Any:
    return _flag("Cluster", *names, say=say, **more)


def _bound(*names: str, say: str, **more: Any) -> Any:
    return _flag("Resources", *names, say=say, **more)


Inputs = Annotated[
    list[str],
    typer.Argument(
        metavar="INPUT",
        help="Lists (.txt .csv .tsv .jsonl .parquet, .gz), - (standard input), images, folders.",
        show_default=False,
    ),
]

Output = Annotated[
    str | None,
    _table(
        "-o",
        "--output",
        "--output_file",
        metavar="OUTPUT",
        say="Table to write: .csv, .jsonl, .parquet, or - [default: INPUT-colors.csv]",
    ),
]
NumberOfColors = Annotated[
    int,
    _table(
        "-n",
        "--number-of-colors",
        min=1,
        max=256,
        metavar="N",
        say="Colors of each image, 1 to 256 [default: 3]",
    ),
]
Method = Annotated[
    Literal["exact", "clusters"],
    _table(
        "--method",
        say="exact: the most common colors; clusters: those of k-means [default: exact]",
    ),
]
Counts = Annotated[
    bool, _table("--counts", switch=True, say="Add the N counts after the N colors.")
]
Header = Annotated[bool, _table("--header", switch=True, say="Write a header row.")]
KeepColumns = Annotated[
    str,
    _table("--keep-columns", metavar="NAMES", say="Copy these columns of the input (id,label)."),
]
Alpha = Annotated[
    Literal["visible", "ignore"],
    _table("--alpha", say="ignore: count fully transparent pixels too [default: visible]"),
]

MatchInputs = Annotated[
    list[str],
    typer.Argument(
        metavar="INPUT",
        help="URLs, images; or lists (.txt .csv .tsv .jsonl .parquet, .gz), -, folders.",
        show_default=False,
    ),
]
MatchOutput = Annotated[
    str | None,
    _table(
        "-o",
        "--output",
        metavar="OUTPUT",
        say="Table to write: .csv, .jsonl, .parquet, or - [default: INPUT-match.csv]",
    ),
]
Json = Annotated[bool, _table("--json", switch=True, say="One JSON object a line.")]
PaletteName = Annotated[
    str,
    _match("--palette", metavar="NAME|FILE", say="Colors to choose from [default: css]"),
]
Space = Annotated[
    Literal["srgb", "lab", "oklab", "ciede2000"],
    _match("--space", say="Metric that distances are measured by [default: srgb]"),
]
SummarizerName = Annotated[
    Literal["kmeans", "mean", "background"],
    _match("--summarizer", say="How the image's own color is found [default: kmeans]"),
]
MaxDistance = Annotated[
    float | None,
    _match(
        "--max-distance",
        metavar="D",
        say="Tolerance [default: srgb 0.2, lab 10, oklab 0.1, ciede2000 10]",
    ),
]

IngestInputs = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="INPUT",
        help="Lists (.txt .csv .tsv .jsonl .parquet, .gz), - (standard input), images, folders.",
        show_default=False,
    ),
]
IngestOutput = Annotated[
    str | None,
    _table(
        "-o",
        "--output",
        metavar="OUTPUT",
        say="Table of what came: .csv, .jsonl, .parquet, or - [default: INPUT-ingest.csv]",
    ),
]
ArchiveColors = Annotated[
    int,
    _archive("-n", "--number-of-colors", min=1, max=256, metavar="N",
             say="Most common colors kept of each image, 1 to 256 [default: 5]"),
]  # fmt: skip
ArchiveUrl = Annotated[
    str | None,
    _archive("--archive", metavar="URL", say="Database of the images [default: the catalog]"),
]
Blobs = Annotated[
    str | None,
    _archive(
        "--blobs",
        metavar="DIR|URL",
        say="Folder or s3:// URL of the files [default: blobs beside the data]",
    ),
]
NoOriginals = Annotated[
    bool, _archive("--no-originals", switch=True, say="Keep grey images alone.")
]
Source = Annotated[
    str | None,
    _archive("--source", metavar="NAME", say="Who the images are from [default: URL or path]"),
]
Keep = Annotated[
    float | None,
    _archive("--keep", metavar="DAYS", say="Drop images that last came longer ago."),
]
Watch = Annotated[
    Path | None,
    _archive("--watch", metavar="DIR", say="Take in what is put into this folder, until stopped."),
]

Folder = Annotated[
    str,
    _table("-o", "--output", metavar="DIR", say="Folder to write pictures and their table into."),
]
TableForm = Annotated[
    Literal["csv", "jsonl", "parquet"],
    _table("--table", say="Form of the table of what was written [default: csv]"),
]
Op = Annotated[
    list[str] | None,
    _chain("--op", metavar="OPERATION", say='What to do, as "resize 640 480" (repeatable).'),
]
Operations = Annotated[
    Path | None,
    _chain("--operations", metavar="FILE", say="A file with one operation a line, instead."),
]

UrlColumn = Annotated[
    str | None,
    _list(
        "--url-column",
        metavar="NAME|NUMBER",
        say="Column that holds the URLs [default: the one named url, else the first]",
    ),
]
AllowFiles = Annotated[
    bool, _list("--allow-files", switch=True, say="Lists may hold paths of files.")
]

Overwrite = Annotated[
    bool, _run("--overwrite", switch=True, say="Start anew, whatever stands there.")
]
RetryFailed = Annotated[
    bool,
    _run("--retry-failed", switch=True, say="Do only the failed lines of a finished table again."),
]
Strict = Annotated[bool, _run("--strict", switch=True, say="Exit with 1 if any image failed.")]
NoDedupe = Annotated[bool, _run("--no-dedupe", switch=True, say="Fetch and analyze repeats again.")]
Cache = Annotated[
    Path | None, _run("--cache", metavar="DIR", say="Keep results across runs in this folder.")
]
Verbose = Annotated[
    int,
    _run(
        "-v",
        "--verbose",
        switch=True,
        count=True,
        say="Tell each failure at once; -vv with its traceback.",
    ),
]
LogFormat = Annotated[
    str | None, _run("--log-format", metavar="text|json", say="Form of messages [default: text]")
]

Fetchers = Annotated[int | None, _fetch("--fetchers", say="Downloads at once [default: 64]")]
PerHost = Annotated[
    int | None, _fetch("--per-host", say="Downloads at once from one host [default: 16]")
]
Timeout = Annotated[
    float | None,
    _fetch("--timeout", metavar="SECONDS", say="Deadline of a URL over all attempts [default: 60]"),
]
Retries = Annotated[int | None, _fetch("--retries", say="Further attempts [default: 3]")]
UserAgent = Annotated[str | None, _fetch("--user-agent", say="The User-Agent header.")]
AllowPrivate = Annotated[
    bool | None,
    _fetch("--allow-private", switch=True, say="Fetch from private and loopback addresses too."),
]
AllowNetwork = Annotated[
    list[str] | None,
    _fetch("--allow-network", metavar="CIDR", say="Fetch from this network too (repeatable)."),
]

Workers = Annotated[
    int | None, _bound("--workers", say="Analysis processes [default: one a usable CPU]")
]
Queue = Annotated[int | None, _bound("--queue", say="Images in the pipeline [default: 256]")]
Memory = Annotated[
    str | None,
    _bound("--memory", metavar="SIZE", say="Cap on all processes together [default: 1G]"),
]

Broker = Annotated[
    str | None,
    _cluster("--broker", metavar="URL", say="Have workers do it that this broker tells: amqp://…"),
]
CatalogUrl = Annotated[
    str | None,
    _cluster("--catalog", metavar="URL", say="Database of jobs [default: SQLite beside the data]"),
]
ShardLines = Annotated[
    int | None,
    _cluster("--shard-lines", metavar="N", say="Lines that go to a worker at once [default: 2000]"),
]
WorkerName = Annotated[
    str | None, _cluster("--name", metavar="NAME", say="What it is called [default: host-process]")
]
Shards = Annotated[int | None, _cluster("--shards", say="Shards done at once [default: 2]")]

Host = Annotated[
    str | None,
    _listen("--host", metavar="ADDRESS", say="Where to listen [default: 127.0.0.1 and ::1]"),
]
Port = Annotated[int | None, _listen("--port", say="Port; 0 takes a free one [default: 5000]")]
TrustedProxy = Annotated[
    list[str] | None,
    _listen(
        "--trusted-proxy",
        metavar="CIDR",
        say="Believe forwarded addresses of proxies in this network (repeatable).",
    ),
]
