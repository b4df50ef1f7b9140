"""Which IP addresses a fix may reach: public ones, and those that the deployment adds.

The tables list IANA's special-purpose addresses (RFC 6890 and its successors), and the two public
addresses at which clouds serve the metadata of the machine. Of IPv6 only 2000::/3 is public, which
also excludes the other forms that contain an IPv4 address (mapped, compatible, NAT64).
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

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
            "168.63.129.16/32",  # Azure's host agent
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
            "2002::/16",  # 6to4, which contains any IPv4 address
            "2620:4f:8000::/48",  # AS112
            "3fff::/20",  # documentation
        ),
    )
)


def is_reachable(address: Address, networks: Iterable[Network] = ()) -> bool:
    """Tell whether an address is public, or in one of the networks that the deployment adds.

    A network that contains 127.0.0.1 also admits ::1: the name localhost has both addresses.
    """
    checked = IPv4Address("127.0.0.1") if address == IPv6Address("::1") else address
    if any(checked in network for network in networks):
        return True
    if isinstance(address, IPv4Address):
        return not any(address in network for network in NOT_PUBLIC_4)
    return address in _PUBLIC_6 and not any(address in network for network in _NOT_PUBLIC_6)


def all_reachable(addresses: Iterable[str], networks: Iterable[Network] = ()) -> bool:
    """Tell whether a fix may reach every one of a name's addresses.

    One address that it may not reach is enough for False: whoever controls the name's DNS records
    also controls which of the addresses is used.
    """
    try:
        return all(is_reachable(ip_address(text), networks) for text in addresses)
    except ValueError:
        return False
