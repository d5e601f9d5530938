"""Which proxy leads to a server, by the variables that curl and Python's urllib read, in any case.

The HTTP client could read them itself, but fails on some: a proxy that is no address, a network or an IPv6 address
in ``no_proxy``. A server of this machine never has a proxy, whatever the variables say.
"""

from __future__ import annotations

from ipaddress import ip_address, ip_network
from urllib.parse import urlsplit
from urllib.request import getproxies


def on_this_machine(url: str) -> bool:
    """Return whether a URL leads to the machine this runs on, by its host: ``localhost`` or a loopback address."""
    host = urlsplit(url).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def proxy_of(url: str) -> str | None:
    """Return the address of the proxy for a URL, None where there is none."""
    parts = urlsplit(url)
    if on_this_machine(url):
        return None
    proxies = getproxies()
    found = (proxies.get(parts.scheme) or proxies.get("all") or "").strip()
    if not found or _direct(parts.hostname or "", parts.port, proxies.get("no", "")):
        return None
    return found if "://" in found else f"http://{found}"


def _direct(host: str, port: int | None, no_proxy: str) -> bool:
    """Return whether ``no_proxy`` names a host: itself, a domain above it, its network, or ``*``; perhaps a port."""
    return any(_names(entry.strip().lower(), host, port) for entry in no_proxy.replace(" ", ",").split(",") if entry)


def _names(entry: str, host: str, port: int | None) -> bool:
    if entry == "*":
        return True
    try:
        return ip_address(host) in ip_network(entry.strip("[]"), strict=False)
    except ValueError:
        pass  # a name, or one with a port
    name, colon, number = entry.rpartition(":")
    if colon and number.isdecimal():
        return port == int(number[:6]) and _names(name, host, port)
    domain = entry.removeprefix("*").removeprefix(".")
    return bool(domain) and (host == domain or host.endswith(f".{domain}"))
