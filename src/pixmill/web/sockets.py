"""The sockets a service listens on: which addresses, which port, and what to say where it fails.

Owns binding; what is served on the sockets is `server.py`'s.
"""

from __future__ import annotations

import errno
import socket
from contextlib import ExitStack

from pixmill.errors import RunError

LOOPBACK = ("127.0.0.1", "::1")

# Connections the system may hold while all are busy; the kernel caps it at its own limit.
_BACKLOG = 1024
# A port free in one family may be taken in the other.
_ATTEMPTS = 20
_NO_SUCH_FAMILY = {errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL, errno.EPROTONOSUPPORT}


def open_sockets(host: str | None, port: int) -> list[socket.socket]:
    """Listen on `host` (None: 127.0.0.1 and, where the machine has it, ::1) at `port`.

    Port 0 takes a free one, the same for all addresses; `::` listens to IPv4 too. Raises RunError
    where the port is taken or not allowed, or the address is not this machine's.
    """
    for attempt in range(_ATTEMPTS):
        try:
            return _open_all(host, port)
        except ValueError as error:  # no name at all: it is too long, or holds a null
            raise RunError(f"{host!r} is no address; name another with --host") from error
        except OSError as error:
            again = port == 0 and error.errno == errno.EADDRINUSE
            if not again or attempt == _ATTEMPTS - 1:
                raise _refusal(error, host, port) from error
    raise AssertionError("the last attempt returns or raises")


def listening_urls(sockets: list[socket.socket]) -> list[str]:
    """Return the base URL of each socket, without a slash at its end."""
    return [_url(sock) for sock in sockets]


def _url(sock: socket.socket) -> str:
    host, port = sock.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _open_all(host: str | None, port: int) -> list[socket.socket]:
    with ExitStack() as opened:
        sockets: list[socket.socket] = []
        for address in _addresses(host):
            if sockets:
                port = sockets[0].getsockname()[1]
            try:
                sock = _open(address, port)
            except OSError as error:
                if host is None and sockets and error.errno in _NO_SUCH_FAMILY:
                    continue  # a machine without IPv6
                raise
            sockets.append(opened.enter_context(sock))
        opened.pop_all()
        return sockets


def _addresses(host: str | None) -> list[str]:
    if host is None:
        return list(LOOPBACK)
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


def _open(address: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    # With its protocol named, asyncio sets TCP_NODELAY on what it accepts; else each answer on a
    # kept connection waits some 40 ms for the client's kernel.
    sock = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        # Else a restart waits for connections of the run before to time out.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if sock.family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, address != "::")
        sock.bind((address, port))
        sock.listen(_BACKLOG)
        sock.settimeout(0)
    except BaseException:
        sock.close()
        raise
    return sock


def _refusal(error: OSError, host: str | None, port: int) -> RunError:
    where = host or "this machine"
    if error.errno == errno.EADDRINUSE:
        return RunError(f"port {port} of {where} is taken; name another with --port")
    if error.errno == errno.EACCES:
        return RunError(f"port {port} may not be opened by this user; name another with --port")
    if isinstance(error, socket.gaierror) or error.errno == errno.EADDRNOTAVAIL:
        return RunError(f"{where} is no address of this machine; name another with --host")
    return RunError(f"the service can not listen on port {port} of {where}: {error.strerror}")
