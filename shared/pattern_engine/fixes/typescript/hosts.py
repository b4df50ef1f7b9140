"""The parameter `allowed_hosts`: which hosts a fix may reach, as "host" or "host:port"."""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["allowed_hosts", "public_hosts"]

_NAME: Final = re.compile(
    r"(?=.{1,253}$)(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z0-9-]{1,63}"
)
_PORT: Final = re.compile(r"[1-9][0-9]{0,4}")
_MOST_HOSTS: Final = 50
#: Names that no public server has.
_PRIVATE: Final = (
    "localhost",
    ".local",
    ".localhost",
    ".internal",
    ".intranet",
    ".lan",
    ".home.arpa",
)


def allowed_hosts(parameters: Mapping[str, object]) -> tuple[str, ...]:
    """Return the hosts, sorted and in small letters.

    Raises:
        ValueError: they are no list of hosts; the message says why.
    """
    given = parameters.get("allowed_hosts", [])
    if not isinstance(given, list | tuple) or not all(isinstance(one, str) for one in given):
        raise ValueError("allowed_hosts must be a list of host names")
    if len(given) > _MOST_HOSTS:
        raise ValueError(f"allowed_hosts has {len(given)} names, {_MOST_HOSTS} are allowed")
    for host in given:
        if problem := _malformed(host.lower()):
            raise ValueError(f"allowed_hosts: {host!r} {problem}")
    return tuple(sorted({host.lower() for host in given}))


def public_hosts(parameters: Mapping[str, object]) -> tuple[str, ...]:
    """Return the hosts, which are of the public network as far as their names tell.

    Raises:
        ValueError: they are no list of such hosts; the message says why.
    """
    hosts = allowed_hosts(parameters)
    for host in hosts:
        if problem := _private(host):
            raise ValueError(f"allowed_hosts: {problem}")
    return hosts


def _private(host: str) -> str | None:
    name = host.partition(":")[0]
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        private = "." not in name or name.endswith(_PRIVATE)
        return f"{host} is a name of a private network" if private else None
    return None if address.is_global else f"{host} is no address of the public network"


def _malformed(host: str) -> str | None:
    name, colon, port = host.partition(":")
    if "*" in host:
        return "must name one host: there are no wildcards"
    if "/" in host or "@" in host:
        return "must be a host alone, without a scheme, a user or a path"
    if colon and (not _PORT.fullmatch(port) or int(port) > 65_535):
        return "has no port from 1 to 65535 after the colon"
    last = name.rpartition(".")[2]
    if last.isdigit() or last.startswith("0x"):
        try:
            ipaddress.IPv4Address(name)
        except ValueError:
            return "is no address"
        return None
    return None if _NAME.fullmatch(name) else "is no host name"
