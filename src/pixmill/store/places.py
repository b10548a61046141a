"""Where the store lies: the databases of catalog and archive, and the place of files.

Owns what the settings say of these and how a URL of S3 is read. Nothing is opened here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from pixmill.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from pydantic import SecretStr

    from pixmill.settings import Settings

_S3 = "s3://"
_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,61}[A-Za-z0-9]")
_PREFIX = re.compile(r"(?:[A-Za-z0-9_-][A-Za-z0-9._-]*(?:/(?!$)|$))*")
_FORM = "s3://BUCKET/PREFIX, of letters, digits, and . _ - within names"


@dataclass(frozen=True, slots=True)
class S3Keys:
    """What signs requests. Never shown, not even where somebody prints it."""

    access_key: str = field(repr=False)
    secret_key: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class S3Place:
    """A part of a bucket, and how it is reached.

    What is None is as the environment has it (`AWS_…`), or the machine that this runs on.
    """

    bucket: str
    prefix: str = ""
    endpoint: str | None = None
    region: str | None = None
    keys: S3Keys | None = None

    def __str__(self) -> str:
        return f"{_S3}{self.bucket}" + (f"/{self.prefix}" if self.prefix else "")


class Where(NamedTuple):
    """The URLs of archive and catalog, the place of files, and the data folder.

    None is the default of each: the archive in the catalog, and all in the data folder.
    """

    archive: str | None
    catalog: str | None
    blobs: Path | S3Place | None
    data: Path


def where(settings: Settings) -> Where:
    """Read the settings. Raises UsageError for a place of files that makes no sense."""
    blobs = settings.blobs
    place = _s3_place(blobs, settings) if isinstance(blobs, str) else blobs
    return Where(settings.archive, settings.catalog, place, settings.data)


def _s3_place(url: str, settings: Settings) -> S3Place:
    """Read a URL, of which no more than its scheme is told: it may hold a password."""
    if not url.startswith(_S3):
        raise UsageError(
            f"the place of files is a folder, or begins with {_S3}, not with "
            f"{url.partition(':')[0][:40]!a}"
        )
    bucket, _, prefix = url.removeprefix(_S3).partition("/")
    prefix = prefix.rstrip("/")
    if not (_BUCKET.fullmatch(bucket) and _PREFIX.fullmatch(prefix)):
        raise UsageError(f"the place of files is a folder, or {_FORM}")
    return S3Place(
        bucket,
        prefix,
        endpoint=_endpoint(settings.s3_endpoint),
        region=settings.s3_region,
        keys=_keys(settings.s3_access_key, settings.s3_secret_key),
    )


def _endpoint(url: str | None) -> str | None:
    if url is None:
        return None
    try:
        parts = urlsplit(url)
        well = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:  # no port, or no address
        well = False
    if not well or "@" in parts.netloc or parts.query or parts.fragment or not url.isprintable():
        raise UsageError("s3_endpoint is a URL such as https://s3.example.org, with no name in it")
    return url.rstrip("/")


def _keys(access: SecretStr | None, secret: SecretStr | None) -> S3Keys | None:
    if access is None and secret is None:
        return None
    if access is None or secret is None:
        raise UsageError("s3_access_key and s3_secret_key go together: set both, or neither")
    return S3Keys(access.get_secret_value(), secret.get_secret_value())
