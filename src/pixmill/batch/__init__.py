"""A list of images to a table or an iterator of records.

For embedding in any other engine: `run` takes an iterable of URLs and yields records in order.
Imported by the first use of a name, since the worker processes need only parts of this package.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pixmill.batch.options import RunOptions
    from pixmill.batch.runner import run

_WHERE = {"RunOptions": "pixmill.batch.options", "run": "pixmill.batch.runner"}

__all__ = ["RunOptions", "run"]


def __getattr__(name: str) -> object:
    if name in _WHERE:
        return getattr(import_module(_WHERE[name]), name)
    raise AttributeError(f"module 'pixmill.batch' has no attribute {name!r}")
