"""Bytes of one image to everything that is computed from them.

The only place where the products of an image come together, so that one decode serves all of them.
Runs in a worker process for batches and services, and in the caller's process for the library.
Importing this package is cheap: decoders and kernels are imported by the first analysis, since the
parent of the worker processes needs only the types and `unpack`.
"""

from pixmill.analysis.greyed import Greyed, analyze_greyed
from pixmill.analysis.packing import PACKED_FORM, pack, packed_bytes, unpack
from pixmill.analysis.products import (
    Alpha,
    Task,
    Wanted,
    analyze,
    analyze_packed,
    colors_of,
)

__all__ = [
    "PACKED_FORM",
    "Alpha",
    "Greyed",
    "Task",
    "Wanted",
    "analyze",
    "analyze_greyed",
    "analyze_packed",
    "colors_of",
    "pack",
    "packed_bytes",
    "unpack",
]
