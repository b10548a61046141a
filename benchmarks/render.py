"""`GET /images/{md5}/render` on loopback, asked by `wrk`, beside imagor with the same photographs.

Every photograph is made to fit 512 x 512 as JPEG of quality 75, from 8 connections that are kept
alive; nothing is kept, so each answer is made anew. imagor reads the same files from disk and has
as many processes as the service has workers: one a core. Both are asked in turn, so that a busy
machine slows both alike. Last, pixmill with its memory of pictures.

    python benchmarks/render.py --imagor PROGRAM [--seconds 10] [--rounds 5]

Without `--imagor` pixmill stands alone. The photographs are those of PIXMILL_TEST_IMAGES, or drawn.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.grey import ROUND
from benchmarks.machine import describe, photos, spread
from benchmarks.service import signed_in, wrk
from tests.serving import serving

if TYPE_CHECKING:
    from collections.abc import Iterator

CLIENTS = 8
RENDER = "/images/{md5}/render?op=resize+512+512&format=jpeg&quality=75"
FIT_IN = "/unsafe/fit-in/512x512/filters:quality(75):format(jpeg)/{name}"
RATES = {"PIXMILL_KEY_RATE": "1000000000", "PIXMILL_ADDRESS_RATE": "1000000000"}


@contextlib.contextmanager
def imagor(program: Path, folder: Path) -> Iterator[str]:
    """imagor over the files of a folder; gives its URL."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [
        program, "-port", str(port), "-imagor-unsafe", "-file-loader-base-dir", folder,
        "-imagor-process-concurrency", str(os.cpu_count()), "-imagor-process-queue-size", "1000",
    ]  # fmt: skip
    environment = {**os.environ, "VIPS_CONCURRENCY": "1"}
    with (folder / "imagor.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
    try:
        url = f"http://127.0.0.1:{port}"
        for _ in range(100):
            with contextlib.suppress(httpx.TransportError):
                httpx.get(url, trust_env=False)
                break
            time.sleep(0.1)
        yield url
    finally:
        process.terminate()
        process.wait()


def check(url: str, paths: list[str], **options: object) -> float:
    """Look that all are pictures that fit; gives their bytes on average."""
    sizes = []
    with httpx.Client(base_url=url, trust_env=False, **options) as client:
        for path in paths:
            answer = client.get(path).raise_for_status()
            with Image.open(io.BytesIO(answer.content)) as image:
                assert image.format == "JPEG", path
                assert max(image.size) == 512, (path, image.size)
            sizes.append(len(answer.content))
    return sum(sizes) / len(sizes)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--imagor", type=Path)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    if not shutil.which("wrk"):
        sys.exit("wrk is needed: apt-get install wrk")
    print(describe())
    files = photos()
    measured: dict[str, list[dict[str, float]]] = {}

    def measure(title: str, url: str, script: Path, *more: str) -> None:
        done = wrk(url, arguments.seconds, "-s", str(script), *more, clients=CLIENTS)
        measured.setdefault(title, []).append(done)

    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        making, keeping = folder / "making", folder / "keeping"
        for each in (making, keeping, folder / "files"):
            each.mkdir()
        env = {**RATES, "PIXMILL_ANSWERS_BYTES": "0"}
        service = stack.enter_context(serving(making, env=env))
        kept = stack.enter_context(serving(keeping, env=RATES))
        paths = []
        for one in (service, kept):
            with one.client() as client:
                answers = [client.post("/images", content=data) for data in files]
            paths = [RENDER.format(md5=each.raise_for_status().json()["md5"]) for each in answers]
        script = folder / "ours.lua"
        (folder / "ours").write_text("".join(f"{path}\n" for path in paths))
        script.write_text(ROUND % (folder / "ours"))
        average = check(service.url, paths, auth=service.credential)
        print(f"{len(files)} photographs; pixmill's pictures have {average:,.0f} bytes each")
        rival = None
        if arguments.imagor:
            names = [f"{number}.jpg" for number in range(len(files))]
            for name, data in zip(names, files, strict=True):
                (folder / "files" / name).write_bytes(data)
            rival = stack.enter_context(imagor(arguments.imagor, folder / "files"))
            theirs = [FIT_IN.format(name=name) for name in names]
            (folder / "theirs").write_text("".join(f"{path}\n" for path in theirs))
            (folder / "theirs.lua").write_text(ROUND % (folder / "theirs"))
            print(f"imagor's have {check(rival, theirs):,.0f}")
        for _ in range(arguments.rounds):
            measure("pixmill", service.url, script, *signed_in(service))
            if rival:
                measure("imagor", rival, folder / "theirs.lua")
            measure("pixmill, kept", kept.url, script, *signed_in(kept))
    for title, rounds in measured.items():
        print(f"\n{title}, {CLIENTS} connections")
        print(f"  requests/s  {spread([each['rate'] for each in rounds])}")
        print(f"  p99         {spread([each['p99'] for each in rounds], 'ms')}")
        print(f"  not 2xx     {sum(each['bad'] for each in rounds):.0f}")
    if "imagor" in measured:
        pairs = zip(measured["pixmill"], measured["imagor"], strict=True)
        ratios = [ours["rate"] / other["rate"] for ours, other in pairs]
        print(f"\npixmill / imagor  {spread(ratios)}")


if __name__ == "__main__":
    main()
