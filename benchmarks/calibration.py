"""What one worker costs: the figures that `benchmarks/simulation.py` starts from.

Each part is measured alone, in processor seconds of one core, which other programs on the machine
disturb less than the clock does. An image: `pixmill colors` with one worker and all its processes,
held to one core, over a list on a local nginx; the slope between a short and a long list, so that
starting up does not count. The list: cutting and keeping shards. The merge: reading parts and
adding them to a table. A shard: what it takes beside its images. The catalog: what a PostgreSQL
without disk waits takes for a shard from its plan to its commit, and for the questions that a
worker repeats.

    python benchmarks/calibration.py [--rounds 3] [--save benchmarks/calibration.json]
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.machine import describe, drawn_photo
from benchmarks.origin import numbered, origin

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pixmill.store import Catalog

# Width, height, and the images of the short and of the long list.
CLASSES = {
    "thumbnail": (128, 128, 500, 4500),
    "small": (480, 320, 300, 2300),
    "photo": (1400, 900, 100, 700),
    "large": (4000, 3000, 10, 70),
}
LINES = 200_000
SHARD_LINES = 2000
SHARDS = 2000
POLLS = 300


def children_cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


@contextmanager
def one_core() -> Iterator[None]:
    """Hold what is started meanwhile to one core."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def command_cpu_s(source: Path, images: int) -> float:
    """Processor seconds of the whole command, start-up included."""
    output = source.with_name("out.jsonl")
    line = [sys.executable, "-m", "pixmill", "colors", str(source), "-o", str(output)]
    line += ["--no-dedupe", "--overwrite", "--allow-network", "127.0.0.0/8", "--workers", "1"]
    before = children_cpu_s()
    with one_core():
        run = subprocess.run(line, capture_output=True, text=True, check=False)
    if run.returncode or f"{images:,} ok, 0 failed" not in run.stderr:
        sys.exit(f"the command failed ({run.returncode}): {run.stderr[-2000:]}")
    return children_cpu_s() - before


def an_image(name: str, rounds: int, *, quick: bool) -> dict[str, float]:
    """Processor milliseconds of an image of a class, and its bytes."""
    width, height, short, long = CLASSES[name]
    if quick:
        short, long = short // 10, long // 10
    files = [drawn_photo(seed, width, height) for seed in range(5)]
    slopes = []
    with tempfile.TemporaryDirectory() as folder, origin(Path(folder), numbered(files)) as base:
        lists = {}
        for images in (short, long):
            lists[images] = Path(folder, f"{images}.txt")
            urls = (f"{base}/{at % 5}.jpg?{at}\n" for at in range(images))
            lists[images].write_text("".join(urls))
        command_cpu_s(lists[short], short)  # the caches of kernels and pages
        for _ in range(rounds):
            used = {images: command_cpu_s(path, images) for images, path in lists.items()}
            slopes.append(1000 * (used[long] - used[short]) / (long - short))
    return {
        "cpu_ms": round(statistics.median(slopes), 3),
        "cpu_ms_least": round(min(slopes), 3),
        "cpu_ms_most": round(max(slopes), 3),
        "bytes": round(sum(map(len, files)) / len(files)),
        "megapixels": width * height / 1e6,
    }


def the_greys() -> dict[str, Any]:
    """Give the bytes of the grey image that the archive keeps of an image of each class."""
    from pixmill.analysis import Task, Wanted, analyze_greyed
    from pixmill.imaging.probe import probe

    sizes = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, (width, height, *_) in CLASSES.items():
            kept = []
            for seed in range(5):
                data = memoryview(drawn_photo(seed, width, height))
                wanted = Wanted(n=3, summarizer="kmeans", grey=folder)
                grey = analyze_greyed(data, Task(probe(data), wanted)).grey
                kept.append(len(grey) if isinstance(grey, bytes) else Path(grey).stat().st_size)
            sizes[name] = round(statistics.mean(kept))
    return {"grey_bytes": sizes}


def the_list() -> dict[str, float]:
    """Processor microseconds of a line that is cut into shards, and the bytes that are kept."""
    from itertools import islice

    from pixmill.batch.source import SourceOptions, open_source
    from pixmill.jobs.shard_files import put_items
    from pixmill.store import open_results
    from pixmill.store.shards import ShardId

    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "urls.txt")
        urls = (f"https://images.example.org/products/{at:09}/photo.jpg\n" for at in range(LINES))
        source.write_text("".join(urls))
        blobs = open_results(Path(folder, "blobs"), Path(folder))
        items = open_source([source], SourceOptions()).items()
        before, number = time.process_time(), 0
        while some := list(islice(items, SHARD_LINES)):
            put_items(blobs, ShardId("job", number), some)
            number += 1
        used = time.process_time() - before
        kept = sum(path.stat().st_size for path in Path(folder, "blobs").rglob("*.gz"))
        return {
            "plan_us_a_line": round(1e6 * used / LINES, 2),
            "list_bytes_a_line": round(source.stat().st_size / LINES, 1),
            "kept_bytes_a_line": round(kept / LINES, 1),
        }


def the_merge() -> dict[str, float]:
    """Processor microseconds of a row that is merged, and the bytes of it."""
    from types import SimpleNamespace

    from pixmill.batch.sink import TableOptions, errors_path, open_table
    from pixmill.jobs.shard_files import lines_of, put_part, read_part
    from pixmill.record import Analysis, Color, Record
    from pixmill.store import open_results
    from pixmill.store.shards import ShardId

    colors = tuple(Color((9, 9, at), f"#09090{at}", 1000 - at, 0.001) for at in range(3))
    image = Analysis(colors, 1_260_000, 1400, 900, "jpeg", 250_000)
    with tempfile.TemporaryDirectory() as folder:
        blobs = open_results(Path(folder, "blobs"), Path(folder))
        shards: list[Any] = []
        for number in range(LINES // SHARD_LINES):
            shard = SimpleNamespace(id=ShardId("job", number), attempt="0")
            part = blobs.spool / f"part{number}.csv"
            sink = open_table(part, TableOptions(), None)
            for line in range(number * SHARD_LINES, (number + 1) * SHARD_LINES):
                url = f"https://images.example.org/products/{line:09}/photo.jpg"
                sink.write(Record(line, url, image))
            sink.finish()
            sink.publish()
            put_part(blobs, shard, part, errors_path(part))
            shards.append(shard)
        sink = open_table(Path(folder, "table.csv"), TableOptions(), None)
        before = time.process_time()
        for shard in shards:
            for piece in read_part(blobs, shard, "rows"):
                sink.table.append(piece)
            assert len(list(lines_of(read_part(blobs, shard, "errors")))) == 1
        sink.commit()
        used = time.process_time() - before
        sink.close()
        size = Path(folder, "table.csv.part").stat().st_size
    return {"merge_us_a_row": round(1e6 * used / LINES, 3), "row_bytes": round(size / LINES, 1)}


def a_shard(rounds: int = 40) -> dict[str, float]:
    """Give the seconds that a shard takes beside its images: files, client, table, event loop.

    Shards of one thumbnail, over a pool that is warm, by the clock.
    """
    from ipaddress import ip_network
    from types import SimpleNamespace

    from pixmill.analysis.work import work
    from pixmill.batch.memory import plan_memory
    from pixmill.batch.options import PRELOAD_ALL, RunOptions, Shared
    from pixmill.batch.runner import Run
    from pixmill.batch.sink import TableOptions, errors_path, open_table
    from pixmill.jobs.shard_files import put_items, put_part, read_items
    from pixmill.pool import Pool
    from pixmill.record import Item
    from pixmill.store import open_results
    from pixmill.store.shards import ShardId

    plan, taken = plan_memory(2**30, 1), []
    pool: Pool[Any, Any] = Pool(
        work, workers=1, item_timeout_s=60, decode_budget_bytes=plan.decode, preload=PRELOAD_ALL
    )
    shared = Shared(pool, plan.of_a_list(2), 2)
    options = RunOptions(shared=shared, allow_networks=(ip_network("127.0.0.0/8"),))
    files = numbered([drawn_photo(1, 128, 128)])
    with pool, tempfile.TemporaryDirectory() as folder, origin(Path(folder), files) as base:
        blobs = open_results(Path(folder, "blobs"), Path(folder))
        for number in range(rounds):
            id_ = ShardId("job", number)
            began = time.perf_counter()
            put_items(blobs, id_, [Item(1, f"{base}/0.jpg?{number}")])
            part = blobs.spool / f"part{number}.csv"
            sink = open_table(part, TableOptions(), None)
            with Run(read_items(blobs, id_), options) as run:
                for row in run:
                    if row is not None:
                        assert row[1].failure is None
                        sink.write(row[1])
            sink.finish()
            sink.publish()
            put_part(blobs, SimpleNamespace(id=id_, attempt="0"), part, errors_path(part))  # type: ignore[arg-type]
            taken.append(time.perf_counter() - began)
    return {"shard_extra_s": round(statistics.median(taken[5:]), 4)}


def the_catalog() -> dict[str, float]:
    """Processor milliseconds of the database for a shard, and for one worker's second."""
    import psutil
    from tests.services import serve_postgres

    from pixmill.store import open_catalog

    with serve_postgres() as postgres, tempfile.TemporaryDirectory() as folder:
        server = psutil.Process(postgres.server.get_pid())

        def used_s() -> float:
            every = [server, *server.children(recursive=True)]
            return sum(sum(process.cpu_times()[:2]) for process in every)

        with open_catalog(postgres.url, Path(folder)) as catalog:
            job_id = a_job(catalog)
            before = used_s()
            shards_done(catalog, job_id)
            a_shard = (used_s() - before) / SHARDS
            before = used_s()
            seconds = questions_asked(catalog)
            a_second = (used_s() - before) / seconds
    return {
        "catalog_ms_a_shard": round(1000 * a_shard, 3),
        "catalog_ms_a_worker_second": round(1000 * a_second, 3),
    }


def a_job(catalog: Catalog) -> str:
    """A running job of ours."""
    from pixmill.store.jobs import NewJob

    catalog.keys.add("one", ["jobs"])
    catalog.jobs.add(NewJob(key_id=1, kind="operations", spec={}))
    job = catalog.jobs.claim("me", 3600.0, ("operations",))
    assert job is not None
    return str(job.id)


def shards_done(catalog: Catalog, job_id: str) -> None:
    """Take shards from their plan to their commit, as a planner, a relay and workers do."""
    from pixmill.store.shards import Counts, NewShard, ShardId

    shards, together = catalog.shards, 50
    for first in range(0, SHARDS, together):
        new = [NewShard(2000, 1 + n, 2 + n, (0, n)) for n in range(first, first + together)]
        shards.plan(job_id, "me", first, new, complete=False)
        shards.publish(together, lambda _: None)
        for number in range(first, first + together):
            shards.find(ShardId(job_id, number))
            shard = shards.claim(ShardId(job_id, number), "worker", "worker")
            assert shard is not None
            assert shards.commit(shard, Counts(ok=2000))
        shards.following(job_id, first, together)


def questions_asked(catalog: Catalog) -> float:
    """Ask what a worker and its relay ask, and tell for how many seconds of it."""
    from pixmill.store.opening import utc_now
    from pixmill.store.shards import Worker

    worker = Worker("token", "worker", 2, "1", utc_now(), utc_now())
    for second in range(POLLS):
        if second % 10 == 0:
            catalog.workers.renew(worker, 30.0)
        if second % 2 == 0:
            catalog.shards.held("token")
        catalog.workers.bury()
        catalog.shards.recall(utc_now() - dt.timedelta(minutes=15))
        catalog.jobs.recall(utc_now() - dt.timedelta(seconds=30))
        catalog.jobs.publish(("operations",), lambda _: None)
        catalog.workers.alive()
        catalog.shards.publish(14, lambda _: None)
    return float(POLLS)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="a tenth of the images")
    parser.add_argument("--only", nargs="*", metavar="PART", help="measure these parts anew")
    parser.add_argument("--save", type=Path, metavar="FILE", help="write the figures there too")
    options = parser.parse_args()
    parts: dict[str, Callable[[], dict[str, Any]]] = {
        "images": lambda: {
            "images": {
                name: an_image(name, options.rounds, quick=options.quick) for name in CLASSES
            }
        },
        "greys": the_greys,
        "list": the_list,
        "merge": the_merge,
        "shard": a_shard,
        "catalog": the_catalog,
    }
    kept = options.save is not None and options.only and options.save.exists()
    found: dict[str, Any] = json.loads(options.save.read_text()) if kept else {}
    found |= {"date": dt.datetime.now(dt.UTC).date().isoformat(), "machine": describe()}
    for name, measure in parts.items():
        if not options.only or name in options.only:
            found |= measure()
    text = json.dumps(found, indent=1)
    print(text)
    if options.save:
        options.save.write_text(text + "\n")


if __name__ == "__main__":
    main()
