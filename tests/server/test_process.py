"""A server of its own process, as ``jupyter submarine`` starts it, and curl as its client."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.live_server import TOKEN, LiveServer

GOLDEN = Path(__file__).parent.parent / "models" / "golden"
Curl = Callable[..., str]

pytestmark = pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")


@pytest.fixture
def live(tmp_path: Path) -> Iterator[LiveServer]:
    server = LiveServer(tmp_path, "--SubmarineExtension.local_cpus=8", "--SubmarineExtension.local_memory=16Gi")
    server.start()
    try:
        assert server.wait_ready()
        yield server
    finally:
        server.kill()
        server.http.close()


@pytest.fixture
def curl(live: LiveServer) -> Curl:
    """Run curl with the token and return what it prints."""

    def run(path: str, *arguments: str) -> str:
        header = ("-H", f"Authorization: token {TOKEN}")
        command = ["curl", "--silent", "--max-time", "30", *header, *arguments, live.url + path]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    return run


def test_the_commands_of_the_document_work_as_they_are(curl: Curl, tmp_path: Path) -> None:
    # The parameter server is ended with the worker, which therefore waits for it.
    meet = tmp_path / "meet.sh"
    meet.write_text('echo "$@"; : > "$0.$SUBMARINE_REPLICA_TYPE"; until [ -e "$0.Ps" ]; do sleep 0.05; done\n')
    body = (GOLDEN / "post.request.json").read_text().replace("python /var/tf_mnist", f"sh {meet} /var/tf_mnist")
    made = json.loads(curl("", "-X", "POST", "-H", "Content-Type: application/json", "-d", body))
    path = f"/{made['result']['experimentId']}"
    assert made["result"]["status"] == "Accepted"
    assert json.loads(curl("", "-X", "GET"))["result"][0]["experimentId"] == path[1:]
    events = curl(f"{path}/events", "-N")
    last = events.rstrip().splitlines()[-2:]
    assert last[0] == "event: end"
    assert json.loads(last[1].removeprefix("data: ")) == {"status": "Succeeded"}
    assert json.loads(curl(path, "-X", "GET"))["result"]["status"] == "Succeeded"
    logs = json.loads(curl(f"/logs{path}", "-X", "GET"))["result"]["logContent"]
    assert [pod["podLog"][0].split()[0] for pod in logs] == ["/var/tf_mnist/mnist_with_summaries.py"] * 2
    assert json.loads(curl("/logs", "-X", "GET"))["result"][0]["experimentId"] == path[1:]
    changed = body.replace('"replicas": 1', '"replicas": 2')
    patched = json.loads(curl(path, "-X", "PATCH", "-H", "Content-Type: application/json", "-d", changed))
    assert patched["result"]["spec"]["spec"]["Worker"]["replicas"] == 2
    assert json.loads(curl(path, "-X", "DELETE"))["result"]["status"] == "Deleted"
    assert json.loads(curl(path, "-X", "GET"))["message"] == "Not found experiment."


def test_curl_learns_that_its_file_is_too_large(curl: Curl, tmp_path: Path) -> None:
    (tmp_path / "large.json").write_bytes(b'{"a": "' + b"x" * 8 * 2**20 + b'"}')
    for more in ((), ("-H", "Expect:"), ("-H", "Transfer-Encoding: chunked"), ("-H", "Authorization: token wrong")):
        data = ("-H", "Content-Type: application/json", "--data-binary", f"@{tmp_path}/large.json", *more)
        answer = json.loads(curl("", "-X", "POST", *data))
        assert answer["code"] == (403 if "Authorization: token wrong" in more else 413), more


def test_a_form_is_told_what_to_send(curl: Curl) -> None:
    answer = json.loads(curl("", "-d", "{}"))
    assert answer["code"] == 415
    assert "application/json" in answer["attributes"]["hint"]


def test_it_ends_in_time_though_clients_follow(live: LiveServer) -> None:
    header = ("-H", f"Authorization: token {TOKEN}")
    followers = [
        subprocess.Popen(["curl", "-sN", *header, f"{live.url}/events"], stdout=subprocess.PIPE) for _ in range(5)
    ]
    for follower in followers:
        assert follower.stdout is not None
        assert follower.stdout.readline() == b":\n"
    os.kill(live.pid, signal.SIGTERM)
    assert live.wait_dead(20) == 0, live.log()
    for follower in followers:
        assert follower.wait(5) == 0  # a complete answer, not a connection that broke
        assert follower.stdout is not None
        follower.stdout.close()
    assert "Traceback" not in live.log()


def test_secrets_stay_out_of_the_log_of_the_server(live: LiveServer, curl: Curl) -> None:
    curl(f"?token={TOKEN}&name=x")
    curl("", "-X", "POST", "-H", "Content-Type: application/json", "-d", '{"meta": {"cmd": "canary-7f3a"')
    curl("/nothing", "-H", "X-Secret: canary-7f3a")
    time.sleep(0.2)
    assert "canary-7f3a" not in live.log()
    lines = [line for line in live.log().splitlines() if "/api/v1/" in line]
    assert lines
    assert not any(TOKEN in line for line in lines)


def test_the_command_explains_its_settings() -> None:
    shown = subprocess.run(
        [sys.executable, "-m", "submarine_jupyter_server", "--help-all"], capture_output=True, text=True, check=True
    ).stdout
    assert "--SubmarineExtension.data_dir" in shown
    assert "SIGTERM" in shown
