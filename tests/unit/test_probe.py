"""Headers: what they promise, what is refused, and that no bytes make the probe misbehave."""

from __future__ import annotations

import struct
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pixmill.errors import CorruptImage, ItemError, TooManyPixels, UnsupportedFormat
from pixmill.imaging.probe import Limits, check, probe
from tests import drawn

RGB = drawn.picture(20, 30)
FILES = {
    "jpeg": drawn.encoded(RGB, "JPEG"),
    "png": drawn.png(RGB, trns=b"\0\1\0\2\0\3"),
    "webp": drawn.encoded(RGB, "WEBP"),
    "gif": drawn.gif(RGB[:, :, 0] >> 1, RGB[:1, :, 0][:, :3]),
    "avif": drawn.encoded(RGB, "AVIF"),
    "tiff": drawn.tiff(RGB, photometric=2),
    "bmp": drawn.bmp([row.tobytes() for row in RGB], 30, 24),
    "ico": drawn.ico((30, 20, 32, drawn.encoded(RGB, "PNG"))),
}


@pytest.mark.parametrize("name", FILES)
def test_format_and_size_are_told_by_content(name):
    header = probe(FILES[name])
    assert (header.format, header.width, header.height) == (name, 30, 20)
    check(header, Limits())


@pytest.mark.parametrize(
    "data",
    [b"", b"\xff", b"hello, world" * 9, b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"%PDF-1.7",
     b"RIFF\0\0\0\0WAVE", b"\0\0\0\x18ftypmp42" + bytes(40), b"\x89PNG\n" + bytes(40)],
)  # fmt: skip
def test_other_bytes_are_unsupported(data):
    with pytest.raises(UnsupportedFormat):
        probe(data)


@pytest.mark.parametrize("name", FILES)
def test_a_header_cut_anywhere_is_an_item_error(name):
    for length in range(min(len(FILES[name]), 700)):
        try:
            header = probe(FILES[name][:length])
        except ItemError:
            continue
        assert (header.width, header.height) == (30, 20)


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(sorted(FILES)),
    st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), max_size=8),
)
def test_flipped_bytes_raise_nothing_but_item_errors(name, changes):
    data = bytearray(FILES[name])
    for at, value in changes:
        data[at % len(data)] = value
    try:
        header = probe(bytes(data))
        check(header, Limits())
    except ItemError:
        return
    assert header.width > 0
    assert header.height > 0
    assert header.decode_bytes > 0


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(sorted(FILES)), st.binary(max_size=300))
def test_noise_after_a_signature_raises_nothing_but_item_errors(name, noise):
    try:
        probe(FILES[name][:12] + noise)
    except ItemError:
        return


HUGE = {
    "png": drawn.PNG_SIGNATURE + drawn.ihdr(2_000_000_000, 3) + drawn.chunk(b"IDAT", b""),
    "pixels": drawn.PNG_SIGNATURE + drawn.ihdr(65_000, 65_000) + drawn.chunk(b"IDAT", b""),
    "gif": b"GIF89a" + struct.pack("<HHBBB", 65_535, 65_535, 0, 0, 0) + b"\x2c" + bytes(8 * [1]),
    "gif frame": b"GIF89a" + struct.pack("<HHBBB", 1, 1, 0, 0, 0) + b"\x2c\0\0\0\0" + b"\xff" * 5,
    "bmp": b"BM" + bytes(12) + struct.pack("<IiiHHI", 40, 2**31 - 1, 1, 1, 24, 0) + bytes(30),
    "icon": drawn.ico((16, 16, 32, drawn.PNG_SIGNATURE + drawn.ihdr(90_000, 9)
                       + drawn.chunk(b"IDAT", b""))),
    "webp": b"RIFF\0\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0" + b"\xff" * 6,
}  # fmt: skip


@pytest.mark.parametrize("name", HUGE)
def test_promises_beyond_the_limits_are_refused_before_decoding(name):
    with pytest.raises(TooManyPixels):
        check(probe(HUGE[name]), Limits())


def test_a_jpeg_side_that_libjpeg_can_not_read_is_refused():
    data = bytearray(FILES["jpeg"])
    at = data.index(b"\xff\xc0")
    data[at + 5 : at + 9] = struct.pack(">HH", 9, 65_501)
    with pytest.raises(TooManyPixels, match="65500"):
        check(probe(bytes(data)), Limits())


@pytest.mark.parametrize(
    "limits", [Limits(max_pixels=599), Limits(max_side=29), Limits(max_decode_bytes=1000)]
)
def test_each_limit_is_kept(limits):
    with pytest.raises(TooManyPixels):
        check(probe(FILES["png"]), limits)


def test_animations_of_too_many_frames_are_refused():
    data = drawn.png(RGB, extra=drawn.chunk(b"acTL", struct.pack(">II", 10_001, 0)))
    with pytest.raises(TooManyPixels, match="frames"):
        check(probe(data), Limits())


def test_an_offset_beyond_all_files_is_corrupt():
    with pytest.raises(CorruptImage):
        probe(b"II+\0\x08\0\0\0" + b"\xff" * 8 + bytes(40))


def sized_jpeg(*, progressive=False, subsampling=2, interleaved=True):
    data = bytearray(drawn.encoded(RGB, "JPEG", progressive=progressive, subsampling=subsampling))
    at = data.index(b"\xff\xc2" if progressive else b"\xff\xc0")
    data[at + 5 : at + 9] = struct.pack(">HH", 10_000, 10_000)
    if not interleaved:
        at = data.index(b"\xff\xda")
        data[at : at + 14] = drawn.segment(0xDA, bytes([1, 1, 0, 0, 63, 0])) + bytes(4)
    return bytes(data)


def test_a_large_baseline_jpeg_needs_little_memory_and_a_progressive_one_its_coefficients():
    mib = 1 << 20
    assert probe(sized_jpeg()).decode_bytes < 100 * mib
    for subsampling, pixel_bytes in ((2, 3), (1, 4), (0, 6)):
        data = sized_jpeg(progressive=True, subsampling=subsampling)
        need = probe(data).decode_bytes
        assert pixel_bytes * 100_000_000 < need < pixel_bytes * 100_000_000 + 60 * mib
    assert probe(sized_jpeg(interleaved=False)).decode_bytes > 300_000_000


def test_a_large_png_needs_little_memory_and_an_interlaced_one_all_its_pixels():
    def large(interlace):
        head = drawn.PNG_SIGNATURE + drawn.ihdr(10_000, 10_000, 8, 6, interlace)
        return probe(head + drawn.chunk(b"IDAT", b""))

    assert large(0).decode_bytes < 100 << 20
    assert large(1).decode_bytes > 400_000_000


def box(kind, content):
    return struct.pack(">I4s", 8 + len(content), kind) + content


def gif_with(extension):
    """The GIF with an extension more in front of its frame."""
    frame = FILES["gif"].index(b"\x2c", 13 + 128 * 3)
    return FILES["gif"][:frame] + extension + FILES["gif"][frame:]


def test_chains_of_some_length_are_walked():
    assert probe(gif_with(b"\x21\xfe" + b"\1x" * 50_000 + b"\0")).format == "gif"
    jpeg = FILES["jpeg"]
    assert probe(jpeg[:2] + b"\xff" * 1000 + jpeg[2:]) == probe(jpeg)


def test_endless_chains_are_cut_short():
    tracks = box(b"trak", box(b"mdia", box(b"minf", box(b"stbl", box(b"stsd", bytes(8)))))) * 3_000
    entry = box(b"av01", bytes(24) + b"\0\x10\0\x10" + bytes(8))
    table = box(b"stsd", bytes(8) + entry) + box(b"stsz", bytes(12))
    tracks += box(b"trak", box(b"mdia", box(b"minf", box(b"stbl", table))))
    chains = {
        "boxes": FILES["avif"][:32] + struct.pack(">I4s", 8, b"free") * 30_000,
        "blocks": FILES["gif"][:13] + bytes(128 * 3) + b"\x21\xfe\0" * 120_000,
        "entries": b"II*\0\x08\0\0\0\xff\xff" + bytes(70_000 * 12),
        "padding": gif_with(bytes(120_000)),
        "sub-blocks": gif_with(b"\x21\xfe" + b"\1x" * 120_000 + b"\0"),
        "nested boxes": b"\0\0\0\x14ftypavis\0\0\0\0avis" + box(b"moov", tracks),
        "markers": b"\xff\xd8" + b"\xff\xe1\0\2" * 30_000,
        "fill bytes": FILES["jpeg"][:2] + b"\xff" * (2 << 20) + FILES["jpeg"][2:],
        "chunks": drawn.PNG_SIGNATURE + drawn.ihdr(3, 3) + drawn.chunk(b"teXt", b"") * 30_000,
    }
    for data in chains.values():
        with pytest.raises(CorruptImage):
            probe(data)


def test_importing_the_probe_imports_no_library():
    code = (
        "import sys, pixmill.imaging.probe;"
        "print([name for name in ('numpy', 'PIL', 'pyvips', 'numba') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
