"""Writing tables: records become rows in files that survive a kill at any moment.

`table` opens the sinks; how rows look, Parquet, streams and merging have modules of their own.
"""

from pixmill.batch.sink.partial import State, errors_path, partial_path
from pixmill.batch.sink.rows import TableOptions
from pixmill.batch.sink.stream import StreamSink
from pixmill.batch.sink.table import Sink, check_output, open_table

__all__ = [
    "Sink",
    "State",
    "StreamSink",
    "TableOptions",
    "check_output",
    "errors_path",
    "open_table",
    "partial_path",
]
