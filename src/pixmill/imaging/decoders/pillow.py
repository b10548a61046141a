"""Pillow: the formats that it alone reads or reads fastest, and the last word on odd JPEGs.

Each plugin is called by name, so that no other one ever looks at the bytes. Pillow's own bound on
pixels gives way to the limits that the header has passed.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import warnings
from typing import TYPE_CHECKING

import numpy as np

from pixmill.errors import CorruptImage, ItemError, UnsupportedFormat
from pixmill.imaging.header import is_large, strip_rows

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from numpy.typing import NDArray
    from PIL.Image import Image

    from pixmill.imaging.header import Header

_PLUGINS = {
    "jpeg": "JpegImagePlugin.JpegImageFile",
    "gif": "GifImagePlugin.GifImageFile",
    "avif": "AvifImagePlugin.AvifImageFile",
    "tiff": "TiffImagePlugin.TiffImageFile",
    "bmp": "BmpImagePlugin.BmpImageFile",
    "ico": "IcoImagePlugin.IcoFile",
}
# where the probe has read the header, a plugin that will not even open the file lacks the flavour
_REFUSAL_IS_FLAVOUR = frozenset({"tiff", "bmp"})


def decode(data: memoryview, header: Header) -> Iterator[NDArray[np.uint8]]:
    """Decode by Pillow: at once, or in strips that spare a second copy of a large image."""
    with _own_limits():
        image = _load(data, header)
    rows = strip_rows(header.width) if is_large(header.width, header.height) else header.height
    if rows >= header.height:
        yield _samples(image)
        return
    for top in range(0, header.height, rows):
        yield _samples(image.crop((0, top, header.width, min(top + rows, header.height))))


def _load(data: memoryview, header: Header) -> Image:
    """Open and decode the first frame; map whatever Pillow raises of hostile bytes."""
    try:
        image = _open(data, header)
        if sorted(image.size) != sorted((header.width, header.height)):  # TIFFs may lie on a side
            raise CorruptImage("the decoder finds another size than the header promises")
        image.load()
    except (ItemError, MemoryError):
        raise
    except Exception as error:  # plugins raise nearly anything on hostile bytes
        raise CorruptImage(f"the pixel data are damaged or cut off: {error}"[:200]) from error
    return _as_stored(image, header)


def _open(data: memoryview, header: Header) -> Image:
    module, name = _PLUGINS[header.format].split(".")
    plugins: Any = importlib.import_module(f"PIL.{module}")
    if header.format == "avif":
        plugins.DEFAULT_MAX_THREADS = 1  # one image is one core's work; the caller runs many
    try:
        file = getattr(plugins, name)(_File(data))
        image: Image = file.frame(0) if header.format == "ico" else file
    except MemoryError:
        raise
    except Exception as error:
        if header.format in _REFUSAL_IS_FLAVOUR:
            raise UnsupportedFormat(f"no decoder reads this {header.format}: {error}") from error
        raise
    return image


def _as_stored(image: Image, header: Header) -> Image:
    """Undo Pillow's turning of TIFFs by their orientation tag."""
    if header.format != "tiff":
        return image
    from PIL.Image import Transpose  # noqa: PLC0415 - Pillow is imported where it is used

    undo = {
        "2": Transpose.FLIP_LEFT_RIGHT, "3": Transpose.ROTATE_180, "4": Transpose.FLIP_TOP_BOTTOM,
        "5": Transpose.TRANSPOSE, "6": Transpose.ROTATE_90, "7": Transpose.TRANSVERSE,
        "8": Transpose.ROTATE_270,
    }.get(header.variant.rpartition("orientation ")[2])  # fmt: skip
    return image if undo is None else image.transpose(undo)


def _samples(image: Image) -> NDArray[np.uint8]:
    return np.asarray(image.convert("RGBA" if image.has_transparency_data else "RGB"))


class _File(io.RawIOBase):
    """Bytes as a file, without a copy of them."""

    def __init__(self, data: memoryview) -> None:
        self._data = data
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        chunk = self._data[self._at : self._at + len(buffer)]
        buffer[: len(chunk)] = chunk
        self._at += len(chunk)
        return len(chunk)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = (0, self._at, len(self._data))[whence]
        self._at = max(0, start + offset)
        return self._at

    def tell(self) -> int:
        return self._at


@contextlib.contextmanager
def _own_limits() -> Iterator[None]:
    """Lift Pillow's bound on pixels and silence its warnings, both of the whole process."""
    from PIL import Image  # noqa: PLC0415 - Pillow is imported where it is used

    bound = Image.MAX_IMAGE_PIXELS
    Image.MAX_IMAGE_PIXELS = None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        Image.MAX_IMAGE_PIXELS = bound
