"""Broken files: a chain says of them what `decode` says, whatever it would look at."""

from __future__ import annotations

import numpy as np
import pytest

from pixmill.errors import CorruptImage, ItemError
from pixmill.imaging.decode import decode
from pixmill.imaging.operations import parse_text
from pixmill.imaging.probe import Limits, probe
from pixmill.imaging.rendering import render
from tests import drawn
from tests.rendered import rendered
from tests.unit.test_decode_jpeg import FLAVORS


def verdict(work):
    try:
        work()
    except ItemError as error:
        return type(error)
    return None


CHAINS = ["", "resize 20", "resize 9 9 fill", "scale 0.13", "crop 0 0 1 1", "strip"]


def assert_same_verdict(data):
    try:
        header = probe(data)
    except ItemError:
        return
    expected = verdict(lambda: list(decode(data, header)))
    for text in CHAINS:
        found = verdict(lambda text=text: render(data, header, parse_text(text), Limits()))
        assert found is expected, text


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "AVIF", "TIFF", "BMP"])
@pytest.mark.parametrize("kept", [0.3, 0.7, 0.95, 0.999])
def test_a_file_that_is_cut_off_is_told_as_decode_tells_it(kind, kept):
    data = drawn.encoded(drawn.picture(160, 200), kind)
    assert_same_verdict(data[: int(kept * len(data))])


@pytest.mark.parametrize("flavor", FLAVORS)
@pytest.mark.parametrize("kept", [0.5, 0.9])
def test_a_jpeg_of_any_flavor_that_is_cut_off_is_corrupt(flavor, kept):
    data = FLAVORS[flavor]
    cut = data[: int(kept * len(data))]
    assert_same_verdict(cut)
    assert_same_verdict(cut + b"\xff\xd9")
    with pytest.raises(CorruptImage):
        rendered(cut, "crop 0 0 8 8")


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "AVIF", "TIFF", "BMP"])
def test_damage_is_told_as_decode_tells_it(kind):
    data = drawn.encoded(drawn.picture(60, 80), kind)
    rng = np.random.default_rng(5)
    for _ in range(12):
        broken = bytearray(data)
        for at in rng.integers(len(data) // 4, len(data), 4):
            broken[at] ^= int(rng.integers(1, 256))
        assert_same_verdict(bytes(broken))
