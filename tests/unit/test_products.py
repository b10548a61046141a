"""One decode gives every product, and each is the one that is given when it is asked for alone."""

from __future__ import annotations

import io
import time

import numpy as np
import pytest
from PIL import Image

from pixmill.analysis import Task, Wanted, analyze, products, unpack
from pixmill.analysis.timing import analyze_timed
from pixmill.errors import CorruptImage
from pixmill.imaging import decode as decoding
from pixmill.imaging.header import is_large
from pixmill.imaging.probe import probe
from tests import drawn
from tests.unit.test_scaled import SWAPPED

RGB = drawn.picture(260, 330)
SEEN = np.where(drawn.noise(260, 330, 1) > 90, 255, 0).astype(np.uint8)
RGBA = np.dstack((RGB, SEEN))
INDICES = RGB[:, :, 0] // 4
MAP = drawn.noise(64, 3, 1)[:, :, 0]
FILES = {
    "png": drawn.encoded(RGB, "PNG"),
    "png alpha": drawn.encoded(RGBA, "PNG"),
    "png interlaced": drawn.png(RGB, interlace=True),
    "png 16 bits": drawn.png(RGB.astype(np.uint16) * 256 + 77, bits=16),
    "png gray": drawn.encoded(RGB[:, :, 0], "PNG"),
    "png profile": drawn.encoded(RGB, "PNG", icc_profile=SWAPPED),
    "jpeg": drawn.encoded(RGB, "JPEG", quality=90),
    "jpeg large": drawn.encoded(np.tile(RGB, (5, 6, 1)), "JPEG"),
    "jpeg progressive": drawn.encoded(RGB, "JPEG", progressive=True),
    "jpeg gray": drawn.encoded(RGB[:, :, 0], "JPEG"),
    "jpeg cmyk": drawn.encoded(Image.fromarray(RGB).convert("CMYK"), "JPEG"),
    "jpeg profile": drawn.encoded(RGB, "JPEG", icc_profile=SWAPPED),
    "webp": drawn.encoded(RGB, "WEBP"),
    "webp alpha": drawn.encoded(RGBA, "WEBP", lossless=True),
    "gif": drawn.gif(INDICES, MAP, transparent=3),
    "tiff": drawn.encoded(RGB, "TIFF"),
    "tiff 16 bits": drawn.tiff(RGB.astype(np.uint16) * 256 + 9, photometric=2, bits=16),
    "avif": drawn.encoded(RGB, "AVIF"),
    "bmp": drawn.encoded(RGB, "BMP"),
    "one pixel": drawn.encoded(RGB[:1, :1], "PNG"),
    "one color": drawn.encoded(np.full((300, 500, 3), (9, 99, 199), np.uint8), "PNG"),
    "invisible": drawn.encoded(np.zeros((9, 9, 4), np.uint8), "PNG"),
}
SUMMARIZERS = ("kmeans", "mean", "background")


def run(data, **wanted):
    return analyze(data, Task(probe(data), Wanted(**wanted)))


@pytest.mark.parametrize("name", FILES)
def test_products_of_one_call_are_those_of_separate_calls(name):
    data = FILES[name]
    exact = run(data, n=5)
    preview = run(data, n=0, preview=True).preview
    for summarizer in SUMMARIZERS:
        both = run(data, n=5, summarizer=summarizer, preview=True)
        assert (both.colors, both.pixels) == (exact.colors, exact.pixels)
        assert both.clusters == run(data, n=0, summarizer=summarizer).clusters
        assert both.preview == preview
        assert both.md5 == exact.md5


@pytest.mark.parametrize("alpha", ["visible", "ignore"])
@pytest.mark.parametrize("name", ["png alpha", "webp alpha", "gif", "invisible"])
def test_transparency_is_never_seen_by_clusters_whatever_is_counted(name, alpha):
    data = FILES[name]
    both = run(data, alpha=alpha, summarizer="kmeans")
    assert both.clusters == run(data, n=0, summarizer="kmeans").clusters
    assert both.colors == run(data, alpha=alpha).colors


@pytest.mark.parametrize("name", FILES)
def test_an_image_is_decoded_in_full_once_at_most(name, monkeypatch):
    """And not at all in full where a small decode is all that is wanted of a large JPEG."""
    begun = []
    real = dict(decoding._DECODERS)

    def counting(decoder):
        def decode(*arguments):
            begun.append(1)
            return decoder(*arguments)

        return decode

    monkeypatch.setattr(
        decoding, "_DECODERS", {form: counting(decoder) for form, decoder in real.items()}
    )
    # A generator's body runs only where somebody iterates, and then it runs through.
    run(FILES[name], n=3, summarizer="kmeans", preview=True)
    assert len(begun) == 1
    begun.clear()
    run(FILES[name], n=0, summarizer="kmeans")
    assert len(begun) == (0 if name == "jpeg large" else 1)


@pytest.mark.parametrize("name", ["png", "jpeg", "gif"])
def test_what_is_not_asked_for_is_not_there(name):
    nothing = run(FILES[name], n=0, md5=False)
    assert (nothing.colors, nothing.pixels, nothing.md5) == ((), 0, None)
    assert (nothing.clusters, nothing.preview) == (None, None)
    assert (nothing.width, nothing.height) == probe(FILES[name])[1:3]


def test_an_image_without_a_visible_pixel_has_clusters_and_they_are_none():
    for summarizer in SUMMARIZERS:
        assert run(FILES["invisible"], n=0, summarizer=summarizer).clusters == ()


def test_one_pixel_and_one_color_are_one_cluster():
    for name, rgb in (("one pixel", tuple(map(int, RGB[0, 0]))), ("one color", (9, 99, 199))):
        for summarizer in SUMMARIZERS:
            (cluster,) = run(FILES[name], n=0, summarizer=summarizer).clusters
            assert (cluster.rgb, cluster.share) == (rgb, 1.0)


def test_fewer_colors_than_k_are_as_many_clusters():
    two = np.zeros((8, 8, 3), np.uint8)
    two[:2] = (255, 0, 0)
    clusters = run(drawn.encoded(two, "PNG"), n=0, summarizer="kmeans", k=9).clusters
    assert [(cluster.hex, cluster.share) for cluster in clusters] == [
        ("#000000", 0.75), ("#FF0000", 0.25),
    ]  # fmt: skip


@pytest.mark.parametrize("k", [1, 2, 5, 30])
def test_k_bounds_the_number_of_clusters(k):
    clusters = run(FILES["png"], n=0, summarizer="kmeans", k=k).clusters
    assert len(clusters) == k
    assert sum(cluster.share for cluster in clusters) == pytest.approx(1)
    shares = [cluster.share for cluster in clusters]
    assert shares == sorted(shares, reverse=True)


@pytest.mark.parametrize("name", ["png alpha", "jpeg large", "gif", "png 16 bits", "one pixel"])
def test_the_preview_is_a_small_png_of_the_picture(name):
    analysis = run(FILES[name], n=0, preview=True)
    with Image.open(io.BytesIO(analysis.preview)) as image:
        assert image.format == "PNG"
        assert max(image.size) <= 200
        across, down = image.size
        assert across / down == pytest.approx(analysis.width / analysis.height, rel=0.02)


def test_the_preview_is_as_transparent_as_the_picture():
    half = np.zeros((10, 10, 4), np.uint8)
    half[:, :5] = (200, 100, 50, 255)
    with Image.open(
        io.BytesIO(run(drawn.encoded(half, "PNG"), n=0, preview=True).preview)
    ) as image:
        samples = np.asarray(image)
    assert image.mode == "RGBA"
    assert (samples[:, :5] == (200, 100, 50, 255)).all()
    assert (samples[:, 5:, 3] == 0).all()


@pytest.fixture(scope="module")
def large():
    """A PNG that is decoded in strips: transparent on the left."""
    array = np.zeros((2500, 4600, 4), np.uint8)
    assert is_large(array.shape[1], array.shape[0])
    array[:, :, 0] = np.arange(2500)[:, None] // 10
    array[:, 1000:, 3] = 255
    return drawn.encoded(array, "PNG", compress_level=1)


def test_a_picture_that_is_decoded_in_strips_gives_the_same_together_and_apart(large):
    both = run(large, n=4, summarizer="kmeans", preview=True)
    assert both.colors == run(large, n=4).colors
    assert both.clusters == run(large, n=0, summarizer="kmeans").clusters
    assert both.preview == run(large, n=0, preview=True).preview
    assert both.pixels == 2500 * 3600


@pytest.mark.parametrize("wanted", [{}, {"n": 0, "summarizer": "kmeans"}, {"summarizer": "mean"},
                                    {"n": 0, "preview": True}])  # fmt: skip
def test_a_file_that_is_cut_is_corrupt_whatever_is_wanted_of_it(large, wanted):
    for data in (large[: len(large) * 9 // 10], FILES["jpeg"][:2000], FILES["gif"][:900],
                 FILES["webp"][:-400]):  # fmt: skip
        with pytest.raises(CorruptImage):
            run(data, **wanted)


def test_a_stopwatch_splits_the_time_and_changes_nothing(monkeypatch):
    """The clock goes on by one second a look, so that what is told is known."""
    for name, wanted in (("png", Wanted()), ("jpeg", Wanted(n=0, summarizer="kmeans")),
                         ("gif", Wanted(summarizer="mean", preview=True))):  # fmt: skip
        task = Task(probe(FILES[name]), wanted)
        timed = analyze_timed(memoryview(FILES[name]), task)
        assert unpack(timed.packed) == analyze(FILES[name], task)
    ticks = iter(range(10_000))
    monkeypatch.setattr(time, "perf_counter", lambda: float(next(ticks)))
    for name in ("png", "jpeg"):
        for n in (0, 3):
            task = Task(probe(FILES[name]), Wanted(n=n, summarizer="kmeans"))
            timed = analyze_timed(memoryview(FILES[name]), task)
            assert timed.decode_s >= 1
            assert timed.compute_s >= 1
    assert products.Stopwatch().seconds == 0.0
