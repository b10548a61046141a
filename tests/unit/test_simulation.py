"""The laws that the simulation of a list job obeys, whatever its inputs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from benchmarks.simulated_job import simulated
from benchmarks.simulated_shards import ImageClass, Lots, World, laid_out
from benchmarks.simulation import changes_of

from pixmill.jobs.turns import TAILS

# No machine's figures: round ones, so that what comes out can be told beforehand.
WORLD = World(
    urls=20_000,
    workers=4,
    images={"small": ImageClass(0.8, 2.0, 20_000), "large": ImageClass(0.2, 30.0, 500_000)},
    plan_us_a_line=10.0,
    merge_us_a_row=1.0,
    catalog_ms_a_shard=4.0,
    catalog_ms_a_worker_second=5.0,
    shard_extra_s=0.1,
    shard_lines=400,
    patterns=5,
)
TROUBLE = {"crashes_an_hour": 60.0, "restart_s": 20.0, "slow_part": 0.25, "hang_part": 0.005}
PLAIN = {"gone_part": 0.0, "flaky_part": 0.0}


def world(**changes):
    return replace(WORLD, **changes)


@pytest.mark.parametrize("urls", [1, 124, 125, 4001, 20_000, 33_333])
@pytest.mark.parametrize("trouble", [{}, TROUBLE], ids=["calm", "trouble"])
def test_every_url_is_done_once(urls, trouble):
    outcome = simulated(world(urls=urls, **trouble))
    assert outcome.urls == urls
    assert 0 <= outcome.failed <= urls
    assert len(outcome.shard_s) == outcome.shards == len(world(urls=urls).sizes())
    assert sum(world(urls=urls).sizes()) == urls


def test_an_empty_list_takes_no_time():
    outcome = simulated(world(urls=0))
    assert (outcome.urls, outcome.shards, outcome.makespan_s) == (0, 0, 0.0)
    assert outcome.short == "nothing"


@pytest.mark.parametrize("workers", [1, 3, 50])
@pytest.mark.parametrize("trouble", [{}, TROUBLE], ids=["calm", "trouble"])
def test_nothing_is_busier_than_always(workers, trouble):
    outcome = simulated(world(workers=workers, **trouble))
    assert set(outcome.busy) == {
        "processors", "network", "catalog", "cutting the list", "merging",
    }  # fmt: skip
    assert all(0 <= part <= 1 + 1e-9 for part in outcome.busy.values()), outcome.busy


@pytest.mark.parametrize("workers", [1, 2, 7])
def test_no_job_is_faster_than_its_processors_its_network_or_its_coordinator(workers):
    asked = world(workers=workers, **PLAIN)
    sizes, lots = asked.sizes(), Lots(asked)
    outcome = simulated(asked)
    least_cpu_s = min(lots.pattern(size, at).cpu_s / size for size in set(sizes) for at in range(5))
    assert outcome.cpu_s >= least_cpu_s * asked.urls
    assert outcome.makespan_s >= outcome.cpu_s / (workers * asked.cores)
    assert outcome.makespan_s >= outcome.bytes * 8 / (workers * asked.network_mbit_s * 1e6)
    assert outcome.makespan_s >= asked.urls * (asked.plan_us_a_line + asked.merge_us_a_row) / 1e6


def test_what_is_scarce_is_what_is_short():
    scarce = {
        "processors": {"cores": 0.2},
        "network": {"network_mbit_s": 5.0},
        "catalog": {"catalog_ms_a_shard": 4000.0},
        "cutting the list": {"plan_us_a_line": 20_000.0},
        "merging": {"merge_us_a_row": 20_000.0},
    }
    for name, changes in scarce.items():
        outcome = simulated(world(**changes))
        assert outcome.short == name, outcome.busy
        assert outcome.busy[name] > 0.8
    assert simulated(world(latency_median_s=5.0, slots=1)).short == "waiting for servers"


def test_processors_that_are_short_are_used_to_the_full():
    outcome = simulated(world(urls=40_000, cores=0.5, workers=1, **PLAIN))
    assert outcome.makespan_s == pytest.approx(outcome.cpu_s / 0.5, rel=0.03)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("urls", [300, 5000, 20_000])
def test_two_workers_are_never_slower_than_one(seed, urls):
    asked = world(seed=seed, urls=urls, catalog_ms_a_worker_second=0.0)  # each costs that much
    one, two, four = (simulated(replace(asked, workers=number)) for number in (1, 2, 4))
    assert two.makespan_s <= one.makespan_s * (1 + 1e-9)
    assert four.makespan_s <= two.makespan_s * (1 + 1e-9)
    assert one.failed == two.failed == four.failed


def test_the_same_seed_gives_the_same_job_and_another_one_another():
    asked = world(**TROUBLE)
    assert simulated(asked) == simulated(asked)
    assert simulated(replace(asked, seed=2)) != simulated(asked)


@pytest.mark.parametrize("at_s", [0.0, 1.0, 20.0, 50.0])
def test_a_job_whose_workers_all_crash_at_once_is_done_all_the_same(at_s):
    at_once = tuple((at_s, number) for number in range(WORLD.workers))
    calm, crashed = simulated(world()), simulated(world(crashes_at=at_once))
    assert crashed.urls == calm.urls
    if at_s < calm.makespan_s:
        assert crashed.crashes == WORLD.workers
        assert (crashed.urls_again > 0) == (at_s > 0)  # nothing is begun at once
        most = WORLD.slots + TAILS
        assert crashed.urls_again <= WORLD.workers * most * WORLD.shard_lines
        assert crashed.makespan_s >= calm.makespan_s
        assert crashed.makespan_s >= at_s + WORLD.lease_s
        assert crashed.cpu_s >= calm.cpu_s - 1e-6


def test_crashes_cost_work_that_is_done_again():
    calm, outcome = simulated(world(workers=1)), simulated(world(workers=1, **TROUBLE))
    assert outcome.crashes > 0
    assert outcome.urls_again > 0
    assert outcome.makespan_s > calm.makespan_s


def test_slow_machines_and_hanging_servers_cost_time():
    calm = simulated(world(cores=0.5))
    assert simulated(world(cores=0.5, slow_part=0.5)).makespan_s > calm.makespan_s
    assert simulated(world(hang_part=0.02)).makespan_s > simulated(world()).makespan_s


def test_servers_that_hang_hold_no_place():
    alone = {"slots": 1, "workers": 1, "urls": 40_000, "cores": 0.5}
    calm, hanging = simulated(world(**alone)), simulated(world(hang_part=0.02, **alone))
    assert hanging.percentile_s(50) > 60
    assert hanging.makespan_s < calm.makespan_s + 2 * 62


# Shards, laid out URL by URL.


def shard(urls=400, seed=1, **changes):
    return laid_out(world(**changes), urls, np.random.default_rng(seed))


def test_downloads_take_as_long_as_fetchers_and_answers_say():
    alike = {"latency_sigma": 0.0, "connection_mbit_s": 1e9, **PLAIN}
    assert shard(fetchers=64, urls=64, latency_median_s=2.0, **alike).wait_s == pytest.approx(2)
    assert shard(fetchers=32, urls=64, latency_median_s=2.0, **alike).wait_s == pytest.approx(4)
    assert shard(queue=16, urls=64, latency_median_s=2.0, **alike).wait_s == pytest.approx(8)


def test_one_host_is_asked_by_a_few_at_once():
    alike = {"latency_sigma": 0.0, "connection_mbit_s": 1e9, "latency_median_s": 1.0, **PLAIN}
    assert shard(urls=64, hot_host_part=1.0, **alike).wait_s == pytest.approx(4)  # 16 at once


def test_a_server_that_hangs_costs_the_deadline_and_no_more():
    outcome = shard(urls=10, hang_part=1.0)
    assert 60 - 3 * 10 <= outcome.wait_s <= 60 + 1e-9
    assert (outcome.failed, outcome.cpu_s, outcome.bytes) == (10, 0.0, 0.0)


def test_a_shard_of_which_few_urls_are_left_may_take_long():
    outcome = shard(hang_part=0.01, **PLAIN)
    assert outcome.few_s == pytest.approx(shard(**PLAIN).few_s, rel=0.3)
    assert outcome.wait_s > 30 + outcome.few_s
    assert shard(urls=8).few_s == 0.0


def test_a_server_that_is_silent_for_too_long_is_asked_again():
    alike = {"latency_sigma": 0.0, "connection_mbit_s": 1e9, **PLAIN}
    assert shard(urls=10, latency_median_s=19.0, **alike).failed == 0
    silent = shard(urls=10, latency_median_s=21.0, **alike)
    assert silent.failed == 10
    assert 30 <= silent.wait_s <= 60 + 1e-9


def test_attempts_end_where_the_setting_says():
    assert shard(flaky_part=1.0).failed == 400
    assert shard(flaky_part=0.5, gone_part=0.0, retries=0).failed > 100
    assert shard(flaky_part=0.5, gone_part=0.0, retries=9).failed < 10
    assert shard(gone_part=1.0).failed == 400


def test_inputs_are_set_by_name():
    assert changes_of(["cores=8", "hang_part=0.5"]) == {"cores": 8, "hang_part": 0.5}
    with pytest.raises(SystemExit, match="no such input: core"):
        changes_of(["core=8"])
