"""What a follower sees of a server that is killed and comes back."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from submarine_jupyter import ServerNotFound, SubmarineClient
from submarine_jupyter.client.following import End, Lines
from tests.kernel.conftest import end
from tests.kernel.wire import Wire
from tests.live_server import TOKEN, LiveServer


@pytest.fixture
def mortal(tmp_path: Path) -> Iterator[LiveServer]:
    made = LiveServer(tmp_path)
    made.start()
    assert made.wait_ready(), made.log()
    yield made
    end(made)


def port(server: LiveServer) -> int:
    return urlsplit(server.url).port or 0


def test_following_goes_on_after_the_server_was_killed(mortal: LiveServer) -> None:
    wire = Wire(port(mortal))
    client = SubmarineClient(f"http://127.0.0.1:{wire.port}/", TOKEN)
    cmd = "for i in $(seq 60); do echo $i; sleep 0.1; done"
    experiment = client.create(
        {"meta": {"name": "long", "framework": "Standalone", "cmd": cmd}, "spec": {"Worker": {"replicas": 2}}}
    )

    found: dict[str, list[str]] = {"worker-0": [], "worker-1": []}
    killed = False
    items = list[End]()
    for item in client.follow(experiment.id, timeout=90):
        if isinstance(item, Lines):
            found[item.replica] += item.lines
        elif isinstance(item, End):
            items.append(item)
        if len(found["worker-0"]) > 10 and not killed:
            killed = True
            mortal.kill()
            mortal.start()
            wire.target = port(mortal)

    assert killed
    assert found == {"worker-0": [*map(str, range(1, 61))], "worker-1": [*map(str, range(1, 61))]}
    assert items == [End("Succeeded", True)]
    client.close()
    wire.close()


def test_a_server_that_stays_away_is_given_up(mortal: LiveServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("submarine_jupyter.client.following.PATIENCE_S", 1.0)
    with SubmarineClient(mortal.url.removesuffix("api/v1/experiment"), TOKEN) as client:
        experiment = client.create(
            {"meta": {"name": "x", "framework": "Standalone", "cmd": "sleep 600"}, "spec": {"Worker": {"replicas": 1}}}
        )
        items = client.follow(experiment.id)
        next(items)
        mortal.kill()
        started = time.monotonic()
        with pytest.raises(ServerNotFound, match="No answer") as caught:
            list(items)
        assert time.monotonic() - started < 30
        assert "experiments go on without it" in str(caught.value.hint)
