"""Reading lists: inputs of all kinds become one stream of items that can be entered anywhere.

Which reader an input gets, the numbering of lines through all inputs, resuming and the identity of
the whole are decided here; how a format is read, by the reader of that format.
"""

from __future__ import annotations

import stat
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from pixmill.batch.source.columnar import ParquetList
from pixmill.batch.source.delimited import DelimitedList
from pixmill.batch.source.entry import SourceOptions, display, unreadable
from pixmill.batch.source.folder import Folder, ImageFile, is_image
from pixmill.batch.source.jsonl import JsonLines
from pixmill.batch.source.listfile import ListFile
from pixmill.batch.source.plain import PlainList
from pixmill.errors import InputError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from pixmill.batch.source.entry import Input
    from pixmill.record import Item

__all__ = ["OnlyLines", "Place", "Source", "SourceOptions", "is_image_file", "open_source"]

# The line and the position of an item.
Place = tuple[int, tuple[int, int]]

_STANDARD_INPUT = "-"
_IMAGE_ENDINGS = {
    ".jpg",
    ".jpeg",
    ".png",
    ".gif",
    ".webp",
    ".avif",
    ".tif",
    ".tiff",
    ".bmp",
    ".ico",
}
_DELIMITERS = {".csv": ",", ".tsv": "\t"}


class Source(Protocol):
    """A stream of items.

    `resumable` says whether it can be entered in the middle, `name` is what its table is named
    after if nothing else is said (None: a name must be given), `total_bytes` how much there is to
    read, as far as known.
    """

    @property
    def resumable(self) -> bool: ...  # noqa: D102 - the class says it

    @property
    def name(self) -> str | None: ...  # noqa: D102

    @property
    def total_bytes(self) -> int | None: ...  # noqa: D102

    def progress(self, item: Item) -> float | None:
        """Tell how much lies before `item`, from 0 to 1; None where that is not known."""

    def identity(self) -> dict[str, object] | None:
        """Describe the content in JSON types, so that a changed one differs; None for a stream."""

    def items(self, after: Place | None = None) -> Iterator[Item]:
        """Yield the items, or those that follow the one at the place `after`; raises InputError."""


def open_source(inputs: Sequence[str | Path], options: SourceOptions) -> Source:
    """Open lists, images, directories and `-` (standard input) as one source, in the order given.

    Raises InputError for what can not be read, UsageError for what makes no sense together,
    MissingExtra for Parquet without pyarrow.
    """
    names = [str(each) for each in inputs]
    if not names:
        raise UsageError("no input is given")
    if names.count(_STANDARD_INPUT) > 1:
        raise UsageError("standard input (-) can be read only once")
    return _Inputs([_open(name, index, options) for index, name in enumerate(names)], names)


def _open(path: str, index: int, options: SourceOptions) -> Input:
    """Choose the reader by what the path is and by its ending."""
    if path == _STANDARD_INPUT:
        _refuse_columns("standard input", options)
        return PlainList(ListFile(None, options.max_line_bytes), index, options)
    try:
        mode = Path(path).stat().st_mode
    except (OSError, ValueError) as cause:
        raise unreadable(display(path), cause) from cause
    ending, packed = _ending(path)
    if stat.S_ISDIR(mode):
        _refuse_columns(display(path), options)
        return Folder(path, index)
    if ending == ".parquet":
        return ParquetList(path, index, options)
    if stat.S_ISREG(mode) and _names_image(path, ending, packed=packed):
        _refuse_columns(display(path), options)
        return ImageFile(path, index)
    return _open_list(ListFile(path, options.max_line_bytes), ending, index, options)


def is_image_file(path: str) -> bool:
    """Tell whether `open_source` would take a path for one image; raises InputError as it does."""
    try:
        mode = Path(path).stat().st_mode
    except (OSError, ValueError) as cause:
        raise unreadable(display(path), cause) from cause
    ending, packed = _ending(path)
    return stat.S_ISREG(mode) and _names_image(path, ending, packed=packed)


def _names_image(path: str, ending: str, *, packed: bool) -> bool:
    listed = ending in {".txt", ".jsonl", ".parquet", *_DELIMITERS} or packed
    return not listed and (ending in _IMAGE_ENDINGS or is_image(path))


def _open_list(file: ListFile, ending: str, index: int, options: SourceOptions) -> Input:
    if ending in _DELIMITERS:
        return DelimitedList(file, index, _DELIMITERS[ending], options)
    if ending == ".jsonl":
        return JsonLines(file, index, options)
    _refuse_columns(file.name, options)
    return PlainList(file, index, options)


def _ending(path: str) -> tuple[str, bool]:
    """Give the ending that names the format, and whether `.gz` stands behind it."""
    name = Path(path.lower())
    packed = name.suffix == ".gz"
    return (Path(name.stem) if packed else name).suffix, packed


def _refuse_columns(name: str, options: SourceOptions) -> None:
    for flag, asked in (
        ("--keep-columns", options.keep_columns),
        ("--url-column", options.url_column),
    ):
        if asked:
            raise UsageError(
                f"{flag} needs a CSV, TSV, JSONL or Parquet list; {name} has no columns"
            )


class _Inputs:
    """Inputs read one after the other."""

    def __init__(self, inputs: list[Input], names: list[str]) -> None:
        self.resumable = all(each.resumable for each in inputs)
        self.total_bytes = sum(each.size_bytes for each in inputs) if self.resumable else None
        self.name = _whole_name(names[0]) if self.resumable and len(names) == 1 else None
        self._inputs = inputs
        self._bytes_before = list(accumulate((each.size_bytes for each in inputs), initial=0))

    def progress(self, item: Item) -> float | None:
        """Weigh the inputs by their sizes; see `Source`."""
        if self.total_bytes is None:
            return None
        index, place = item.position
        one = self._inputs[index]
        done = self._bytes_before[index] + one.share(place) * one.size_bytes
        return min(1.0, done / self.total_bytes) if self.total_bytes else 1.0

    def identity(self) -> dict[str, object] | None:
        """Gather the identities of the inputs, in their order; see `Source`."""
        if not self.resumable:
            return None
        return {"inputs": [each.identity() for each in self._inputs]}

    def items(self, after: Place | None = None) -> Iterator[Item]:
        """Yield the items in the order of the inputs; see `Source`."""
        if after is None:
            yield from self._from(0, 0, 0)
            return
        line, (index, place) = after
        if not self.resumable:
            raise InputError("a pipe or standard input can not be read again from the middle")
        # A place is where an entry begins, so the one it was taken from is read again and left out.
        items = self._from(index, line - 1, place)
        last = next(items, None)
        if last is None or (last.line, last.position) != after:
            raise InputError(f"{self._inputs[index].name} has changed: line {line:,} is not there")
        yield from items

    def _from(self, index: int, before: int, place: int) -> Iterator[Item]:
        for one in self._inputs[index:]:
            before = yield from one.items(before, place)
            place = 0


def _whole_name(name: str) -> str | None:
    """Give the path of one input, with the last part that `..` stands for."""
    path = Path(name)
    if path.name in {"", ".."}:
        path = path.resolve()
    return str(path) if path.name else None


class OnlyLines:
    """Those items of a source whose line is in `numbers`, which must increase.

    `numbers` is iterated anew by each reading, and drawn from as it goes on, so that it may be of
    any length.
    """

    def __init__(self, source: Source, numbers: Iterable[int]) -> None:
        self.resumable = source.resumable
        self.name = source.name
        self.total_bytes = source.total_bytes
        self.progress = source.progress
        self.identity = source.identity
        self._source = source
        self._numbers = numbers

    def items(self, after: Place | None = None) -> Iterator[Item]:
        """Yield the items, see `Source`; raises InputError for a number that no item has."""
        done = 0 if after is None else after[0]
        wanted = (number for number in _increasing(self._numbers) if number > done)
        number = next(wanted, None)
        if number is None:
            return
        for item in self._source.items(after):
            if item.line > number:
                break
            if item.line == number:
                yield item
                number = next(wanted, None)
                if number is None:
                    return
        raise InputError(f"line {number:,} is asked for, but is not in the list")


def _increasing(numbers: Iterable[int]) -> Iterator[int]:
    last = 0
    for number in numbers:
        if number <= last:
            raise InputError(f"the lines asked for must increase, but {number:,} follows {last:,}")
        last = number
        yield number
