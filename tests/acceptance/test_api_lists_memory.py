"""The memory of the whole service while it works through lists: its cap holds."""

from __future__ import annotations

import pytest

from tests.acceptance.api_lists import followed, submit
from tests.acceptance.test_service_memory import LITTLE, MIB, SMALL, Gauge
from tests.drawn import encoded, noise
from tests.serving import serving

pytestmark = [pytest.mark.soak, pytest.mark.timeout(600)]
LINES = 1500


def test_lists_stay_under_the_cap_of_the_service(origin, tmp_path):
    """Two at once, of pictures of 3 MB and of all colors there may be."""
    pictures = [
        origin.serve(f"/large{seed}.png", encoded(noise(1000, 1000, seed=seed), "png"))
        for seed in range(4)
    ]
    urls = [f"{pictures[line % 4]}?{line}" for line in range(60)]
    many = [f"{origin.url(f'/{line % 10}.png')}?{line}" for line in range(LINES)]
    flags = ("--workers", "1", "--memory", "512M")
    running = serving(tmp_path, *flags, fresh=True)
    with running as service, service.client() as client, Gauge(service) as gauge:
        jobs = [
            submit(client, urls, kind="ingest"),
            submit(client, many, kind="colors", n=256, format="jsonl"),
        ]
        assert client.post("/colors/top", content=SMALL).status_code == 200
        jobs = [followed(client, job) for job in jobs]
    assert [job["state"] for job in jobs] == ["succeeded"] * 2
    assert [job["progress"]["failed"] for job in jobs] == [0, 0]
    assert gauge.peak < LITTLE, f"{gauge.peak / MIB:.0f} MiB"
