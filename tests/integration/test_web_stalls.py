"""A database that hangs takes down what needs it, for as long as it hangs, and nothing else."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from tests.integration.web_app import running
from tests.pictures import plain
from tests.serving import serving

if TYPE_CHECKING:
    from collections.abc import Iterator

RED = plain((255, 0, 0))
MANY = 40  # more than there are threads for


@contextlib.contextmanager
def stopped(processes: list[psutil.Process]) -> Iterator[None]:
    """Stop processes as a machine does that hangs: connections stand, and nobody answers."""
    for process in processes:
        _send(process, signal.SIGSTOP)
    try:
        while not all(map(has_stopped, processes)):
            time.sleep(0.01)
        yield
    finally:
        for process in processes:
            _send(process, signal.SIGCONT)


def _send(process: psutil.Process, number: int) -> None:
    with contextlib.suppress(psutil.NoSuchProcess):  # as one whose connection was closed just now
        process.send_signal(number)


def has_stopped(process: psutil.Process) -> bool:
    """Whether the last of its threads has stopped, which takes a moment on a busy machine."""
    try:
        states = [
            (task / "stat").read_text().rpartition(")")[2].split()[0]
            for task in Path(f"/proc/{process.pid}/task").iterdir()
        ]
    except (FileNotFoundError, ProcessLookupError):
        return not process.is_running()
    return set(states) <= {"T", "Z"}


def postgres_processes(url: str) -> list[psutil.Process]:
    """The server's processes, of which each serves a connection."""
    import psycopg  # noqa: PLC0415  where PostgreSQL is installed

    with psycopg.connect(url) as connection:
        (folder,) = connection.execute("SHOW data_directory").fetchone()
    lines = Path(folder, "postmaster.pid").read_text(encoding="ascii").splitlines()
    postmaster = psutil.Process(int(lines[0]))
    return [postmaster, *postmaster.children(recursive=True)]


def mongo_processes(url: str) -> list[psutil.Process]:
    port = url.rpartition(":")[2].partition("/")[0]
    return [
        process
        for process in psutil.Process(os.getpid()).children(recursive=True)
        if port in process.cmdline()
    ]


PROCESSES = {"postgres": postgres_processes, "mongod": mongo_processes}


@pytest.mark.soak
@pytest.mark.parametrize("kind", ["postgres", "mongod"])
async def test_an_archive_that_hangs_keeps_nobody_else_waiting(tmp_path, request, kind):
    """Its requests are refused, in the end at once; the others go on; it comes back by itself."""
    url = request.getfixturevalue(kind)
    async with running(tmp_path, archive=url) as app:
        app.services.depot.ask._patience_s = 6.0
        assert (await app.client.post("/images", content=RED)).status_code == 201
        assert (await app.client.get("/images")).status_code == 200
        with stopped(PROCESSES[kind](url)):
            asked = [asyncio.ensure_future(app.client.get("/images")) for _ in range(MANY)]
            await asyncio.sleep(0)
            ready = await asyncio.wait_for(app.client.get("/readyz", auth=None), 10)
            assert (ready.status_code, ready.json()["missing"]) == (503, ["archive"])
            assert (await app.client.get("/healthz", auth=None)).status_code == 200
            assert (await app.client.get("/palettes")).status_code == 200
            match = await app.client.post("/colours/match", content=RED)
            assert match.json()["colour"] == "red"
            for answer in await asyncio.gather(*asked):
                assert answer.status_code == 503
                assert answer.json() == {
                    "errors": ["The archive does not answer just now"],
                    "code": "overloaded",
                }
                assert int(answer.headers["retry-after"]) >= 1
            assert (await app.client.get("/images")).status_code == 503
        deadline = time.monotonic() + 60
        while (await app.client.get("/readyz", auth=None)).status_code != 200:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.1)
        assert (await app.client.get("/images")).status_code == 200
        assert app.log("defect") == []


@pytest.mark.soak
def test_a_service_ends_though_its_database_hangs(tmp_path, postgres):
    """It lives, says that nobody can sign in, and ends when it is told to."""
    with (
        serving(tmp_path, env={"PIXMILL_CATALOG": postgres}) as service,
        service.client() as client,
        stopped(postgres_processes(postgres)),
    ):
        assert client.get("/readyz").json()["missing"] == ["catalog", "archive"]
        assert client.get("/healthz").status_code == 200
        assert client.get("/palettes").status_code == 503
        assert service.stop() == 0
