"""JSON Lines lists: each line an object, or a URL as a bare string."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from pixmill.batch.source.entry import decode, make_item, shorten, value_text
from pixmill.batch.source.listfile import ListReader

if TYPE_CHECKING:
    from collections.abc import Generator

    from pixmill.batch.source.entry import SourceOptions
    from pixmill.batch.source.listfile import ListFile
    from pixmill.record import Item

# Far below what the interpreter can parse and write again: that bound moves with the depth of
# calls, so a line near it would be one item in one run and another in the next.
_MOST_NESTED = 200
_TOO_DEEP = f"the line nests more than {_MOST_NESTED} levels deep"
# A text, closed or not, with what it holds; or a bracket that counts.
_TEXT_OR_BRACKET = re.compile(r'"(?:[^"\\]++|\\.)*+"?|[\[{\]}]')
_STEPS = {"[": 1, "{": 1, "]": -1, "}": -1}


class JsonLines(ListReader):
    """Reads one JSON value a line; a place is the offset of the line's first byte.

    The URL is under the key `url`, or under that of `url_column` (a number is a key like any
    other).
    """

    def __init__(self, file: ListFile, index: int, options: SourceOptions) -> None:
        super().__init__(file, index, options)
        self._key = options.url_column or "url"
        self._parse = json.JSONDecoder().decode

    def items(self, before: int, start: int) -> Generator[Item, None, int]:
        """Yield the items of lines that are not blank; see `Input`."""
        line = before
        for line, offset, raw, cut in self._file.lines(before, start):
            if raw.strip():
                yield self._item(line, offset, raw, cut=cut)
        return line

    def _item(self, line: int, offset: int, raw: bytes, *, cut: bool) -> Item:
        text, error = decode(raw, cut=cut, options=self._options)
        if error is None and _nests_too_deeply(text):
            error = _TOO_DEEP
        value = None if cut or error is _TOO_DEEP else self._value(text)
        url = value.get(self._key) if isinstance(value, dict) else value
        if not isinstance(url, str):
            url = shorten(text)
            error = error or f"not a JSON object with a text under {self._key!r}"
        elif error is None and _encodable(url) != url:
            url, error = _encodable(url), "the URL holds half a character"
        kept = value if isinstance(value, dict) else {}
        extra = tuple(
            (name, _encodable(value_text(kept.get(name)))) for name in self._options.keep_columns
        )
        position = (self._index, offset)
        return make_item(line, url, position, self._options, extra=extra, error=error)

    def _value(self, text: str) -> object:
        try:
            return self._parse(text)
        except ValueError:  # no JSON, which the entry's error then says
            return None


def _nests_too_deeply(text: str) -> bool:
    if text.count("[") + text.count("{") <= _MOST_NESTED:
        return False
    depth = 0
    for token in _TEXT_OR_BRACKET.finditer(text):
        depth += _STEPS.get(token[0], 0)
        if depth > _MOST_NESTED:
            return True
    return False


def _encodable(text: str) -> str:
    """Replace halves of surrogate pairs, which JSON can write as escapes and UTF-8 can not hold."""
    if text.isascii():
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
