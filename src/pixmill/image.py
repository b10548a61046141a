"""One image in the caller's process: the library's functions.

Takes an image in any form that callers have. Bytes, paths and files give the same colors as in a
batch; an array or a `PIL.Image` is taken as it was decoded by others. Not isolated: a decoder that
crashes takes the process along, so hostile bytes belong in `pixmill.batch.run`.
"""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, get_args

from pixmill.analysis import Alpha, Task, Wanted, analyze, colors_of
from pixmill.color.counting import count_top
from pixmill.imaging.given import as_bytes, as_pixels
from pixmill.imaging.probe import Limits, check, probe
from pixmill.record import Summarizer

if TYPE_CHECKING:
    import os

    from pixmill.color.palette import Palette
    from pixmill.imaging.given import ImageLike
    from pixmill.imaging.pixels import Pixels
    from pixmill.record import Analysis, Cluster, Color, Match


def top_colors(
    image: ImageLike, n: int = 3, *, alpha: Alpha = "visible", limits: Limits | None = None
) -> tuple[Color, ...]:
    """Return exactly `n` (1 to 256) most common exact colors of an image, most common first.

    `image` is a uint8 array, `(h, w, 3)`, `(h, w, 4)` with alpha last, `(h, w)` or `(h, w, 1)`
    gray, or `(n, 3)`: n pixels (so write a gray picture three pixels wide as `(h, 3, 1)`); the
    bytes of a file; a path; a binary file, which is read from where it stands to its end; or a
    `PIL.Image`, of which the current frame is taken. Equal counts stand in order of their 24-bit
    RGB value; with fewer than `n` colors the commonest is repeated at the front; an image without a
    visible pixel gives `#000000`, `#000BAD`, `#000000`, each with count 0. Fully transparent pixels
    are not counted unless `alpha="ignore"`. Files are held to `limits` before they are decoded.

    Raises UnsupportedFormat, CorruptImage or TooManyPixels for files; OSError where a path can not
    be read; TypeError or ValueError for what is no image at all, and for another `n` or `alpha`.
    """
    n = _checked_number("n", n)
    if alpha not in get_args(Alpha):
        raise ValueError(f"alpha must be 'visible' or 'ignore', not {alpha!r}")
    pixels = as_pixels(image)
    if pixels is None:
        return _analyze(image, Wanted(n=n, alpha=alpha, md5=False), limits).colors
    top = count_top(pixels.rgb, n, visible=None if alpha == "ignore" else pixels.visible)
    return colors_of(top, n)


def dominant_colors(
    image: ImageLike,
    n: int = 5,
    *,
    summarizer: Summarizer = "kmeans",
    limits: Limits | None = None,
) -> tuple[Cluster, ...]:
    """Return the up to `n` (1 to 256) clusters of an image's colors, most populous first.

    They are found by k-means in sRGB over the image shrunk to fit 200x200, always the same for the
    same bytes; an embedded color profile is honored, and fully transparent pixels are not seen.
    There are fewer where there are fewer colors, and none where no pixel is visible.
    `summarizer="background"` gives pixels near the edges more weight, and "mean" gives one color,
    the mean. `image`, `limits` and errors are those of `top_colors`; arrays are taken as sRGB.
    """
    n = _checked_number("n", n)
    if summarizer not in get_args(Summarizer):
        raise ValueError(
            f"summarizer must be one of {', '.join(get_args(Summarizer))}, not {summarizer!r}"
        )
    pixels = as_pixels(image)
    if pixels is not None:
        return _summarize(pixels, summarizer, n)
    wanted = Wanted(n=0, md5=False, summarizer=summarizer, k=n)
    return _analyze(image, wanted, limits).clusters or ()


def representative_color(
    image: ImageLike,
    *,
    summarizer: Summarizer = "kmeans",
    k: int = 5,
    limits: Limits | None = None,
) -> Cluster | None:
    """Return the color that stands for an image, None where no pixel is visible.

    With "kmeans" it is the centroid of the most populous of `k` clusters, with "background" the
    same with more weight for pixels near the edges, with "mean" the mean. See `dominant_colors`.
    """
    return next(iter(dominant_colors(image, k, summarizer=summarizer, limits=limits)), None)


def match(  # noqa: PLR0913  keyword-only but for the first two
    image: ImageLike,
    palette: Palette | str | os.PathLike[str] = "css",
    *,
    space: str = "srgb",
    max_distance: float | None = None,
    summarizer: Summarizer = "kmeans",
    limits: Limits | None = None,
) -> Match:
    """Find the color of a palette that is nearest to an image's representative color.

    `palette` is a `Palette`, "css", or the path of a palette file, which is read anew each time:
    `load_palette` once is better for many images. `space` names the metric: "srgb", "lab", "oklab"
    or "ciede2000"; `max_distance` is the tolerance in its units (default 0.2, 10, 0.1 and 10). The
    answer's `found` tells whether the nearest color is within it; what is nearest is told in any
    case, but where no pixel is visible.

    Raises UsageError for another metric, tolerance, summarizer or palette; otherwise as
    `dominant_colors`.
    """
    from pixmill.matching import Matcher, load_palette  # noqa: PLC0415  palettes need SciPy

    matcher = Matcher(load_palette(palette), space, max_distance, summarizer)
    return matcher(dominant_colors(image, summarizer=summarizer, limits=limits))


def _analyze(image: ImageLike, wanted: Wanted, limits: Limits | None) -> Analysis:
    data = as_bytes(image)
    header = probe(data)
    check(header, limits or Limits())
    return analyze(data, Task(header, wanted))


def _summarize(pixels: Pixels, summarizer: Summarizer, k: int) -> tuple[Cluster, ...]:
    from pixmill.color.summary import summarize  # noqa: PLC0415  counting needs none of it
    from pixmill.imaging.shrinking import fitted, shrunk  # noqa: PLC0415

    rgb = pixels.rgb
    if rgb.ndim == 2:  # pixels without rows
        if summarizer == "background":
            raise ValueError("pixels without rows have no background; give them as (h, w, 3)")
        return summarize(rgb, None, summarizer, k)
    if rgb.ndim != 3 or rgb.shape[2] != 3:
        raise ValueError(f"an image has the shape (h, w, 3), not {rgb.shape}")
    height, width, _ = rgb.shape
    if not (height and width):
        return ()
    small = shrunk([pixels], (width, height), fitted(width, height))
    return summarize(small.rgb, small.weights, summarizer, k)


def _checked_number(name: str, number: int) -> int:
    number = operator.index(number)
    if not 1 <= number <= 256:
        raise ValueError(f"{name} must be from 1 to 256, not {number}")
    return number
