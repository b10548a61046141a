"""A small picture as a file that browsers show."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from pixmill.imaging.shrinking import Scaled


def png(small: Scaled) -> bytes:
    """Write a small picture as PNG; what weighs less than all is as transparent as that."""
    if small.weights is None:
        image = Image.fromarray(small.rgb)
    else:
        alpha = np.rint(255 * small.weights).astype(np.uint8)
        image = Image.fromarray(np.dstack((small.rgb, alpha)))
    target = io.BytesIO()
    image.save(target, "PNG", compress_level=3)
    return target.getvalue()
