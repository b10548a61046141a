"""Records to write, and what stands on the disk then; for the tests of sinks and merging."""

from __future__ import annotations

from pathlib import Path

from pixmill.batch.sink import TableOptions, errors_path, open_table
from pixmill.record import Analysis, Color, Failure, Item, Record


def succeeded(line: int, url: str | None = None, *, n: int = 3, extra=()) -> Record:
    colors = tuple(
        Color((line % 256, i, 7), f"#{line % 256:02X}{i:02X}07", 900 - i, (900 - i) / 4096)
        for i in range(n)
    )
    url = url if url is not None else f"http://a.example/{line}.png"
    analysis = Analysis(colors, 4096, 64, 32, "png", 321, f"{line:032x}")
    return Record(line, url, analysis, http_status=200, attempts=1, extra=extra)


def failed(line: int, url: str | None = None, *, extra=()) -> Record:
    url = url if url is not None else f"http://a.example/{line}.png"
    failure = Failure("http_error", 'the server said: "no",\nfor now')
    return Record(line, url, failure=failure, http_status=404, attempts=2, extra=extra)


def a_run(count: int) -> list[Record]:
    """Every third fails; blank lines of the input leave gaps in the numbers."""
    return [failed(2 * i) if i % 3 == 1 else succeeded(2 * i) for i in range(1, count + 1)]


def item_of(record: Record) -> Item:
    return Item(record.line, record.url, record.extra)


def write_all(output: Path, records: list[Record], options: TableOptions | None = None) -> None:
    sink = open_table(output, options or TableOptions(), None)
    for record in records:
        sink.write(record)
    sink.commit()
    sink.finish()
    sink.publish()
    sink.close()


def both_files(output: Path) -> tuple[bytes, bytes]:
    return output.read_bytes(), errors_path(output).read_bytes()


def with_a_damaged_page(parquet: bytes) -> bytes:
    """Change one letter in the page of formats, such that all can be read as before."""
    length = b"\3\0\0\0"
    assert parquet.count(length + b"png") == 1
    return parquet.replace(length + b"png", length + b"pnG")


def open_descriptors() -> set[str]:
    links = Path("/proc/self/fd").iterdir()
    return {str(link.readlink()) for link in links if link.is_symlink()}
