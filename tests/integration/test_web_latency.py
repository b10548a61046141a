"""Answers on a kept connection leave at once."""

import socket

from pixmill.web.sockets import open_sockets


def test_what_is_accepted_does_not_wait_to_fill_packets():
    """asyncio sets TCP_NODELAY only where a listening socket names its protocol."""
    sockets = open_sockets(None, 0)
    try:
        assert {sock.proto for sock in sockets} == {socket.IPPROTO_TCP}
    finally:
        for sock in sockets:
            sock.close()
