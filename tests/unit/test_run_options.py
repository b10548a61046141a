"""Settings reach the run that they are for."""

from __future__ import annotations

import inspect
from dataclasses import fields
from ipaddress import ip_network
from pathlib import Path

import pytest

from pixmill.batch.options import RunOptions
from pixmill.cli.colors import colors
from pixmill.cli.ingest import ingest
from pixmill.cli.match import match
from pixmill.cli.order import Order
from pixmill.cli.run_options import run_options
from pixmill.cli.tables import OF_WORKERS
from pixmill.fetch.sources import parse_patterns
from pixmill.settings import Settings

RENAMED = {
    "memory": "memory_bytes",
    "timeout": "timeout_s",
    "connect_timeout": "connect_timeout_s",
    "idle_timeout": "idle_timeout_s",
    "decode_timeout": "decode_timeout_s",
}
CARRIED_BY_ORDERS = {"timeout", "retries"}
OF_THE_COMMAND = {
    "log_format", "broker", "catalog", "archive", "blobs", "shard_lines", "keep",
}  # fmt: skip
TOLD_TO_OTHERS = {
    "log_format", "data", "catalog", "host", "port", "trusted_proxies", "bootstrap_key_file",
    "key_rate", "address_rate", "sign_in_rate", "waiting", "answers_bytes", "archive", "blobs",
    "originals", "keep", "public_read", "jobs", "job_lease", "job_keep", "max_list", "broker",
    "shards", "shard_lines", "worker_name", "metrics_port", "s3_endpoint", "s3_region",
    "s3_access_key", "s3_secret_key", "sentry_dsn",
}  # fmt: skip
PARSED = {"allowed_sources": parse_patterns}
IN_LIMITS = {"max_pixels", "max_side"}
CHANGED = {
    "fetchers": 7, "per_host": 3, "workers": 1, "queue": 11, "memory": 2**31, "timeout": 5.0,
    "connect_timeout": 2.0, "idle_timeout": 3.0, "retries": 9, "max_redirects": 1,
    "user_agent": "me", "contact": "us", "allow_private": True,
    "allow_networks": (ip_network("10.0.0.0/8"),), "max_bytes": 12345, "max_pixels": 99,
    "max_side": 98, "decode_timeout": 4.0, "cache": Path("kept"), "cache_max_bytes": 2**25,
    "log_format": "json", "allowed_sources": ("https://example.com/",),
}  # fmt: skip


def test_every_setting_reaches_the_run():
    assert set(CHANGED) | TOLD_TO_OTHERS == set(Settings.model_fields)
    options = run_options(Order(inputs=("a",)), Settings(**CHANGED), wants_md5=False)
    names = {field.name for field in fields(RunOptions)}
    for name, value in CHANGED.items():
        if name in IN_LIMITS:
            assert getattr(options.limits, name) == value
        elif name not in TOLD_TO_OTHERS:
            assert RENAMED.get(name, name) in names
            wanted = PARSED[name](value) if name in PARSED else value
            assert getattr(options, RENAMED.get(name, name)) == wanted, name


@pytest.mark.parametrize("command", [colors, match, ingest])
def test_each_flag_is_obeyed_with_a_broker_or_named_as_one_of_workers(command):
    names = {"allow_networks" if name == "allow_network" else name for name in flags_of(command)}
    of_settings = names & set(Settings.model_fields)
    assert of_settings - CARRIED_BY_ORDERS - OF_THE_COMMAND == OF_WORKERS


def flags_of(command):
    return inspect.signature(command).parameters
