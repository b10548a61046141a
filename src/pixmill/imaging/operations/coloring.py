"""Operations on transparency and color profile."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pixmill.imaging.operations.bands import PROFILE, as_rgb, has_alpha, named, without_profile
from pixmill.imaging.operations.placing import rgb_of
from pixmill.imaging.vips import locked_down

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_STRIP_ROWS = 512  # converted at a time, since each way through Pillow copies


def flatten(image: Any, color: str) -> Any:
    """Lay the picture on a color: `(v a + c (255 - a)) // 255`, and no alpha any more."""
    if not has_alpha(image):
        return image
    red, green, blue = rgb = rgb_of(color)
    if not red == green == blue:
        image = as_rgb(image)
    return named(image.flatten(background=rgb[: image.bands - 1]))


def strip(image: Any) -> Any:
    """Convert to sRGB by the embedded profile, as far as that is of use, and drop it."""
    if not image.get_typeof(PROFILE):
        return image
    return _converted(without_profile(image).copy_memory(), image.get(PROFILE))


def _converted(image: Any, icc: bytes) -> Any:
    import numpy as np  # noqa: PLC0415 - importing the registry is cheap

    from pixmill.imaging.profiles import Profile, to_srgb  # noqa: PLC0415

    grey = icc[16:20] == b"GRAY"
    if grey and image.bands > 2:
        return image
    whole = as_rgb(image)
    samples = np.frombuffer(whole.write_to_memory(), np.uint8).copy()
    samples = samples.reshape(whole.height, whole.width, whole.bands)
    profile = Profile(icc, "L" if grey else "RGB")
    for top in range(0, whole.height, _STRIP_ROWS):
        rows = samples[top : top + _STRIP_ROWS, :, :3]
        srgb = to_srgb(np.ascontiguousarray(rows), profile)
        if srgb is None:
            return image
        rows[:] = srgb
    return _image_of(samples[:, :, [0, 3][: image.bands]] if grey else samples)


def _image_of(samples: NDArray[np.uint8]) -> Any:
    height, width, bands = samples.shape
    # what is made from bytes keeps them for as long as it lives
    return named(
        locked_down().Image.new_from_memory(samples.tobytes(), width, height, bands, "uchar")
    )
