"""One record as a line of text: a CSV row, a row of the errors file, a JSON object.

Pure functions; every row ends in a line feed. Where the text goes is the sinks' matter. URLs and
kept values stand exactly as given, also those that a spreadsheet would take for a formula.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from pixmill.batch.sink.products import csv_names, csv_values, measured

if TYPE_CHECKING:
    from pixmill.record import Record

Product = Literal["colors", "clusters", "match", "arrival", "picture"]

ERRORS_HEADER = "line,url,code,http_status,attempts,message\n"

_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


@dataclass(frozen=True, slots=True)
class TableOptions:
    """What bears on the bytes of a table.

    `product` is what a table tells of its images: exact colors, clusters, the match with a palette,
    what became of it in the archive, or the picture that was made of it. `n` colors or clusters a
    row; `counts` adds the pixel counts of exact colors, `header` the first row (both CSV only);
    `keep_columns` are the names of the input's columns that every record carries in `extra`.
    """

    n: int = 3
    counts: bool = False
    header: bool = False
    keep_columns: tuple[str, ...] = ()
    product: Product = "colors"


def csv_field(text: str) -> str:
    """Write a CSV field (RFC 4180), in quotes only where it holds a comma, a quote, CR or LF."""
    if '"' in text:
        return '"' + text.replace('"', '""') + '"'
    if "," in text or "\n" in text or "\r" in text:
        return f'"{text}"'
    return text


def csv_header(options: TableOptions) -> str:
    """Write `url,…[,kept names]`, or nothing where no header is asked for."""
    if not options.header:
        return ""
    names = ["url", *csv_names(options)]
    return ",".join([*names, *map(csv_field, options.keep_columns)]) + "\n"


def csv_row(record: Record, options: TableOptions) -> str:
    """Write `url,…[,kept values]`, or nothing for a failed record."""
    if record.analysis is None:
        return ""
    values = csv_values(record, record.analysis, options)
    if options.product in {"match", "picture"}:
        values = list(map(csv_field, values))
    fields = [csv_field(record.url), *values]
    if record.extra:
        fields += [csv_field(value) for _, value in record.extra]
    return ",".join(fields) + "\n"


def errors_row(record: Record) -> str:
    """Write a failed record's row of the errors file, or nothing for one that succeeded."""
    failure = record.failure
    if failure is None:
        return ""
    status = "" if record.http_status is None else record.http_status
    return (
        f"{record.line},{csv_field(record.url)},{failure.code},{status},{record.attempts},"
        f"{csv_field(failure.message)}\n"
    )


def status_word(*, failed: bool) -> str:
    """Give the status of a row of JSONL or Parquet."""
    return "failed" if failed else "ok"


def json_row(record: Record, options: TableOptions) -> str:
    """Write the record as a compact JSON object.

    All keys are always there, in the same order; what is not known is null. Shares are the shortest
    decimals that read back to the same double.
    """
    failure = record.failure
    return json_line(
        {
            "line": record.line,
            "url": record.url,
            "status": status_word(failed=failure is not None),
            "code": None if failure is None else failure.code,
            "http_status": record.http_status,
            "attempts": record.attempts,
            "message": None if failure is None else failure.message,
            **measured(record, options),
            "extra": dict(record.extra),
        }
    )


def json_line(row: dict[str, object]) -> str:
    """Write a row of the JSONL table, given its values by their names in order."""
    return _encode(row) + "\n"


def json_start(line: int, url: str, *, failed: bool) -> str:
    """Write how `json_row` of a record with this line, URL and outcome begins."""
    return _encode({"line": line, "url": url, "status": status_word(failed=failed)})[:-1] + ","


def csv_start(url: str) -> str:
    """Write how `csv_row` of a record with this URL begins."""
    return csv_field(url) + ","


def errors_start(line: int, url: str) -> str:
    """Write how `errors_row` of a record with this line and URL begins."""
    return f"{line},{csv_field(url)},"
