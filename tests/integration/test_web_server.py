"""The server on real sockets: where it listens, how it ends, how many it takes on."""

import contextlib
import signal
import socket
import threading
import time

import pytest

from pixmill.errors import RunError
from pixmill.settings import load_settings
from pixmill.web import sockets
from pixmill.web.access import Log
from pixmill.web.server import Server, ServerLimits
from tests.integration.web_serving import (
    MIB,
    make_app,
    read_answer,
    read_to_end,
    serving,
    serving_process,
)

HELLO = b"GET /hello HTTP/1.1\r\nHost: x\r\n\r\n"


def has_ipv6():
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET6) as probe:
        probe.bind(("::1", 0))
        return True
    return False


needs_ipv6 = pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6")


@needs_ipv6
def test_both_families_answer_on_one_port():
    with serving() as service:
        assert service.server.urls == [
            f"http://127.0.0.1:{service.port}",
            f"http://[::1]:{service.port}",
        ]
        for host in ("127.0.0.1", "::1"):
            with socket.create_connection((host, service.port), timeout=30) as sock:
                sock.sendall(HELLO)
                assert sock.recv(100).startswith(b"HTTP/1.1 200")


def test_a_machine_without_ipv6_listens_on_the_other(monkeypatch):
    monkeypatch.setattr(sockets, "LOOPBACK", ("127.0.0.1", "2001:db8::1"))
    (only,) = sockets.open_sockets(None, 0)
    with only:
        assert only.getsockname()[0] == "127.0.0.1"


@needs_ipv6
def test_all_addresses_of_both_families_are_one_socket():
    (sock,) = sockets.open_sockets("::", 0)
    with sock, socket.create_connection(("127.0.0.1", sock.getsockname()[1]), timeout=5):
        assert sockets.listening_urls([sock]) == [f"http://[::]:{sock.getsockname()[1]}"]


@pytest.mark.parametrize("host", ["127.0.0.1", pytest.param("::1", marks=needs_ipv6)])
def test_a_taken_port_is_one_sentence_that_names_the_flag(host):
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as other:
        other.bind((host, 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(RunError) as caught:
            sockets.open_sockets(None, port)
    assert str(caught.value) == f"port {port} of this machine is taken; name another with --port"


@pytest.mark.parametrize("host", ["192.0.2.1", "2001:db8::1", "a" * 300, "a\0b", "fe80::1%nosuch"])
def test_an_address_of_elsewhere_is_one_sentence_that_names_the_flag(host):
    with pytest.raises(RunError, match=r"is no address.*; name another with --host"):
        sockets.open_sockets(host, 0)


def test_sockets_of_a_refused_start_are_closed():
    """The first of two addresses is not held where the second is taken."""
    with socket.socket() as other:
        other.bind(("127.0.0.2", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sockets, "LOOPBACK", ("127.0.0.1", "127.0.0.2"))
            with pytest.raises(RunError):
                sockets.open_sockets(None, port)
        with socket.socket() as again:
            again.bind(("127.0.0.1", port))
            again.listen()


def test_a_start_that_fails_raises_its_own_error(capfd):
    @contextlib.asynccontextmanager
    async def failing(app):
        raise RunError("the catalog is of a newer pixmill")
        yield

    log = Log("text")
    server = Server(make_app(log, lifespan=failing), settings=load_settings(port=0), log=log)
    with pytest.raises(RunError, match="newer pixmill"):
        server.serve()
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_lets_the_running_request_finish(stop):
    with serving_process() as (process, port), socket.create_connection(("127.0.0.1", port)) as one:
        one.sendall(b"GET /slow?s=1 HTTP/1.1\r\nHost: x\r\n\r\n")
        time.sleep(0.5)
        process.send_signal(stop)
        assert read_to_end(one).endswith(b"finished")
        assert process.wait(30) == 0
        assert process.stdout.read() == f"cleaned up\nended by {stop.value}\n"


def test_a_request_that_outlasts_the_bound_is_told_to_come_back():
    with (
        serving_process("1") as (process, port),
        socket.create_connection(("127.0.0.1", port)) as one,
    ):
        one.sendall(b"GET /slow?s=600 HTTP/1.1\r\nHost: x\r\n\r\n")
        time.sleep(0.5)
        process.terminate()
        answer = read_to_end(one)
        assert answer.startswith(b"HTTP/1.1 503")
        assert b"retry-after: 5" in answer
        assert process.wait(30) == 0
        assert "Traceback" not in process.stderr.read()


@pytest.mark.parametrize("path", ["/slow?s=600", "/stubborn"])
def test_the_second_signal_ends_at_once(path):
    """Also where a request does not let itself be canceled; the first one waits for 25 s."""
    with serving_process() as (process, port), socket.create_connection(("127.0.0.1", port)) as one:
        one.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        time.sleep(0.5)
        process.terminate()
        time.sleep(0.5)
        assert process.poll() is None
        process.terminate()
        process.wait(15)
        assert read_to_end(one) == b""


def test_connections_over_the_limit_are_told_so_and_further_ones_cut():
    limits = ServerLimits(connections=1, refused=1, stop_s=1)
    with serving(limits=limits) as service:
        with service.connect() as first:
            first.sendall(HELLO)
            assert read_answer(first).startswith(b"HTTP/1.1 200")
            with service.connect() as second:
                second.sendall(HELLO[:10])
                with service.connect() as third:
                    assert read_to_end(third) == b""
                second.sendall(HELLO[10:])
                told = read_to_end(second)
            first.sendall(HELLO)
            assert read_answer(first).startswith(b"HTTP/1.1 200")
        assert told.startswith(b"HTTP/1.1 503")
        assert b"retry-after: 2\r\n" in told
        assert b"content-security-policy: " in told
        assert b'"code": "overloaded"' in told
        assert [line["status"] for line in service.lines("refused", 2)] == [0, 503]
        text, _ = service.metrics.render()
        assert b'pixmill_refused_connections_total{status="503"} 1.0' in text


def test_two_hundred_clients_at_once_all_get_an_answer():
    with serving() as service:
        statuses = []

        def ask():
            statuses.append(service.request("GET", "/hello")[0])

        threads = [threading.Thread(target=ask) for _ in range(200)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert statuses == [200] * 200


@pytest.mark.soak
@pytest.mark.parametrize("path", ["/deny", "/swallow"])
def test_two_gigabytes_in_chunks_are_refused_with_flat_memory(path):
    """One route answers without reading, the other reads until the limit is passed."""
    psutil = pytest.importorskip("psutil")
    with serving_process() as (process, port), socket.create_connection(("127.0.0.1", port)) as one:
        one.settimeout(30)
        before = psutil.Process(process.pid).memory_info().rss
        head = f"POST {path} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        one.sendall(head.encode())
        piece = b"100000\r\n" + bytes(MIB) + b"\r\n"
        sent = 0
        with contextlib.suppress(ConnectionError):
            while sent < 2048:
                one.sendall(piece)
                sent += 1
        after = psutil.Process(process.pid).memory_info().rss
        assert sent < 64
        assert after - before < 16 * MIB
        with contextlib.suppress(ConnectionError):
            answer = one.recv(65536)
            assert answer.startswith(b"HTTP/1.1 4")
            assert b"connection: close" in answer
