"""An analysis becomes few bytes, which give it back, and which can do no harm when altered."""

from __future__ import annotations

import math
import pickle
import struct
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pixmill.analysis import (
    PACKED_FORM,
    Task,
    Wanted,
    analyze,
    analyze_packed,
    pack,
    packed_bytes,
    unpack,
)
from pixmill.imaging.probe import probe
from pixmill.record import Analysis, Cluster, Color
from tests import drawn

SAMPLES = st.floats(0, 255)
SHARES = st.floats(0, 1, exclude_min=True)
CLUSTERS = st.builds(Cluster, st.tuples(SAMPLES, SAMPLES, SAMPLES), SHARES)
SIDES = st.integers(0, 2**31 - 1)
FORMATS = st.sampled_from(["jpeg", "png", "webp", "gif", "avif", "tiff", "bmp", "ico"])


def color(value, count, pixels):
    rgb = (value >> 16, value >> 8 & 255, value & 255)
    return Color(rgb, f"#{value:06X}", count, count / pixels if pixels else 0.0)


@st.composite
def analyses(draw):
    pixels = draw(st.integers(0, 2**62))
    counts = st.integers(0, pixels)
    pairs = draw(st.lists(st.tuples(st.integers(0, 2**24 - 1), counts), max_size=256))
    return Analysis(
        tuple(color(value, count, pixels) for value, count in pairs),
        pixels,
        draw(SIDES),
        draw(SIDES),
        draw(FORMATS),
        draw(st.integers(0, 2**62)),
        draw(st.none() | st.binary(min_size=16, max_size=16).map(bytes.hex)),
        draw(st.none() | st.lists(CLUSTERS, max_size=20).map(tuple)),
        draw(st.none() | st.binary(min_size=1, max_size=300)),
    )


@given(analyses())
def test_unpacking_undoes_packing(analysis):
    assert unpack(pack(analysis)) == analysis


@given(analyses())
def test_the_estimate_is_never_too_low(analysis):
    """It is what the bound of rows that wait is made of; pictures are not part of it."""
    clusters = analysis.clusters
    wanted = Wanted(
        n=len(analysis.colors),
        summarizer=None if clusters is None else "kmeans",
        k=len(clusters or ()),
    )
    assert len(pack(replace(analysis, preview=None))) <= packed_bytes(wanted)


def test_no_clusters_are_told_apart_from_clusters_that_were_not_wanted():
    for clusters in ((), None):
        analysis = replace(SAMPLE, clusters=clusters)
        assert unpack(pack(analysis)).clusters == clusters


@pytest.mark.parametrize(
    "wanted",
    [Wanted(), Wanted(n=0, summarizer="kmeans"), Wanted(n=7, summarizer="mean", preview=True)],
    ids=["colors", "clusters", "all"],
)
def test_a_real_analysis_comes_back_whole(wanted):
    data = drawn.encoded(drawn.picture(40, 60), "PNG")
    task = Task(probe(data), wanted)
    packed = analyze_packed(memoryview(data), task)
    analysis = analyze(data, task)
    assert unpack(packed) == analysis
    size = 51 + 11 * wanted.n + 32 * len(analysis.clusters or ()) + len("png")
    assert len(packed) == size + len(analysis.preview or b"")


SAMPLE = Analysis((color(0x010203, 4, 9),), 9, 3, 3, "png", 70, "ab" * 16)
FULL = replace(
    SAMPLE,
    clusters=(Cluster((1.5, 2.0, 255.0), 0.75), Cluster((0.0, 9.25, 3.0), 0.25)),
    preview=b"\x89PNG a picture",
)


@given(st.binary(max_size=200))
def test_any_bytes_are_refused_or_give_a_sound_analysis(data):
    for damaged in (data, bytes([PACKED_FORM]) + data, pack(FULL)[:20] + data):
        try:
            analysis = unpack(damaged)
        except ValueError:
            continue
        assert_sound(analysis)


@given(st.integers(0, len(pack(FULL)) - 1), st.integers(0, 255))
def test_any_altered_byte_is_refused_or_gives_a_sound_analysis(at, value):
    packed = bytearray(pack(FULL))
    packed[at] = value
    try:
        analysis = unpack(bytes(packed))
    except ValueError:
        return
    assert_sound(analysis)


def assert_sound(analysis):
    assert all(0 <= color.share <= 1 for color in analysis.colors)
    assert all(len(color.hex) == 7 and max(color.rgb) < 256 for color in analysis.colors)
    assert analysis.format.isalnum()
    for cluster in analysis.clusters or ():
        assert 0 < cluster.share <= 1
        assert len(cluster.hex) == 7
        assert all(0 <= sample <= 255 for sample in cluster.rgb)


@pytest.mark.parametrize("analysis", [SAMPLE, FULL], ids=["colors", "all"])
def test_every_cut_is_refused(analysis):
    packed = pack(analysis)
    whole = len(packed) - len("png")
    for end in range(whole + 1):
        with pytest.raises(ValueError, match="packed analysis"):
            unpack(packed[:end])


class _Harm:
    def __reduce__(self):
        return open, ("harmed", "w")


def with_cluster(*numbers):
    """The full sample, the numbers of its first cluster replaced."""
    first = struct.pack("<4d", 1.5, 2.0, 255.0, 0.75)
    assert pack(FULL).count(first) == 1
    return pack(FULL).replace(first, struct.pack("<4d", *numbers))


@pytest.mark.parametrize(
    "damaged",
    [
        b"",
        bytes([PACKED_FORM + 1]) + pack(SAMPLE)[1:],
        pack(SAMPLE)[:-3] + b"\x1b[m",
        pack(SAMPLE)[:-3] + "é".encode(),
        pack(SAMPLE).replace(struct.pack("<QQ", 9, 70), struct.pack("<QQ", 3, 70)),
        with_cluster(math.nan, 2.0, 255.0, 0.75),
        with_cluster(1.5, math.inf, 255.0, 0.75),
        with_cluster(1.5, 2.0, 255.5, 0.75),
        with_cluster(-0.1, 2.0, 255.0, 0.75),
        with_cluster(1.5, 2.0, 255.0, 0.0),
        with_cluster(1.5, 2.0, 255.0, 1.5),
        with_cluster(1.5, 2.0, 255.0, math.nan),
        pickle.dumps(_Harm()),
        pickle.dumps(((), 0, ()), protocol=5),
    ],
    ids=[
        "empty", "form", "escape", "umlaut", "count above pixels", "no number", "no end",
        "above 255", "below 0", "no share", "share above 1", "share no number", "pickle",
        "older form",
    ],
)  # fmt: skip
def test_bytes_of_another_making_are_refused_and_never_run(damaged, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match="packed analysis"):
        unpack(damaged)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("summarizer", ["kmeans", "background", "mean"])
@pytest.mark.parametrize("soft", [False, True])
def test_clusters_of_saturated_channels_under_any_weights_can_be_unpacked(summarizer, soft):
    """Sums of weighted 255s, divided by their weight, may pass 255 by rounding."""
    y, x = np.mgrid[0:300, 0:400]
    channels = [np.full((300, 400), 255), 100 + x % 7, y % 3]
    if soft:
        channels.append(1 + (x * 7 + y * 13) % 255)
    data = drawn.encoded(np.stack(channels, axis=2).astype(np.uint8), "PNG")
    task = Task(probe(data), Wanted(n=0, summarizer=summarizer))
    found = unpack(analyze_packed(memoryview(data), task))
    assert found.clusters
    assert {cluster.rgb[0] for cluster in found.clusters} == {255}
