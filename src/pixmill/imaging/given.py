"""An image in any form that callers have: arrays, bytes, paths, files, `PIL.Image`.

Owns what of these is accepted and how samples that others decoded become pixels. Bytes of files are
left to `probe` and `decode`.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TypeAlias

import numpy as np

from pixmill.errors import CorruptImage
from pixmill.imaging.pixels import Pixels

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL.Image import Image

    ImageLike: TypeAlias = (
        NDArray[np.uint8]
        | bytes
        | bytearray
        | memoryview
        | str
        | os.PathLike[str]
        | BinaryIO
        | Image
    )


def as_pixels(image: Any) -> Pixels | None:
    """Take decoded pixels as they are; None for what is a file yet.

    Arrays are uint8, `(h, w, 3)`, `(h, w, 4)` with alpha last, `(h, w)` or `(h, w, 1)` gray, or
    `(n, 3)`, pixels without rows. TypeError for another dtype, ValueError and CorruptImage for a
    `PIL.Image` without 8-bit colors or one that can not be decoded. Other shapes pass, for whoever
    counts them to refuse.
    """
    array = _as_array(image)
    return None if array is None else Pixels(*_split_alpha(array))


def as_bytes(image: Any) -> bytes | memoryview:
    """Read the bytes of a file. OSError where a path can not be read, TypeError for no image."""
    if isinstance(image, bytes):
        return image
    if isinstance(image, bytearray | memoryview):
        return memoryview(image).cast("B")
    if isinstance(image, str | os.PathLike):
        return Path(image).read_bytes()
    if hasattr(image, "read"):
        data = image.read()
        if isinstance(data, bytes):
            return data
        raise TypeError("the file must be open in binary mode")
    raise TypeError(
        "an array, bytes, a path, a binary file or a PIL.Image is needed, "
        f"not {type(image).__name__}"
    )


def _as_array(image: Any) -> NDArray[np.uint8] | None:
    if isinstance(image, np.ndarray):
        return image
    pillow = sys.modules.get("PIL.Image")  # who has such an image has imported it
    if pillow is not None and isinstance(image, pillow.Image):
        return _from_pillow(image)
    return None


def _from_pillow(image: Image) -> NDArray[np.uint8]:
    """Turn a picture of any mode into (h, w, channels) samples; 16-bit ones are cut by `>> 8`."""
    if image.mode in {"I", "F"}:
        raise ValueError(f"a PIL.Image of mode {image.mode} has no 8-bit colors; convert it first")
    try:
        image.load()
    except (OSError, SyntaxError) as error:  # what Pillow raises of damaged and cut files
        raise CorruptImage(f"Pillow can not decode the image: {error}") from error
    if image.mode.startswith("I;16"):
        return (np.asarray(image)[:, :, None] >> 8).astype(np.uint8)
    return np.asarray(image.convert("RGBA" if image.has_transparency_data else "RGB"))


def _split_alpha(array: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], NDArray[np.bool_] | None]:
    if array.dtype != np.uint8:
        raise TypeError(f"an array of uint8 is needed, not {array.dtype}")
    if array.ndim == 2 and array.shape[1] != 3:
        array = array[:, :, None]
    if array.ndim == 3 and array.shape[2] == 1:
        return np.repeat(array, 3, axis=2), None
    if array.ndim == 3 and array.shape[2] == 4:
        visible = array[:, :, 3] != 0
        return array[:, :, :3], None if visible.all() else visible
    return array, None
