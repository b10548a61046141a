"""Over photographs: clusters of the small decode are as good as the best of many restarts.

Goodness is measured on the picture decoded in full by Pillow, resized by its Lanczos to fit 200x200
and converted by the embedded profile as the small one is.
"""

from __future__ import annotations

import io
import os
from pathlib import Path

import numpy as np
import pytest
from coloraide import Color
from PIL import Image, ImageCms
from sklearn.cluster import KMeans

from pixmill.color.clustering import clusters
from pixmill.imaging.probe import probe
from pixmill.imaging.scaled import scaled

RESTARTS = 50
WORST_INERTIA = 1.01  # of the best one's
DECIDED = 0.1  # where the two greatest shares are nearer to one another, any answer is a toss-up
WORST_DIFFERENCE = 1.0  # CIEDE2000

SRGB = ImageCms.createProfile("sRGB")


def _photos():
    folder = Path(os.environ.get("PIXMILL_TEST_IMAGES", "nowhere"), "photos")
    return sorted(path.name for path in folder.glob("*.jpg")) or ["none"]


def resized_in_full(data):
    """By Pillow alone."""
    with Image.open(io.BytesIO(data)) as image:
        full = image.convert("RGB")
        icc = image.info.get("icc_profile")
    full.thumbnail((200, 200), Image.Resampling.LANCZOS, reducing_gap=None)
    if icc:
        full = ImageCms.profileToProfile(
            full, ImageCms.ImageCmsProfile(io.BytesIO(icc)), SRGB,
            renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
            flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
        )  # fmt: skip
    return np.asarray(full)


def as_png(data, size):
    with Image.open(io.BytesIO(data)) as image:
        target = io.BytesIO()
        image.convert("RGB").resize(size, Image.Resampling.BICUBIC).save(
            target, "PNG", compress_level=1
        )
    return target.getvalue()


def inertia(pixels, centroids):
    return ((pixels[:, np.newaxis] - centroids) ** 2).sum(axis=2).min(axis=1).sum()


def difference(one, other):
    srgb = (Color("srgb", list(rgb / 255)) for rgb in (one, other))
    return next(srgb).delta_e(next(srgb), method="2000")


def assert_as_good_as_many_restarts(data):
    found = scaled(data, probe(data))
    assert found.weights is None
    pixels = resized_in_full(data).reshape(-1, 3).astype(float)
    assert len(pixels) == found.rgb.size // 3
    best = KMeans(5, n_init=RESTARTS, random_state=0).fit(pixels)
    centroids = np.array([cluster.centroid for cluster in clusters(found.rgb)])
    assert inertia(pixels, centroids) <= WORST_INERTIA * best.inertia_
    shares = np.bincount(best.labels_, minlength=5) / len(pixels)
    second, first = np.argsort(shares)[-2:]
    if shares[first] - shares[second] >= DECIDED:
        assert difference(centroids[0], best.cluster_centers_[first]) <= WORST_DIFFERENCE


@pytest.mark.corpus
@pytest.mark.parametrize("name", _photos())
def test_clusters_are_as_good_as_the_best_of_fifty_restarts(corpus, name):
    assert_as_good_as_many_restarts(Path(corpus, "photos", name).read_bytes())


@pytest.mark.corpus
@pytest.mark.parametrize("name", _photos())
@pytest.mark.parametrize("size", [(1350, 1800), (3100, 3700)], ids=["whole", "in strips"])
def test_so_are_those_of_a_photograph_as_png(corpus, name, size):
    assert_as_good_as_many_restarts(as_png(Path(corpus, "photos", name).read_bytes(), size))


@pytest.mark.corpus
@pytest.mark.parametrize("name", _photos())
def test_the_small_picture_is_nearly_the_full_one_resized(corpus, name):
    data = Path(corpus, "photos", name).read_bytes()
    found = scaled(data, probe(data)).rgb.astype(int)
    assert np.abs(found - resized_in_full(data)).mean() < 1.5
