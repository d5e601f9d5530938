"""Which proxy kubectl would take."""

from __future__ import annotations

import pytest

from submarine_jupyter_server.targets.kubernetes.api.proxies import proxy_for

PROXY = "http://proxy.test:3128"


@pytest.mark.parametrize(
    ("url", "no_proxy", "direct"),
    [
        ("https://api.test", "", False),
        ("https://api.test:6443", "other.test, api.test", True),
        ("https://API.test", "Api.Test", True),
        ("https://api.test", "test", True),
        ("https://api.test", ".test", True),
        ("https://api.test", "*.test", True),
        ("https://api.test", ".api.test", False),
        ("https://my-api.test", "api.test", False),
        ("https://api.test:6443", "api.test:6443", True),
        ("https://api.test:6443", "api.test:443", False),
        ("https://api.test", "api.test:443", True),
        ("https://api.test", "*", True),
        ("https://10.1.2.3", "10.0.0.0/8", True),
        ("https://11.1.2.3", "10.0.0.0/8", False),
        ("https://10.1.2.3", "10.1.2.3", True),
        ("https://10.1.2.3:6443", "10.1.2.3:6443", True),
        ("https://10.1.2.3", "1.2.3", False),
        ("https://[fd00::1]:6443", "fd00::/8", True),
        ("https://[fd00::1]:6443", "[fd00::1]", True),
        ("https://[fd00::1]:6443", "fd00::2", False),
        ("https://10.1.2.3", "nonsense/8,api.test", False),
        ("https://127.0.0.1:6443", "", True),
        ("https://[::1]:6443", "", True),
        ("https://localhost:6443", "", True),
    ],
)
def test_what_is_reached_directly(url: str, no_proxy: str, direct: bool) -> None:
    assert proxy_for(url, {"HTTPS_PROXY": PROXY, "NO_PROXY": no_proxy}) == (None if direct else PROXY)


def test_which_variable_counts() -> None:
    assert proxy_for("https://api.test", {"HTTP_PROXY": PROXY, "ALL_PROXY": PROXY}) is None
    assert proxy_for("http://api.test", {"http_proxy": PROXY}) == PROXY
    assert proxy_for("https://api.test", {"HTTPS_PROXY": PROXY, "https_proxy": "http://other.test"}) == PROXY
    assert proxy_for("https://api.test", {"HTTPS_PROXY": "proxy.test:3128"}) == PROXY
    assert proxy_for("https://api.test", {"https_proxy": PROXY, "no_proxy": "api.test"}) is None
