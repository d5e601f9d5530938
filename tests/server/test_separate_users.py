"""Users who share a server and not their experiments: every route, by another user than the owner."""

from __future__ import annotations

import re
from collections.abc import Iterator

import httpx
import pytest

from submarine_jupyter_server.handlers import ROUTES
from tests.live_server import LiveServer, kill_experiments
from tests.server.test_access import WRITES, served

BODY = {
    "meta": {"name": "n", "framework": "Standalone", "cmd": "echo hello", "envVars": {"HF_TOKEN": "canary"}},
    "spec": {"Worker": {"replicas": 1}},
}


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    made = LiveServer(
        tmp_path_factory.mktemp("shared"),
        "--IdentityProvider.token=",
        "--ServerApp.password=",
        "--SubmarineExtension.trusted_user_header=x-user",
        "--SubmarineExtension.separate_users=True",
    )
    made.start()
    made.http.headers["x-user"] = "ada"
    del made.http.headers["Authorization"]
    assert made.wait_ready(), made.log()
    yield made
    made.kill()
    made.http.close()
    kill_experiments(made.folder)


@pytest.fixture
def eve(shared: LiveServer) -> Iterator[httpx.Client]:
    root = shared.url.removesuffix("/api/v1/experiment")
    with httpx.Client(base_url=root, headers={"x-user": "eve"}, timeout=30, trust_env=False) as client:
        yield client


def test_no_route_shows_or_changes_what_belongs_to_somebody_else(shared: LiveServer, eve: httpx.Client) -> None:
    made = shared.result("POST", json=BODY)["experimentId"]
    before = shared.ended(made)
    patterns = [pattern for pattern, _ in ROUTES if "([^/]+)" in pattern]
    assert len(patterns) >= 5
    for pattern in patterns:
        path = pattern.replace("([^/]+)", made).removesuffix("/?")
        nowhere = path.replace(made, "experiment-1-0001")
        for method in ("GET", *WRITES):
            if not served(path, method):
                continue
            change = {"note": "eve"} if path.endswith("/notes") else {"meta": {"tags": ["eve"]}}
            body = {"json": change} if method in WRITES else {}
            headers = {"Content-Type": "application/merge-patch+json"} if method == "PATCH" else {}
            answers = [eve.request(method, each, headers=headers, **body) for each in (path, nowhere)]  # type: ignore[arg-type]
            assert [answer.status_code for answer in answers] == [404, 404], (method, path, answers[0].text)
            assert answers[0].text == answers[1].text, "what is not hers looks other than what is not there"
    assert shared.ended(made) == before


def test_lists_show_what_is_ones_own(shared: LiveServer, eve: httpx.Client) -> None:
    made = shared.result("POST", json=BODY)["experimentId"]
    for path in ("experiment", "experiment?owner=ada", "experiment/logs", "experiment?view=summary"):
        assert re.search(made, shared.http.get(f"{shared.url.removesuffix('experiment')}{path}").text), path
        assert eve.get(f"/api/v1/{path}").json()["result"] == [], path


def test_a_copy_has_no_secret_of_somebody_else(shared: LiveServer, eve: httpx.Client) -> None:
    made = shared.result("POST", json=BODY)
    assert made["spec"]["meta"]["envVars"] == {"HF_TOKEN": "******"}
    refused = eve.post("/api/v1/experiment", json=made["spec"])
    assert (refused.status_code, refused.json()["attributes"]["error"]) == (400, "InvalidSpec")
    assert "canary" not in refused.text
    assert shared.http.post(shared.url, json=made["spec"]).status_code == 200
