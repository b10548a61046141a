"""multipart/form-data as it streams by: one file into a writer, a few small fields beside it.

Owns the bounds on parts, their headers and their fields. Names of files are not looked at. Source:
RFC 7578; what it forbids (nested encodings, its section 4.7) is refused.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from pixmill.web.errors import invalid_request, too_many_bytes

if TYPE_CHECKING:
    from pixmill.fetch.body import BodyWriter

# The part that is the image even where a client gives it no file name.
FILE_FIELD = "image"
# The one field that may come several times: its values are lines.
LINES_FIELD = "operations"
_PLAIN_ENCODINGS = {b"", b"binary", b"8bit", b"7bit"}


@dataclass(frozen=True, kw_only=True, slots=True)
class FormLimits:
    """Bounds of one form: the API's largest has one file and nine fields."""

    parts: int = 16
    part_headers: int = 8
    part_header_bytes: int = 4096
    field_bytes: int = 8192


class FormReader:
    """Takes the body piece by piece; the file goes to `writer`, other parts into `fields`."""

    def __init__(self, boundary: bytes, writer: BodyWriter, limits: FormLimits) -> None:
        self.fields: dict[str, str] = {}
        self.has_file = False
        self._writer = writer
        self._limits = limits
        self._parts = 0
        self._ended = False
        self._parser = self._open(boundary)
        self._begin_part()

    def _open(self, boundary: bytes) -> MultipartParser:
        try:
            return MultipartParser(
                boundary,
                {
                    "on_part_begin": self._count_part,
                    "on_header_field": self._take_header_name,
                    "on_header_value": self._take_header_value,
                    "on_header_end": self._end_header,
                    "on_headers_finished": self._end_headers,
                    "on_part_data": self._take_data,
                    "on_part_end": self._end_part,
                    "on_end": self._end,
                },
                max_header_count=self._limits.part_headers,
                max_header_size=self._limits.part_header_bytes,
            )
        except FormParserError as error:
            raise invalid_request("The form's boundary is too long") from error

    def feed(self, piece: bytes) -> None:
        """Parse a piece. ApiError where it breaks a bound or is no form; TooManyBytes."""
        try:
            self._parser.write(piece)
        except FormParserError as error:
            raise invalid_request(f"The form can not be read: {error}") from error

    def finish(self) -> None:
        """Raise ApiError unless the form was whole and held a file."""
        if not self._ended:
            raise invalid_request("The form ends before its last boundary")
        if not self.has_file:
            raise invalid_request(f"Please send the image as the form's file '{FILE_FIELD}'")

    def _count_part(self) -> None:
        self._parts += 1
        if self._parts > self._limits.parts:
            raise invalid_request(f"The form has more than {self._limits.parts} parts")
        self._begin_part()

    def _begin_part(self) -> None:
        self._name: str | None = None
        self._is_file = False
        self._value = bytearray()
        self._header, self._header_value = bytearray(), bytearray()

    def _take_header_name(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]

    def _take_header_value(self, data: bytes, start: int, end: int) -> None:
        self._header_value += data[start:end]

    def _end_header(self) -> None:
        name, value = bytes(self._header).lower(), bytes(self._header_value)
        self._header, self._header_value = bytearray(), bytearray()
        if name == b"content-disposition":
            self._take_disposition(value)
        elif name == b"content-transfer-encoding" and value.lower() not in _PLAIN_ENCODINGS:
            raise invalid_request("A part of the form has a Content-Transfer-Encoding")

    def _take_disposition(self, value: bytes) -> None:
        kind, parameters = parse_options_header(value.decode("latin-1"))
        if kind != b"form-data" or b"name" not in parameters:
            raise invalid_request("A part of the form has no name")
        self._name = _text(parameters[b"name"])
        # The parser drops `filename*`, which RFC 7578 forbids and some clients send.
        self._is_file = self._name == FILE_FIELD or b"filename" in value.lower()

    def _end_headers(self) -> None:
        if self._name is None:
            raise invalid_request("A part of the form has no name")
        if self._is_file:
            if self.has_file:
                raise invalid_request("The form holds more than one file")
            self.has_file = True
        elif self._name in self.fields and self._name != LINES_FIELD:
            raise invalid_request("A field of the form is given twice")

    def _take_data(self, data: bytes, start: int, end: int) -> None:
        if self._is_file:
            self._writer.write(data[start:end])
            return
        self._value += data[start:end]
        if len(self._value) > self._limits.field_bytes:
            raise too_many_bytes(self._limits.field_bytes, "A field of the form")

    def _end_part(self) -> None:
        if not self._is_file and self._name is not None:
            value = _text(bytes(self._value))
            told = self.fields.get(self._name)
            self.fields[self._name] = value if told is None else f"{told}\n{value}"

    def _end(self) -> None:
        self._ended = True


def form_boundary(parameters: dict[bytes, bytes]) -> bytes:
    """Return the boundary that Content-Type names; ApiError where it names none."""
    boundary = parameters.get(b"boundary", b"")
    if not boundary:
        raise invalid_request("The form's Content-Type names no boundary")
    return boundary


def _text(raw: bytes) -> str:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise invalid_request("A field of the form is no UTF-8") from error
