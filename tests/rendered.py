"""Chains run on drawn pictures, and what came out, as arrays."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from pixmill.imaging.operations import parse_text
from pixmill.imaging.probe import Limits, probe
from pixmill.imaging.rendering import render
from tests import drawn


def rendered(data, text, limits=None):
    """The result of a chain given as text."""
    return render(data, probe(data), parse_text(text), limits or Limits())


def result(samples, text):
    """The samples, (h, w) or (h, w, bands), that a chain makes of those of a PNG."""
    return samples_of(rendered(drawn.encoded(samples, "PNG"), text).data)


def samples_of(data):
    """The samples of a file by Pillow."""
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image)


def mean_difference(first, second):
    """The mean absolute difference in levels of what has the same shape."""
    assert first.shape == second.shape
    return np.abs(first.astype(float) - second).mean()
