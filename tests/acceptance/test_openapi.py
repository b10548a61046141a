"""The document at `/openapi.json` and the answers of a running service agree, by schemathesis."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests import command
from tests.origin import Origin
from tests.pictures import plain
from tests.serving import serving

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.serving import Service

PROJECT = Path(__file__).parents[2]
HOOKS = "tests.acceptance.openapi_hooks"
CONFIG = str(Path(__file__).with_name("schemathesis.toml"))
# schemathesis tries wrong credentials, and asks more than people do.
UNLIMITED = {f"PIXMILL_{name}_RATE": "1000000" for name in ("KEY", "ADDRESS", "SIGN_IN")}
# What the hooks put into a request is to these two no longer what was made; a check of the hooks'
# own stands in for them.
RIGHT = (
    "--mode",
    "positive",
    "--exclude-checks",
    "positive_data_acceptance,negative_data_rejection",
)
# No schema can tell pictures from other bytes, nor names that exist from others; that what makes
# sense is accepted is the other run's to find out.
ANYTHING = ("--exclude-checks", "positive_data_acceptance")


@pytest.fixture(scope="module")
def origin() -> Iterator[Origin]:
    with Origin() as running:
        yield running


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("service")
    with serving(folder, "--workers", "1", env=UNLIMITED) as running:
        yield running


@pytest.mark.soak
@pytest.mark.parametrize(("sense", "flags"), [("yes", RIGHT), ("", ANYTHING)])
def test_every_answer_is_as_the_document_says(
    service: Service, origin: Origin, tmp_path: Path, sense: str, flags: tuple[str, ...]
) -> None:
    """All of schemathesis's checks hold: no 500, no undocumented status, type or body, nothing
    wrong accepted, nothing right refused, no method or missing key overlooked.
    """
    url = origin.serve("/a.png", plain((1, 2, 3)))
    extra = {"SCHEMATHESIS_HOOKS": HOOKS, "OPENAPI_PICTURE_URL": url, "OPENAPI_SENSE": sense}
    done = subprocess.run(
        [
            sys.executable, "-m", "schemathesis.cli", "--config-file", CONFIG,
            "run", f"{service.url}/openapi.json",
            "--auth", ":".join(service.credential), *flags,
            "--max-examples", "10", "--generation-deterministic", "--no-shrink", "--no-color",
        ],
        cwd=tmp_path,
        env=command.environment({**extra, "PYTHONPATH": str(PROJECT)}),
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"Operations: +39 selected / 39 total", done.stdout)

    assert network_codes(service) == set()


def network_codes(service: Service) -> set[str]:
    """The codes that images ended with and that only a look beyond the origin can give."""
    with service.client() as client:
        metrics = client.get("/metrics").text
    codes = set(re.findall(r'pixmill_items_total\{code="(\w+)"\}', metrics))
    assert "ok" in codes
    return codes - {"ok", "unsupported_format", "corrupt_image", "too_many_pixels"}
