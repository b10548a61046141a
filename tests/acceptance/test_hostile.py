"""Hostile lists through the whole command: every private address refused, every fault its code."""

from __future__ import annotations

import csv
import io
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.command import LOOPBACK, environment, run
from tests.origin import (
    Canary,
    answer,
    chunked,
    drip,
    gzip_bomb,
    hang,
    lying,
    raw,
    redirect,
    reset,
    stall_after_headers,
)
from tests.pictures import plain

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.origin import Origin

PICTURE = plain((1, 2, 3))

LOOPBACK_SPELLINGS = [
    "127.0.0.1", "127.1", "2130706433", "0x7f000001", "0x7f.1", "017700000001", "0177.0.0.1", "0",
    "0.0.0.0", "①②⑦.⓪.⓪.①", "127。0。0。1", "[::]", "[::1]", "[::ffff:127.0.0.1]", "[::127.0.0.1]",
    "localhost", "localhost.", "ok.example@127.0.0.1", "127.0.0.1\\@ok.example", "127.0.0.1%00",
    "127.0.0.1%0d%0a",
]  # fmt: skip


def codes(errors: Path) -> dict[int, str]:
    rows = csv.DictReader(io.StringIO(errors.read_bytes().decode(), newline=""))
    return {int(row["line"]): row["code"] for row in rows}


def test_no_spelling_of_loopback_gets_through(tmp_path: Path) -> None:
    with Canary() as canary:
        urls = [f"http://{host}:{canary.port}/a.png" for host in LOOPBACK_SPELLINGS]
        urls += [
            "file:///etc/passwd",
            "gopher://127.0.0.1/",
            "ftp://127.0.0.1/",
            "data:image/png,x",
        ]
        (tmp_path / "urls.txt").write_text("\n".join(urls))
        done = run("colors", "urls.txt", "--workers", "1", "--retries", "0", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        assert canary.hits == 0
    found = codes(tmp_path / "urls.txt-colors-errors.csv")
    assert set(found) == set(range(1, len(urls) + 1))
    assert set(found.values()) <= {"blocked_address", "invalid_url"}
    assert [found[line] for line in (1, 2, 3, 4, 13, 16)] == ["blocked_address"] * 6


def test_a_redirect_to_a_private_address_is_refused(origin: Origin, tmp_path: Path) -> None:
    with Canary() as canary:
        # The origin's own address is opened, the canary's is not.
        url = origin.on("/r.png", redirect(f"http://[::1]:{canary.port}/a.png"))
        (tmp_path / "urls.txt").write_text(url)
        run("colors", "urls.txt", "--allow-network", "127.0.0.0/8", cwd=tmp_path)
        assert canary.hits == 0
    assert codes(tmp_path / "urls.txt-colors-errors.csv") == {1: "blocked_address"}


def test_every_fault_ends_in_its_code_and_the_neighbours_are_right(
    origin: Origin, tmp_path: Path
) -> None:
    faults = {
        "stall": (stall_after_headers(), "timeout"),
        "drip": (drip(b"x" * 999, 0.3), "timeout"),
        "hang": (hang(), "timeout"),
        "short": (lying(PICTURE[:50], len(PICTURE)), "truncated_body"),
        "cut": (chunked(PICTURE[:50], cut=True), "truncated_body"),
        "bomb": (gzip_bomb(2**26), "too_many_bytes"),
        "large": (answer(b"x" * 2**21), "too_many_bytes"),
        "html": (answer(b"<html>", headers={"Content-Type": "image/jpeg"}), "unsupported_format"),
        "empty": (answer(b""), "unsupported_format"),
        "circle": (redirect("/circle.png"), "too_many_redirects"),
        "gone": (answer(status=410), "http_error"),
        "error": (answer(status=500), "http_error"),
        "reset": (reset(), "connect_failed"),
        "garbage": (raw(b"\0\1\2garbage\r\n\r\n"), "connect_failed"),
        "corrupt": (answer(PICTURE[:60]), "corrupt_image"),
    }  # fmt: skip
    ok = origin.serve("/ok.png", PICTURE)
    flaky = origin.on("/flaky.png", answer(status=500), answer(PICTURE))
    urls = []
    for name, (reply, _) in faults.items():
        urls += [origin.on(f"/{name}.png", reply), f"{ok}?{name}"]
    (tmp_path / "urls.txt").write_text("\n".join([*urls, flaky]))
    flags = ["--timeout", "4", "--retries", "1", "--workers", "1", *LOOPBACK]
    done = run("colors", "urls.txt", *flags, cwd=tmp_path, env={"PIXMILL_MAX_BYTES": "1M"})
    assert done.returncode == 0, done.stderr
    found = codes(tmp_path / "urls.txt-colors-errors.csv")
    assert found == {2 * at + 1: code for at, (_, code) in enumerate(faults.values())}
    rows = (tmp_path / "urls.txt-colors.csv").read_text().splitlines()
    assert len(rows) == len(faults) + 1
    assert all(row.endswith(",#010203,#010203,#010203") for row in rows)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 KiB."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "none", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("mounting a small file system needs root")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_is_a_clear_end_and_the_run_goes_on_later(
    origin: Origin, tmp_path: Path, small_disk: Path
) -> None:
    url = origin.serve("/a.png", PICTURE)
    (tmp_path / "urls.txt").write_text("".join(f"{url}?{line:06}\n" for line in range(2000)))
    order = ["colors", "urls.txt", "--workers", "1", *LOOPBACK]
    full = run(*order, "-o", "small/o.csv", cwd=tmp_path)
    assert full.returncode == 1, full.stderr
    assert "cannot write small/o" in full.stderr
    assert "no space is left" in full.stderr
    assert "Traceback" not in full.stderr
    subprocess.run(["mount", "-o", "remount,size=4m", str(small_disk)], check=True)
    done = run(*order, "-o", "small/o.csv", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert run(*order, "-o", "whole.csv", cwd=tmp_path).returncode == 0
    assert (small_disk / "o.csv").read_bytes() == (tmp_path / "whole.csv").read_bytes()


# The command for somebody who is not root, who may write anywhere: its code may lie where only root
# can read, so the rights go when it is loaded.
AS_NOBODY = """
import os
import pixmill.batch.job, pixmill.batch.retry, pixmill.cli.app, pixmill.cli.run_options
if os.geteuid() == 0:
    os.setuid(65534)
pixmill.cli.app.app()
"""


@pytest.mark.parametrize(
    ("arguments", "place"), [(["-o", "locked/o.csv"], "locked"), (["secret.txt"], "secret.txt")]
)
def test_what_may_not_be_read_or_written_is_a_clear_end(arguments: list[str], place: str) -> None:
    with tempfile.TemporaryDirectory() as folder:  # pytest's own is closed to others
        Path(folder).chmod(0o777)
        (Path(folder) / "urls.txt").write_text("http://127.0.0.1:1/0.png\n")
        (Path(folder) / "secret.txt").touch(mode=0)
        (Path(folder) / "locked").mkdir(mode=0o555)
        command = [sys.executable, "-c", AS_NOBODY, "colors", "urls.txt", *arguments]
        command += ["--workers", "1"] + ["-o", "all.csv"] * (arguments[0] != "-o")
        done = subprocess.run(
            command, cwd=folder, env=environment(), capture_output=True, text=True, check=False
        )
    assert done.returncode == 1, done.stderr
    assert place in done.stderr
    assert "ermission denied" in done.stderr or "may not be written" in done.stderr
    assert "Traceback" not in done.stderr
