"""What the REST API answers of logs: pages, attempts, bytes, and what is missing of them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from submarine_jupyter.errors import InvalidRequest, NotFound, RangeNotSatisfiable
from submarine_jupyter_server.logs.layout import ENDED, segment_name
from submarine_jupyter_server.services.log_reader import expected_pods, since
from tests.services.conftest import Client, experiment


async def one_that_ended(client: Client, cmd: str = "seq 0 99; exit 0", **more: Any) -> tuple[str, Path]:
    """Run an experiment to its end; return its id and the folder of its logs."""
    made = (await client.create(experiment(cmd, **more)))["experimentId"]
    await client.ended(made)
    return made, client.service.config.data_dir / "runs" / made / "1" / "logs"


async def text(client: Client, made: str, **options: Any) -> tuple[int, dict[str, str], str]:
    log = await client.service.logs.raw(made, **{"replica": None, "range_header": None, **options})
    return log.status, dict(log.headers), b"".join([chunk async for chunk in log.chunks]).decode()


async def page(client: Client, made: str, **query: str) -> tuple[dict[str, Any], dict[str, Any]]:
    answer = await client.service.logs.page(made, {name: [value] for name, value in query.items()})
    return json.loads(answer.result), answer.attributes


def cut_a_hole(folder: Path) -> None:
    """Lose the bytes 10 to 19 of a log of 290."""
    whole = (folder / segment_name(0)).read_bytes()
    assert len(whole) == 290
    (folder / segment_name(0)).write_bytes(whole[:10])
    (folder / segment_name(20)).write_bytes(whole[20:])


async def test_an_attempt_that_never_was_is_not_found(client: Client) -> None:
    made, _ = await one_that_ended(client)
    assert (await page(client, made, attempt="1"))[0]["logContent"][0]["podLog"][:2] == ["0", "1"]
    with pytest.raises(NotFound, match="has no attempt 7: the latest is 1"):
        await page(client, made, attempt="7")


async def test_a_gap_is_in_every_answer(client: Client) -> None:
    made, logs = await one_that_ended(client)
    status, headers, whole = await text(client, made)
    assert (status, headers, whole.split()) == (200, {"Accept-Ranges": "bytes"}, [str(n) for n in range(100)])
    cut_a_hole(logs / "worker-0")
    _, attributes = await page(client, made)
    assert attributes["gaps"] == {f"{made}-worker-0": [[10, 20]]}
    status, headers, found = await text(client, made)
    assert (status, headers["Submarine-Log-Gaps"]) == (200, "10-19")
    assert found == whole[:10] + "==> 10 bytes are missing here <==\n" + whole[20:]
    status, headers, found = await text(client, made, range_header="bytes=5-30")
    assert (status, headers["Content-Range"], found) == (206, "bytes 5-9/290", whole[5:10])
    assert headers["Submarine-Log-Gaps"] == "10-19"
    status, headers, found = await text(client, made, range_header="bytes=20-30")
    assert (status, found, "Submarine-Log-Gaps" in headers) == (206, whole[20:31], False)
    with pytest.raises(RangeNotSatisfiable, match="Bytes 12 to 15 of the log are lost"):
        await text(client, made, range_header="bytes=12-15")


async def test_the_gaps_of_several_replicas_are_named(client: Client) -> None:
    made, logs = await one_that_ended(client, workers=2)
    cut_a_hole(logs / "worker-1")
    _, headers, found = await text(client, made)
    assert headers == {"Submarine-Log-Gaps": "worker-1 10-19"}
    assert found.count("bytes are missing here") == 1


async def test_a_log_that_was_removed_or_cut_off_is_told(client: Client) -> None:
    made, logs = await one_that_ended(client, workers=2)
    assert (logs / "worker-1" / ENDED).read_text() == "290"
    (logs / "worker-1" / segment_name(0)).write_bytes(b"0\n")
    shutil.rmtree(logs / "worker-0")
    found, attributes = await page(client, made)
    assert [pod["podLog"] for pod in found["logContent"]] == [[], ["0"]]
    assert attributes["errors"] == {f"{made}-worker-0": "The log cannot be read: its folder was removed."}
    assert attributes["gaps"] == {f"{made}-worker-1": [[2, 290]]}
    assert (await page(client, made, replica="worker-0"))[1]["errors"] == attributes["errors"]
    _, headers, everything = await text(client, made)
    assert headers == {"Submarine-Log-Gaps": "worker-1 2-289"}
    assert "==> worker-0 <==\n==> the log cannot be read" in everything
    last = [message async for message in await client.service.logs.follow(made)][-1]
    assert last is not None
    assert json.loads(last.data) == {"status": "Succeeded", "complete": False}
    shutil.rmtree(logs.parent)
    assert len((await page(client, made))[1]["errors"]) == 2


def test_pods_are_known_before_they_exist() -> None:
    spec = json.dumps({"spec": {"Worker": {"replicas": 2}, "Ps": {"replicas": 1}}})
    assert expected_pods("e", spec) == ["e-ps-0", "e-worker-0", "e-worker-1"]


@pytest.mark.parametrize("bad", ["", "1", "10x", "-1m", "yesterday", "9" * 20 + "s"])
def test_since_refuses(bad: str) -> None:
    with pytest.raises(InvalidRequest, match="must be like 30s"):
        since(bad)
