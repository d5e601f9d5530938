"""Whatever the environment says of proxies: the server is reached, or one of our own errors says why not."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from submarine_jupyter import Forbidden, InvalidRequest, ServerNotFound, SubmarineClient, SubmarineError
from submarine_jupyter.client.calls.proxies import on_this_machine, proxy_of
from submarine_jupyter.discovery.connection import find
from tests.live_server import TOKEN, LiveServer, kill_experiments

NAMES = tuple(case(f"{kind}_proxy") for kind in ("http", "https", "all", "no") for case in (str, str.upper))
ODD = ("http://:abc", "http://", "http:///x", "socks5://127.0.0.1:9", "socks4://h:1", "ftp://h:1", "proxy:99999")
ODD_TOO = ("http://u:p@ss@h:1", "http://[::1", f"http://{'a' * 70}.example:1", "http://é:1", "a b", ":", "//", "%")
NO_PROXY = ("*", "10.0.0.0/8", "::1/128", "[::1]", "fd00::/8,*.example.org", " , ,", "é", "a:b:c", "host:9999999", "/")


@pytest.fixture
def environ(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


@pytest.fixture(scope="module")
def far() -> Iterator[tuple[str, list[str]]]:
    """A proxy that answers everything itself, with what it was asked for."""
    asked: list[str] = []

    class Proxy(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b'{"success": true, "result": []}')

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Proxy)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"127.0.0.1:{server.server_port}", asked
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("name", NAMES)
def test_no_setting_keeps_a_kernel_from_the_server_of_its_machine(
    name: str, environ: pytest.MonkeyPatch, url: str
) -> None:
    for value in (*ODD, *ODD_TOO, *NO_PROXY):
        environ.setenv(name, value)
        with SubmarineClient(url, TOKEN) as client:
            client.ping()


@pytest.mark.parametrize("value", [*ODD, *ODD_TOO])
@pytest.mark.parametrize("name", ["http_proxy", "ALL_PROXY"])
def test_a_proxy_that_cannot_be_used_is_said(name: str, value: str, environ: pytest.MonkeyPatch) -> None:
    environ.setattr("submarine_jupyter.client.client.PING_S", 0.0)
    environ.setenv(name, value)
    with pytest.raises(ServerNotFound) as caught, SubmarineClient("http://submarine.invalid/", TOKEN) as client:
        client.ping()
    assert "p@ss" not in str(caught.value)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(st.sampled_from(NAMES), st.sampled_from([*ODD, *ODD_TOO, *NO_PROXY]) | st.text(max_size=20)))
def test_any_settings_give_a_client_or_one_of_our_errors(environ: pytest.MonkeyPatch, said: dict[str, str]) -> None:
    with environ.context() as patch:
        for name, value in said.items():
            patch.setenv(name, "".join(char for char in value if char.isprintable()))
        for url in ("http://far.example:80/", "https://[2001:db8::1]:1/", "http://10.1.2.3/"):
            try:
                SubmarineClient(url, TOKEN).close()
            except SubmarineError:
                continue


def test_a_proxy_is_used_in_every_spelling(environ: pytest.MonkeyPatch, far: tuple[str, list[str]]) -> None:
    address, asked = far
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        for proxy in (address, f"http://{address}", f" http://{address}/ "):
            with environ.context() as patch:
                patch.setenv(name, proxy)
                with SubmarineClient("http://far.example/base", TOKEN) as client:
                    client.ping()
    assert asked == ["http://far.example/base/api/v1/experiment/ping"] * 12


@pytest.mark.parametrize(
    ("no_proxy", "direct"),
    [
        ("*", True), ("a,*", True), ("far.example", True), ("example", True), (".example", True), ("*.example", True),
        ("FAR.EXAMPLE", True), ("a, far.example ", True), ("a far.example", True), ("far.example:81", True),
        ("far.example:80", False), ("ar.example", False), ("other", False), ("", False), (".", False), ("*.", False),
    ],
)  # fmt: skip
def test_who_needs_no_proxy(no_proxy: str, direct: bool, environ: pytest.MonkeyPatch) -> None:
    environ.setenv("http_proxy", "proxy:1")
    environ.setenv("no_proxy", no_proxy)
    assert (proxy_of("http://far.example:81/") is None) is direct


@pytest.mark.parametrize(
    ("host", "no_proxy", "direct"),
    [
        ("10.1.2.3", "10.0.0.0/8", True), ("11.1.2.3", "10.0.0.0/8", False), ("10.1.2.3", "10.1.2.3", True),
        ("[2001:db8::1]", "2001:db8::/32", True), ("[2001:db8::1]", "[2001:db8::1]", True),
        ("[2001:db8::1]", "[2001:db8::1]:81", True), ("[2001:db8::1]", "10.0.0.0/8", False),
    ],
)  # fmt: skip
def test_networks_need_no_proxy(host: str, no_proxy: str, direct: bool, environ: pytest.MonkeyPatch) -> None:
    environ.setenv("http_proxy", "proxy:1")
    environ.setenv("no_proxy", no_proxy)
    assert (proxy_of(f"http://{host}:81/") is None) is direct


@pytest.mark.parametrize(
    ("url", "here"),
    [
        ("http://localhost:1/", True),
        ("http://127.0.0.2/", True),
        ("http://[::1]:1/", True),
        ("http://a.localhost/", True),
        ("http://127.0.0.1.example.org/", False),
        ("http://10.0.0.1/", False),
        ("https://hub/", False),
    ],
)
def test_what_is_on_this_machine(url: str, here: bool) -> None:
    assert on_this_machine(url) is here


@pytest.mark.parametrize("ip", ["::1", "::", "*", "", "localhost"])
def test_a_server_is_found_whatever_it_listens_on(ip: str, tmp_path: Path, environ: pytest.MonkeyPatch) -> None:
    if not socket.has_ipv6:
        pytest.skip("no IPv6 here")
    server = LiveServer(tmp_path, ip=ip)
    server.start()
    environ.setenv("http_proxy", "http://127.0.0.1:9")
    for name in list(os.environ):
        if name.startswith(("JPY", "JUPYTERHUB", "SUBMARINE")):
            environ.delenv(name)
    environ.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "runtime"))
    environ.setenv("JPY_PARENT_PID", str(server.pid))
    try:
        port = urlsplit(server.url).port
        server.url = f"http://{'[::1]' if ip.startswith('::') else '127.0.0.1'}:{port}/api/v1/experiment"
        assert server.wait_ready(), server.log()
        connection = find()
        with SubmarineClient(connection.url, connection.token) as client:
            client.ping()
            body = {"meta": {"name": "n", "framework": "Standalone", "cmd": "true"}, "spec": {"Worker": {}}}
            assert client.create(body).wait(60).status == "Succeeded"
    finally:
        server.kill()
        server.http.close()
        kill_experiments(tmp_path)


@pytest.mark.parametrize("token", ["a b", "é", "a\nb", "a\0b"])
def test_what_cannot_be_a_token_is_said_without_it(token: str) -> None:
    with pytest.raises(Forbidden, match="characters that a token cannot have") as caught:
        SubmarineClient("http://127.0.0.1:1/", token)
    assert token not in str(caught.value)


@pytest.mark.parametrize("url", ["http://a..b/", f"http://{'a' * 70}/", "http://host:70000/", "http://", "x"])
def test_what_is_no_address_is_said(url: str) -> None:
    with pytest.raises(ServerNotFound, match="is not the address of a server"):
        SubmarineClient(url)


def test_what_json_does_not_know_is_said(url: str) -> None:
    with SubmarineClient(url, TOKEN) as client, pytest.raises(InvalidRequest, match="cannot be written as JSON"):
        client.create({"meta": {"name": {1, 2}}})


@pytest.mark.skipif(httpx.__version__.startswith("0.27."), reason="httpx 0.27 passes over a file that is not there")
def test_certificates_that_are_not_there_are_said(environ: pytest.MonkeyPatch, tmp_path: Path) -> None:
    environ.setenv("SSL_CERT_FILE", str(tmp_path / "none.pem"))
    with pytest.raises(ServerNotFound, match="certificates") as caught:
        SubmarineClient("https://far.example/")
    assert "SSL_CERT_FILE" in str(caught.value.hint)
