"""A real Jupyter Server with the extension, and a watch over its event loop in every test."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from jupyter_server.serverapp import ServerApp
from tornado.httputil import HTTPHeaders
from traitlets.config import Config

from tests.server.stall import watched_loop


@dataclass(frozen=True)
class Response:
    """What came back: the status, the headers and the text."""

    code: int
    headers: HTTPHeaders
    text: str

    @property
    def envelope(self) -> dict[str, Any]:
        """The whole answer, with its six keys in order."""
        found: dict[str, Any] = json.loads(self.text)
        assert list(found) == ["status", "code", "success", "message", "result", "attributes"], self.text
        assert found["code"] == self.code
        return found

    @property
    def result(self) -> Any:
        """The result of a success."""
        found = self.envelope
        assert (self.code, found["success"]) == (200, True), self.text
        return found["result"]

    @property
    def message(self) -> str:
        """The message of an error."""
        found = self.envelope
        assert found["success"] is False
        assert found["result"] is None
        return str(found["message"])


Call = Callable[..., Awaitable[Response]]


@pytest.fixture
def server_config() -> dict[str, Any]:
    """Settings to add to those of every test; override by ``parametrize``."""
    return {}


@pytest.fixture
def jp_server_config(server_config: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Config:
    for name in ("KUBERNETES_SERVICE_HOST", "SUBMARINE_KUBE_CONTEXT", "SUBMARINE_NAMESPACE"):
        monkeypatch.delenv(name, raising=False)  # tests that run in a pod must not take its cluster
    config = Config(
        {
            "ServerApp": {
                "jpserver_extensions": {"submarine_jupyter_server": True, "jupyter_server_terminals": False},
                "reraise_server_extension_failures": True,
            },
            "SubmarineExtension": {"data_dir": str(tmp_path / "submarine"), "grace_seconds": 1.0},
        }
    )
    config.merge(Config(server_config))
    return config


@pytest.fixture(autouse=True)
def loop_is_never_held(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail a test in which one callback held the event loop for more than 250 ms."""
    if "jp_fetch" in request.fixturenames or "jp_serverapp" in request.fixturenames:
        request.getfixturevalue("jp_serverapp")  # its start is not what is watched
    with watched_loop() as stalls:
        yield
    if stalls:
        pytest.fail(f"The event loop was held for {max(stalls, key=lambda found: found.seconds)}")


@pytest.fixture
def call(jp_fetch: Callable[..., Awaitable[Any]], jp_serverapp: ServerApp) -> Call:
    """Call the API below ``api/v1``: ``await call("GET", "experiment", params={...})``."""

    async def request(method: str, path: str, body: object = None, **more: Any) -> Response:
        headers = dict(more.pop("headers", {}))
        if body is not None and not isinstance(body, bytes | str):
            body = json.dumps(body)
            headers.setdefault("Content-Type", "application/json")
        answer = await jp_fetch(
            "api", "v1", *path.split("/"), method=method, body=body, headers=headers,
            allow_nonstandard_methods=True, raise_error=False, **more,
        )  # fmt: skip
        return Response(answer.code, answer.headers, answer.body.decode())

    return request
