"""What an error of the S3 client means: its cause in a few words, and what to do.

The client tells by class little more than "not found" and "denied"; the rest is in its text. That
text is never shown, and no error of ours has the client's as its cause: an answer of S3 may hold
the request's own headers, of which one is a session's token.
"""

from __future__ import annotations

import re
from typing import NamedTuple

NO_SUCH_KEY = "NoSuchKey"
_KEPT = "nothing that was kept is lost"
GO_ON = f"{_KEPT}: mend the cause, and go on"
_RIGHTS = "its keys have to list, read, write and delete there"
_KEYS = "look at PIXMILL_S3_ACCESS_KEY and PIXMILL_S3_SECRET_KEY, or what AWS_… says"

_CODE = re.compile(r"<Code>(\w{1,80})</Code>")
_STATUS = re.compile(r"non-2xx status code: ([0-9]{3})")
# A name and password before the host are of no concern to anybody.
_SERVER = re.compile(r"Error performing [A-Z]+ (https?://)(?:[^/\s]*@)?([^/\s?@]{1,300})")
_WANTED_REGION = re.compile(r"<Region>([\w-]{1,40})</Region>")
_NO_KEYS = re.compile(
    r"/latest/(?:api|meta-data)/|//169\.254\.170\.|Action=AssumeRole|Missing(?:Secret)?AccessKey"
)
_REFUSED_KEYS = {
    "AuthFailure", "ExpiredToken", "InvalidAccessKeyId", "InvalidSecurity", "InvalidToken",
    "SignatureDoesNotMatch", "UnrecognizedClientException", "XAdminUserNotFound",
}  # fmt: skip


class Failure(NamedTuple):
    """Why something can not be done, and what helps."""

    cause: str
    remedy: str = GO_ON


def code_of(error: BaseException) -> str | None:
    """Return the code of S3's own answer, such as `NoSuchKey`; None where it gave none."""
    found = _CODE.search(str(error))
    return found[1] if found else None


def is_answer(error: BaseException) -> bool:
    """Tell whether S3 answered, if only to refuse."""
    return _STATUS.search(str(error)) is not None


def failure_of(error: BaseException) -> Failure:
    """Tell what an error of the client means."""
    text, code = str(error), code_of(error)
    if _NO_KEYS.search(text):
        return Failure("it was given no keys", f"set them: {_KEYS}")
    if code == "NoSuchBucket":
        return Failure("there is no such bucket", "make it, or let PIXMILL_BLOBS name another")
    if code in _REFUSED_KEYS:
        return Failure(f"its keys are refused ({code})", _KEYS)
    if code == "RequestTimeTooSkewed":
        return Failure("the clock of this machine is wrong", "set it, and go on")
    if region := _WANTED_REGION.search(text):
        return Failure(f"its region is {region[1]}", "let PIXMILL_S3_REGION say so")
    return _of_status(text, code) or _of_connection(text)


def _of_status(text: str, code: str | None) -> Failure | None:
    found = _STATUS.search(text)
    if found is None:
        return None
    status, server = int(found[1]), _server(text)
    told = f"{status}, {code}" if code else str(status)
    if status in {401, 403}:
        return Failure(f"access is denied ({told})", f"{_RIGHTS}: {_KEYS}")
    if status in {301, 302, 307, 308}:
        return Failure("its bucket is in another region", "let PIXMILL_S3_REGION name that")
    if status == 404:
        return Failure(f"{server} has no S3 there ({told})", "look at PIXMILL_S3_ENDPOINT")
    return Failure(f"{server} answers with an error ({told})")


def _of_connection(text: str) -> Failure:
    server = _server(text)
    if "certificate" in text.lower():
        return Failure(
            f"the certificate of {server} is not trusted",
            "let SSL_CERT_FILE name who vouches for it",
        )
    if "kind: Timeout" in text or "TimedOut" in text:
        return Failure(f"{server} does not answer in time")
    if "kind: Connect" in text:
        return Failure(
            f"{server} can not be reached", f"look at PIXMILL_S3_ENDPOINT, or wait; {_KEPT}"
        )
    if "BadScheme" in text or "builder error" in text:
        return Failure("its endpoint is no https:// or http:// URL", "mend PIXMILL_S3_ENDPOINT")
    if "kind: " in text:
        return Failure(f"the connection to {server} broke")
    return Failure("its answer can not be understood")


def _server(text: str) -> str:
    found = _SERVER.search(text)
    return found[1] + found[2] if found else "it"
