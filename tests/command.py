"""Runs the `pixmill` command as a user does, in a process of its own.

Owns giving it a clean environment and killing it with everything that it started. Unless a test
asks for a fresh interpreter, the process is forked from one that has loaded the libraries already
(see `tests.warm`).
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, TypeAlias

from tests import warm

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    Process: TypeAlias = subprocess.Popen[str] | warm.Command

_SETTINGS = ("PIXMILL_", "OTEL_", "SENTRY_")
LOOPBACK = ("--allow-network", "127.0.0.0/8", "--allow-network", "::1/128")


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment of the tests, without settings of whoever runs them."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_SETTINGS)}
    return {**kept, **(extra or {})}


def start(
    *arguments: str | Path,
    cwd: Path,
    env: Mapping[str, str] | None = None,
    piped_input: bool = False,
    fresh: bool = False,
) -> Process:
    """Start the command as the leader of a process group of its own.

    `fresh` starts a new interpreter, for what depends on how it loads or on how much memory it has.
    """
    words = [str(argument) for argument in arguments]
    if not fresh and sys.platform == "linux":
        return warm.Command(words, cwd, environment(env), piped_input=piped_input)
    return subprocess.Popen(
        [sys.executable, "-m", "pixmill", *words],
        cwd=cwd,
        env=environment(env),
        stdin=subprocess.PIPE if piped_input else subprocess.DEVNULL,
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
    fresh: bool = False,
) -> subprocess.CompletedProcess[str]:
    """Run the command to its end; `text` is its standard input."""
    process = start(*arguments, cwd=cwd, env=env, piped_input=text is not None, fresh=fresh)
    try:
        out, err = process.communicate(text, timeout=timeout_s)
    except BaseException:
        kill_group(process)
        raise
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def kill(process: Process) -> None:
    """SIGKILL the command and everything of its group, and reap it."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def kill_group(process: Process) -> None:
    """As `kill`, and close its streams, which nobody else may read."""
    kill(process)
    process.communicate()
