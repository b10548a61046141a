"""Fetchers x workers x queue: the sweep behind the defaults.

Two origins on this machine: nginx, which answers at once, and one that takes its time before each
answer, as servers far away do. Printed are images a second of the whole command.

    python benchmarks/sweep.py [--images 800]
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import sys
import tempfile
import threading
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.command import command
from benchmarks.machine import describe, photos
from benchmarks.origin import numbered, origin
from tests.services import free_port


class FarAway:
    """A server that answers after `delay_s`; several connections wait at once."""

    def __init__(self, files: list[bytes], delay_s: float) -> None:
        self.files, self.delay_s, self.port = files, delay_s, free_port()
        self.loop = asyncio.new_event_loop()
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self) -> None:
        asyncio.set_event_loop(self.loop)
        server = asyncio.start_server(self.connected, "127.0.0.1", self.port)
        self.loop.run_until_complete(server)
        self.loop.run_forever()

    async def connected(self, reader, writer) -> None:
        try:
            while request := await reader.readuntil(b"\r\n\r\n"):
                await asyncio.sleep(self.delay_s)
                number = int(request.split(b"?")[1].split()[0])
                body = self.files[number % len(self.files)]
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--images", type=int, default=800)
    options = parser.parse_args()
    print(describe())
    files = photos()
    with tempfile.TemporaryDirectory() as name, origin(Path(name), numbered(files)) as near:
        far = FarAway(files, 0.2)
        origins = {"near": near, "0.2 s away": f"http://127.0.0.1:{far.port}"}
        print("origin       fetchers  workers  queue  images/s")
        grid = itertools.product(origins, (16, 64, 256), (1, 2, 3), (32, 256))
        for where, fetchers, workers, queue in grid:
            urls = (f"{origins[where]}/{n % len(files)}.jpg?{n}\n" for n in range(options.images))
            source = Path(name, "urls.txt")
            source.write_text("".join(urls))
            flags = [f"--fetchers={fetchers}", f"--per-host={fetchers}"]
            flags += [f"--workers={workers}", f"--queue={queue}", "--memory=1G"]
            rate = command(source, options.images, flags)
            print(f"{where:<12} {fetchers:>8}  {workers:>7}  {queue:>5}  {rate:8.1f}", flush=True)


if __name__ == "__main__":
    main()
