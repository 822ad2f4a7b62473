"""Where a request comes from, as far as it matters for counting: one household or one attacker is one network."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any

from litestar import Request

from bibliothek.settings import Settings
from bibliothek.web.origin import behind_proxy, own_origin

# One customer of an IPv6 network has at least a /64 (RFC 6177) and would otherwise have 2^64 addresses to ask from.
IPV6_PREFIX = 64


def network_of(request: Request[Any, Any, Any], settings: Settings) -> str:
    """The network that a request came from: an IPv4 address or an IPv6 /64, as text.

    The forwarded address counts only behind the proxy named in the settings, and of it the last entry: the one that this
    proxy wrote itself.
    """
    address = request.client.host if request.client else ""
    if behind_proxy(request, settings):
        forwarded = ",".join(request.headers.getall("x-forwarded-for", []))
        address = forwarded.rpartition(",")[2].strip() or address
    return _network(address)


def _network(address: str) -> str:
    try:
        ip: IPv4Address | IPv6Address = ip_address(address.strip("[]"))
    except ValueError:
        return address[:100]
    if isinstance(ip, IPv6Address):
        if ip.ipv4_mapped is None:
            return str(ip_network((ip, IPV6_PREFIX), strict=False))
        ip = ip.ipv4_mapped
    return str(ip)


def public_address(request: Request[Any, Any, Any], settings: Settings) -> str:
    """Where a phone finds us: BASE_URL, or, while that means this machine only, the address that was just used."""
    return own_origin(request, settings) if settings.base_is_loopback else settings.base_url
