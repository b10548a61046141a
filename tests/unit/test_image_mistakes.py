"""What `top_colors` can not take is refused with a sentence."""

import io

import numpy as np
import pytest

from pixmill import top_colors

RGB = np.zeros((2, 2, 3), np.uint8)


@pytest.mark.parametrize(
    "thing", [None, 7, ["a.png"], [[0, 0, 0]], object(), {"a": 1}, RGB.tolist(), io.StringIO("x")]
)
def test_what_is_no_image_is_a_type_error(thing):
    with pytest.raises(TypeError):
        top_colors(thing)


def test_a_file_open_as_text_says_what_to_do(tmp_path):
    (tmp_path / "image").write_text("text")
    with (tmp_path / "image").open() as file, pytest.raises(TypeError, match="binary mode"):
        top_colors(file)


@pytest.mark.parametrize("n", [0, -1, 257])
def test_another_n_is_refused(n):
    with pytest.raises(ValueError, match="n must be from 1 to 256"):
        top_colors(RGB, n)


@pytest.mark.parametrize("n", [3.0, "3", None])
def test_an_n_that_is_no_integer_is_refused(n):
    with pytest.raises(TypeError):
        top_colors(RGB, n)


def test_an_n_of_numpy_is_one():
    assert len(top_colors(RGB, np.int64(256))) == 256


@pytest.mark.parametrize("alpha", ["Visible", "", None, True])
def test_another_alpha_is_refused(alpha):
    with pytest.raises(ValueError, match="alpha must be"):
        top_colors(RGB, alpha=alpha)
