"""What becomes of an experiment, seen from the service."""

from __future__ import annotations

import asyncio
import gc
import json
import weakref
from contextvars import ContextVar
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from submarine_jupyter.errors import Conflict, Forbidden, IdempotencyMismatch, InvalidSpec, NotFound
from submarine_jupyter_server.config import ServiceConfig
from submarine_jupyter_server.opening.wiring import Service
from submarine_jupyter_server.store.experiments import Query
from submarine_jupyter_server.wire.answers.experiments import deleted_json, shown_json
from tests.services.conftest import ME, Client, experiment


async def test_post_answers_the_state_at_acceptance_and_the_end_is_true(client: Client) -> None:
    made = await client.create(experiment("echo hello; exit 3"))
    assert (made["status"], made["createdTime"], made["runningTime"]) == ("Accepted", None, None)
    ended = await client.ended(made["experimentId"])
    assert ended["status"] == "Failed"
    assert ended["detail"]["reason"] == "ReplicaFailed"
    assert "exit code 3" in ended["detail"]["message"]
    assert "hello" in ended["detail"]["message"]
    times = [ended[f"{name}Time"] for name in ("accepted", "created", "running", "finished")]
    assert times == sorted(times)
    assert await client.log(made["experimentId"]) == [["hello"]]


async def test_what_runs_does_not_keep_the_request_in_memory_that_began_it(client: Client) -> None:
    current: ContextVar[object] = ContextVar("current")

    class Request:
        pass

    async def post() -> tuple[weakref.ref[Request], str]:
        request = Request()
        current.set(request)
        made = await client.create(experiment("sleep 60"))
        return weakref.ref(request), made["experimentId"]

    request, experiment_id = await asyncio.create_task(post())
    await client.until(experiment_id, lambda found: found["status"] == "Running")
    # The timer of the answer keeps it until it would have been due.
    for _ in range(100):
        if request() is None:
            break
        await asyncio.sleep(0.1)
        gc.collect()
    assert request() is None
    assert (await client.get(experiment_id))["status"] == "Running"


async def test_the_same_key_is_the_same_experiment_even_fifty_times_at_once(client: Client) -> None:
    body = experiment("true")
    made = await asyncio.gather(*(client.create(body, "k") for _ in range(50)))
    assert len({each["experimentId"] for each in made}) == 1
    assert all(each == made[0] for each in made)
    with pytest.raises(IdempotencyMismatch):
        await client.create(experiment("false"), "k")


async def test_what_is_larger_than_the_machine_is_refused_and_not_kept(client: Client) -> None:
    with pytest.raises(InvalidSpec, match="cpu"):
        await client.create(experiment("true", cpu="64"))
    assert (await client.experiments.list(ME, Query())).rows == []


async def test_a_full_machine_makes_it_wait_and_says_for_what(client: Client) -> None:
    first = await client.create(experiment("sleep 60", cpu="2"))
    second = await client.create(experiment("true", cpu="1"))
    waiting = await client.until(second["experimentId"], lambda found: found["detail"]["reason"] == "Queued")
    assert waiting["status"] == "Accepted"
    assert "cpu" in waiting["detail"]["message"]
    assert first["experimentId"] in waiting["detail"]["message"]
    await client.experiments.stop(ME, first["experimentId"])
    assert (await client.ended(second["experimentId"]))["status"] == "Succeeded"


async def test_stop_keeps_the_record_and_what_waited_never_starts(client: Client, tmp_path: Path) -> None:
    running = await client.create(experiment("echo begun; sleep 60", cpu="2"))
    waiting = await client.create(experiment(f"touch {tmp_path}/started"))
    for made in (waiting, running):
        await client.experiments.stop(ME, made["experimentId"])
        ended = await client.ended(made["experimentId"])
        assert (ended["status"], ended["detail"]["reason"]) == ("Failed", "Stopped")
    assert not (tmp_path / "started").exists()
    again = await client.experiments.stop(ME, running["experimentId"])
    assert again.note == "The experiment had ended already."


async def test_scaling_leaves_what_runs_alone(client: Client, tmp_path: Path) -> None:
    body = experiment(f"echo $SUBMARINE_REPLICA_INDEX >> {tmp_path}/starts; exec sleep 60")
    made = await client.create(body)
    for replicas in (3, 1, 2):
        patch = {"spec": {"Worker": {"replicas": replicas}}}
        shown = json.loads(shown_json(await client.experiments.patch(ME, made["experimentId"], patch, merge=True)))
        assert shown["spec"]["spec"]["Worker"]["replicas"] == replicas
        await client.until(made["experimentId"], lambda found, n=replicas: running(found) == n)  # type: ignore[misc]
    assert (await client.get(made["experimentId"]))["detail"]["attempt"] == 1
    assert sorted((tmp_path / "starts").read_text().split()) == ["0", "1", "1", "2"]


def running(found: dict[str, Any]) -> int:
    return sum(replica["status"] == "Running" for replica in found["detail"]["replicas"])


async def test_a_new_template_is_a_new_attempt_with_the_logs_of_both(client: Client) -> None:
    made = await client.create(experiment("echo first; exec sleep 60"))
    await client.until(made["experimentId"], lambda found: found["status"] == "Running")
    patch = {"meta": {"cmd": "echo second"}}
    await client.experiments.patch(ME, made["experimentId"], patch, merge=True)
    ended = await client.ended(made["experimentId"])
    assert (ended["status"], ended["detail"]["attempt"], ended["detail"]["generation"]) == ("Succeeded", 2, 2)
    assert await client.log(made["experimentId"]) == [["second"]]
    assert await client.log(made["experimentId"], attempt="1") == [["first"]]


async def test_what_has_ended_only_records_a_change(client: Client) -> None:
    made = await client.create(experiment("true"))
    before = await client.ended(made["experimentId"])
    shown = await client.experiments.patch(
        ME, made["experimentId"], experiment("true", workers=2), merge=False, if_match='"1"'
    )
    after = json.loads(shown_json(shown))
    assert "nothing was started" in str(shown.note)
    assert after["spec"]["spec"]["Worker"]["replicas"] == 2
    assert [after[key] for key in after if key != "spec"] == [before[key] for key in after if key != "spec"]
    with pytest.raises(Conflict, match="generation 2"):
        await client.experiments.patch(ME, made["experimentId"], {}, merge=True, if_match='"1"')


async def test_a_living_experiment_keeps_its_framework_and_namespace(client: Client) -> None:
    made = await client.create(experiment("sleep 60"))
    for change in ({"framework": "Standalone"}, {"namespace": "team"}):
        with pytest.raises(Conflict, match=f"meta.{next(iter(change))} cannot change"):
            await client.experiments.patch(ME, made["experimentId"], {"meta": change}, merge=True)
    with pytest.raises(Forbidden, match="'other' is not one of the namespaces of target 'local'"):
        await client.create(experiment("true", meta={"namespace": "other"}))


async def test_deleted_is_gone_and_its_processes_are(client: Client) -> None:
    made = await client.create(experiment("sleep 60"))
    answer = json.loads(deleted_json((await client.experiments.delete(ME, made["experimentId"])).row))
    times = [answer[f"{name}Time"] for name in ("accepted", "created", "running", "finished")]
    assert (answer["status"], times) == ("Deleted", [None] * 4)
    experiments = client.experiments
    for call in (client.get, partial(experiments.stop, ME), partial(experiments.delete, ME), client.log):
        with pytest.raises(NotFound, match=r"^Not found experiment\.$"):
            await call(made["experimentId"])


async def test_secrets_reach_the_process_and_nobody_else(client: Client, config: ServiceConfig) -> None:
    canary = "canary-4711"
    body = experiment('test "$API_TOKEN" = canary-4711 && test "$PLAIN" = $API_TOKEN && exec sleep 60')
    body["meta"]["envVars"] = {"API_TOKEN": canary}
    body["meta"]["cmd"] = body["meta"]["cmd"].replace(canary, "$CHECK")
    body["spec"]["Worker"]["envVars"] = {"CHECK": canary}
    body["runtime"] = {"secrets": {"PLAIN": canary}}
    made = await client.create(body, key="k")
    found = await client.until(made["experimentId"], lambda found: found["status"] != "Created")
    assert found["status"] == "Running"
    shown = json.dumps([made, found])
    assert shown.count(canary) == 2 * 1  # CHECK is no secret by its name
    # The masked spec sent back keeps the secret; so does a copy of it.
    await client.experiments.patch(
        ME, made["experimentId"], {**found["spec"], "spec": {"Worker": {"replicas": 2}}}, merge=True
    )
    copied = await client.create(found["spec"])
    for each in (made, copied):
        await client.until(each["experimentId"], lambda found: running(found) >= 1)


async def test_a_lost_database_is_written_again_from_the_run_directories(config: ServiceConfig) -> None:
    service = await Service.open(config)
    client = Client(service)
    kept = await client.create(experiment("echo kept; exit 4", meta={"tags": ["a"]}))
    gone = await client.create(experiment("true"))
    alive = await client.create(experiment("echo alive; sleep 2"))
    before = await client.ended(kept["experimentId"])
    await client.ended(gone["experimentId"])
    await client.experiments.delete(ME, gone["experimentId"])
    await service.close()
    for file in config.data_dir.glob("submarine.db*"):
        file.unlink()
    for file in (config.data_dir / "backups").glob("*"):
        file.unlink()

    service = await Service.open(config)
    client = Client(service)
    for _ in range(100):
        listed = [row.id for row in (await service.experiments.list(ME, Query())).rows]
        if len(listed) == 2:
            break
        await asyncio.sleep(0.05)
    assert set(listed) == {kept["experimentId"], alive["experimentId"]}
    after = await client.ended(kept["experimentId"])
    for key in ("uid", "status", "acceptedTime", "finishedTime", "spec"):
        assert after[key] == before[key], key
    assert (await client.ended(alive["experimentId"]))["status"] == "Succeeded"
    assert await client.log(kept["experimentId"]) == [["kept"]]
    new = await client.create(experiment("true"))
    assert new["experimentId"] not in {kept["experimentId"], gone["experimentId"], alive["experimentId"]}
    await client.ended(new["experimentId"])
    await service.close()
