"""Every error of pixmill, in one tree.

An item of a list that fails (a URL that does not answer, a file that is no image) ends as data: an
`ItemError` whose `code` is stable and stands alike in files, API, database and metrics. What stops
a whole run is a `RunError`. Nothing here knows of HTTP answers or exit codes; those are mapped at
the edge.

    PixmillError
    ├── ItemError                      one image failed, the run goes on
    │   ├── FetchError
    │   │   ├── InvalidUrl             invalid_url
    │   │   ├── BlockedAddress         blocked_address
    │   │   ├── DnsFailed              dns_failed           retryable unless the name does not exist
    │   │   ├── ConnectFailed          connect_failed       retryable
    │   │   ├── TlsFailed              tls_failed
    │   │   ├── FetchTimeout           timeout              retryable
    │   │   ├── HttpError              http_error           retryable for 408, 425, 429 and 5xx
    │   │   ├── TooManyRedirects       too_many_redirects
    │   │   ├── TooManyBytes           too_many_bytes
    │   │   └── TruncatedBody          truncated_body       retryable
    │   ├── ImageError
    │   │   ├── UnsupportedFormat      unsupported_format
    │   │   ├── CorruptImage           corrupt_image
    │   │   ├── TooManyPixels          too_many_pixels
    │   │   ├── OutOfMemory            out_of_memory
    │   │   ├── DecoderCrashed         decoder_crashed
    │   │   └── DecoderTimeout         decoder_timeout
    │   ├── Md5Collision               md5_collision        of what is to be archived
    │   ├── NotKept                    not_found            of what is to be had from the archive
    │   └── InternalError              internal
    └── RunError                       the run can not go on
        ├── UsageError                 an option or argument makes no sense
        ├── InputError                 the list or file can not be read
        ├── OutputError                the table can not be written
        ├── ResumeRefused              what stands on disk does not belong to this command
        ├── OutputLocked               another run writes this output
        └── MissingExtra               an optional dependency is not installed
"""

from __future__ import annotations

from typing import ClassVar


class PixmillError(Exception):
    """Root of the tree; `str()` of any of them is a sentence that may be shown to users."""


class ItemError(PixmillError):
    """One image failed.

    `code` is the stable word for the cause, `retryable` whether trying again may help.
    `http_status` is the status of the answer the failure came from (None where there was none) and
    `attempts` how many requests were made; the fetcher fills both in.
    """

    code: ClassVar[str] = "internal"
    retryable: bool = False

    def __init__(self, message: str, *, http_status: int | None = None, attempts: int = 0) -> None:
        super().__init__(message)
        self.http_status = http_status
        self.attempts = attempts

    @property
    def message(self) -> str:
        """The sentence for users."""
        return str(self)

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle with all fields, so that an error crosses from a worker process unchanged."""
        return (_rebuild, (type(self), str(self), self.__dict__.copy()))


def _rebuild(kind: type[ItemError], message: str, state: dict[str, object]) -> ItemError:
    error = kind.__new__(kind)
    error.args = (message,)
    error.__dict__.update(state)
    return error


class FetchError(ItemError):
    """No body could be had from a URL."""


class InvalidUrl(FetchError):
    """The text is no http or https URL that may be fetched."""

    code = "invalid_url"


class BlockedAddress(FetchError):
    """The URL leads to an address that may not be connected to.

    Not an OSError, on purpose: connecting swallows those and tries the name's next address.
    """

    code = "blocked_address"


class BlockedSource(BlockedAddress):
    """The URL is not one of those that may be fetched here."""


class DnsFailed(FetchError):
    """The host name did not resolve; `retryable` is False where it does not exist."""

    code = "dns_failed"

    def __init__(self, message: str, *, retryable: bool = True) -> None:
        super().__init__(message)
        self.retryable = retryable


class ConnectFailed(FetchError):
    """No connection, or it broke before an answer."""

    code = "connect_failed"
    retryable = True


class TlsFailed(FetchError):
    """The TLS handshake failed or the certificate is not trusted."""

    code = "tls_failed"


class FetchTimeout(FetchError):
    """A deadline passed: to connect, between two reads, for all attempts, or behind others.

    Behind others: it waited its turn, and its server answered nobody for as long as one URL has.
    """

    code = "timeout"
    retryable = True


class HttpError(FetchError):
    """The server answered with a status other than success.

    `retry_after_s` is the server's own wish in seconds, None without one.
    """

    code = "http_error"

    def __init__(
        self, message: str, *, http_status: int, retry_after_s: float | None = None
    ) -> None:
        super().__init__(message, http_status=http_status)
        self.retryable = http_status in {408, 425, 429} or 500 <= http_status <= 599
        self.retry_after_s = retry_after_s


class TooManyRedirects(FetchError):
    """More redirects than allowed, or a circle of them."""

    code = "too_many_redirects"


class TooManyBytes(FetchError):
    """The body is larger than the limit."""

    code = "too_many_bytes"


class TruncatedBody(FetchError):
    """The body ended before its end."""

    code = "truncated_body"
    retryable = True


class ImageError(ItemError):
    """The bytes could not be turned into pixels."""


class UnsupportedFormat(ImageError):
    """The bytes are of no image format that pixmill reads."""

    code = "unsupported_format"


class CorruptImage(ImageError):
    """Pixel data of the first frame are missing or unreadable."""

    code = "corrupt_image"


class TooManyPixels(ImageError):
    """The header promises more pixels than the limits or the memory allow."""

    code = "too_many_pixels"


class OutOfMemory(ImageError):
    """The decoder asked for more memory than it may have."""

    code = "out_of_memory"


class DecoderCrashed(ImageError):
    """The process that decoded the image died."""

    code = "decoder_crashed"


class DecoderTimeout(ImageError):
    """Decoding took longer than allowed and was stopped."""

    code = "decoder_timeout"


class Md5Collision(ItemError):
    """The archive has another file with this MD5."""

    code = "md5_collision"


class NotKept(ItemError):
    """The archive has no original of the image, or not any more."""

    code = "not_found"


class InternalError(ItemError):
    """A defect of pixmill itself; the run goes on without the item."""

    code = "internal"


class RunError(PixmillError):
    """The run can not go on; the message says why and what to do."""


class UsageError(RunError):
    """An option or an argument makes no sense."""


class InputError(RunError):
    """The input can not be read."""


class OutputError(RunError):
    """What is to be kept can not be: a table, a temporary file, the cache, the catalog."""


class ResumeRefused(RunError):
    """What stands on disk does not belong to this command."""


class OutputLocked(RunError):
    """Another run is writing the same output."""


class JobStalled(RunError):
    """Shards of a job are dead: each killed the workers that did it."""


class MissingExtra(RunError):
    """An optional dependency is not installed."""

    def __init__(self, what: str, extra: str) -> None:
        super().__init__(f"{what} needs an extra: pip install 'pixmill[{extra}]'")
