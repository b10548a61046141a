"""Runs the `pixmill` command as a user does, in a process of its own.

Owns finding it, giving it a clean environment and killing it with everything that it started.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

LOOPBACK = ("--allow-network", "127.0.0.0/8", "--allow-network", "::1/128")


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment of the tests, without settings of whoever runs them."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PIXMILL_")}
    return {**kept, **(extra or {})}


def start(
    *arguments: str | Path,
    cwd: Path,
    env: Mapping[str, str] | None = None,
    stdin: int | None = subprocess.DEVNULL,
) -> subprocess.Popen[str]:
    """Start the command as the leader of a process group of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "pixmill", *map(str, arguments)],
        cwd=cwd,
        env=environment(env),
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def run(
    *arguments: str | Path,
    cwd: Path,
    env: Mapping[str, str] | None = None,
    text: str | None = None,
    timeout_s: float = 100,
) -> subprocess.CompletedProcess[str]:
    """Run the command to its end; `text` is its standard input."""
    stdin = subprocess.DEVNULL if text is None else subprocess.PIPE
    process = start(*arguments, cwd=cwd, env=env, stdin=stdin)
    try:
        out, err = process.communicate(text, timeout=timeout_s)
    except BaseException:
        kill_group(process)
        raise
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def kill_group(process: subprocess.Popen[str]) -> None:
    """SIGKILL the command and everything of its group, and reap it."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
