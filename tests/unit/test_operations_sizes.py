"""Sizes: those that are promised, held to the limits before a pixel is made; and memory."""

from __future__ import annotations

import subprocess
import sys

import pytest

from pixmill.errors import TooManyPixels
from pixmill.imaging.operations import memory_bytes, output_format, parse_text
from pixmill.imaging.operations.forecast import sizes_of
from pixmill.imaging.probe import Limits, probe
from tests import drawn
from tests.rendered import rendered

DATA = drawn.encoded(drawn.picture(40, 60), "JPEG")
LIMITS = Limits(max_pixels=10_000, max_side=500)


@pytest.mark.parametrize(
    ("size", "line", "expected"),
    [
        ((400, 300), "resize 200", (200, 150)),
        ((400, 300), "resize - 200", (267, 200)),
        ((400, 300), "resize 100 100", (100, 75)),
        ((400, 300), "resize 800 800", (800, 600)),
        ((400, 300), "resize 800 800 shrink", (400, 300)),
        ((400, 300), "resize 100 800 shrink", (100, 75)),
        ((400, 300), "resize 9 500 force", (9, 500)),
        ((400, 300), "resize 100 100 fill", (100, 100)),
        ((1, 65535), "resize 9 9", (1, 9)),
        ((65535, 1), "resize 9", (9, 1)),
        ((7, 5), "scale 0.5", (4, 3)),
        ((7, 5), "scale 0.0001", (1, 1)),
        ((400, 300), "crop 390 0 20 9", (10, 9)),
        ((400, 300), "crop 9999 9999 20 9", (1, 1)),
        ((400, 300), "pad 500 100", (500, 300)),
        ((400, 300), "rotate -90", (300, 400)),
        ((400, 300), "rotate 180", (400, 300)),
        ((100, 100), "rotate 45", (142, 142)),
        ((400, 300), "flip", (400, 300)),
    ],
)  # fmt: skip
def test_the_size_of_a_step_is_known_beforehand(size, line, expected):
    (step,) = parse_text(line)
    assert sizes_of(step, size)[-1] == expected
    if max(size) < 1000:
        data = drawn.encoded(drawn.picture(size[1], size[0]), "PNG")
        assert rendered(data, line)[2:] == expected
        assert rendered(data, f"invert\n{line}")[2:] == expected


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("resize 501", "operation 1, resize: 501 x 334"),
        ("flip\nresize 200 200 force", "operation 2, resize: 200 x 200"),
        ("scale 5", "operation 1, scale: 300 x 200"),
        ("convert png\npad 101 100", "operation 2, pad: 101 x 100"),
        ("resize 300 30 force\nrotate 45", "operation 2, rotate: 234 x 234"),
        ("crop 0 0 1 40\nresize 100 9 fill", "operation 2, resize: 100 x 4000"),
    ],
)
def test_a_step_over_the_limits_is_named_before_it_is_made(text, place):
    with pytest.raises(TooManyPixels, match=place):
        rendered(DATA, text, LIMITS)


def test_huge_sizes_are_refused_by_the_usual_limits():
    for text in ("resize 65535 65535 force", "scale 100\nscale 100", "pad 65535 65535"):
        with pytest.raises(TooManyPixels):
            rendered(DATA, text)
    for name, side in (("jpeg", 65_501), ("webp", 16_384), ("avif", 16_385)):
        with pytest.raises(TooManyPixels, match=f"{name} has at most {side - 1} a side"):
            rendered(DATA, f"resize {side} 1 force\nconvert {name}")
    assert rendered(DATA, "resize 65535 1 force\nconvert png").width == 65535


@pytest.mark.parametrize(
    ("kind", "text", "expected"),
    [
        ("JPEG", "", "jpeg"), ("JPEG", "flip", "jpeg"), ("WEBP", "", "webp"), ("GIF", "", "png"),
        ("BMP", "", "png"), ("ICO", "", "png"), ("TIFF", "", "tiff"), ("AVIF", "", "avif"),
        ("GIF", "convert webp\nflip", "webp"), ("JPEG", "convert webp\nconvert avif", "avif"),
        ("PNG", "preset thumbnail", "webp"),
    ],
)  # fmt: skip
def test_the_format_is_known_beforehand(kind, text, expected):
    data = drawn.encoded(drawn.picture(20, 20), kind)
    assert output_format(probe(data), parse_text(text)) == expected
    assert rendered(data, text).format == expected


def test_memory_grows_with_what_a_chain_makes():
    header = probe(DATA)
    least = memory_bytes(header, ())
    assert least > header.decode_bytes
    large = memory_bytes(header, parse_text("resize 9000 9000 force"))
    assert large > least + 3 * 9000 * 9000
    assert memory_bytes(header, parse_text("resize 9000 9000 force\nresize 9")) > large // 3


PEAK = """
import os
import sys
from pixmill.imaging.operations import memory_bytes, parse_text
from pixmill.imaging.probe import Limits, probe
from pixmill.imaging.rendering import render

def resident(name):
    with open("/proc/self/status") as lines:
        return next(int(line.split()[1]) for line in lines if line.startswith(name)) * 1024

def measure(chain):
    render(first, probe(first), parse_text(""), Limits())
    open("/proc/self/clear_refs", "w").write("5")  # the peak begins anew
    before = resident("VmRSS")
    render(data, header, chain, Limits())
    print(resident("VmHWM") - before, memory_bytes(header, chain), flush=True)

data, first = open(sys.argv[1], "rb").read(), open(sys.argv[2], "rb").read()
header = probe(data)
for text in sys.argv[3:]:
    child = os.fork()  # which has none of the memory that those before it left behind
    if not child:
        measure(parse_text(text))
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
"""


@pytest.mark.soak
@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's own count of memory is read")
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_a_chain_takes_no_more_memory_than_estimated(tmp_path, kind):
    texts = ["", "resize 400", "rotate 20", "sharpen\nequalize", "convert webp", "convert tiff"]
    data = drawn.encoded(drawn.noise(1200, 1600, 3 if kind == "JPEG" else 4), kind)
    (tmp_path / "large").write_bytes(data)
    (tmp_path / "small").write_bytes(DATA)
    arguments = [str(tmp_path / "large"), str(tmp_path / "small"), *texts]
    run = subprocess.run(
        [sys.executable, "-c", PEAK, *arguments],
        capture_output=True,
        text=True,
        check=True,
    )
    for text, line in zip(texts, run.stdout.splitlines(), strict=True):
        taken, estimated = map(int, line.split())
        assert (text, taken) <= (text, estimated)
        assert estimated < 200 * 1200 * 1600
