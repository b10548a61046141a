"""Random chains on random pictures: nothing breaks, and sizes are as foretold."""

from __future__ import annotations

import random

import numpy as np
import pytest
from PIL import Image

from pixmill.errors import TooManyPixels
from pixmill.imaging.operations import (
    OPERATIONS,
    ChainError,
    canonical,
    may_have_alpha,
    parse_text,
)
from pixmill.imaging.operations.forecast import sizes_of
from pixmill.imaging.operations.parameters import Color, Number, Whole, Word
from pixmill.imaging.orientation import on_its_side, orientation
from pixmill.imaging.probe import Limits, probe
from pixmill.imaging.rendering import render
from tests import drawn
from tests.rendered import samples_of
from tests.unit.test_operations_sources import oriented

LIMITS = Limits(max_pixels=400_000, max_side=2_000)
KINDS = ["JPEG", "PNG", "WEBP", "GIF", "AVIF", "TIFF", "BMP", "ICO"]


def any_picture(rng):
    """A small file of any format: colored, grey, of 16 bits, with alpha or palette, turned."""
    height, width = rng.choice([(1, 1), (1, 40), (40, 1), (7, 9), (33, 48), (64, 61), (200, 130)])
    kind, seed = rng.choice(KINDS), rng.randrange(2**32)
    flavor = rng.choice(["plain", "grey", "alpha", "deep", "palette", "turned"])
    if flavor == "deep":
        bits = drawn.noise(height, width, 4, seed=seed, high=65536, dtype=np.uint16)
        return drawn.png(bits, 16, 6)
    samples = drawn.noise(height, width, 4, seed=seed)
    if flavor == "alpha" and kind not in {"JPEG", "BMP"}:
        return drawn.encoded(samples, kind)
    if flavor == "palette" and kind in {"PNG", "GIF", "TIFF", "BMP"}:
        return drawn.encoded(Image.fromarray(samples[:, :, :3]).quantize(9), kind)
    if flavor == "grey":
        return drawn.encoded(samples[:, :, 0], kind)
    if flavor == "turned" and kind in {"JPEG", "PNG", "WEBP", "AVIF", "TIFF"}:
        return oriented(samples[:, :, :3], kind, rng.randrange(1, 9))
    return drawn.encoded(samples[:, :, :3], kind)


def any_word(parameter, rng):
    match parameter:
        case Whole():
            most = min(parameter.most, rng.choice([30, 300, parameter.most]))
            number = str(rng.randint(min(parameter.least, most), most))
            return rng.choice([number, number, parameter.blank or number])
        case Number():
            most = min(parameter.most, rng.choice([1, 3, parameter.most]))
            number = rng.uniform(parameter.least, most)
            return f"{number:.3f}" if number >= 0.001 else str(parameter.most)
        case Word():
            return rng.choice(parameter.words)
        case Color():
            return f"#{rng.randrange(1 << 24):06x}"


def any_chain(rng):
    chain = ()
    for _ in range(rng.randrange(6)):
        operation = rng.choice(list(OPERATIONS.values()))
        words = [any_word(part, rng) for part in operation.parameters]
        try:
            chain += parse_text(" ".join([operation.name, *words[: rng.randrange(5)]]))
        except ChainError:
            chain += parse_text(operation.example)
    return chain


def foretold(data, header, chain):
    """The size by the registry alone, and whether it is exact."""
    size = header.width, header.height
    if on_its_side(orientation(memoryview(data), header)):
        size = size[::-1]
    for step in chain:
        size = sizes_of(step, size)[-1]
    return size, all(step.name != "trim" for step in chain)


def try_chains(seed, count):
    rng = random.Random(seed)
    made = 0
    for _ in range(count):
        data, chain = any_picture(rng), any_chain(rng)
        header = probe(data)
        assert parse_text(canonical(chain)) == chain
        try:
            found = render(data, header, chain, LIMITS)
        except TooManyPixels:
            continue
        made += 1
        samples = samples_of(found.data)
        assert samples.shape[1::-1] == (found.width, found.height), canonical(chain)
        size, exact = foretold(data, header, chain)
        if exact:
            assert (found.width, found.height) == size, canonical(chain)
        if samples.ndim == 3 and samples.shape[2] in {2, 4} and (samples[:, :, -1] < 255).any():
            assert may_have_alpha(header, chain), canonical(chain)
    assert made > count / 2


@pytest.mark.parametrize("seed", range(10))
def test_forty_random_chains(seed):
    try_chains(seed, 40)


@pytest.mark.soak
@pytest.mark.timeout(900)
@pytest.mark.parametrize("seed", range(100, 110))
def test_two_hundred_random_chains(seed):
    try_chains(seed, 200)
