"""How kernels are compiled, and the few lines that several of them share.

Importing this module needs numba. Compiled code is kept in numba's cache, or compiled in memory
where no folder is writable. Every kernel has one explicit signature, so that no layout of an array
compiles another version at run time, and releases the interpreter lock.

Arrays of pixels are flat, C-contiguous `uint8`, three samples (R, G, B) a pixel. A key is
count << 24 | (0xFFFFFF - RGB), as in `ranking`.

The hash of a pixel is one to one on 24 bits: read as the little-endian number R | G << 8 | B << 16,
it is multiplied by an odd constant modulo 2^24 and kept in the upper 24 bits of 32. The uppermost
bits choose a slot.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numba import njit, types

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

# 2^24 divided by the golden ratio, made odd (Knuth, The Art of Computer Programming, volume 3,
# section 6.4), times 2^8: so the hash stands in the upper bits of a 32-bit product, and whatever
# stood above the 24 bits of the pixel is lost.
MULTIPLIER = np.uint32(0x9E3779 << 8)
INVERSE = np.uint32(pow(0x9E3779, -1, 1 << 24))

PIXELS = types.Array(types.uint8, 1, "C", readonly=True)
COUNTS = types.int64[::1]
HEAP = types.uint64[::1]


def compiled(result: Any, *arguments: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Compile for one signature, from numba's cache where there is a folder for it."""
    signature = result(*arguments)

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        kernel: Callable[..., Any]
        try:
            kernel = njit(signature, nogil=True, cache=True)(function)
        except RuntimeError as error:
            # Neither beside the module nor in the home folder may numba write.
            if "no locator available" not in str(error):
                raise
            kernel = njit(signature, nogil=True)(function)
        return kernel

    return decorate


@njit(inline="always")
def hash_at(pixels: Any, i: Any) -> Any:
    """Hash of pixel `i`."""
    red = np.uint32(pixels[3 * i])
    green = np.uint32(pixels[3 * i + 1])
    blue = np.uint32(pixels[3 * i + 2])
    little = np.uint32(red | (green << np.uint32(8)) | (blue << np.uint32(16)))
    return np.uint32(little * MULTIPLIER)


@njit(inline="always")
def rgb_at(pixels: Any, i: Any) -> Any:
    """Pixel `i` as R << 16 | G << 8 | B."""
    red = np.uint32(pixels[3 * i])
    green = np.uint32(pixels[3 * i + 1])
    blue = np.uint32(pixels[3 * i + 2])
    return np.uint32((red << np.uint32(16)) | (green << np.uint32(8)) | blue)


@njit(inline="always")
def offer(heap: Any, key: Any) -> None:
    """Put `key` into the min-heap in place of its least, where it is greater than that."""
    if key <= heap[0]:
        return
    size = heap.size
    here = 0
    child = 1
    while child < size:
        if child + 1 < size and heap[child + 1] < heap[child]:
            child += 1
        if heap[child] >= key:
            break
        heap[here] = heap[child]
        here = child
        child = 2 * here + 1
    heap[here] = key


def unhash(hashes: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """Colors, as R << 16 | G << 8 | B, of hashes whose lower eight bits are zero."""
    little = (hashes >> np.uint32(8)) * INVERSE
    red, green = little & np.uint32(0xFF), little & np.uint32(0xFF00)
    blue = little >> np.uint32(16) & np.uint32(0xFF)
    rgb: NDArray[np.uint32] = red << np.uint32(16) | green | blue
    return rgb
