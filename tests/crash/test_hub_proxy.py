"""Behind JupyterHub's proxy, below a base URL: REST, server-sent events, the WebSocket, also while a server dies."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from tornado.httpclient import HTTPClientError, HTTPRequest
from tornado.websocket import websocket_connect

from tests.crash.hub_proxy import HubProxy, hub_proxy
from tests.crash.test_stream_crash import LINES, WRITE, submitted
from tests.live_server import TOKEN, LiveServer
from tests.server.test_stream import Tab

BASE = "/user/ann%40lab/"
HEADERS = {"Authorization": f"token {TOKEN}"}
CREDIT = 16 * 1024 * 1024


@dataclass
class Hub:
    """A server behind the proxy; ``url`` is what its user knows."""

    server: LiveServer
    proxy: HubProxy

    @property
    def url(self) -> str:
        return f"{self.proxy.url}{BASE}api/v1/experiment"

    def start(self) -> None:
        """Start the server, perhaps once more, on another port."""
        self.server.start()
        assert self.server.wait_ready()
        self.proxy.route(BASE, self.server.url.partition(BASE)[0])

    async def tab(self, **headers: str) -> Tab:
        url = f"{self.url}/stream".replace("http", "ws", 1)
        return Tab(await websocket_connect(HTTPRequest(url, headers={**HEADERS, **headers})))

    def get(self, path: str = "", **params: str) -> Any:
        answer = httpx.get(f"{self.url}{path}", params=params, headers=HEADERS, timeout=30, trust_env=False)
        answer.raise_for_status()
        return answer.json()["result"]


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    server = LiveServer(tmp_path, base_url=BASE)
    with hub_proxy(tmp_path / "proxy.log") as proxy:
        found = Hub(server, proxy)
        try:
            found.start()
            yield found
        finally:
            server.kill()
            server.http.close()


def test_what_is_made_through_the_proxy_is_followed_through_it(hub: Hub) -> None:
    body = {"meta": {"name": "p", "framework": "Standalone", "cmd": "for i in 1 2 3; do echo line $i; sleep 0.2; done"},
            "spec": {"Worker": {"resources": "cpu=0.1"}}}  # fmt: skip
    answer = httpx.post(hub.url, json=body, headers=HEADERS, trust_env=False)
    made = answer.json()["result"]["experimentId"]
    lines: list[str] = []
    stream = httpx.stream(
        "GET", f"{hub.url}/logs/{made}", params={"follow": "true"}, headers=HEADERS, timeout=30, trust_env=False
    )
    with stream as events:
        for line in events.iter_lines():
            if line.startswith("data:") and "lines" in (found := json.loads(line[5:])):
                lines += found["lines"]
            if line == "event: end":
                break
    assert lines == ["line 1", "line 2", "line 3"]
    # A page of a list leads on below the base URL.
    second = httpx.post(hub.url, json=body, headers=HEADERS, trust_env=False).json()["result"]["experimentId"]
    page = httpx.get(hub.url, params={"limit": "1"}, headers=HEADERS, trust_env=False)
    assert [one["experimentId"] for one in page.json()["result"]] == [second]
    following = httpx.URL(hub.url).join(page.links["next"]["url"])
    rest = httpx.get(following, headers=HEADERS, trust_env=False)
    assert [one["experimentId"] for one in rest.json()["result"]] == [made]


def test_two_tabs_know_the_same_while_the_server_dies(hub: Hub) -> None:
    asyncio.run(_two_tabs(hub))


async def _two_tabs(hub: Hub) -> None:
    busy = submitted(hub.server, "busy", WRITE)
    tabs = [await hub.tab(), await hub.tab(Origin=hub.proxy.url)]
    data, cursors = [b"", b""], ["", ""]
    for number, tab in enumerate(tabs):
        await tab.ask(op="rows", ch=1)
        await tab.ask(op="log", ch=2, experimentId=busy, replica="worker-0", offset=0, credit=CREDIT)
        while data[number].count(b"\n") < LINES // 4 or not cursors[number]:
            frame = await tab.next()
            cursors[number] = frame.get("cursor", cursors[number])
            data[number] += frame.get("data", b"")
    hub.server.kill()
    for tab in tabs:
        await tab.close()
    hub.start()
    states: list[str] = []
    for number in range(2):
        tab = await hub.tab()
        await tab.ask(op="rows", ch=1, after=cursors[number])
        place = len(data[number])
        await tab.ask(op="log", ch=2, experimentId=busy, replica="worker-0", offset=place, credit=CREDIT)
        ended, state = False, ""
        while not ended or state != "Succeeded":
            frame = await tab.next()
            if "data" in frame:
                assert frame["offset"] == len(data[number])
                data[number] += frame["data"]
            ended = ended or "end" in frame
            state = next((row["state"] for row in frame.get("rows", ())), state)
        states.append(state)
        await tab.close()
    assert data[0] == data[1] == b"".join(b"line %d\n" % number for number in range(1, LINES + 1))
    assert states == ["Succeeded", hub.get(f"/{busy}", view="full")["detail"]["state"]]


def test_a_page_of_another_origin_gets_nothing(hub: Hub) -> None:
    with httpx.Client(trust_env=False, follow_redirects=True) as browser:
        browser.get(f"{hub.proxy.url}{BASE}api/me", params={"token": TOKEN}).raise_for_status()
        cookies = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
        assert cookies
        headers = {"Cookie": cookies, "Origin": "https://evil.example"}
        assert httpx.get(hub.url, headers=headers, trust_env=False).status_code in (403, 404)
    with pytest.raises(HTTPClientError, match="403"):
        asyncio.run(_opened(hub, headers))
    asyncio.run(_opened(hub, {"Cookie": cookies, "Origin": hub.proxy.url}))


async def _opened(hub: Hub, headers: dict[str, str]) -> None:
    socket = await websocket_connect(HTTPRequest(f"{hub.url}/stream".replace("http", "ws", 1), headers=headers))
    socket.close()
