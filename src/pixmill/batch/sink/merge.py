"""Merging the lines that were tried again into a finished table.

Takes a finished table and its errors file, those of a run over only the failed lines, and the
whole input once more; gives new partial files of table and errors, in input order, equal to what a
run would have written in which those lines had ended that way at once. Rows are copied, never made
anew. It streams: memory is that of a row, for Parquet that of a row group. Reading finished tables
is in `finished`; publishing is left to the sink.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pixmill.batch.durable import AppendFile, check_target, remove
from pixmill.batch.sink.finished import Rows, TableRows, valid_text
from pixmill.batch.sink.partial import State, errors_path, partial_path
from pixmill.batch.sink.rows import (
    ERRORS_HEADER,
    TableOptions,
    csv_header,
    csv_start,
    errors_start,
    json_start,
)
from pixmill.batch.sink.table import needing_pyarrow

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from pixmill.record import Item

__all__ = ["TableRows", "merge"]


@dataclass(frozen=True, slots=True)
class _Merged:
    """One line of the input: whether it was tried again, and whether it failed then too."""

    item: Item
    retried: bool
    failed: bool


def merge(output: Path, options: TableOptions, items: Iterable[Item], retried: Path) -> State:
    """Merge the table `retried` and its errors file into `output` and its errors file.

    `items` is the whole input of `output`, in order; `retried` a finished table of the same ending
    and options over those of them that the errors file of `output` names, with their lines of old.
    Nothing of either is touched: the outcome stands in partial files and becomes `output` by
    `open_table(output, options, state).publish()` with the state returned, which belongs in the
    checkpoint first. Raises ResumeRefused where the files do not fit together, such as after an
    edit by hand, and OutputError; no partial file is left then.
    """
    check_target(output)
    partials = [partial_path(output), partial_path(errors_path(output))]
    with contextlib.ExitStack() as undo:
        for partial in partials:
            undo.callback(remove, partial)
        state = _merge(output, options, items, retried)
        undo.pop_all()
    return state


def _merge(output: Path, options: TableOptions, items: Iterable[Item], retried: Path) -> State:
    with (
        contextlib.closing(AppendFile(partial_path(errors_path(output)))) as errors,
        TableRows(errors_path(output), header=ERRORS_HEADER, quoted=True) as old_errors,
        TableRows(errors_path(retried), header=ERRORS_HEADER, quoted=True) as new_errors,
    ):
        errors.append(ERRORS_HEADER)
        outcomes = _outcomes(items, old_errors, new_errors, errors)
        match output.suffix.lower():
            case ".parquet":
                table = _merge_parquet(output, retried, outcomes, options)
            case ".jsonl":
                table = _merge_jsonl(output, retried, outcomes)
            case _:
                table = _merge_csv(output, retried, outcomes, csv_header(options))
        old_errors.expect_end()
        new_errors.expect_end()
        return {
            "errors": {"bytes": errors.sync(), "finished": True},
            "table": {"bytes": table, "finished": True},
        }


def _outcomes(
    items: Iterable[Item], old_errors: TableRows, new_errors: TableRows, errors: AppendFile
) -> Iterator[_Merged]:
    """Walk the input and both errors files side by side, and write the new errors on the way."""
    for item in items:
        start = valid_text(errors_start(item.line, item.url))
        retried = old_errors.take(start) is not None
        error = new_errors.take(start) if retried else None
        if error is not None:
            errors.append(error)
        yield _Merged(item, retried, failed=error is not None)


def _merge_csv(output: Path, retried: Path, outcomes: Iterator[_Merged], header: str) -> int:
    """Merge rows that stand for what succeeded only; gives the length of the partial table."""
    with (
        contextlib.closing(AppendFile(partial_path(output))) as table,
        TableRows(output, header=header, quoted=True) as old,
        TableRows(retried, header=header, quoted=True) as new,
    ):
        table.append(header)
        for outcome in outcomes:
            if not outcome.failed:
                rows = new if outcome.retried else old
                table.append(rows.expect(valid_text(csv_start(outcome.item.url))))
        old.expect_end()
        new.expect_end()
        return table.sync()


def _merge_jsonl(output: Path, retried: Path, outcomes: Iterator[_Merged]) -> int:
    with (
        contextlib.closing(AppendFile(partial_path(output))) as table,
        TableRows(output) as old,
        TableRows(retried) as new,
    ):
        for line in _merged_lines(outcomes, old, new):
            table.append(line)
        return table.sync()


def _merge_parquet(
    output: Path, retried: Path, outcomes: Iterator[_Merged], options: TableOptions
) -> int:
    with needing_pyarrow():
        from pixmill.batch.sink.merge_parquet import ParquetRows, write_table  # noqa: PLC0415 - extra
    with ParquetRows(output, options) as old, ParquetRows(retried, options) as new:
        return write_table(partial_path(output), _merged_lines(outcomes, old, new), options)


def _merged_lines(outcomes: Iterator[_Merged], old: Rows, new: Rows) -> Iterator[str]:
    """Merge rows that stand for every line, failed ones too, in the form of the JSONL table."""
    for outcome in outcomes:
        line, url = outcome.item.line, outcome.item.url
        row = old.expect(valid_text(json_start(line, url, failed=outcome.retried)))
        if outcome.retried:
            row = new.expect(valid_text(json_start(line, url, failed=outcome.failed)))
        yield row
    old.expect_end()
    new.expect_end()
