"""The demo's pictures are real files of four formats, always the same, with known colors."""

import io

import pytest
from PIL import Image

from pixmill.analysis import Task, Wanted, analyze
from pixmill.cli.samples import draw_samples
from pixmill.imaging.probe import Limits, check, probe


@pytest.fixture(scope="module")
def samples():
    return draw_samples()


def top(data, n=3):
    header = probe(data)
    check(header, Limits())
    return analyze(data, Task(header, Wanted(n=n)))


def test_they_are_the_same_every_time(samples):
    assert draw_samples() == samples


def test_each_is_of_the_format_that_its_name_says(samples):
    assert {name: probe(data).format for name, data in samples.items()} == {
        "dusk.jpg": "jpeg",
        "beach-ball.png": "png",
        "poster.webp": "webp",
        "chessboard.gif": "gif",
        "logo.png": "png",
    }


def test_they_are_small_and_decode_without_complaint(samples):
    for data in samples.values():
        assert len(data) < 200_000
        with Image.open(io.BytesIO(data)) as image:
            image.load()


def test_colors_that_stand_equally_often_come_in_order_of_value(samples):
    analysis = top(samples["chessboard.gif"], 2)
    assert [(color.hex, color.count) for color in analysis.colors] == [
        ("#769656", 51_200),
        ("#EEEED2", 51_200),
    ]


def test_the_logo_has_one_color_and_is_mostly_transparent(samples):
    analysis = top(samples["logo.png"])
    assert {color.hex for color in analysis.colors} == {"#6C4AB6"}
    assert analysis.pixels < 256 * 256 / 2


def test_the_ball_shows_its_slices_and_the_poster_its_paper(samples):
    ball = {color.hex for color in top(samples["beach-ball.png"], 5).colors}
    assert ball == {"#E63946", "#F1FAEE", "#457B9D", "#F4A261", "#2A9D8F"}
    assert top(samples["poster.webp"]).colors[0].hex == "#F6E7CB"


def test_the_photograph_has_many_colors(samples):
    colors = top(samples["dusk.jpg"], 256).colors
    assert len({color.hex for color in colors}) == 256
