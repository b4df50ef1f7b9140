"""Which addresses an api_call may reach."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pattern_engine.fixes.addresses import all_reachable, is_reachable

PUBLIC = [
    "1.1.1.1",
    "8.8.8.8",
    "9.255.255.255",
    "11.0.0.0",
    "93.184.216.34",
    "100.63.255.255",
    "100.128.0.0",
    "126.255.255.255",
    "128.0.0.0",
    "168.63.129.15",
    "168.63.129.17",
    "172.15.255.255",
    "172.32.0.0",
    "192.167.255.255",
    "192.169.0.0",
    "198.17.255.255",
    "198.20.0.0",
    "223.255.255.255",
    "2000::1",
    "2001:200::1",
    "2001:4860:4860::8888",
    "2606:4700:4700::1111",
    "2a00:1450:4001::1",
]

NOT_PUBLIC = {
    "unspecified": ["0.0.0.0", "0.255.255.255", "::"],
    "loopback": ["127.0.0.1", "127.255.255.255", "::1"],
    "private": [
        *("10.0.0.0", "10.255.255.255", "172.16.0.0", "172.31.255.255", "192.168.0.0"),
        *("192.168.255.255", "fc00::1", "fdff::1"),
    ],
    "carrier": ["100.64.0.0", "100.127.255.255"],
    "metadata": [
        *("169.254.169.254", "169.254.170.2", "fd00:ec2::254", "100.100.100.200"),
        *("168.63.129.16", "192.0.0.192", "fd20:ce::254"),
    ],
    "link-local": ["169.254.0.0", "fe80::1", "fe80::1%eth0", "febf::1"],
    "site-local": ["fec0::1", "feff::1"],
    "multicast": ["224.0.0.1", "239.255.255.255", "ff00::1", "ff02::1"],
    "reserved": ["240.0.0.1", "255.255.255.254", "4000::1", "1fff::1", "e000::1"],
    "broadcast": ["255.255.255.255"],
    "documentation": ["192.0.2.1", "198.51.100.1", "203.0.113.1", "2001:db8::1", "3fff::1"],
    "benchmarks": ["198.18.0.0", "198.19.255.255", "2001:2::1"],
    "assignments": ["192.0.0.8", "192.88.99.1", "2001:1::1", "2001:1ff::1"],
    "ORCHID": ["2001:10::1", "2001:2f::1"],
    "discard": ["100::1"],
    "mapped": ["::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:8.8.8.8", "::ffff:0:127.0.0.1"],
    "compatible": ["::127.0.0.1", "::169.254.169.254", "::8.8.8.8"],
    "NAT64": ["64:ff9b::127.0.0.1", "64:ff9b::8.8.8.8", "64:ff9b:1::1", "64:ff9b:1:ffff::1"],
    "6to4": ["2002:7f00:1::", "2002:a9fe:a9fe::1", "2002:808:808::1"],
    "Teredo": ["2001::1", "2001:0:7f00:1::"],
    "SRv6": ["5f00::1"],
}


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_are_reachable(address: str) -> None:
    """The addresses next to each refused block are public."""
    assert is_reachable(ip_address(address))


@pytest.mark.parametrize(
    ("kind", "address"), [(kind, address) for kind, all_ in NOT_PUBLIC.items() for address in all_]
)
def test_addresses_that_are_not_public_are_not_reachable(kind: str, address: str) -> None:
    """The first and the last address of each block that is not public are refused."""
    assert not is_reachable(ip_address(address)), kind


@given(st.ip_addresses(v=4))
def test_no_way_of_wrapping_an_ipv4_address_is_reachable(inner: IPv4Address) -> None:
    """An IPv4 address inside an IPv6 address is refused, whatever it is."""
    number = int(inner)
    wrapped = [
        IPv6Address(number),
        IPv6Address((0xFFFF << 32) | number),
        IPv6Address((0x64FF9B << 96) | number),
        IPv6Address((0x2002 << 112) | (number << 80)),
        IPv6Address((0x20010000 << 96) | (number ^ 0xFFFFFFFF)),
    ]
    assert not any(map(is_reachable, wrapped))


@given(st.ip_addresses())
def test_what_python_knows_as_private_is_never_reachable(
    address: IPv4Address | IPv6Address,
) -> None:
    """No address that Python's standard library calls private is reachable."""
    assert address.is_global or not is_reachable(address)


def test_one_bad_address_refuses_all() -> None:
    """A name with a public and a private address is refused."""
    assert all_reachable(["8.8.8.8", "2606:4700:4700::1111"])
    assert not all_reachable(["8.8.8.8", "127.0.0.1"])
    assert not all_reachable(["127.0.0.1", "8.8.8.8"])
    assert not all_reachable(["8.8.8.8", "no address"])


def test_a_deployment_adds_networks_and_no_more() -> None:
    """A network from the settings admits its own addresses, not IPv6 forms that contain them."""
    networks = (ip_network("127.0.0.0/8"), ip_network("fd00:1::/32"))
    assert all_reachable(["127.0.0.1", "8.8.8.8", "fd00:1::5"], networks)
    for address in ("10.0.0.1", "::2", "::ffff:127.0.0.1", "fd00:2::1", "169.254.169.254"):
        assert not all_reachable([address], networks)


def test_localhost_is_one_machine_under_both_its_addresses() -> None:
    """If 127.0.0.1 is admitted, a name that also has ::1 is not refused."""
    assert all_reachable(["::1", "127.0.0.1"], (ip_network("127.0.0.0/8"),))
    assert not all_reachable(["::1"], (ip_network("10.0.0.0/8"),))
