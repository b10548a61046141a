"""What a URL of a list means: scheme, host, port and what goes out on the wire. Pure.

The host is brought to the one form that is both checked and connected to, as browsers do (WHATWG
URL Standard, sections 3.5 "host parsing" and "IPv4 parser"; UTS #46 for names), so that no spelling
of an address slips past the rule of `address.py`. Path and query go out as given; only what can not
stand on the wire is percent-encoded. What is unclear is refused: credentials, control characters,
backslashes, zone identifiers, percent signs in a host.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from typing import TYPE_CHECKING, Protocol
from urllib.parse import quote_from_bytes, urljoin

import idna

from pixmill.errors import InvalidUrl

if TYPE_CHECKING:
    from pixmill.fetch.address import IPAddress

MAX_URL_CHARS = 32_768  # far above what servers take (8 KiB as a rule)

_DEFAULT_PORTS = {"http": 80, "https": 443}
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_SPLIT = re.compile(r"(?i:(https?))://([^/?#]*)([^#]*)")
_CREDENTIALS = re.compile(r"^([A-Za-z][A-Za-z0-9+.-]*://)[^/?#]*@")
_LABEL = re.compile(r"[a-z0-9_-]{1,63}")
_PLAIN_OCTET = re.compile(r"25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9]")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
# What may go out raw: everything visible in ASCII but the percent-encode sets of the URL Standard.
_PATH_SAFE = "!$%&'()*+,-./:;=@[\\]_|~"
_QUERY_SAFE = "!$%&()*+,-./:;=?@[\\]^_`{|}~"
_NOTHING_TO_ENCODE = re.compile(r"[A-Za-z0-9!$%&()*+,./:;=?@_|~-]*")


def without_password(url: str) -> str:
    """Return a URL without the name and password that it may hold, to be kept and shown."""
    return _CREDENTIALS.sub(r"\1", url)


@dataclass(frozen=True, slots=True)
class Target:
    """Where one request goes.

    `scheme` is `http` or `https`; `host` a lower-case ASCII name (a trailing dot kept), or an
    address in its canonical text without brackets; `ip` that address, None for a name; `path`
    begins with `/` and holds the query too, ready for the wire; `url` is all of it joined, the same
    text for the same target.
    """

    scheme: str
    host: str
    port: int
    path: str
    ip: IPAddress | None
    url: str = field(init=False)

    def __post_init__(self) -> None:
        host = f"[{self.host}]" if isinstance(self.ip, IPv6Address) else self.host
        port = "" if self.port == _DEFAULT_PORTS[self.scheme] else f":{self.port}"
        object.__setattr__(self, "url", f"{self.scheme}://{host}{port}{self.path}")

    @property
    def origin(self) -> tuple[str, str, int]:
        """Scheme, host and port: the server that limits and manners are kept for."""
        return (self.scheme, self.host.removesuffix("."), self.port)


class ReadAuthority(Protocol):
    """`read_authority`, or a memo of it."""

    def __call__(self, authority: str, scheme: str, /) -> tuple[str, int, IPAddress | None]:
        """Read host and port."""


def read_authority(authority: str, scheme: str) -> tuple[str, int, IPAddress | None]:
    """Read `host:port` to host, port and, where the host is an address, that address."""
    host_text, port = _split_authority(authority, _DEFAULT_PORTS[scheme])
    host, ip = _parse_host(host_text)
    return host, port, ip


def parse_url(text: str, read_authority: ReadAuthority = read_authority) -> Target:
    """Read an absolute http or https URL as given in a list; `InvalidUrl` where it is none."""
    text = text.strip(" \t")
    if len(text) > MAX_URL_CHARS:
        raise InvalidUrl(f"the URL is longer than {MAX_URL_CHARS} characters")
    if _CONTROL.search(text):
        raise InvalidUrl("the URL holds a control character")
    match = _SPLIT.match(text)
    if match is None:
        raise InvalidUrl("not an http or https URL")
    scheme = match[1].lower()
    host, port, ip = read_authority(match[2], scheme)
    return Target(scheme, host, port, _wire_path(match[3]), ip)


def resolve_redirect(base: Target, location: str) -> Target:
    """Resolve a `Location` header (RFC 9110, section 10.2.2); `InvalidUrl` if it leads nowhere."""
    try:
        joined = urljoin(base.url, location.strip(" \t"))
    except ValueError as error:
        raise InvalidUrl("the server redirects to something that is no URL") from error
    return parse_url(joined)


def _split_authority(authority: str, default_port: int) -> tuple[str, int]:
    if "@" in authority:
        raise InvalidUrl("credentials in a URL are not accepted")
    if authority.startswith("["):
        host, bracket, rest = authority.partition("]")
        host += bracket
    else:
        host, colon, port = authority.partition(":")
        rest = colon + port
    if rest in {"", ":"}:
        return host, default_port
    digits = rest[1:].lstrip("0")
    if rest[0] != ":" or not re.fullmatch(r"[0-9]{1,5}", digits) or int(digits) > 65_535:
        raise InvalidUrl("the port is not a number from 1 to 65535")
    return host, int(digits)


def _parse_host(text: str) -> tuple[str, IPAddress | None]:
    if text.startswith("["):
        ip = _parse_ipv6(text)
        return str(ip), ip
    name = _ascii_name(text)
    labels = name.removesuffix(".").split(".")
    if _NUMBER.fullmatch(labels[-1]):
        ipv4 = _parse_ipv4(labels)
        return str(ipv4), ipv4
    if len(name) > 253 or not all(map(_LABEL.fullmatch, labels)):
        raise InvalidUrl("the host is not a valid name")
    return name, None


def _parse_ipv6(text: str) -> IPv6Address:
    inner = text[1:-1]
    if not text.endswith("]") or not inner.isascii() or "%" in inner:
        raise InvalidUrl("the host is not a valid IPv6 address")
    try:
        return IPv6Address(inner)
    except AddressValueError as error:
        raise InvalidUrl("the host is not a valid IPv6 address") from error


def _ascii_name(text: str) -> str:
    """UTS #46 mapping and Punycode, which also turn circled digits and ideographic stops to ASCII.

    The stricter checks of IDNA 2008 are left out, as browsers do: registries have let in emoji and
    underscores, and what a name may lead to is settled by address, not by spelling.
    """
    if text.isascii():
        return text.lower()
    try:
        mapped = idna.uts46_remap(text, std3_rules=False)
    except idna.IDNAError as error:
        raise InvalidUrl("the host is not a valid name") from error
    return ".".join(
        label if label.isascii() else "xn--" + label.encode("punycode").decode("ascii")
        for label in mapped.split(".")
    )


def _parse_ipv4(labels: list[str]) -> IPv4Address:
    """Read one to four parts, each decimal, octal or hexadecimal, as the URL Standard does."""
    if len(labels) == 4 and all(map(_PLAIN_OCTET.fullmatch, labels)):
        return IPv4Address(".".join(labels))  # nearly all there are; the rest is for the others
    numbers = [_ipv4_number(label) for label in labels]
    if len(numbers) > 4 or any(number > 255 for number in numbers[:-1]):
        raise InvalidUrl("the host is not a valid IPv4 address")
    if numbers[-1] >= 256 ** (5 - len(numbers)):
        raise InvalidUrl("the host is not a valid IPv4 address")
    high = sum(number << (24 - 8 * place) for place, number in enumerate(numbers[:-1]))
    return IPv4Address(high + numbers[-1])


def _ipv4_number(label: str) -> int:
    if _NUMBER.fullmatch(label) and len(label) <= 64:
        try:
            if label.startswith("0x"):
                return int(label[2:] or "0", 16)
            return int(label, 8 if label.startswith("0") else 10)
        except ValueError:
            pass  # an 8 or 9 after a leading zero: refused below, as any other non-number
    raise InvalidUrl("the host is not a valid IPv4 address")


def _wire_path(text: str) -> str:
    """Encode path and query for the request line; bytes that were not UTF-8 go out as they came."""
    if _NOTHING_TO_ENCODE.fullmatch(text):
        return text if text.startswith("/") else "/" + text
    path, mark, query = text.partition("?")
    path = path.replace("\\", "/") or "/"
    try:
        return _encode(path, _PATH_SAFE) + mark + _encode(query, _QUERY_SAFE)
    except UnicodeEncodeError as error:
        raise InvalidUrl("the URL is not valid Unicode") from error


def _encode(text: str, safe: str) -> str:
    return quote_from_bytes(text.encode("utf-8", "surrogateescape"), safe)
