"""Addresses of the web as a fix may name them, and the list of hosts that it may reach.

Parsers of URLs disagree about everything unusual, and each disagreement has been a way around a
list of hosts. So nothing unusual is read here: one form is accepted, in ASCII, and the rest is
refused with the reason. Of a host the same is true: a name with its dots, or an IP address in the
one notation that its standard recommends.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address
from typing import TYPE_CHECKING, Final

from pattern_engine.fixes.addresses import Address, is_reachable
from pattern_engine.fixes.analysis import Finding

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from pattern_engine.fixes.addresses import Network

__all__ = ["AllowedHosts", "Place", "RefusedUrlError", "read_url"]

MAX_LENGTH = 4096
"""Characters of a URL as it stands in a script."""
DEFAULT_PORT = 443

_SCHEME: Final = re.compile(r"(?i)([a-z][a-z0-9+.-]*):")
_URL: Final = re.compile(
    r"(?i:https)://(?P<authority>[^/?#]+)(?P<path>(?:/[^?#]*)?)(?P<query>(?:\?[^#]*)?)"
)
_AUTHORITY: Final = re.compile(r"(?P<host>\[[^\[\]]*\]|[^\[\]:]*)(?::(?P<port>[0-9]{1,5}))?")
_PERCENT: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")
_ENCODED_CONTROL: Final = re.compile(r"(?i)%(?:[01][0-9a-f]|7f)")
#: A step up or none, whatever a server takes for the end of a part.
_DOTS: Final = re.compile(r"(?i)(?:/|%2f|%5c)(?:\.|%2e){1,2}(?=/|%2f|%5c|;|$)")
_NOT_IN_PATH: Final = re.compile(r"[^A-Za-z0-9._~!$&'()*+,;=:@%/-]")
_NOT_IN_QUERY: Final = re.compile(r"[^A-Za-z0-9._~!$&'()*+,;=:@%/?\[\]-]")

_LABEL: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
#: A last part by which browsers and libc take the whole for an IPv4 address: 1, 0x7f, 0177.
_NUMBER: Final = re.compile(r"[0-9]+|0x[0-9a-f]*")
#: Names that mean a machine or a network around us, whatever a server of names says.
_LOCAL_ZONES: Final = frozenset(
    {
        *("localhost", "localdomain", "local", "internal", "intranet", "private", "lan", "home"),
        *("corp", "arpa", "svc", "cluster", "consul", "docker", "onion", "i2p"),
        # Public names that say any address that one asks them for, loopback among them.
        *("nip.io", "sslip.io", "xip.io", "xip.name", "localtest.me", "lvh.me", "vcap.me"),
        *("lacolhost.com", "traefik.me", "local.gd", "rbndr.us", "1u.ms", "localho.st", "lcl.host"),
        # Names under which clouds answer for the machine itself.
        *("metadata.goog", "metadata.tencentyun.com"),
    }
)


class RefusedUrlError(Exception):
    """A URL or a host that a fix may not name."""

    def __init__(self, rule: str, message: str) -> None:
        super().__init__(message)
        self.finding = Finding(rule, message)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a URL leads."""

    host: str
    """In small letters; an IPv6 address without its brackets."""
    port: int
    target: str
    """Path and query, as they are sent."""

    @property
    def endpoint(self) -> str:
        """Host and port, the usual one too."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def authority(self) -> str:
        """Host and port as a URL and the header Host have them."""
        return self.endpoint.removesuffix(f":{DEFAULT_PORT}")

    @property
    def url(self) -> str:
        """The URL in its one form."""
        return f"https://{self.authority}{self.target}"


def read_url(url: str, networks: Collection[Network] = ()) -> Place:
    """Read a URL.

    With `networks`, which only the settings of a deployment name, local names may stand in it, and
    the addresses in those networks: which address a name has is known when it runs.

    Raises:
        RefusedUrlError: for any URL that is not https to an unmistakable host.
    """
    _refuse_odd_characters(url)
    found = _URL.fullmatch(url)
    if not found:
        raise _malformed(url)
    host, port = _read_authority(found["authority"], networks)
    path, query = found["path"] or "/", found["query"]
    if (odd := _NOT_IN_PATH.search(path)) or (odd := _NOT_IN_QUERY.search(query[1:])):
        raise RefusedUrlError(
            "url", f"the url holds {odd[0]!r}; write it percent-encoded, and values into query"
        )
    if _PERCENT.search(path + query) or _ENCODED_CONTROL.search(path + query):
        raise RefusedUrlError("url", "the url holds a % that encodes no printable character")
    if _DOTS.search(path):
        raise RefusedUrlError("url", "the path of the url holds . or .. as a part")
    return Place(host, port, path + query)


def _refuse_odd_characters(url: str) -> None:
    if len(url) > MAX_LENGTH:
        raise RefusedUrlError("url", f"the url has {len(url)} characters, {MAX_LENGTH} are allowed")
    if not url.isascii():
        raise RefusedUrlError(
            "url", "the url holds characters beyond ASCII; write the host in punycode (xn--…)"
        )
    if any(character <= " " or character == "\x7f" for character in url):
        raise RefusedUrlError("url", "the url holds a space or a control character")
    if "\\" in url:
        raise RefusedUrlError("url", "the url holds a backslash")
    if "#" in url:
        raise RefusedUrlError("url", "the url has a fragment, which is never sent")


def _malformed(url: str) -> RefusedUrlError:
    scheme = _SCHEME.match(url)
    if scheme and scheme[1].lower() != "https":
        return RefusedUrlError("scheme", f"the url begins with {scheme[1]}:, only https is allowed")
    return RefusedUrlError("url", "the url is not of the form https://host/path")


def _read_authority(authority: str, networks: Collection[Network]) -> tuple[str, int]:
    if "@" in authority:
        raise RefusedUrlError("userinfo", "the url holds a user name or a password before an @")
    found = _AUTHORITY.fullmatch(authority)
    if not found:
        raise RefusedUrlError("host", "the host of the url is not a name with perhaps a port")
    host = read_host(found["host"], networks)
    port = int(found["port"]) if found["port"] else DEFAULT_PORT
    # Below 1024 other protocols live, whose servers take a request for commands of theirs.
    if not 0 < port < 65_536 or (port < 1024 and port != DEFAULT_PORT and not networks):
        raise RefusedUrlError("port", f"port {port} is neither 443 nor from 1024 to 65535")
    return host, port


def read_host(text: str, networks: Iterable[Network] = ()) -> str:
    """Read a host, a name or an IP address (IPv6 in brackets).

    Raises:
        RefusedUrlError: unless it is unmistakable and public, or in what `networks` add.
    """
    host = text.lower()
    if not host.isascii() or "%" in host or "_" in host:
        raise RefusedUrlError(
            "host", f"the host {text!r} is no name of letters, digits, hyphens and dots"
        )
    labels = host.split(".")
    if host.startswith("[") or _NUMBER.fullmatch(labels[-1]):
        return _read_ip(host, networks)
    if len(host) > 253 or not all(map(_is_label, labels)):
        raise RefusedUrlError(
            "host", f"the host {text!r} is no name of letters, digits, hyphens and dots"
        )
    if not networks and (len(labels) < 2 or _is_local(labels)):
        raise RefusedUrlError("local", f"the host {text!r} is a local name")
    return host


def _is_local(labels: list[str]) -> bool:
    return any(".".join(labels[start:]) in _LOCAL_ZONES for start in range(len(labels)))


def _is_label(label: str) -> bool:
    """Whether this is one part of a name; one in punycode must decode, and encode to the same."""
    if not _LABEL.fullmatch(label):
        return False
    if label[2:4] != "--":
        return True
    try:
        decoded = label[4:].encode().decode("punycode")
    except UnicodeError:
        return False
    return (
        label == f"xn--{decoded.encode('punycode').decode()}"
        and not decoded.isascii()
        and decoded == unicodedata.normalize("NFKC", decoded).lower()
        and all(letter == "-" or unicodedata.category(letter)[0] in "LMN" for letter in decoded)
    )


def _read_ip(host: str, networks: Iterable[Network]) -> str:
    is_bracketed = host.startswith("[")
    try:
        address: Address = ip_address(host[1:-1] if is_bracketed else host)
    except ValueError:
        raise RefusedUrlError(
            "host", f"the host {host!r} is an IP address in an unusual notation"
        ) from None
    if isinstance(address, IPv6Address) is not is_bracketed:
        raise RefusedUrlError("host", f"the host {host!r} is no address in its usual notation")
    if not is_reachable(address, networks):
        raise RefusedUrlError("address", f"{address} is not an address of the public Internet")
    return str(address)


class AllowedHosts:
    """The hosts that an approval names, each as `host` (port 443) or `host:port`.

    A host that only the deployment's `networks` open has no usual port: without one, any is meant.
    """

    def __init__(self, listed: object, networks: Collection[Network] = ()) -> None:
        """Read the parameter `allowed_hosts`.

        Raises:
            RefusedUrlError: if it is missing, or holds anything but hosts.
        """
        if not isinstance(listed, list | tuple) or not listed:
            raise RefusedUrlError(
                "allowed_hosts",
                'the parameter allowed_hosts must list the hosts, as in ["api.example.com"]',
            )
        self._networks = networks
        self._places = [self._read(entry) for entry in listed]
        self._authorities = frozenset(place.authority for place in self._places)

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._authorities))

    def __contains__(self, place: Place) -> bool:
        return place.authority in self._authorities or self._is_open(place)

    @property
    def endpoints(self) -> list[str]:
        """The hosts as `host:port`, sorted; where no port is named it is 443."""
        return sorted({place.endpoint for place in self._places})

    def _read(self, entry: object) -> Place:
        if not isinstance(entry, str) or not set("*/?#@").isdisjoint(entry):
            raise RefusedUrlError(
                "allowed_hosts",
                f"allowed_hosts holds {entry!r}; it may hold host or host:port, no wildcards",
            )
        try:
            return read_url(f"https://{entry}/", self._networks)
        except RefusedUrlError as problem:
            raise RefusedUrlError(
                problem.finding.rule, f"allowed_hosts holds {entry!r}: {problem}"
            ) from None

    def _is_open(self, place: Place) -> bool:
        if Place(place.host, DEFAULT_PORT, "/").authority not in self._authorities:
            return False
        try:
            read_host(f"[{place.host}]" if ":" in place.host else place.host)
        except RefusedUrlError:
            return True
        return False
