"""An upload for which there is no room on a disk is told so, and leaves nothing behind."""

from __future__ import annotations

import io
import os

import numpy as np
from PIL import Image

from tests.integration.web_app import running
from tests.pictures import plain


def noise(side):
    """A picture whose grey version is large, too."""
    pixels = np.random.default_rng(3).integers(0, 256, (side, side, 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "jpeg", quality=20)
    return file.getvalue()


async def test_no_room_for_a_grey_version_or_a_file_is_503_and_says_so(tmp_path, small_disk):
    async with running(tmp_path, workers=1, blobs=small_disk / "blobs") as app:
        assert (await app.client.post("/images", content=plain((1, 2, 3)))).status_code == 201
        large = await app.client.post("/images", content=noise(3000))
        assert (large.status_code, large.json()["code"]) == (503, "overloaded")
        assert large.json()["errors"] == ["The service has no room to store anything just now"]
        assert int(large.headers["retry-after"]) >= 1
        (small_disk / "ballast").write_bytes(bytes(small_disk_left(small_disk)))
        small = await app.client.post("/images", content=plain((3, 2, 1)))
        assert (small.status_code, small.json()["code"]) == (503, "overloaded")
        assert small.json()["errors"] == ["The service has no room to store anything just now"]
        (small_disk / "ballast").unlink()
        assert (await app.client.post("/images", content=plain((3, 2, 1)))).status_code == 201
        assert list((small_disk / "blobs" / "tmp").iterdir()) == []
        assert app.log("defect") == []


def small_disk_left(folder):
    status = os.statvfs(folder)
    return status.f_bavail * status.f_frsize
