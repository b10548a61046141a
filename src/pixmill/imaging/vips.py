"""libvips as pixmill allows it: imported at first use, and locked down.

Of its loaders only those named here can run, each called by name on memory: no file, no address, no
other format is ever opened. Which bytes it gets is left to `decoders.vips`.
"""

from __future__ import annotations

import functools
import logging
import re
from importlib import metadata
from typing import Any

_LOADERS = (
    "VipsForeignLoadJpegSource",
    "VipsForeignLoadPngSource",
    "VipsForeignLoadTiffSource",
    "VipsForeignLoadWebpSource",
)
_DIGITS = re.compile(r"\d+")
_WARNINGS: set[str] = set()


@functools.cache
def locked_down() -> Any:
    """Import pyvips with one thread, no cache of operations, and no loader but those listed."""
    log = logging.getLogger("pyvips")
    log.setLevel(logging.WARNING)
    log.addFilter(_hear)
    import pyvips  # noqa: PLC0415 - see the module's docstring

    pyvips.operation_block_set("VipsForeignLoad", True)  # noqa: FBT003 - pyvips' own signature
    for name in _LOADERS:
        pyvips.operation_block_set(name, False)  # noqa: FBT003
    pyvips.cache_set_max(0)
    pyvips.concurrency_set(1)
    return pyvips


def complaints() -> str:
    """Take what libvips has said since the last call, warnings too; one log for all threads."""
    pyvips = locked_down()
    said = pyvips.ffi.string(pyvips.vips_lib.vips_error_buffer()).decode(errors="replace")
    pyvips.vips_lib.vips_error_clear()
    return str(said)


def warnings() -> frozenset[str]:
    """Take what libvips has logged since the last call, digits left out; one log for all threads.

    Here is what libtiff warns of, whatever it concerns: odd tags as well as missing data.
    """
    said = frozenset(_WARNINGS)
    _WARNINGS.clear()
    return said


def _hear(record: logging.LogRecord) -> bool:
    """Keep a record, once for all lines of a picture, and let none through: it is no news."""
    _WARNINGS.add(_DIGITS.sub("", record.getMessage()))
    return False


def libvips_origin() -> tuple[str, bool]:
    """Version of the libvips that is really loaded, and whether it came with the wheel.

    Where libvips-dev is installed, pyvips may have been built against the system's library, which
    is slower and opens more formats.
    """
    pyvips = locked_down()
    version = ".".join(str(pyvips.version(part)) for part in range(3))
    # where pip compiled a binding, pyvips lists it among its own files; else it is the wheel's
    compiled = any(file.name.startswith("_libvips") for file in metadata.files("pyvips") or ())
    return version, pyvips.API_mode and not compiled
