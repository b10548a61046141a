"""More pictures asked for than can be made: 64 clients at `/images/{md5}/render`, none of it kept.

From `wrk`, each photograph in turn to fit 512 x 512 as JPEG; between them the service has room for
a few at work and a few waiting (`--waiting`). Printed are the answers by status, the memory of all
processes before, at the most, and after, how long `/healthz` took meanwhile, and the speed of 8
clients before and right after.

    python benchmarks/overload.py [--seconds 30] [--waiting 16] [--clients 64]
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.grey import ROUND
from benchmarks.machine import describe, photos
from benchmarks.render import CLIENTS, RATES, RENDER
from benchmarks.service import Pulse, signed_in, wrk
from tests.acceptance.test_service_memory import Gauge
from tests.serving import serving

STATUSES = """
local threads = {}
statuses = {}
function setup(thread) table.insert(threads, thread) end
function response(status) statuses[status] = (statuses[status] or 0) + 1 end
function done()
    for _, thread in ipairs(threads) do
        for status, number in pairs(thread:get("statuses")) do print("status", status, number) end
    end
end
"""
MIB = 2**20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--waiting", type=int, default=16)
    parser.add_argument("--clients", type=int, default=64)
    arguments = parser.parse_args()
    print(describe())
    env = {**RATES, "PIXMILL_ANSWERS_BYTES": "0", "PIXMILL_WAITING": str(arguments.waiting)}
    with tempfile.TemporaryDirectory() as name, serving(Path(name), env=env) as service:
        folder = Path(name)
        with service.client() as client:
            answers = [client.post("/images", content=data) for data in photos()]
        paths = [RENDER.format(md5=each.raise_for_status().json()["md5"]) for each in answers]
        (folder / "paths").write_text("".join(f"{path}\n" for path in paths))
        script, crowd = folder / "round.lua", folder / "crowd.lua"
        script.write_text(ROUND % (folder / "paths"))
        crowd.write_text(ROUND % (folder / "paths") + STATUSES)

        def few() -> float:
            arguments = "-s", str(script), *signed_in(service)
            return wrk(service.url, 5, *arguments, clients=CLIENTS)["rate"]

        few()
        before = few()
        # Looking at the memory of all takes 40 ms of a processor: no more often than needed.
        with Gauge(service, every_s=1) as gauge, Pulse(service.url) as pulse:
            command = [
                "wrk", "-t1", f"-c{arguments.clients}", f"-d{arguments.seconds:g}s", "--timeout",
                "30s", "-s", str(crowd), *signed_in(service), service.url,
            ]  # fmt: skip
            said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        after, memory = few(), gauge.now()
    counted = {int(status): int(number) for status, number in
               re.findall(r"status\s+(\d+)\s+(\d+)", said)}  # fmt: skip
    errors = re.search(r"Socket errors: .*", said)
    print(f"{arguments.clients} clients for {arguments.seconds:g} s, {arguments.waiting} may wait")
    print(f"  answers by status     {counted}, {errors[0] if errors else 'no socket errors'}")
    print(f"  pictures a second     {counted.get(200, 0) / arguments.seconds:.1f}")
    print(f"  memory                {gauge.start / MIB:.0f} MiB before, {gauge.peak / MIB:.0f} at "
          f"the most, {memory / MIB:.0f} after")  # fmt: skip
    print(f"  /healthz meanwhile    p99 {pulse.p99:.1f} ms, longest {pulse.longest:.1f} ms")
    print(f"  {CLIENTS} clients             {before:.1f} a second before, {after:.1f} after")


if __name__ == "__main__":
    main()
