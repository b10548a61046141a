"""Foreign exceptions to pixmill's own: the one place that reads aiohttp's and the system's."""

from __future__ import annotations

import copy

import aiohttp
from aiohttp.http_exceptions import HttpProcessingError

from pixmill.errors import ConnectFailed, FetchError, FetchTimeout, TlsFailed, TruncatedBody

# Everything that a request or the reading of its answer may end in, apart from defects.
EXPECTED = (aiohttp.ClientError, HttpProcessingError, OSError, FetchError)


def failure_of(error: Exception, *, answered: bool) -> FetchError:
    """Translate one of `EXPECTED`; `answered` is whether the answer's headers had arrived.

    An own error comes back as a copy, since all who wait for one name are given the same one.
    """
    match error:
        case FetchError():
            return copy.copy(error)
        case aiohttp.SocketTimeoutError():
            return FetchTimeout("the server sent nothing for too long")
        case TimeoutError():
            return FetchTimeout("connecting took too long")
        case aiohttp.ClientConnectorCertificateError():
            return TlsFailed(f"the certificate is not trusted: {_reason(error.certificate_error)}")
        case aiohttp.ClientConnectorSSLError():
            return TlsFailed(f"the TLS handshake failed: {_reason(error.os_error)}")
    return TruncatedBody("the body ended before its end") if answered else _no_answer(error)


def _no_answer(error: Exception) -> ConnectFailed:
    match error:
        case aiohttp.ClientConnectorError():
            return ConnectFailed(f"no connection: {_reason(error.os_error)}")
        case aiohttp.ServerDisconnectedError():
            return ConnectFailed("the server closed the connection without an answer")
        case OSError():
            return ConnectFailed(f"the connection broke before an answer: {_reason(error)}")
    return ConnectFailed("the server did not answer in HTTP")


def _reason(error: BaseException) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__
