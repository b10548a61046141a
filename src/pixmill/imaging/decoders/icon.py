"""Icons: a PNG or a bitmap within a directory."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pixmill.imaging.decoders import pillow, vips

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from numpy.typing import NDArray

    from pixmill.imaging.header import Header


def decode(data: memoryview, header: Header) -> Iterator[NDArray[Any]]:
    """Decode the picture that the header chose."""
    if header.variant == "png":
        return vips.decode_png(data, header)
    return pillow.decode(data, header)
