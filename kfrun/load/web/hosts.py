"""Where a host is: this machine, the networks around it, or the internet."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_HOLDS_IPV4: Final = (ipaddress.ip_network("64:ff9b::/96"), ipaddress.ip_network("::/96"))
"""IPv6 addresses that end with the IPv4 address that they stand for: NAT64, and a form that nobody uses any more."""


def is_this_machine(host: str) -> bool:
    """Whether a name or address of a URL is this machine, without asking anybody."""
    if host == "localhost":
        return True
    try:
        return _real(ipaddress.ip_address(host)).is_loopback
    except ValueError:
        return False


def is_loopback(address: str) -> bool:
    """Whether a numeric address is this machine's own."""
    return _real(_parsed(address)).is_loopback


def is_public(address: str) -> bool:
    """Whether a numeric address is one of the internet, and stands for no other that is not."""
    return all(one.is_global and not one.is_multicast for one in _meant(_real(_parsed(address))))


def _parsed(address: str) -> _Address:
    return ipaddress.ip_address(address.partition("%")[0])


def _real(address: _Address) -> _Address:
    """The IPv4 address that ``::ffff:127.0.0.1`` is but another spelling of."""
    return getattr(address, "ipv4_mapped", None) or address


def _meant(address: _Address) -> Iterator[_Address]:
    """The address, and those that it is a tunnel to."""
    yield address
    if isinstance(address, ipaddress.IPv6Address):
        if address.sixtofour is not None:
            yield address.sixtofour
        if address.teredo is not None:
            yield address.teredo[1]
        if any(address in network for network in _HOLDS_IPV4):
            yield ipaddress.IPv4Address(address.packed[-4:])
