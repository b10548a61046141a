"""A cluster that has no folder in common: workers with data folders of their own, images in S3."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from pixmill.settings import load_settings
from pixmill.store import open_archive, where
from tests.acceptance.lists import listed
from tests.archives import names_of, stored_images
from tests.cluster import Cluster
from tests.command import run
from tests.pictures import png

if TYPE_CHECKING:
    from pathlib import Path

    from tests.origin import Origin
    from tests.s3_server import Bucket
    from tests.services import Rabbit


@pytest.mark.parametrize("command", ["colors", "ingest"])
def test_workers_without_a_common_folder_make_the_bytes_of_one_machine(
    tmp_path: Path,
    *,
    rabbit: Rabbit,
    postgres: str,
    s3_bucket: Bucket,
    origin: Origin,
    command: str,
) -> None:
    images = [origin.serve(f"/{number}.png", png(random.Random(number))) for number in range(20)]
    listed(tmp_path, [*images, origin.url("/missing.png"), *images, *images])
    with Cluster(rabbit.url, postgres, tmp_path, **s3_bucket.environment) as cluster:
        for name in ("a", "b"):
            cluster.start(name, env={"PIXMILL_DATA": str(tmp_path / name)})
        many = run(command, "urls.txt", "-o", "many.csv", cwd=tmp_path, env=cluster.env)
        assert many.returncode == 0, many.stderr
        if command == "colors":
            assert run(
                command, "urls.txt", "-o", "one.csv", cwd=tmp_path, env=cluster.alone
            ).returncode == 0  # fmt: skip
            assert (tmp_path / "many.csv").read_bytes() == (tmp_path / "one.csv").read_bytes()
        else:
            rows = (tmp_path / "many.csv").read_text(encoding="utf-8").splitlines()
            assert sum(row.endswith(",success") for row in rows) == 20
            assert sum(row.endswith(",duplicate") for row in rows) == 40
    flags = {**s3_bucket.settings, "catalog": postgres, "data": tmp_path / "data"}
    with open_archive(*where(load_settings(**flags))) as archive:
        stored = [each.image for each in stored_images(archive)]
        assert len(stored) == (20 if command == "ingest" else 0)
        assert names_of(archive) == {name for image in stored for name in image.blobs}
        for folder in ("shards", "lists", "results"):
            assert list(archive.blobs.all(folder)) == []
