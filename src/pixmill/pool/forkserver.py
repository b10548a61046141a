"""The fork server process: preloads once, forks workers, tells how they ended.

Owns starting and reaping of workers. It is single-threaded and never runs the function, so it is
always at hand. multiprocessing's own fork server is not used: it imports the caller's main module
again in every child, which runs a script that has no `__main__` guard anew; it hides failures of
preloaded modules; it is one for the whole process; and it does not end what it started when the
parent dies.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import importlib
import os
import select
import signal
import socket
import sys
import traceback
import warnings
from typing import TYPE_CHECKING, Any

from pixmill.pool import wire, worker
from pixmill.pool.memory import forbid_core_dumps
from pixmill.pool.wire import Frame, Kind, Request

if TYPE_CHECKING:
    from collections.abc import Sequence

# The parent alone decides when its helpers end. A terminal sends SIGINT to the whole group and
# service managers send SIGTERM to every process of a service: a worker that obeyed would look like
# a crashed decoder while the parent is still finishing its work.
LEFT_TO_PARENT = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)

_PR_SET_PDEATHSIG = 1  # from linux/prctl.h


def main(control_fd: int, function_name: str, preload: Sequence[str], slot_bytes: int) -> None:
    """Serve the parent at the other end of `control_fd` until it is gone.

    `function_name` is `module:qualified.name`. A failure to import it or a module of `preload` is
    told to the parent as BROKEN, with the traceback.
    """
    _settle()
    try:
        function = _load(function_name, preload)
    except BaseException:  # noqa: BLE001 - a module may call sys.exit
        Frame(Kind.BROKEN, body=traceback.format_exc().encode()).write(control_fd)
        return
    _Server(socket.socket(fileno=control_fd), function, slot_bytes).run()


def find(function_name: str) -> Any:
    """Import what `module:qualified.name` names. Raises ImportError or AttributeError."""
    module, _, qualified = function_name.partition(":")
    found: Any = importlib.import_module(module)
    for part in qualified.split("."):
        found = getattr(found, part)
    return found


def _settle() -> None:
    for number in LEFT_TO_PARENT:
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, LEFT_TO_PARENT)
    forbid_core_dumps()
    with contextlib.suppress(OSError):  # standard error may be closed
        os.dup2(2, 1)  # what a decoder prints must not end in a table on standard output
    # Libraries' threads that exist at the fork (BLAS) are not used by workers.
    warnings.filterwarnings("ignore", ".*multi-threaded.*fork", DeprecationWarning)


def _load(function_name: str, preload: Sequence[str]) -> worker.Function:
    for name in preload:
        importlib.import_module(name)
    function: worker.Function = find(function_name)
    # Collections in workers would write to every object's header and so copy pages that are shared.
    gc.collect()
    gc.freeze()
    return function


class _Server:
    def __init__(self, control: socket.socket, function: worker.Function, slot_bytes: int) -> None:
        self._control = control
        self._function = function
        self._slot_bytes = slot_bytes
        self._tokens: dict[int, int] = {}  # by pid, of children not yet reaped
        self._wake_r, self._wake_w = os.pipe()
        os.set_blocking(self._wake_r, False)
        os.set_blocking(self._wake_w, False)

    def run(self) -> None:
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self._wake_w, warn_on_full_buffer=False)
        ready = select.poll()  # not epoll: a child would share it
        ready.register(self._control, select.POLLIN)
        ready.register(self._wake_r, select.POLLIN)
        with contextlib.suppress(ConnectionError):
            while True:
                descriptors = [descriptor for descriptor, _ in ready.poll()]
                if self._wake_r in descriptors:
                    self._reap()
                if self._control.fileno() in descriptors and not self._obey():
                    break
        for pid in self._tokens:  # a hanging worker would not see that the parent is gone
            os.kill(pid, signal.SIGKILL)
        for pid in self._tokens:
            os.waitpid(pid, 0)

    def _obey(self) -> bool:
        raw, descriptors, _, _ = socket.recv_fds(
            self._control, wire.REQUEST_BYTES, wire.WORKER_DESCRIPTORS
        )
        if not raw:
            return False
        request = Request.unpack(raw)
        if request.kind is Kind.START:
            self._start(request.token, descriptors)
        else:
            # Only children not yet reaped are in the table, so the pid can not be anybody else's.
            for pid in [pid for pid, token in self._tokens.items() if token == request.token]:
                os.kill(pid, signal.SIGKILL)
        return True

    def _start(self, token: int, descriptors: list[int]) -> None:
        server = os.getpid()
        try:
            pid = os.fork()
        except OSError:
            pid = -1
        if pid == 0:
            self._become_worker(server, descriptors)
        for descriptor in descriptors:
            os.close(descriptor)
        if pid < 0:
            self._tell_exit(token, 1)
        else:
            self._tokens[pid] = token

    def _become_worker(self, server: int, descriptors: list[int]) -> None:
        status = 1
        try:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            _die_with(server)
            self._control.close()
            os.close(self._wake_r)
            os.close(self._wake_w)
            worker.serve(worker.open_inbox(descriptors, self._slot_bytes), self._function)
            status = 0
        except (BrokenPipeError, SystemExit):
            pass  # the parent is gone, or the function called sys.exit
        except BaseException:  # noqa: BLE001 - nothing may return into the fork server's code
            traceback.print_exc()
        finally:
            os._exit(status)

    def _reap(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.read(self._wake_r, 4096)
        while self._tokens:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                break
            if (token := self._tokens.pop(pid, None)) is not None:
                self._tell_exit(token, os.waitstatus_to_exitcode(status))

    def _tell_exit(self, token: int, code: int) -> None:
        Frame(Kind.EXITED, token, code).write(self._control.fileno())


def _die_with(server: int) -> None:
    """Have the kernel end this process when the fork server ends, where it can (Linux)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != server:
            os._exit(1)
