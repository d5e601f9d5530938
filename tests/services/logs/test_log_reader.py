"""What the REST API answers of logs: pages, attempts, bytes, and what is missing of them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from submarine_jupyter.errors import NotFound, RangeNotSatisfiable
from submarine_jupyter_server.logs.layout import ENDED, segment_name
from submarine_jupyter_server.logs.raw import ByteRange
from submarine_jupyter_server.services.logs.log_reader import RawLog, expected_pods
from submarine_jupyter_server.wire.queries.logs import log_query, wanted_bytes
from tests.services.conftest import ME, Client, experiment


async def one_that_ended(client: Client, cmd: str = "seq 0 99; exit 0", **more: Any) -> tuple[str, Path]:
    """Run an experiment to its end; return its id and the folder of its logs."""
    made = (await client.create(experiment(cmd, **more)))["experimentId"]
    await client.ended(made)
    return made, client.service.config.data_dir / "runs" / made / "1" / "logs"


async def text(client: Client, made: str, part: str | None = None) -> tuple[RawLog, str]:
    log = await client.service.logs.raw(ME, made, part=wanted_bytes(part))
    return log, b"".join([chunk async for chunk in log.chunks]).decode()


async def page(client: Client, made: str, **query: str) -> tuple[Any, dict[str, Any]]:
    pages = await client.service.logs.page(ME, made, log_query({name: [value] for name, value in query.items()}))
    return pages.result, pages.attributes


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
    log, whole = await text(client, made)
    assert (log.part, log.ranged, log.gaps, whole.split()) == (None, True, "", [str(n) for n in range(100)])
    cut_a_hole(logs / "worker-0")
    _, attributes = await page(client, made)
    assert attributes["gaps"] == {f"{made}-worker-0": [[10, 20]]}
    log, found = await text(client, made)
    assert (log.part, log.gaps) == (None, "10-19")
    assert found == whole[:10] + "==> 10 bytes are missing here <==\n" + whole[20:]
    log, found = await text(client, made, "bytes=5-30")
    assert (log.part, log.gaps, found) == (ByteRange(5, 10, 290), "10-19", whole[5:10])
    log, found = await text(client, made, "bytes=20-30")
    assert (log.part, log.gaps, found) == (ByteRange(20, 31, 290), "", whole[20:31])
    with pytest.raises(RangeNotSatisfiable, match="Bytes 12 to 15 of the log are lost"):
        await text(client, made, "bytes=12-15")


async def test_the_gaps_of_several_replicas_are_named(client: Client) -> None:
    made, logs = await one_that_ended(client, workers=2)
    cut_a_hole(logs / "worker-1")
    log, found = await text(client, made)
    assert (log.ranged, log.gaps) == (False, "worker-1 10-19")
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
    log, everything = await text(client, made)
    assert log.gaps == "worker-1 2-289"
    assert "==> worker-0 <==\n==> the log cannot be read" in everything
    last = [message async for message in await client.service.logs.follow(ME, made)][-1]
    assert last is not None
    assert json.loads(last.data) == {"status": "Succeeded", "complete": False}
    shutil.rmtree(logs.parent)
    assert len((await page(client, made))[1]["errors"]) == 2


def test_pods_are_known_before_they_exist() -> None:
    spec = json.dumps({"spec": {"Worker": {"replicas": 2}, "Ps": {"replicas": 1}}})
    assert expected_pods("e", spec) == ["e-ps-0", "e-worker-0", "e-worker-1"]
