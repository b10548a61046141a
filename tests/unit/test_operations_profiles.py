"""Color profiles: kept, or used for sRGB and dropped by `strip`; no other metadata come through."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image, ImageCms

from tests import drawn
from tests.rendered import mean_difference, rendered, samples_of
from tests.unit.test_scaled import LINEAR_GREY, SRGB, SWAPPED, black_alone

PICTURE = drawn.picture(60, 90)
KINDS = ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"]
BROKEN = {"text": b"no profile", "cut": SRGB[:300], "empty": bytes(16) + b"RGB " + bytes(200)}


def profile_of(data):
    with Image.open(io.BytesIO(data)) as image:
        return image.info.get("icc_profile")


@pytest.mark.parametrize("source", KINDS)
@pytest.mark.parametrize("target", ["jpeg", "png", "webp", "tiff", "avif"])
def test_a_profile_is_kept(source, target):
    data = drawn.encoded(PICTURE, source, icc_profile=SWAPPED)
    for text in ("", "resize 30\nblur 1\nrotate 90", "crop 1 1 9 9\nflop\nsharpen\nequalize"):
        assert profile_of(rendered(data, f"{text}\nconvert {target}").data) == SWAPPED


@pytest.mark.parametrize("source", KINDS)
def test_strip_converts_to_srgb_and_drops_the_profile(source):
    data = drawn.encoded(PICTURE, source, icc_profile=SWAPPED)
    stripped = rendered(data, "strip\nconvert png").data
    assert profile_of(stripped) is None
    with Image.open(io.BytesIO(data)) as image:
        expected = ImageCms.profileToProfile(
            image, ImageCms.ImageCmsProfile(io.BytesIO(SWAPPED)), ImageCms.createProfile("sRGB"),
            renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
            flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
        )  # fmt: skip
    assert mean_difference(samples_of(stripped), np.asarray(expected)) < 0.01
    assert mean_difference(samples_of(stripped), PICTURE) > 20


def test_strip_keeps_alpha_and_works_through_many_rows():
    rgba = np.dstack([drawn.picture(1300, 20), drawn.noise(1300, 20, 1)])
    data = drawn.encoded(rgba, "PNG", icc_profile=SWAPPED)
    found = samples_of(rendered(data, "strip").data)
    opaque = drawn.encoded(rgba[:, :, :3], "PNG", icc_profile=SWAPPED)
    assert np.array_equal(found[:, :, :3], samples_of(rendered(opaque, "strip").data))
    assert np.array_equal(found[:, :, 3], rgba[:, :, 3])


def test_a_grey_profile_stays_with_grey():
    data = drawn.encoded(PICTURE[:, :, 0], "PNG", icc_profile=LINEAR_GREY)
    assert profile_of(rendered(data, "resize 30").data) == LINEAR_GREY
    stripped = samples_of(rendered(data, "strip").data)
    assert stripped.ndim == 2
    assert stripped.mean() > PICTURE[:, :, 0].mean() + 20
    assert profile_of(rendered(data, "pad 99 99 #FF0000").data) is None


def test_grey_of_a_colored_picture_keeps_its_profile_as_rgb():
    data = drawn.encoded(PICTURE, "JPEG", icc_profile=SWAPPED)
    found = rendered(data, "grayscale").data
    assert profile_of(found) == SWAPPED
    assert samples_of(found).shape == (60, 90, 3)
    assert samples_of(rendered(data, "strip\ngrayscale").data).ndim == 2


def test_a_profile_of_inks_is_dropped_with_the_inks():
    data = drawn.encoded(
        Image.fromarray(PICTURE).convert("CMYK"), "JPEG", icc_profile=black_alone()
    )
    for text in ("", "strip"):
        assert profile_of(rendered(data, text).data) is None


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_profile_is_no_obstacle(name):
    data = drawn.encoded(PICTURE, "JPEG", icc_profile=BROKEN[name])
    plain = samples_of(rendered(drawn.encoded(PICTURE, "JPEG"), "convert png").data)
    for target in ("jpeg", "png", "webp", "tiff", "avif"):
        rendered(data, f"convert {target}")
    assert np.array_equal(samples_of(rendered(data, "strip\nconvert png").data), plain)


def test_a_large_profile_is_written_in_pieces():
    tagged = SRGB[:4] + SRGB[4:] + bytes(200_000)
    size = len(tagged).to_bytes(4, "big")
    large = size + tagged[4:]
    data = drawn.encoded(PICTURE, "PNG", icc_profile=large)
    assert profile_of(rendered(data, "convert jpeg").data) == large


@pytest.mark.parametrize("target", ["jpeg", "png", "webp", "tiff", "avif"])
def test_no_other_metadata_come_through(target):
    exif = Image.Exif()
    exif[270] = "a secret place"
    data = drawn.encoded(PICTURE, "JPEG", exif=exif.tobytes(), comment=b"a secret word")
    found = rendered(data, f"convert {target}").data
    assert b"secret" not in found
