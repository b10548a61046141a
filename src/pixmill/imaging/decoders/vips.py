"""libvips: the formats that it reads fastest, or from top to bottom without holding them whole."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from pixmill.errors import CorruptImage, OutOfMemory
from pixmill.imaging.header import strip_rows
from pixmill.imaging.vips import complaints, locked_down, warnings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from pixmill.imaging.header import Header

_DTYPES = {"uchar": np.uint8, "ushort": np.uint16}


def decode_png(data: memoryview, header: Header) -> Iterator[NDArray[Any]]:
    """Decode the PNG at the header's offset; damage to what bears on pixels is an error."""
    return strips(data[header.offset :], header, "pngload_source")


def decode_webp(data: memoryview, header: Header) -> Iterator[NDArray[Any]]:
    """Decode the first frame on its canvas; libvips takes half of Pillow's memory for it."""
    return strips(data, header, "webpload_source")


def decode_webp_reduced(data: memoryview, header: Header, part: int) -> NDArray[Any] | None:
    """Decode the first frame to 1/part of each side, rounded: (h, w, channels) uint8.

    libwebp averages over areas while it decodes. None for files that only `decode_webp` can tell
    anything of.
    """
    pyvips = locked_down()
    try:
        source = pyvips.Source.new_from_memory(data)
        image = pyvips.Operation.call(
            "webpload_source", source, access="sequential", fail_on="error", scale=1 / part
        )
        samples = _shaped(image.write_to_memory(), image, header)
    except pyvips.Error:
        complaints()
        return None
    promised = header.height / part, header.width / part
    as_promised = all(abs(samples.shape[i] - max(promised[i], 1)) < 1 for i in (0, 1))
    return samples if as_promised else None


def strips(
    data: memoryview, header: Header, loader: str, **options: bool
) -> Iterator[NDArray[Any]]:
    """Decode by the named loader, with its options: at once, or in strips where the header says so.

    Strips are cropped one after the other, each time with an empty cache of rows, so that they must
    begin where the cache's blocks do. Where the header knows of no such rows, they are fetched from
    one region, and libvips keeps some two thousand rows.

    Raises `CorruptImage` or `OutOfMemory`, with libvips' words as cause. What it merely warns of,
    `complaints` and `warnings` of `pixmill.imaging.vips` tell after each strip.
    """
    pyvips = locked_down()
    complaints()
    warnings()
    try:
        source = pyvips.Source.new_from_memory(data)
        image = pyvips.Operation.call(
            loader, source, access="sequential", fail_on="error", **options
        )
        if (image.width, image.height) != (header.width, header.height):
            raise CorruptImage("the decoder finds another size than the header promises")
        if not header.strips:
            yield _shaped(image.write_to_memory(), image, header)
            return
        region = None if header.block_rows else pyvips.Region.new(image)
        rows = strip_rows(header.width, header.block_rows or 16)
        for top in range(0, header.height, rows):
            part = (0, top, header.width, min(rows, header.height - top))
            samples = region.fetch(*part) if region else image.crop(*part).write_to_memory()
            yield _shaped(samples, image, header)
    except pyvips.Error as error:
        raise _item_error(error) from error


def _shaped(samples: Any, image: Any, header: Header) -> NDArray[Any]:
    """Give samples their shape, without those that are neither colors nor transparency."""
    if image.format not in _DTYPES:
        raise CorruptImage(f"the decoder gives {image.format} samples")
    rows = np.frombuffer(samples, _DTYPES[image.format]).reshape(-1, image.width, image.bands)
    return rows[:, :, : (1 if image.bands < 3 else 3) + header.alpha]


def _item_error(error: Exception) -> CorruptImage | OutOfMemory:
    said = " ".join(str(error).split())
    if "out of memory" in said or "unable to allocate" in said:
        return OutOfMemory("the decoder ran out of memory")
    return CorruptImage(f"the pixel data are damaged or cut off: {said[:200]}")
