"""`GET /image/{md5}` on loopback, asked by `wrk`, beside nginx serving the same bytes from disk.

The images: photographs of about 300 x 300, uploaded first; `public_read` is on, as where pages show
them. Both are asked in turn, from 16 connections that are kept alive, for each image in turn.
Printed are requests a second and the 99th percentile, over the rounds. First every grey pixel is
compared with `(R + G + B) // 3`.

    python benchmarks/grey.py [--images 200] [--seconds 10] [--rounds 3]
"""

from __future__ import annotations

import argparse
import io
import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.ingest import small_photos
from benchmarks.machine import describe, spread
from benchmarks.origin import origin
from benchmarks.service import CLIENTS, wrk
from tests.serving import Service, serving

ROUND = """
local paths, number = {}, 0
for line in io.lines("%s") do paths[#paths + 1] = line end
function request()
    number = number + 1
    return wrk.format("GET", paths[number %% #paths + 1])
end
"""


def keep(service: Service, files: list[bytes]) -> dict[str, bytes]:
    """Upload, and give the grey PNGs by MD5; each is what the formula says."""
    greys = {}
    with service.client() as client:
        for data in files:
            md5 = client.post("/images", content=data).raise_for_status().json()["md5"]
            greys[md5] = client.get(f"/image/{md5}").raise_for_status().content
            rgb = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"), np.uint16)
            grey = np.asarray(Image.open(io.BytesIO(greys[md5])))
            assert np.array_equal(grey, rgb.sum(axis=2) // 3), md5
    return greys


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--images", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    if not shutil.which("wrk"):
        sys.exit("wrk is needed: apt-get install wrk")
    print(describe())
    env = {"PIXMILL_KEY_RATE": "1000000000", "PIXMILL_ADDRESS_RATE": "1000000000"}
    env["PIXMILL_PUBLIC_READ"] = "true"
    ours, theirs = [], []
    with tempfile.TemporaryDirectory() as name, serving(Path(name), env=env) as service:
        greys = keep(service, small_photos(arguments.images))
        files = {f"image/{md5}": data for md5, data in greys.items()}
        print(f"{len(greys)} grey images of {sum(map(len, greys.values())) / len(greys):,.0f} bytes"
              " each, every pixel as the formula says")  # fmt: skip
        folder = Path(name, "nginx")
        (folder / "root" / "image").mkdir(parents=True)
        paths, script = folder / "paths", folder / "round.lua"
        paths.write_text("".join(f"/{path}\n" for path in files))
        script.write_text(ROUND % paths)
        with origin(folder, files) as base:
            for _ in range(arguments.rounds):
                ours.append(wrk(service.url, arguments.seconds, "-s", str(script)))
                theirs.append(wrk(base, arguments.seconds, "-s", str(script)))
    for title, measured in (("pixmill", ours), ("nginx", theirs)):
        print(f"\n{title}, {CLIENTS} connections")
        print(f"  requests/s  {spread([each['rate'] for each in measured])}")
        print(f"  p99         {spread([each['p99'] for each in measured], 'ms')}")
        print(f"  not 2xx     {sum(each['bad'] for each in measured):.0f}")
    pairs = zip(ours, theirs, strict=True)
    print(f"\npixmill / nginx  {spread([mine['rate'] / other['rate'] for mine, other in pairs])}")


if __name__ == "__main__":
    main()
