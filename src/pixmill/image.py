"""One image in the caller's process: the library's functions.

Takes an image in any form that callers have. Bytes, paths and files give the same colors as in a
batch; an array or a `PIL.Image` is counted as it was decoded by others. Not isolated: a decoder
that crashes takes the process along, so hostile bytes belong in `pixmill.batch.run`.
"""

from __future__ import annotations

import operator
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TypeAlias, get_args

import numpy as np

from pixmill.analysis import Alpha, Task, Wanted, analyze, colors_of
from pixmill.color.counting import count_top
from pixmill.errors import CorruptImage
from pixmill.imaging.probe import Limits, check, probe

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL.Image import Image

    from pixmill.record import Color

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


def top_colors(
    image: ImageLike, n: int = 3, *, alpha: Alpha = "visible", limits: Limits | None = None
) -> tuple[Color, ...]:
    """Return exactly `n` (1 to 256) most common exact colors of an image, most common first.

    `image` is a uint8 array, `(h, w, 3)`, `(h, w, 4)` with alpha last, `(h, w)` or `(h, w, 1)`
    grey, or `(n, 3)`: n pixels (so write a grey picture three pixels wide as `(h, 3, 1)`); the
    bytes of a file; a path; a binary file, which is read from where it stands to its end; or a
    `PIL.Image`, of which the current frame is taken. Equal counts stand in order of their 24-bit
    RGB value; with fewer than `n` colors the commonest is repeated at the front; an image without a
    visible pixel gives `#000000`, `#000BAD`, `#000000`, each with count 0. Fully transparent pixels
    are not counted unless `alpha="ignore"`. Files are held to `limits` before they are decoded.

    Raises UnsupportedFormat, CorruptImage or TooManyPixels for files; OSError where a path can not
    be read; TypeError or ValueError for what is no image at all, and for another `n` or `alpha`.
    """
    n = operator.index(n)
    if not 1 <= n <= 256:
        raise ValueError(f"n must be from 1 to 256, not {n}")
    if alpha not in get_args(Alpha):
        raise ValueError(f"alpha must be 'visible' or 'ignore', not {alpha!r}")
    array = _as_array(image)
    if array is not None:
        rgb, visible = _split_alpha(array)
        top = count_top(rgb, n, visible=None if alpha == "ignore" else visible)
        return colors_of(top, n)
    data = _as_bytes(image)
    header = probe(data)
    check(header, limits or Limits())
    return analyze(data, Task(header, Wanted(n=n, alpha=alpha, md5=False))).colors


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
        return array[:, :, :3], array[:, :, 3] != 0
    return array, None


def _as_bytes(image: Any) -> bytes | memoryview:
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
