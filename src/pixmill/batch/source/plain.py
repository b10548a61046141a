"""The plain list: one URL a line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pixmill.batch.source.entry import decode, make_item
from pixmill.batch.source.listfile import ListReader
from pixmill.record import Item

if TYPE_CHECKING:
    from collections.abc import Generator


_new = tuple.__new__


class PlainList(ListReader):
    """Reads one URL a line; a place is the offset of the line's first byte."""

    def items(self, before: int, start: int) -> Generator[Item, None, int]:
        """Yield the items of lines that are not blank; see `Input`."""
        index, fetched, line = self._index, not self._options.allow_files, before
        for line, offset, raw, cut in self._file.lines(before, start):
            # Every line of a billion goes through here: a clean ASCII one calls nothing of ours,
            # and a tuple made directly costs half of what the constructor does.
            if fetched and raw.isascii() and not cut:
                url = raw.strip().decode("ascii")
                if url:
                    yield _new(Item, (line, url, (), (index, offset), None, None))
            elif raw.strip():
                yield self._entry(line, offset, raw, cut=cut)
        return line

    def _entry(self, line: int, offset: int, raw: bytes, *, cut: bool) -> Item:
        url, error = decode(raw, cut=cut, options=self._options)
        return make_item(line, url, (self._index, offset), self._options, error=error)
