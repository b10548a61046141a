"""Commands as children of a fork server that has imported what a command imports.

Starting Python and loading the libraries and kernels takes a command two seconds of a processor,
its work in most tests a hundredth of that. Here a command is forked from a process that has loaded
them, once for all tests of a process: otherwise it is a process like any other, with its own group,
streams, environment and exit status, and with its pool's fork server as its child. Loading itself
is tested where commands are started by `tests.command` with `fresh=True`.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from multiprocessing import forkserver, reduction
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TextIO

import coverage
import psutil

from pixmill.cli import main
from pixmill.pool import forkserver as pool_forkserver
from pixmill.pool import process
from tests import tracing

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_PRELOAD = [
    "pixmill.batch.warm",
    "pixmill.analysis.warm",
    "pixmill.cli.app",
    "pixmill.cli.few",
    "pixmill.cli.tables",
    "pixmill.batch.job",
    "pixmill.batch.pipeline",
    "pixmill.batch.retry",
    "pixmill.ingest.arrivals",
    "pixmill.ingest.keeper",
    "pixmill.store.sql.archive",
    "alembic.command",
    "pixmill.web.app",
    "uvicorn",
    "tests.frozen",  # the last
]
_LONG = frozenset({"serve", "colors", "match", "ingest"})
_CONFIG = Path(__file__).parents[1] / "pyproject.toml"
_ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "VIPS_CONCURRENCY")
_BOOT_BYTES = 2**20


def children() -> list[psutil.Process]:
    """This process's children and theirs, without the fork server of tests."""
    # multiprocessing's own two servers live until the interpreter ends, by design; what a fork
    # server started is its child, not ours, and bears the same command line.
    own = ("multiprocessing.forkserver", "multiprocessing.resource_tracker")
    us = psutil.Process()
    servers = {
        child.pid for child in us.children() if any(name in command_line(child) for name in own)
    }
    return [child for child in us.children(recursive=True) if child.pid not in servers]


def command_line(process: psutil.Process) -> str:
    """The command line of a process, empty where it is gone."""
    try:
        return " ".join(process.cmdline()) or process.name()
    except psutil.NoSuchProcess:
        return ""


class Command:
    """A running command; of `subprocess.Popen` what tests use, and alike."""

    def __init__(
        self, arguments: Sequence[str], cwd: Path, env: Mapping[str, str], *, piped_input: bool
    ) -> None:
        self.args = ["pixmill", *arguments]
        self.returncode: int | None = None
        theirs_in, ours_in = os.pipe() if piped_input else (os.open(os.devnull, os.O_RDONLY), -1)
        ours_out, theirs_out = os.pipe()
        ours_err, theirs_err = os.pipe()
        self.stdin: TextIO | None = (
            os.fdopen(ours_in, "w", encoding="utf-8") if piped_input else None
        )
        self.stdout: TextIO = os.fdopen(ours_out, encoding="utf-8")
        self.stderr: TextIO = os.fdopen(ours_err, encoding="utf-8")
        theirs = (theirs_in, theirs_out, theirs_err)
        context = multiprocessing.get_context("forkserver")
        _ensure_server(context)
        self._process = context.Process(
            target=_be_command,
            args=(list(arguments), str(cwd), dict(env), _Streams(theirs), _data_file(arguments)),
        )
        try:
            self._process.start()
        finally:
            for descriptor in theirs:
                os.close(descriptor)
        self.pid = self._process.pid or 0
        while self.poll() is None and os.getpgid(self.pid) != self.pid:
            time.sleep(0.001)  # until a signal to its group finds it

    def poll(self) -> int | None:
        """Its exit status, None while it runs."""
        self._process.join(0)
        self.returncode = self._process.exitcode
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Its exit status, once it has ended. Raises subprocess.TimeoutExpired."""
        self._process.join(timeout)
        status = self.poll()
        if status is None:
            raise subprocess.TimeoutExpired(self.args, timeout or 0)
        return status

    def send_signal(self, number: int) -> None:
        """Send it a signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """End it by SIGKILL."""
        self.send_signal(signal.SIGKILL)

    def communicate(self, text: str | None = None, timeout: float | None = None) -> tuple[str, str]:
        """Give it its input, and all it says until it has ended. Raises TimeoutExpired."""
        said: dict[TextIO, str] = {}

        def read(stream: TextIO) -> None:
            said[stream] = "" if stream.closed else stream.read()

        readers = [threading.Thread(target=read, args=[s]) for s in (self.stdout, self.stderr)]
        for reader in readers:
            reader.daemon = True
            reader.start()
        if self.stdin is not None and not self.stdin.closed:
            try:
                self.stdin.write(text or "")
                self.stdin.close()
            except BrokenPipeError:
                pass
        for reader in readers:
            reader.join(timeout)
            if reader.is_alive():
                raise subprocess.TimeoutExpired(self.args, timeout or 0)
        self.wait(timeout)
        self.stdout.close()
        self.stderr.close()
        return said[self.stdout], said[self.stderr]


def _data_file(arguments: Sequence[str]) -> str:
    """Where this process's coverage is kept, empty where it is not measured.

    That of a service is not, since tests end it by SIGKILL, which keeps nothing, nor that of the
    commands that take longest: what they run is measured where tests run it themselves.
    """
    measuring = None if {*arguments[:1]} & _LONG else coverage.Coverage.current()
    return str(_CONFIG.parent / measuring.config.data_file) if measuring else ""


class _Streams:
    """Descriptors on their way to the child; made for one pickling, at its start."""

    def __init__(self, descriptors: Sequence[int]) -> None:
        self.descriptors = descriptors

    def __reduce__(self) -> tuple[Any, ...]:
        return _received, tuple(reduction.DupFd(descriptor) for descriptor in self.descriptors)


def _received(*copies: Any) -> list[int]:
    return [copy.detach() for copy in copies]


def _ensure_server(context: multiprocessing.context.ForkServerContext) -> None:
    """Start the fork server, with one thread a library, as the pool's own."""
    context.set_forkserver_preload(_PRELOAD)
    before = {name: os.environ.get(name) for name in _ONE_THREAD}
    os.environ.update(dict.fromkeys(_ONE_THREAD, "1"))
    try:
        forkserver.ensure_running()
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def start_pool(boot: dict[str, Any], descriptor: int) -> PoolServer:
    """Start a pool's fork server, in the place of `pixmill.pool.process._start`."""
    context = multiprocessing.get_context("forkserver")
    _ensure_server(context)
    process = context.Process(
        target=_be_pool_server, args=(boot, dict(os.environ), _Streams([descriptor]))
    )
    process.start()
    return PoolServer(process)


def _be_pool_server(boot: dict[str, Any], env: dict[str, str], streams: list[int]) -> None:
    os.environ.clear()
    os.environ.update(env)
    sys.path[:] = boot.pop("path")
    pool_forkserver.main(**{**boot, "control_fd": streams[0]})


class PoolServer:
    """A process, as `pixmill.pool.process` wants it."""

    def __init__(self, process: multiprocessing.process.BaseProcess) -> None:
        self._process = process
        self.pid = process.pid or 0

    def wait(self, timeout: float | None = None) -> None:
        """Wait for its end. Raises subprocess.TimeoutExpired."""
        self._process.join(timeout)
        if self._process.is_alive():
            raise subprocess.TimeoutExpired("fork server", timeout or 0)

    def kill(self) -> None:
        """End it by SIGKILL."""
        self._process.kill()


def _be_command(
    arguments: list[str], cwd: str, env: dict[str, str], streams: list[int], data_file: str
) -> None:
    os.setsid()
    for place, descriptor in enumerate(streams):
        os.dup2(descriptor, place)
        os.close(descriptor)
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(env)
    sys.stdin = os.fdopen(0, closefd=False)
    sys.stdout = os.fdopen(1, "w", closefd=False)
    sys.stderr = os.fdopen(2, "w", buffering=1, errors="backslashreplace", closefd=False)
    sys.argv = ["pixmill", *arguments]

    waiting = _WaitingServer()
    start = process._start
    process._start = lambda boot, descriptor: (
        waiting.start(boot, descriptor) or start(boot, descriptor)
    )
    with _measured(data_file):
        main()


@contextmanager
def _measured(data_file: str) -> Iterator[None]:
    """Measure coverage into a file beside `data_file`, unless that is empty."""
    if not data_file:
        yield
        return
    tracing.trace_patiently()
    measure = coverage.Coverage(data_file, data_suffix=True, config_file=str(_CONFIG))
    # That modules are loaded already is known: the tests measure what loading them runs.
    measure.set_option("run:disable_warnings", ["module-not-measured", "no-data-collected"])
    measure.start()
    try:
        yield
    finally:
        measure.stop()
        measure.save()


class _WaitingServer:
    """The fork server of a command's first pool: forked before the command has threads."""

    def __init__(self) -> None:
        ours, theirs = socket.socketpair()
        self._pid = os.fork()
        if not self._pid:
            ours.close()
            _be_fork_server(theirs)
        theirs.close()
        self._ours: socket.socket | None = ours

    def start(self, boot: dict[str, Any], descriptor: int) -> _Server | None:
        """Let it begin; None if it has begun before."""
        if self._ours is None:
            return None
        with self._ours as ours:
            socket.send_fds(ours, [json.dumps([boot, dict(os.environ)]).encode()], [descriptor])
        self._ours = None
        return _Server(self._pid)


def _be_fork_server(theirs: socket.socket) -> NoReturn:
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    with theirs:
        told, descriptors, _, _ = socket.recv_fds(theirs, _BOOT_BYTES, 1)
    if told:
        boot, env = json.loads(told)
        os.environ.clear()
        os.environ.update(env)
        sys.path[:] = boot.pop("path")
        pool_forkserver.main(**{**boot, "control_fd": descriptors[0]})
    os._exit(0)


class _Server:
    """A child process, as `pixmill.pool.process` wants it."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._ended = threading.Event()
        threading.Thread(target=self._reap, daemon=True).start()

    def _reap(self) -> None:
        os.waitpid(self.pid, 0)
        self._ended.set()

    def wait(self, timeout: float | None = None) -> None:
        if not self._ended.wait(timeout):
            raise subprocess.TimeoutExpired("fork server", timeout or 0)

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)
