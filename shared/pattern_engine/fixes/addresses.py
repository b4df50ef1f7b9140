"""Which addresses of the Internet a fix may reach: public ones, and nothing around us.

The tables are those of IANA's registries of special-purpose addresses (RFC 6890, and what came
after it), and the two public addresses at which clouds answer for the machine itself. Of IPv6 only
2000::/3 is public at all, so that everything that wraps an IPv4 address elsewhere (mapped,
compatible, NAT64) falls away with the rest.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["NOT_PUBLIC_4", "Address", "Network", "all_reachable", "is_reachable"]

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

NOT_PUBLIC_4: Final = tuple(
    map(
        IPv4Network,
        (
            "0.0.0.0/8",  # this network
            "10.0.0.0/8",  # private
            "100.64.0.0/10",  # behind a carrier's NAT; Alibaba's metadata at 100.100.100.200
            "127.0.0.0/8",  # loopback
            "168.63.129.16/32",  # Azure's agent of the host
            "169.254.0.0/16",  # link-local; metadata at 169.254.169.254
            "172.16.0.0/12",  # private
            "192.0.0.0/24",  # protocol assignments; Oracle's metadata at 192.0.0.192
            "192.0.2.0/24",  # documentation
            "192.31.196.0/24",  # AS112
            "192.52.193.0/24",  # AMT
            "192.88.99.0/24",  # 6to4 relays
            "192.168.0.0/16",  # private
            "192.175.48.0/24",  # AS112
            "198.18.0.0/15",  # benchmarks
            "198.51.100.0/24",  # documentation
            "203.0.113.0/24",  # documentation
            "224.0.0.0/4",  # multicast
            "240.0.0.0/4",  # reserved, and broadcast
        ),
    )
)
_PUBLIC_6: Final = IPv6Network("2000::/3")
_NOT_PUBLIC_6: Final = tuple(
    map(
        IPv6Network,
        (
            "2001::/23",  # protocol assignments: Teredo, ORCHID, benchmarks
            "2001:db8::/32",  # documentation
            "2002::/16",  # 6to4, which wraps any IPv4 address
            "2620:4f:8000::/48",  # AS112
            "3fff::/20",  # documentation
        ),
    )
)


def is_reachable(address: Address, networks: Iterable[Network] = ()) -> bool:
    """Whether an address is public, or in one of the networks that the deployment adds.

    Networks that open 127.0.0.1 open ::1: the name localhost has both, and they are one machine.
    """
    asked = IPv4Address("127.0.0.1") if address == IPv6Address("::1") else address
    if any(asked in network for network in networks):
        return True
    if isinstance(address, IPv4Address):
        return not any(address in network for network in NOT_PUBLIC_4)
    return address in _PUBLIC_6 and not any(address in network for network in _NOT_PUBLIC_6)


def all_reachable(found: Iterable[str], networks: Iterable[Network] = ()) -> bool:
    """Whether every address that a name has may be reached.

    One bad address refuses all of them: who mixes them controls which one is taken.
    """
    try:
        return all(is_reachable(ip_address(text), networks) for text in found)
    except ValueError:
        return False
