"""The OpenAPI document is valid, complete and true: a real server answers as it says, and never with a 5xx."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import jsonschema_rs
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from tornado.web import RequestHandler

from submarine_jupyter_server.handlers import ROUTES
from submarine_jupyter_server.handlers.admission import ACTIONS
from submarine_jupyter_server.wire.openapi.document import document
from tests.live_server import TOKEN, LiveServer

SPEC = {
    "meta": {"name": "quiet", "framework": "Standalone", "cmd": "true"},
    "spec": {"Worker": {"resources": "cpu=0.1,memory=16M"}},
}


def routes() -> dict[str, set[str]]:
    """Return path -> methods as they are served, in the words of OpenAPI."""
    found: dict[str, set[str]] = {}
    for pattern, handler in ROUTES[:-1]:
        path = pattern.removeprefix("/api/v1").removesuffix("/?").replace(r"\.", ".").replace("([^/]+)", "{id}")
        unimplemented = RequestHandler._unimplemented_method
        found[path] = {verb.lower() for verb in ACTIONS if getattr(handler, verb.lower()) is not unimplemented}
    return found


def test_every_route_and_method_is_described_and_no_other() -> None:
    paths = json.loads(document("/api/v1"))["paths"]
    assert {path: set(item) - {"parameters"} for path, item in paths.items()} == routes()


def test_it_is_valid_openapi() -> None:
    """Structure by schemathesis' own reader (below), every schema by the JSON Schema meta-schema, every reference."""
    found = json.loads(document("/api/v1"))
    for schema in found["components"]["schemas"].values():
        jsonschema_rs.meta.validate({"$schema": "https://json-schema.org/draft/2020-12/schema", **schema})
    for reference in re.findall(r'"\$ref": "#/([^"]*)"', document("/api/v1")):
        place = found
        for part in reference.split("/"):
            place = place[part]
    for path, item in found["paths"].items():
        for operation in (value for key, value in item.items() if key != "parameters"):
            assert operation["summary"]
            success = "101" if path.endswith("/stream") else "200"
            assert {success, "403", "503"} <= set(operation["responses"])


async def test_it_is_served_without_an_envelope(call: Any, jp_base_url: str) -> None:
    answer = await call("GET", "openapi.json")
    assert answer.code == 200
    assert json.loads(answer.text) == json.loads(document(f"{jp_base_url}api/v1"))


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    server = LiveServer(Path(tmp_path_factory.mktemp("openapi")))
    server.start()
    try:
        assert server.wait_ready()
        yield server
        for made in server.http.get(server.url).json()["result"]:
            server.http.delete(f"{server.url}/{made['experimentId']}")
    finally:
        server.kill()
        server.http.close()


@pytest.fixture(scope="module")
def api(live: LiveServer) -> Any:
    url = live.url.removesuffix("experiment") + "openapi.json"
    return schemathesis.openapi.from_url(url, headers={"Authorization": f"token {TOKEN}"})


@pytest.fixture(scope="module")
def experiment_id(live: LiveServer) -> str:
    """One that is there, so that not every generated request is a 404."""
    return str(live.http.post(live.url, json=SPEC).json()["result"]["experimentId"])


def harmless(body: Any) -> None:
    """Keep what was generated, but not as commands, nor in hundreds of processes."""
    if not isinstance(body, dict) or not isinstance(body.get("meta"), dict):
        return
    body["meta"] |= {"cmd": "true", "framework": "Standalone"}
    tasks = body.get("spec")
    for task in tasks.values() if isinstance(tasks, dict) else ():
        if isinstance(task, dict):
            task.pop("cmd", None)
            task["replicas"] = 1


ENDLESS = "/events"
OPERATIONS = [
    (path, method) for path, methods in routes().items() if not path.endswith(ENDLESS) for method in sorted(methods)
]


@pytest.mark.parametrize(("path", "method"), OPERATIONS, ids=lambda part: part.strip("/"))
def test_a_server_answers_as_described_and_never_fails(api: Any, path: str, method: str, experiment_id: str) -> None:
    @given(case=api[path][method].as_strategy(), known=st.booleans())
    @settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    def send(case: Any, known: bool) -> None:
        harmless(case.body)
        if known and case.path_parameters and method != "delete":
            case.path_parameters["id"] = experiment_id
        if (case.query or {}).get("follow"):
            del case.query["follow"]
        response = case.call(headers={"Authorization": f"token {TOKEN}"}, timeout=30)
        case.validate_response(
            response,
            checks=[
                not_a_server_error,
                status_code_conformance,
                content_type_conformance,
                response_schema_conformance,
            ],
        )

    send()


def test_a_spec_in_yaml_is_described_too(live: LiveServer) -> None:
    answer = httpx.post(
        live.url,
        content="meta: {name: y, framework: Standalone, cmd: 'true'}\nspec: {Worker: {replicas: 1}}\n",
        headers={"Authorization": f"token {TOKEN}", "Content-Type": "application/yaml"},
        trust_env=False,
    )
    assert answer.status_code == 200
