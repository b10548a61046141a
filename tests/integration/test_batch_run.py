"""`pixmill.batch.run`: URLs in, records out and in order, whatever happens between."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import threading
import time
from ipaddress import ip_network
from itertools import count
from typing import TYPE_CHECKING

import psutil
import pytest

from pixmill.batch import RunOptions, run
from pixmill.errors import InputError, UsageError
from pixmill.imaging.probe import Limits
from tests.analyses import slow, treacherous
from tests.origin import Origin, answer, hang
from tests.pictures import expected, plain, png

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from typing import TypeAlias

    import pixmill

    Children: TypeAlias = Callable[[], list[psutil.Process]]

pytestmark = pytest.mark.usefixtures("warm_pools")

LOOPBACK = (ip_network("127.0.0.0/8"),)


@pytest.fixture
def origin() -> Iterator[Origin]:
    with Origin() as server:
        yield server


def options(**changes: object) -> RunOptions:
    return RunOptions(**{"workers": 2, "allow_networks": LOOPBACK, "dedupe": False, **changes})


def hexes(record: pixmill.Record) -> list[tuple[str, int]]:
    assert record.analysis is not None, record
    return [(color.hex, color.count) for color in record.analysis.colors]


def test_records_come_in_order_with_their_colors(origin: Origin) -> None:
    pictures = [png(random.Random(seed)) for seed in range(30)]
    urls = [origin.serve(f"/{number}.png", data) for number, data in enumerate(pictures)]
    records = list(run(urls, options()))
    assert [(record.line, record.url) for record in records] == list(enumerate(urls, start=1))
    assert [hexes(record) for record in records] == [expected(data, 3) for data in pictures]


def test_a_decoder_that_dies_hangs_or_hoards_costs_only_its_image(
    origin: Origin, children: Children
) -> None:
    widths = [4, 101, 4, 102, 4, 103, 4, 104, 4] * 3
    urls = [origin.serve(f"/{n}.png", plain((n, 0, 0), width)) for n, width in enumerate(widths)]
    records = list(run(urls, options(analyze=treacherous, decode_timeout_s=8.0)))
    codes = {101: "decoder_crashed", 102: "decoder_timeout", 103: "out_of_memory", 104: "internal"}
    assert [record.failure.code if record.failure else None for record in records] == [
        codes.get(width) for width in widths
    ]
    for number, (record, width) in enumerate(zip(records, widths, strict=True)):
        if width == 4:
            assert hexes(record)[0][0] == f"#{number:02X}0000"
    assert children() == []


@pytest.mark.soak
def test_workers_killed_from_outside_lose_nothing(origin: Origin, children: Children) -> None:
    pictures = [png(random.Random(seed)) for seed in range(20)]
    paths = [f"/{number}.png" for number in range(20)]
    for path, data in zip(paths, pictures, strict=True):
        origin.serve(path, data)
    kills, records, done = 0, [], threading.Event()

    def urls() -> Iterator[str]:
        """Give as many as the kills take, which are slow on a busy machine."""
        for number in count():
            if number >= 1500 and kills == 100:
                return
            yield origin.url(paths[number % 20]) + f"?{number}"

    def workers() -> list[psutil.Process]:
        return [child for child in children() if child.ppid() != os.getpid()]

    def kill_workers() -> None:
        """Kill at random moments, but never one item three times: that would be its fault."""
        nonlocal kills
        rng, seen = random.Random(11), 0
        while kills < 100 and not done.wait(rng.uniform(0.0, 0.03)):
            if len(records) >= seen + 3 and (living := workers()):
                with contextlib.suppress(psutil.NoSuchProcess):
                    rng.choice(living).send_signal(signal.SIGKILL)
                    kills, seen = kills + 1, len(records)

    killer = threading.Thread(target=kill_workers)
    killer.start()
    for record in run(urls(), options(analyze=slow)):
        records.append(record)  # noqa: PERF402  the killer watches it grow
    done.set()
    killer.join()
    assert kills == 100
    assert len(records) >= 1500
    assert [record.line for record in records] == list(range(1, len(records) + 1))
    for record in records:
        assert hexes(record) == expected(pictures[(record.line - 1) % 20], 3)
    assert children() == []


def test_repeats_are_fetched_and_analysed_once_and_each_has_its_row(origin: Origin) -> None:
    url = origin.serve("/a.png", plain((9, 9, 9)))
    twin = origin.serve("/b.png", plain((9, 9, 9)))
    gone = origin.url("/gone.png")
    records = list(run([url, gone, url, twin, gone], options(dedupe=True)))
    assert [record.url for record in records] == [url, gone, url, twin, gone]
    assert records[0].analysis == records[2].analysis == records[3].analysis
    assert [origin.hits(path) for path in ("/a.png", "/b.png", "/gone.png")] == [1, 1, 1]


def test_closing_the_iterator_stops_everything(origin: Origin, children: Children) -> None:
    url = origin.serve("/a.png", plain((1, 1, 1)))
    origin.on("/hang.png", hang())
    records = run([url, origin.url("/hang.png"), *[url] * 100], options())
    assert next(records).line == 1
    threads = threading.active_count()
    records.close()
    assert children() == []
    assert threading.active_count() < threads


def test_an_endless_list_is_drawn_only_so_far_ahead(origin: Origin) -> None:
    url = origin.serve("/a.png", plain((1, 1, 1)))
    drawn = 0

    def endless() -> Iterator[str]:
        nonlocal drawn
        while True:
            drawn += 1
            yield f"{url}?{drawn}"

    records = run(endless(), options(queue=8))
    for _ in range(20):
        next(records)
    time.sleep(0.2)
    seen = drawn
    records.close()
    assert seen < 200_000
    after = drawn
    time.sleep(0.1)
    assert drawn == after


def test_what_the_iterable_raises_comes_after_the_records_before_it(origin: Origin) -> None:
    url = origin.serve("/a.png", plain((1, 1, 1)))

    def broken() -> Iterator[str]:
        yield url
        yield url
        raise InputError("the list broke off")

    records = run(broken(), options())
    assert [next(records).line, next(records).line] == [1, 2]
    with pytest.raises(InputError, match="broke off"):
        next(records)


def test_an_item_that_is_no_url_is_named_after_the_records_before_it(origin: Origin) -> None:
    urls = [origin.serve("/a.png", plain((1, 2, 3))), None, "http://never.example/"]
    records = run(urls, options())  # type: ignore[arg-type]  # that is the point
    assert next(records).failure is None
    with pytest.raises(TypeError, match=r"item 2 is None, and neither a URL nor an Item"):
        next(records)


def test_an_empty_list_gives_no_records() -> None:
    assert list(run([], options())) == []


def test_too_many_workers_for_the_memory_is_said_at_once() -> None:
    with pytest.raises(UsageError, match="memory cap"):
        list(run([], options(workers=100, memory_bytes=2**29)))


def test_a_function_that_can_not_be_imported_is_a_usage_error() -> None:
    with pytest.raises(UsageError):
        list(run(["http://a.example/"], options(analyze=lambda data, task: b"")))


def test_results_are_kept_across_runs_and_revalidated(origin: Origin, tmp_path) -> None:  # type: ignore[no-untyped-def]
    fresh = origin.serve("/f.png", plain((1, 1, 1)), headers={"Cache-Control": "max-age=600"})
    etag = origin.on(
        "/e.png", answer(plain((2, 2, 2)), headers={"ETag": '"x"'}), answer(status=304)
    )
    first = list(run([fresh, etag], options(cache=tmp_path)))
    second = list(run([fresh, etag], options(cache=tmp_path)))
    assert [r.analysis for r in first] == [r.analysis for r in second]
    assert (origin.hits("/f.png"), origin.hits("/e.png")) == (1, 2)
    assert origin.requests[-1].headers["if-none-match"] == '"x"'


def test_a_kept_result_gives_the_row_it_first_gave(origin: Origin, tmp_path: Path) -> None:
    """Also after another attempt, so that a run resumed after a kill ends with the same bytes."""
    kept = {"Cache-Control": "max-age=600"}
    url = origin.on("/f.png", answer(status=503), answer(plain((1, 1, 1)), headers=kept))
    first = list(run([url], options(cache=tmp_path)))
    assert first[0].attempts == 2
    assert list(run([url], options(cache=tmp_path))) == first
    assert origin.hits("/f.png") == 2


@pytest.mark.parametrize(
    ("limits", "code"),
    [
        ({"limits": Limits(max_pixels=15)}, "too_many_pixels"),
        ({"limits": Limits(max_side=3)}, "too_many_pixels"),
        ({"max_bytes": 20}, "too_many_bytes"),
    ],
)
def test_a_kept_result_that_the_limits_refuse_now_is_not_used(
    origin: Origin, tmp_path: Path, limits: dict[str, object], code: str
) -> None:
    """Neither a fresh one nor one that the origin would confirm; a later run may use it again."""
    picture, age = plain((1, 1, 1)), {"Cache-Control": "max-age=600"}
    urls = [
        origin.serve("/f.png", picture, headers=age),
        origin.serve("/e.png", picture, headers={"ETag": '"x"'}),
    ]
    kept = list(run(urls, options(cache=tmp_path)))
    refused = list(run(urls, options(cache=tmp_path, **limits)))
    assert [record.failure.code if record.failure else None for record in refused] == [code, code]
    assert refused == list(run(urls, options(**limits)))
    assert list(run(urls[:1], options(cache=tmp_path))) == kept[:1]
    assert origin.hits("/f.png") == 3


def test_a_kept_result_just_within_the_limits_is_used(origin: Origin, tmp_path: Path) -> None:
    picture = plain((1, 1, 1))
    url = origin.serve("/f.png", picture, headers={"Cache-Control": "max-age=600"})
    kept = list(run([url], options(cache=tmp_path)))
    just = Limits(max_pixels=16, max_side=4)
    again = run([url], options(cache=tmp_path, limits=just, max_bytes=len(picture)))
    assert list(again) == kept
    assert origin.hits("/f.png") == 1


def test_what_came_by_a_redirect_is_asked_for_anew(origin: Origin, tmp_path: Path) -> None:
    """A redirect may lead elsewhere next time, where the validators of the first mean nothing."""
    kept = {"Cache-Control": "max-age=600", "ETag": '"x"'}
    origin.serve("/red.png", plain((255, 0, 0)), headers=kept)
    origin.on("/blue.png", answer(status=304), answer(plain((0, 0, 255)), headers=kept))
    url = origin.on(
        "/a",
        answer(status=302, headers={"Location": "/red.png"}),
        answer(plain((0, 255, 0)), headers={"ETag": '"x"'}),
        answer(status=302, headers={"Location": "/blue.png"}),
    )
    found = [hexes(next(iter(run([url], options(cache=tmp_path)))))[0][0] for _ in range(3)]
    assert found == ["#FF0000", "#00FF00", "#0000FF"]
