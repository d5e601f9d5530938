"""Which proxy leads to a server, decided as kubectl does (Go's `net/http.ProxyFromEnvironment`)."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from urllib.parse import urlsplit

Address = IPv4Address | IPv6Address


def proxy_for(url: str, environ: Mapping[str, str]) -> str | None:
    """Return the proxy for a URL by ``HTTPS_PROXY`` or ``HTTP_PROXY``, and ``NO_PROXY``; None for a direct connection.

    ``NO_PROXY`` is a list of ``*``, addresses, networks (``10.0.0.0/8``), and names, which stand for their subdomains
    too (with a dot before: only for those), each with or without a port. No proxy ever leads to this machine.
    """
    parts = urlsplit(url)
    proxy = _variable(environ, f"{parts.scheme}_proxy")
    host = (parts.hostname or "").rstrip(".")
    address = _address(host)
    if not proxy or host == "localhost" or (address is not None and address.is_loopback):
        return None
    port = str(parts.port or (443 if parts.scheme == "https" else 80))
    rules = (rule.strip().lower() for rule in _variable(environ, "no_proxy").split(","))
    if any(_covers(rule, host, address, port) for rule in rules if rule):
        return None
    return proxy if "://" in proxy else f"http://{proxy}"


def _variable(environ: Mapping[str, str], name: str) -> str:
    return environ.get(name.upper()) or environ.get(name) or ""


def _covers(rule: str, host: str, address: Address | None, port: str) -> bool:
    if rule == "*":
        return True
    if "/" in rule:
        try:
            return address is not None and address in ip_network(rule, strict=False)
        except ValueError:
            return False
    name, colon, wanted = rule.rpartition(":")
    if not colon or not wanted.isdigit() or _address(rule) is not None:
        name, wanted = rule, port
    name = name.strip("[]")
    if wanted != port:
        return False
    if address is not None:
        return _address(name) == address
    name = name.removeprefix("*")
    return host.endswith(name) if name.startswith(".") else host == name or host.endswith(f".{name}")


def _address(text: str) -> Address | None:
    try:
        return ip_address(text)
    except ValueError:
        return None
