"""An analysis in few bytes.

What crosses between processes, waits in the reorder window and is kept across runs is packed: some
hundred bytes instead of objects, of a form that can hold nothing but numbers, a word and a picture,
since kept bytes may come back altered.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from pixmill.record import Analysis, Cluster, Color

if TYPE_CHECKING:
    from pixmill.analysis.products import Wanted

PACKED_FORM = 2
"""The first byte of what `pack` gives; raised whenever the meaning of the others changes."""

# form, whether there are an MD5 and clusters, how many colors, clusters and bytes of preview, then
# width, height, pixels, bytes, MD5; then come the colors' counts and RGB values, the centroids and
# shares of the clusters, the preview, and the name of the format
_HEAD = struct.Struct("<B??HHIIIQQ16s")
_CLUSTER = struct.Struct("<4d")
_NO_MD5 = bytes(16)


def pack(analysis: Analysis) -> bytes:
    """Put an analysis into few bytes: 51, 11 for each color, 32 for each cluster, the rest."""
    colors, clusters, md5 = analysis.colors, analysis.clusters, analysis.md5
    preview = analysis.preview or b""
    head = _HEAD.pack(
        PACKED_FORM,
        md5 is not None,
        clusters is not None,
        len(colors),
        len(clusters or ()),
        len(preview),
        analysis.width,
        analysis.height,
        analysis.pixels,
        analysis.bytes,
        _NO_MD5 if md5 is None else bytes.fromhex(md5),
    )
    counts = struct.pack(f"<{len(colors)}Q", *[color.count for color in colors])
    rgb = bytes.fromhex("".join([color.hex for color in colors]).replace("#", ""))
    groups = [_CLUSTER.pack(*cluster.centroid, cluster.share) for cluster in clusters or ()]
    return b"".join((head, counts, rgb, *groups, preview, analysis.format.encode("ascii")))


def packed_bytes(wanted: Wanted) -> int:
    """Estimate from above what `pack` gives of an analysis without a preview."""
    clusters = wanted.k if wanted.summarizer else 0
    return _HEAD.size + 11 * wanted.n + _CLUSTER.size * clusters + 10


def unpack(packed: bytes) -> Analysis:
    """Give back what was packed. Raises ValueError for bytes that are not of its making."""
    try:
        form, has_md5, has_clusters, n, k, preview_bytes, *sizes, md5 = _HEAD.unpack_from(packed)
        counts = struct.unpack_from(f"<{n}Q", packed, _HEAD.size)
        rgb_at = _HEAD.size + 8 * n
        clusters_at = rgb_at + 3 * n
        preview_at = clusters_at + _CLUSTER.size * k
        groups = list(_CLUSTER.iter_unpack(packed[clusters_at:preview_at])) if k else []
    except struct.error as error:
        raise ValueError("a packed analysis is cut off") from error
    width, height, pixels, size = sizes
    name = packed[preview_at + preview_bytes :]
    if form != PACKED_FORM or max(counts, default=0) > pixels or not name.isalnum():
        raise ValueError("a packed analysis is damaged, or of another version")
    return Analysis(
        colors=_colors(packed[rgb_at:clusters_at], counts, pixels),
        pixels=pixels,
        width=width,
        height=height,
        format=name.decode("ascii"),
        bytes=size,
        md5=md5.hex() if has_md5 else None,
        clusters=tuple(map(_cluster, groups)) if has_clusters else None,
        preview=packed[preview_at : preview_at + preview_bytes] or None,
    )


def _cluster(numbers: tuple[float, float, float, float]) -> Cluster:
    red, green, blue, share = numbers
    if not (all(0 <= value <= 255 for value in (red, green, blue)) and 0 < share <= 1):
        raise ValueError("a packed analysis is damaged")
    return Cluster((red, green, blue), share)


def _colors(rgb: bytes, counts: tuple[int, ...], pixels: int) -> tuple[Color, ...]:
    # One pass of C code a step: this runs once an image in the process that all rows go through.
    triples = iter(rgb)
    hexes = f"#{rgb.hex('#', 3).upper()}".replace("#", " #").split() if rgb else []
    total = pixels or 1  # without pixels every count is 0
    return tuple(
        [
            Color(triple, hex_, count, count / total)
            for triple, hex_, count in zip(
                zip(triples, triples, triples, strict=True), hexes, counts, strict=True
            )
        ]
    )
