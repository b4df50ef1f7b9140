"""Reading the URLs that a fix may call, and the list of hosts that it may reach.

URL parsers disagree about unusual forms, and each disagreement has been used to get around a list
of allowed hosts. So only one form is accepted, in ASCII, and everything else is refused with the
reason. A host is a name with dots, or an IP address in the notation that its standard recommends.
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

MAX_LENGTH = 4096
"""The largest number of characters of a URL in a script."""
MAX_QUERY_LENGTH = 32_768
"""The largest number of characters of a query that a program builds."""
DEFAULT_PORT = 443

_SCHEME: Final = re.compile(r"(?i)([a-z][a-z0-9+.-]*):")
_URL: Final = re.compile(
    r"(?i:https)://(?P<authority>[^/?#]+)(?P<path>(?:/[^?#]*)?)(?P<query>(?:\?[^#]*)?)"
)
_AUTHORITY: Final = re.compile(r"(?P<host>\[[^\[\]]*\]|[^\[\]:]*)(?::(?P<port>[0-9]{1,5}))?")
_PERCENT: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")
_ENCODED_CONTROL: Final = re.compile(r"(?i)%(?:[01][0-9a-f]|7f)")
#: A segment `.` or `..`, for every character that some server treats as the end of a segment.
_DOT_SEGMENT: Final = re.compile(r"(?i)(?:/|%2f|%5c)(?:\.|%2e){1,2}(?=/|%2f|%5c|;|$)")
_NOT_IN_PATH: Final = re.compile(r"[^A-Za-z0-9._~!$&'()*+,;=:@%/-]")
_NOT_IN_QUERY: Final = re.compile(r"[^A-Za-z0-9._~!$&'()*+,;=:@%/?\[\]-]")
#: Characters that browsers leave as they are in some part of a URL.
_UNENCODED: Final = re.compile(r'["<>^`{|}]')

_LABEL: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
#: A last label that makes browsers and libc read the host as an IPv4 address: 1, 0x7f, 0177.
_NUMBER: Final = re.compile(r"[0-9]+|0x[0-9a-f]*")
#: Names that always mean this machine or its own network, whatever DNS answers.
_LOCAL_ZONES: Final = frozenset(
    {
        *("localhost", "localdomain", "local", "internal", "intranet", "private", "lan", "home"),
        *("corp", "arpa", "svc", "cluster", "consul", "docker", "onion", "i2p"),
        # Public names that resolve to any wanted address, including loopback.
        *("nip.io", "sslip.io", "xip.io", "xip.name", "localtest.me", "lvh.me", "vcap.me"),
        *("lacolhost.com", "traefik.me", "local.gd", "rbndr.us", "1u.ms", "localho.st", "lcl.host"),
        # Names under which clouds serve the metadata of the machine.
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
    """A URL that was read: host, port, path and query."""

    host: str
    """In lower case; an IPv6 address without brackets."""
    port: int
    target: str
    """The path and the query, as they are sent."""

    @property
    def endpoint(self) -> str:
        """Host and port, also if the port is 443."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def authority(self) -> str:
        """Host and port as in a URL and in the header Host: without the port if it is 443."""
        return self.endpoint.removesuffix(f":{DEFAULT_PORT}")

    @property
    def url(self) -> str:
        """The whole URL."""
        return f"https://{self.authority}{self.target}"


def read_url(url: str, networks: Collection[Network] = ()) -> Place:
    """Read a URL.

    `networks` are those that the settings of a deployment add to the public Internet. With any of
    them, the URL may contain local names, whose addresses are checked when the fix runs, and the
    addresses of those networks.

    Raises:
        RefusedUrlError: if the URL is not https, is unusual, or leads to a host that is not public.
    """
    _refuse_odd_characters(url)
    found = _URL.fullmatch(url)
    if not found:
        raise _malformed(url)
    host, port = _read_authority(found["authority"], networks)
    path, query = found["path"] or "/", found["query"]
    if (odd := _NOT_IN_PATH.search(path)) or (odd := _NOT_IN_QUERY.search(query[1:])):
        raise RefusedUrlError(
            "url", f"the url contains {odd[0]!r}; percent-encode it, or put the value into query"
        )
    if _PERCENT.search(path + query) or _ENCODED_CONTROL.search(path + query):
        raise RefusedUrlError(
            "url",
            "the url contains a % that does not encode a printable character; write it as %25",
        )
    if _DOT_SEGMENT.search(path):
        raise RefusedUrlError(
            "url", "the path of the url contains the segment . or ..; write the path without it"
        )
    return Place(host, port, path + query)


def read_sent_url(url: str, networks: Collection[Network] = ()) -> Place:
    """Read a URL as a program or a server built it, with what browsers do with such a URL.

    A fragment is not sent (RFC 9110, section 10.2.2). Characters that have to be encoded are
    encoded. The query is data: it may contain encoded control characters.

    Raises:
        RefusedUrlError: as `read_url` does.
    """
    address, mark, query = url.partition("#")[0].partition("?")
    place = read_url(_UNENCODED.sub(_encoded, address), networks)
    query = _UNENCODED.sub(_encoded, query)
    if len(query) > MAX_QUERY_LENGTH:
        raise RefusedUrlError(
            "url", f"the query has {len(query)} characters; the limit is {MAX_QUERY_LENGTH}"
        )
    if (odd := _NOT_IN_QUERY.search(query)) or (odd := _PERCENT.search(query)):
        raise RefusedUrlError("url", f"the query contains {odd[0]!r}; percent-encode it")
    return Place(place.host, place.port, f"{place.target}{mark}{query}")


def _encoded(found: re.Match[str]) -> str:
    return f"%{ord(found[0]):02X}"


def _refuse_odd_characters(url: str) -> None:
    if len(url) > MAX_LENGTH:
        raise RefusedUrlError(
            "url", f"the url has {len(url)} characters; the limit is {MAX_LENGTH}"
        )
    if not url.isascii():
        raise RefusedUrlError(
            "url", "the url contains non-ASCII characters; write the host in punycode (xn--…)"
        )
    if any(character <= " " or character == "\x7f" for character in url):
        raise RefusedUrlError(
            "url", "the url contains a space or a control character; percent-encode it"
        )
    if "\\" in url:
        raise RefusedUrlError("url", "the url contains a backslash; write /")
    if "#" in url:
        raise RefusedUrlError("url", "the url has a fragment (#…), which is never sent; remove it")


def _malformed(url: str) -> RefusedUrlError:
    scheme = _SCHEME.match(url)
    if scheme and scheme[1].lower() != "https":
        return RefusedUrlError("scheme", f"the url begins with {scheme[1]}:; use https:")
    return RefusedUrlError("url", "the url does not have the form https://host/path")


def _read_authority(authority: str, networks: Collection[Network]) -> tuple[str, int]:
    if "@" in authority:
        raise RefusedUrlError(
            "userinfo",
            "the url contains a user name or password before an @; use a header with a secret",
        )
    found = _AUTHORITY.fullmatch(authority)
    if not found:
        raise RefusedUrlError(
            "host", "the host of the url does not have the form host or host:port"
        )
    host = read_host(found["host"], networks)
    port = int(found["port"]) if found["port"] else DEFAULT_PORT
    # Servers of other protocols listen below 1024, and some of them execute parts of a request.
    if not 0 < port < 65_536 or (port < 1024 and port != DEFAULT_PORT and not networks):
        raise RefusedUrlError("port", f"port {port} is not allowed; use 443 or 1024 to 65535")
    return host, port


def read_host(text: str, networks: Iterable[Network] = ()) -> str:
    """Read a host: a name or an IP address (IPv6 in brackets).

    Raises:
        RefusedUrlError: if the host is unusual, or neither public nor in one of the networks.
    """
    host = text.lower()
    labels = host.split(".")
    is_plain = host.isascii() and "%" not in host and "_" not in host
    if is_plain and (host.startswith("[") or _NUMBER.fullmatch(labels[-1])):
        return _read_ip(host, networks)
    if not is_plain or len(host) > 253 or not all(map(_is_label, labels)):
        raise RefusedUrlError(
            "host", f"the host {text!r} is not a name of letters, digits, hyphens and dots"
        )
    if not networks and (len(labels) < 2 or _is_local(labels)):
        raise RefusedUrlError("local", f"the host {text!r} is a local name; use a public one")
    return host


def _is_local(labels: list[str]) -> bool:
    return any(".".join(labels[start:]) in _LOCAL_ZONES for start in range(len(labels)))


def _is_label(label: str) -> bool:
    """Tell whether this is a valid label of a name; punycode must decode, and encode again."""
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
            "host",
            f"the host {host!r} is an IP address in an unusual notation; write it as 192.0.2.1",
        ) from None
    if isinstance(address, IPv6Address) is not is_bracketed:
        raise RefusedUrlError(
            "host", f"the host {host!r} is unusual: only an IPv6 address has brackets"
        )
    if not is_reachable(address, networks):
        raise RefusedUrlError("address", f"{address} is not a public address")
    return str(address)


class AllowedHosts:
    """The hosts that an approval allows, each as `host` (port 443) or `host:port`.

    A host that only the deployment's `networks` admit, listed without a port, is allowed on any.
    """

    def __init__(self, listed: object, networks: Collection[Network] = ()) -> None:
        """Read the parameter `allowed_hosts`.

        Raises:
            RefusedUrlError: if it is missing, or contains anything but hosts.
        """
        if not isinstance(listed, list | tuple) or not listed:
            raise RefusedUrlError(
                "allowed_hosts",
                'the parameter allowed_hosts must be a list of hosts, as in ["api.example.com"]',
            )
        self._networks = networks
        self._places = [self._read(entry) for entry in listed]
        self._authorities = frozenset(place.authority for place in self._places)

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._authorities))

    def __contains__(self, place: Place) -> bool:
        return self.entry(place) is not None

    def entry(self, place: Place) -> str | None:
        """Return the host of the list by which a place is allowed; None if it is not."""
        if place.authority in self._authorities:
            return place.authority
        on_any_port = Place(place.host, DEFAULT_PORT, "/").authority
        if on_any_port in self._authorities and _is_not_public(place.host):
            return on_any_port
        return None

    @property
    def endpoints(self) -> list[str]:
        """The hosts as `host:port`, sorted; the port is 443 unless the list names another."""
        return sorted({place.endpoint for place in self._places})

    def _read(self, entry: object) -> Place:
        if not isinstance(entry, str) or not set("*/?#@").isdisjoint(entry):
            raise RefusedUrlError(
                "allowed_hosts",
                f"allowed_hosts contains {entry!r}; write host or host:port, without wildcards",
            )
        try:
            return read_url(f"https://{entry}/", self._networks)
        except RefusedUrlError as problem:
            raise RefusedUrlError(
                problem.finding.rule, f"allowed_hosts contains {entry!r}: {problem}"
            ) from None


def _is_not_public(host: str) -> bool:
    """Tell whether only the networks of a deployment can admit a host."""
    try:
        read_host(f"[{host}]" if ":" in host else host)
    except RefusedUrlError:
        return True
    return False
