"""The client against a real server, with real processes behind it."""

from __future__ import annotations

import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from random import Random
from typing import Any
from urllib.parse import urlsplit

import pytest

from submarine_jupyter import (
    ExperimentFailed,
    ExperimentSpec,
    Forbidden,
    InvalidRequest,
    NotFound,
    ServerNotFound,
    SubmarineClient,
    WaitTimeout,
)
from submarine_jupyter.client.answers import LogLine
from submarine_jupyter.errors import Conflict, IdempotencyMismatch
from tests.kernel.wire import Wire
from tests.live_server import TOKEN


def spec(cmd: str, replicas: int = 1, name: str = "test", **meta: Any) -> dict[str, Any]:
    return {
        "meta": {"name": name, "framework": "Standalone", "cmd": cmd, **meta},
        "spec": {"Worker": {"replicas": replicas, "resources": "cpu=100m"}},
    }


def test_an_experiment_from_beginning_to_end(client: SubmarineClient) -> None:
    lines: list[LogLine] = []
    experiment = client.create(spec("echo Accuracy at step 1: 0.5; echo Accuracy at step 2: 0.75", name="<b>one</b>"))

    experiment.wait(60, on_log=lines.append)

    assert [str(line) for line in lines] == [
        "[worker-0] Accuracy at step 1: 0.5",
        "[worker-0] Accuracy at step 2: 0.75",
    ]
    assert experiment.status == "Succeeded"
    assert experiment.logs() == {"worker-0": [line.text for line in lines]}
    assert repr(experiment.logs(tail=1)) == "[worker-0] Accuracy at step 2: 0.75"
    assert list(experiment.logs(follow=True)) == lines
    assert experiment.spec.meta.name == "<b>one</b>"
    assert repr(experiment) == f"<Experiment {experiment.id} '<b>one</b>' Succeeded>"
    while (metrics := experiment.metrics()).note is not None:
        pass  # the server waits itself
    series = [point for one in metrics for point in one.points]
    assert [(point.step, point.value) for point in series] == [(1, 0.5), (2, 0.75)]
    assert experiment.metrics().last("accuracy") == 0.75
    with pytest.raises(NotFound, match=r"There is no metric 'loss'.*ccuracy"):
        experiment.metrics().last("loss")


def test_a_search_goes_on_to_the_end(client: SubmarineClient) -> None:
    experiment = client.create(spec("seq 1 150; echo 150.5", replicas=2))
    experiment.wait(60)

    found = list(client.search(experiment.id, "1"))

    assert len(found) == 2 * "".join(map(str, (*range(1, 151), 150.5))).count("1") > 100  # more than an answer has
    assert [str(match) for match in client.search(experiment.id, "150", replica="worker-1")] == [
        "[worker-1] 150",
        "[worker-1] 150.5",
    ]
    assert all(match.time is not None for match in found)
    with pytest.raises(InvalidRequest, match="must not be empty"):
        next(client.search(experiment.id, ""))


def test_the_end_of_a_log_is_bytes(client: SubmarineClient) -> None:
    def ended(command: str) -> str:
        meta = {"name": "end", "framework": "Standalone", "cmd": command}
        return client.create({"meta": meta, "spec": {"Worker": {}}}).wait().id

    written, silent = ended("printf 'a\\0\\377bc'"), ended("true")

    assert client.end_of_log(written, "worker-0", 2) == b"bc"
    assert client.end_of_log(written, "worker-0", 100) == b"a\0\xffbc"
    assert client.end_of_log(silent, "worker-0", 100) == b""
    with pytest.raises(NotFound):
        client.end_of_log("experiment-1-0001", "worker-0", 100)


def test_what_is_shown_is_plain_text_everywhere(client: SubmarineClient) -> None:
    experiment = client.create(spec("echo '<script>alert(1)</script>'; exit 1", name="<img src=x>"))
    with pytest.raises(ExperimentFailed):
        experiment.wait(60)

    shown = experiment._repr_mimebundle_()
    assert "<img src=x" not in shown["text/html"]
    assert "&lt;img src=x&gt;" in shown["text/html"]
    assert "<script" not in shown["text/html"]
    assert "worker-0 failed with exit code 1" in shown["text/plain"]
    listed = client.list(limit=1)._repr_mimebundle_()
    assert "<img src=x" not in listed["text/html"]
    assert experiment.id in listed["text/html"]


def test_a_failure_says_why(client: SubmarineClient) -> None:
    experiment = client.create(spec("echo first; echo the disk is full >&2; exit 3"))

    with pytest.raises(ExperimentFailed, match="exit code 3") as caught:
        experiment.wait(60)

    assert caught.value.reason == "ReplicaFailed"
    assert "the disk is full" in caught.value.message
    assert caught.value._render_traceback_()[0].startswith("ExperimentFailed: ")


def test_waiting_ends_when_it_should(client: SubmarineClient) -> None:
    experiment = client.create(spec("sleep 600"))
    started = time.monotonic()

    for on_log in (None, lambda line: None):
        with pytest.raises(WaitTimeout, match="goes on"):
            experiment.wait(0.5, on_log=on_log)

    assert time.monotonic() - started >= 1.0
    assert experiment.status in ("Accepted", "Created", "Running")
    experiment.stop()
    with pytest.raises(ExperimentFailed) as caught:
        experiment.wait(60)
    assert caught.value.reason == "Stopped"


def test_scaling_a_running_experiment(client: SubmarineClient) -> None:
    experiment = client.create(spec("echo here; sleep 600"))

    experiment.scale(worker=2)

    assert experiment.known["spec"]["spec"]["Worker"]["replicas"] == 2
    names = set()
    for line in experiment.logs(follow=True):
        names.add(line.replica)
        if len(names) == 2:
            break
    with pytest.raises(InvalidRequest, match=r"no role 'ps'.*Worker"):
        experiment.scale(ps=1)
    with pytest.raises(InvalidRequest, match="which role"):
        experiment.scale()
    experiment.delete()
    assert experiment.status == "Deleted"
    with pytest.raises(NotFound, match="Not found experiment"):
        client.get(experiment.id)


def test_a_clone_is_a_new_experiment_with_changes(client: SubmarineClient) -> None:
    first = client.create(spec("echo $A $B $TOKEN", envVars={"A": "1", "B": "2", "TOKEN": "secret"}))
    first.wait(60)

    clone = first.clone(name="again", env={"B": 3}, worker=2, resources="cpu=200m").wait(60)

    assert clone.id != first.id
    # The token is masked in what the server tells, and comes along nevertheless.
    assert clone.logs() == {"worker-0": ["1 3 secret"], "worker-1": ["1 3 secret"]}
    assert (clone.name, clone.spec.spec["Worker"].resources) == ("again", "cpu=200m")
    assert first.spec.meta.name == "test"


def test_a_spec_of_the_models_can_be_sent(client: SubmarineClient) -> None:
    made = ExperimentSpec.parse(spec("echo model"))
    experiment = client.create(made)
    assert experiment.wait(60).logs() == {"worker-0": ["model"]}
    plan = client.plan(made)
    assert (plan.target, plan.verdict, plan.ahead, plan.fits) == ("local", "now", None, None)
    assert plan.objects[0]["name"] == "worker-0"
    assert plan.spec["meta"]["cmd"] == "echo model"
    assert str(plan).startswith("It would start now on local: it needs cpu=")


def test_lists_are_filtered(client: SubmarineClient) -> None:
    client.create(spec("true", name="find me", tags=["rare"])).wait(60)

    assert [one.name for one in client.list(tag="rare")] == ["find me"]
    assert [one.name for one in client.list(name="find me", status="Succeeded", framework="Standalone")] == ["find me"]
    assert repr(client.list(tag="nobody has it")).startswith("≡ No experiments")


def test_events_are_told_from_the_beginning(client: SubmarineClient) -> None:
    experiment = client.create(spec("true"))
    statuses = [event["status"] for event in client.events(experiment.id)]
    assert (statuses[0], statuses[-1]) == ("Accepted", "Succeeded")


def test_events_of_all_are_told_from_now_on(client: SubmarineClient) -> None:
    before = client.create(spec("true")).wait(60)
    made: list[str] = []
    later = threading.Timer(0.5, lambda: made.append(client.create(spec("true")).id))
    later.start()

    for event in client.events(timeout=30):
        assert event["experimentId"] != before.id
        if event["status"] == "Succeeded":
            break

    later.join()
    assert made == [event["experimentId"]]


def test_the_server_says_what_is_wrong(client: SubmarineClient) -> None:
    bad = spec("true")
    bad["spec"]["Worker"]["resources"] = "cpu=x"
    with pytest.raises(InvalidRequest, match=r"spec\.Worker\.resources: 'cpu=x' is not a quantity"):
        client.create(bad)
    with pytest.raises(InvalidRequest, match="999"):
        client.create({**spec("true"), "spec": {"Worker": {"replicas": 1, "resources": "cpu=999"}}})
    with pytest.raises(NotFound):
        client.get("experiment-1-0001")
    with pytest.raises(NotFound, match="is not the id"):
        client.get("../../kernels")
    with pytest.raises(InvalidRequest):
        client.list(limit=-1)


def test_a_change_that_is_not_possible(client: SubmarineClient) -> None:
    experiment = client.create(spec("sleep 600"))
    with pytest.raises(Conflict, match="clone it"):
        client.patch(experiment.id, {"meta": {"framework": "PyTorch"}})
    experiment.delete()


def test_a_wrong_token_is_refused_with_a_hint(url: str) -> None:
    for token, what in (("wrong", "does not accept the token"), (None, "wants a token")):
        with SubmarineClient(url, token) as client, pytest.raises(Forbidden, match=what) as caught:
            client.list()
        assert "--token" in str(caught.value.hint)


def test_nobody_answers(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("submarine_jupyter.client.calls.transport.PATIENCE_S", 0.5)
    wire.close()
    with SubmarineClient(f"http://127.0.0.1:{wire.port}/", "secret-token") as client:
        with pytest.raises(ServerNotFound, match="No answer from the server") as caught:
            client.ping()
        assert "secret-token" not in repr(client) + str(caught.value)


def test_a_key_never_makes_two(client: SubmarineClient) -> None:
    first = client.create(spec("true"), key="the-same")
    assert client.create(spec("true"), key="the-same").id == first.id
    with pytest.raises(IdempotencyMismatch):
        client.create(spec("false"), key="the-same")


def test_an_answer_that_was_cut_off_makes_one_experiment(
    client: SubmarineClient, cut_client: SubmarineClient, wire: Wire
) -> None:
    wire.cut_after(0, 40, 300)

    experiment = cut_client.create(spec("true", name="cut off"))

    assert wire.connections == 4
    assert [one.id for one in client.list(name="cut off")] == [experiment.id]


def test_a_change_whose_answer_was_cut_off_is_not_repeated(
    client: SubmarineClient, cut_client: SubmarineClient, wire: Wire
) -> None:
    experiment = client.create(spec("sleep 600"))
    wire.cut_after(0)
    with pytest.raises(ServerNotFound):
        cut_client.stop(experiment.id)
    assert wire.connections == 1
    experiment.delete()


def test_no_line_is_lost_or_doubled_however_often_the_stream_is_cut(
    client: SubmarineClient, cut_client: SubmarineClient, wire: Wire
) -> None:
    cmd = "for i in $(seq 2000); do echo line $i é; [ $((i % 100)) = 0 ] && sleep 0.02; done; true"
    experiment = client.create(spec(cmd, replicas=2))
    sizes = [300, 1000, 1, 5000, 20000, 700, 30000, 2000, 40000]
    wire.cut_after(*sizes)

    found: dict[str, list[str]] = {"worker-0": [], "worker-1": []}
    for line in cut_client.get(experiment.id).logs(follow=True):
        found[line.replica].append(line.text)

    whole = [f"line {number} é" for number in range(1, 2001)]
    assert found == {"worker-0": whole, "worker-1": whole}
    assert wire.connections >= len(sizes)


def test_no_cut_is_at_a_bad_place(client: SubmarineClient, url: str) -> None:
    experiment = client.create(spec("seq 3000; printf 'no newline at the end'", replicas=2)).wait(60)
    whole = [*map(str, range(1, 3001)), "no newline at the end"]

    def follow(seed: int) -> dict[str, list[str]]:
        random, wire = Random(seed), Wire(urlsplit(url).port or 0)
        wire.cut_after(*(int(random.expovariate(1 / 8000)) for _ in range(12)))
        found: dict[str, list[str]] = {"worker-0": [], "worker-1": []}
        with SubmarineClient(f"http://127.0.0.1:{wire.port}/", TOKEN) as cut_client:
            for line in cut_client.get(experiment.id).logs(follow=True):
                found[line.replica].append(line.text)
        wire.close()
        return found

    with ThreadPoolExecutor(5) as pool:  # a client that was cut off waits before it comes again
        for seed, found in enumerate(pool.map(follow, range(25))):
            assert found == {"worker-0": whole, "worker-1": whole}, f"seed {seed}"


def test_a_stream_survives_silence_cuts_and_a_tail(
    client: SubmarineClient, cut_client: SubmarineClient, wire: Wire
) -> None:
    experiment = client.create(spec("seq 100; sleep 1; seq 101 200; sleep 1; echo end"))
    while len(experiment.logs().get("worker-0", ())) < 100:
        time.sleep(0.05)
    cutter = threading.Timer(0.5, wire.cut)
    cutter.start()

    lines = [line.text for line in cut_client.get(experiment.id).logs(3, follow=True)]

    assert lines == [*map(str, range(98, 201)), "end"]


def test_waiting_survives_cuts(client: SubmarineClient, cut_client: SubmarineClient, wire: Wire) -> None:
    experiment = cut_client.create(spec("sleep 1"))
    wire.cut_after(0, 100, 500)
    assert experiment.wait(60).status == "Succeeded"
    # The final event has come, its 'end' has not: the stream begins again behind it.
    events = json.dumps(list(client.events(experiment.id)))
    for size in range(900, 900 + len(events), 150):
        wire.cut()
        wire.cut_after(size)
        assert [event["status"] for event in cut_client.events(experiment.id, timeout=20)][-1] == "Succeeded"
