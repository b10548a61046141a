"""The types of settings written in a way of their own: sizes, networks, lists, places, names."""

from __future__ import annotations

import re
from fractions import Fraction
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator
from pydantic_settings import NoDecode

_SIZE = re.compile(r"([0-9]{1,20}(?:\.[0-9]{1,20})?)\s*([KMGT]?)(?:i?B)?", re.IGNORECASE)
_NAME = re.compile(r"[A-Za-z0-9._-]{1,100}")
_UNITS = {"": 0, "K": 10, "M": 20, "G": 30, "T": 40}


def parse_size(value: object) -> object:
    """Turn `512M`, `1G` or `1.5 GiB` into bytes (binary multiples); other types pass unchanged.

    Raises ValueError where a text is no size.
    """
    if not isinstance(value, str):
        return value
    match = _SIZE.fullmatch(value.strip())
    if match is None:
        raise ValueError("this is no size; write 512M or 1G")
    return int(Fraction(match[1]) * 2 ** _UNITS[match[2].upper()])


def _networks(value: object) -> object:
    if isinstance(value, str):
        value = [part.strip() for part in value.split(",") if part.strip()]
    if not isinstance(value, list | tuple):
        return value
    return tuple(ip_network(part) if isinstance(part, str) else part for part in value)


def _words(value: object) -> object:
    if not isinstance(value, str):
        return value
    return tuple(part.strip() for part in value.split(",") if part.strip())


def _place(value: object) -> object:
    """Tell a URL from a folder; what it means is read where it is used."""
    return Path(value) if isinstance(value, str) and "://" not in value else value


def _header_text(value: str) -> str:
    if not (value.isascii() and value.isprintable()):
        raise ValueError("only printable ASCII can stand in a header")
    return value


def _name(value: str) -> str:
    if not _NAME.fullmatch(value):
        raise ValueError("a worker's name is 1 to 100 letters, digits, dots, dashes and _")
    return value


Words = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_words)]
Size = Annotated[int, BeforeValidator(parse_size)]
Networks = Annotated[tuple[IPv4Network | IPv6Network, ...], NoDecode, BeforeValidator(_networks)]
Place = Annotated[Path | str, BeforeValidator(_place)]
HeaderText = Annotated[str, AfterValidator(_header_text)]
WorkerName = Annotated[str, AfterValidator(_name)]
