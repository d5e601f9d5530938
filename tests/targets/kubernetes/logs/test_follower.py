"""What a replica's containers write comes into its log in order, whatever becomes of pods, connections and servers."""

from __future__ import annotations

import asyncio
import errno
import gc
from collections.abc import Mapping

import pytest

from submarine_jupyter_server.targets.kubernetes.api.errors import ApiError, Unreachable
from submarine_jupyter_server.targets.kubernetes.logs.pod_logs import PodLogs
from submarine_jupyter_server.targets.kubernetes.logs.tail import Tail
from tests.targets.kubernetes.logs.conftest import PATIENCE_S, LogOf, NewLogs, content, until
from tests.targets.kubernetes.logs.kubelet import stamp
from tests.targets.kubernetes.logs.pods import EXPERIMENT, FakeCluster, Pod

ODD = (
    b"plain",
    b"",
    b"\xff\xfe\x00 nul",
    b"50%\r60%\r",
    b" space",
    b"x" * 70_000,
    b"2023-11-14T22:13:20.000000000Z no stamp",
)


def running(fake: FakeCluster, logs: PodLogs, uid: str = "uid-1", **fields: object) -> Pod:
    pod = fake.add(Pod(uid, **fields))  # type: ignore[arg-type]
    pod.start()
    logs.put_pod(pod.view, pod.attempt)
    return pod


async def drained(logs: PodLogs, attempt: int = 1) -> None:
    assert await logs.drain(EXPERIMENT, attempt, 30)


async def finished(logs: PodLogs, attempt: int = 1) -> None:
    await logs.finish(EXPERIMENT, attempt)
    assert await logs.drain(EXPERIMENT, attempt, 30)


async def test_a_container_is_followed_to_its_end(fake: FakeCluster, new_logs: NewLogs, log_of: LogOf) -> None:
    logs = new_logs()
    pod = fake.add(Pod("uid-1"))
    logs.put_pod(pod.view, pod.attempt)
    assert fake.requests == []
    pod.start()
    logs.put_pod(pod.view, pod.attempt)
    pod.write(*ODD)
    await until(lambda: content(log_of()) == pod.content)
    pod.write(*ODD)
    await until(lambda: content(log_of()) == pod.content)
    assert [request.get("follow") for request in fake.requests] == ["true"]
    assert fake.requests[0]["container"] == "tensorflow"
    pod.write(b"last")
    pod.end()
    logs.put_pod(pod.view, pod.attempt)
    await drained(logs)
    await finished(logs)
    assert (content(log_of()), log_of().ended, log_of().gaps()) == (pod.content, True, [])
    assert logs.health() == {"following": 0, "waiting": 0, "reconnects": 0, "gaps": 0, "trouble": None}


async def test_connections_that_break_all_the_time(fake: FakeCluster, new_logs: NewLogs, log_of: LogOf) -> None:
    logs = new_logs()
    fake.cut_after, fake.chunk = 3000, 700
    pod = running(fake, logs)
    for number in range(300):
        pod.write(b"line %d" % number, step_ns=50_000_000)
        if number % 10 == 0:
            await asyncio.sleep(0.001)
    await until(lambda: content(log_of()) == pod.content)
    assert logs.health()["reconnects"] > 3
    assert logs.health()["gaps"] == 0


@pytest.mark.parametrize("seen", [True, False])
async def test_a_restarted_container(fake: FakeCluster, new_logs: NewLogs, log_of: LogOf, seen: bool) -> None:
    logs = new_logs()
    pod = running(fake, logs)
    pod.write(b"first run")
    if seen:
        await until(lambda: content(log_of()) == pod.content)
    pod.write(b"its end")
    pod.end("waiting")
    if seen:
        logs.put_pod(pod.view, pod.attempt)
    pod.start()
    logs.put_pod(pod.view, pod.attempt)
    pod.write(b"second run")
    await drained(logs)
    assert content(log_of()) == pod.content == b"first run\nits end\nsecond run\n"
    assert logs.health()["gaps"] == 0


async def test_runs_that_nobody_can_read_any_more_are_a_gap(
    fake: FakeCluster, new_logs: NewLogs, log_of: LogOf
) -> None:
    logs = new_logs()
    pod = fake.add(Pod("uid-1"))
    for number in range(3):
        pod.start()
        pod.write(b"run %d" % number)
    logs.put_pod(pod.view, pod.attempt)
    await drained(logs)
    assert content(log_of()) == b"<gap>run 1\nrun 2\n"
    assert (logs.health()["gaps"], log_of().gaps()) == (1, [(0, 1)])


async def test_a_pod_that_is_made_anew(fake: FakeCluster, new_logs: NewLogs, log_of: LogOf) -> None:
    logs = new_logs()
    first = running(fake, logs, "uid-9", created_ms=1000)
    first.write(b"of the first")
    await until(lambda: content(log_of()) == b"of the first\n")
    first.deleting = True
    logs.put_pod(first.view, first.attempt)
    first.write(b"its last words")
    fake.remove(first)
    logs.gone(first.view, first.attempt)
    second = running(fake, logs, "uid-1", created_ms=2000)
    second.write(b"of the second")
    await drained(logs)
    assert content(log_of()) == b"of the first\nits last words\nof the second\n"
    assert logs.health()["gaps"] == 0


async def test_a_pod_that_goes_before_it_was_read_is_a_gap(fake: FakeCluster, new_logs: NewLogs, log_of: LogOf) -> None:
    logs = new_logs()
    fake.fault = lambda _: Unreachable("not now")
    pod = running(fake, logs)
    pod.write(b"never read")
    fake.remove(pod)
    logs.gone(pod.view, pod.attempt)
    await drained(logs)
    assert (content(log_of()), log_of().gaps(), logs.health()["gaps"]) == (b"<gap>", [(0, 1)], 1)


async def test_a_pod_that_is_not_found_is_gone(fake: FakeCluster, new_logs: NewLogs, log_of: LogOf) -> None:
    logs = new_logs()
    pod = running(fake, logs)
    fake.pods.remove(pod)
    await until(lambda: logs.health()["gaps"] == 1)
    await finished(logs)
    assert log_of().gaps() == [(0, 1)]


async def test_a_silent_run_and_a_quick_restart(fake: FakeCluster, new_logs: NewLogs, log_of: LogOf) -> None:
    """The request for the first run is answered with the log of the second."""
    logs = new_logs()
    pod = fake.add(Pod("uid-1"))
    pod.start()
    before = pod.view
    pod.start()
    pod.write(b"of the second run", b"more of it")
    logs.put_pod(before, pod.attempt)
    await until(lambda: content(log_of()) == pod.content)
    logs.put_pod(pod.view, pod.attempt)
    pod.write(b"and more")
    await drained(logs)
    # Whether the first run wrote anything cannot be known any more.
    assert content(log_of()).replace(b"<gap>", b"") == pod.content
    assert logs.health()["gaps"] == 1
    pod.write(b"and the rest")
    await drained(logs)
    assert content(log_of()).replace(b"<gap>", b"") == pod.content
    assert logs.health()["gaps"] == 1


async def test_another_run_answers_for_the_one_that_was_read(
    fake: FakeCluster, new_logs: NewLogs, log_of: LogOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("submarine_jupyter_server.targets.kubernetes.logs.follower.DOUBT_S", 30.0)
    logs = new_logs()
    pod = running(fake, logs)
    pod.write(b"of the first run")
    await until(lambda: content(log_of()) == pod.content)
    pod.write(b"its end")
    pod.start()
    pod.write(b"of the second run")
    asked = len(fake.requests)
    await until(lambda: len(fake.requests) > asked)
    await asyncio.sleep(0.1)
    logs.put_pod(pod.view, pod.attempt)
    await drained(logs)
    assert content(log_of()) == pod.content
    assert logs.health()["gaps"] == 0


async def test_a_log_that_was_rotated_away(fake: FakeCluster, new_logs: NewLogs, log_of: LogOf) -> None:
    logs = new_logs()
    pod = running(fake, logs)
    pod.write(b"before")
    await until(lambda: content(log_of()) == pod.content)
    fake.fault = lambda _: Unreachable("away")
    fake.drop()
    await until(lambda: fake.open == 0)
    pod.write(b"rotated")
    pod.runs[-1].rotate()
    pod.write(b"after", step_ns=2 * 10**9)
    fake.fault = lambda _: None
    await until(lambda: content(log_of()).endswith(b"after\n"))
    pod.write(b"and more")
    await drained(logs)
    assert content(log_of()) == b"before\n<gap>after\nand more\n"
    assert logs.health()["gaps"] == 1


async def test_more_replicas_than_streams(fake: FakeCluster, new_logs: NewLogs, log_of: LogOf) -> None:
    logs = new_logs(limit=2)
    pods = [running(fake, logs, f"uid-{index}", index=index) for index in range(6)]
    for pod in pods:
        pod.write(b"of %d" % pod.index)
    await until(lambda: all(content(log_of(f"worker-{pod.index}")) == pod.content for pod in pods))
    assert fake.most_open == 2
    await until(lambda: logs.health()["waiting"] > 0)
    for pod in pods:
        pod.write(b"more")
    await until(lambda: all(content(log_of(f"worker-{pod.index}")) == pod.content for pod in pods))
    for pod in pods[:2]:
        pod.end()
        logs.put_pod(pod.view, pod.attempt)
    await until(
        lambda: logs.health()["following"] == 2 and len({r["pod"] for r in fake.requests if "follow" in r}) == 4
    )


async def test_on_demand_only_what_has_ended_is_read(fake: FakeCluster, new_logs: NewLogs, log_of: LogOf) -> None:
    logs = new_logs(mode="on-demand")
    pod = running(fake, logs)
    pod.write(b"one")
    await asyncio.sleep(0.2)
    assert fake.requests == []
    async with logs.attend(EXPERIMENT):
        assert content(log_of()) == b"one\n"
        pod.write(b"two")
        await until(lambda: content(log_of()) == pod.content)
        assert fake.open == 1
    await until(lambda: fake.open == 0)
    pod.write(b"three")
    pod.end()
    logs.put_pod(pod.view, pod.attempt)
    await until(lambda: content(log_of()) == pod.content)
    await drained(logs)
    await finished(logs)
    assert (log_of().ended, log_of().gaps()) == (True, [])


async def test_on_demand_a_stream_goes_with_the_last_who_reads(
    fake: FakeCluster, new_logs: NewLogs, log_of: LogOf
) -> None:
    logs = new_logs(mode="on-demand")
    pod = running(fake, logs)
    pod.write(b"one")
    async with logs.attend(EXPERIMENT):
        async with logs.attend(EXPERIMENT):
            pod.write(b"two")
            await until(lambda: content(log_of()) == pod.content)
        pod.write(b"three")
        await until(lambda: content(log_of()) == pod.content)
        assert fake.open == 1
    await until(lambda: (fake.open, logs.health()["following"]) == (0, 0))


async def test_on_demand_a_reader_who_leaves_before_the_first_line_leaves_nothing_open(
    fake: FakeCluster, new_logs: NewLogs
) -> None:
    logs = new_logs(mode="on-demand")
    running(fake, logs).write(*(b"x" * 900 for _ in range(50)))
    fake.pause_s = 0.01

    async def read() -> None:
        async with logs.attend(EXPERIMENT):
            await asyncio.sleep(PATIENCE_S)

    for seconds in (0, 0.05, 0.3, 1.0):
        reader = asyncio.create_task(read())
        requests = len(fake.requests)
        await until(lambda requests=requests: len(fake.requests) > requests)  # type: ignore[misc]
        await asyncio.sleep(seconds)
        reader.cancel()
        await asyncio.wait([reader])
        await until(lambda: (fake.open, fake.answering, logs.health()["following"]) == (0, 0, 0))


async def test_on_demand_a_pod_that_ends_while_somebody_reads_is_read_to_its_end(
    fake: FakeCluster, new_logs: NewLogs, log_of: LogOf
) -> None:
    logs = new_logs(mode="on-demand")
    pod = running(fake, logs)
    async with logs.attend(EXPERIMENT):
        pod.write(b"one")
        await until(lambda: content(log_of()) == pod.content)
        pod.write(b"two")
        pod.end()
        logs.put_pod(pod.view, pod.attempt)
        await drained(logs)
        assert content(log_of()) == pod.content
    await until(lambda: (fake.open, logs.health()["following"]) == (0, 0))
    await finished(logs)
    assert (log_of().ended, log_of().gaps()) == (True, [])


async def test_a_drain_has_what_running_containers_wrote(fake: FakeCluster, new_logs: NewLogs, log_of: LogOf) -> None:
    logs = new_logs()
    pod = running(fake, logs)
    for number in range(20):
        pod.write(b"line %d" % number, b"x" * 5000)
        await drained(logs)
        assert content(log_of()) == pod.content
    await finished(logs)
    assert (log_of().ended, log_of().gaps()) == (True, [])


async def test_a_drain_leaves_the_stream_of_a_pod_alone_that_is_being_deleted(
    fake: FakeCluster, new_logs: NewLogs, log_of: LogOf
) -> None:
    logs = new_logs()
    pod = running(fake, logs)
    pod.write(b"one")
    await until(lambda: content(log_of()) == pod.content)
    pod.deleting = True
    logs.put_pod(pod.view, pod.attempt)
    pod.write(b"two")
    await drained(logs)
    assert content(log_of()) == pod.content
    assert (fake.open, len(fake.requests)) == (1, 1)
    pod.write(b"three")
    fake.remove(pod)
    logs.gone(pod.view, pod.attempt)
    await drained(logs)
    assert content(log_of()) == pod.content
    await finished(logs)
    assert (log_of().ended, log_of().gaps()) == (True, [])


async def test_a_drain_that_cannot_be_done(fake: FakeCluster, new_logs: NewLogs) -> None:
    logs = new_logs()
    fake.fault = lambda _: Unreachable("not now")
    pod = running(fake, logs)
    pod.write(b"one")
    assert not await logs.drain(EXPERIMENT, 1, 0.2)
    fake.fault = lambda _: None
    await drained(logs)
    assert await logs.drain("experiment-1-0001", 1, 0.0)


async def test_an_end_with_unread_lines_has_a_gap(fake: FakeCluster, new_logs: NewLogs, log_of: LogOf) -> None:
    logs = new_logs()
    pod = running(fake, logs)
    pod.write(b"one")
    await until(lambda: content(log_of()) == pod.content)
    fake.fault = lambda _: Unreachable("not now")
    fake.drop()
    await until(lambda: fake.open == 0)
    pod.write(b"two")
    pod.end()
    logs.put_pod(pod.view, pod.attempt)
    await finished(logs)
    assert content(log_of()) == b"one\n<gap>"


async def test_servers_after_one_another(fake: FakeCluster, new_logs: NewLogs, log_of: LogOf) -> None:
    pod = fake.add(Pod("uid-1"))
    pod.start()
    for number in range(5):
        logs = new_logs()
        logs.put_pod(pod.view, pod.attempt)
        pod.write(b"same", b"same", b"of server %d" % number)
        await drained(logs)
        pod.write(b"while nobody was there")
        await logs.close()
    pod.end()
    logs = new_logs()
    logs.put_pod(pod.view, pod.attempt)
    await drained(logs)
    await finished(logs)
    assert (content(log_of()), log_of().gaps()) == (pod.content, [])
    asked = len(fake.requests)
    logs = new_logs()
    logs.put_pod(pod.view, pod.attempt)
    await finished(logs)
    assert len(fake.requests) == asked
    assert log_of().ended


async def test_what_was_gone_before_the_server_was_there(fake: FakeCluster, new_logs: NewLogs, log_of: LogOf) -> None:
    first = new_logs()
    pod = running(fake, first)
    pod.write(b"one")
    await drained(first)
    await first.close()
    second = new_logs()
    await finished(second)
    assert (content(log_of()), log_of().ended, log_of().gaps()) == (b"one\n<gap>", True, [(4, 5)])


async def test_after_the_end_nothing_is_written(fake: FakeCluster, new_logs: NewLogs, log_of: LogOf) -> None:
    logs = new_logs()
    pod = running(fake, logs)
    pod.write(b"one")
    await drained(logs)
    await finished(logs)
    pod.write(b"two")
    logs.put_pod(pod.view, pod.attempt)
    logs.gone(pod.view, pod.attempt)
    await drained(logs)
    assert content(log_of()) == b"one\n"


async def test_attempts_and_roles_have_logs_of_their_own(fake: FakeCluster, new_logs: NewLogs, log_of: LogOf) -> None:
    logs = new_logs()
    first = running(fake, logs, "uid-1", role="ps")
    first.write(b"of the first attempt")
    await drained(logs)
    await finished(logs)
    second = running(fake, logs, "uid-2", role="ps", attempt=2)
    second.write(b"of the second attempt")
    await drained(logs, 2)
    assert content(log_of("ps-0", 1)) == b"of the first attempt\n"
    assert content(log_of("ps-0", 2)) == b"of the second attempt\n"


@pytest.mark.parametrize(
    "problem",
    [
        ApiError(400, "BadRequest", "waiting to start"),
        ApiError(500, "InternalError"),
        Unreachable("x"),
        b"failed to watch file",
    ],
)
async def test_trouble_that_passes(
    fake: FakeCluster, new_logs: NewLogs, log_of: LogOf, problem: Exception | bytes
) -> None:
    logs = new_logs()
    times = 3

    def fault(_: Mapping[str, str]) -> Exception | bytes | None:
        nonlocal times
        times -= 1
        return problem if times >= 0 else None

    fake.fault = fault
    pod = running(fake, logs)
    pod.write(b"one")
    await until(lambda: content(log_of()) == b"one\n")
    assert logs.health()["gaps"] == 0


@pytest.mark.parametrize("status", [400, 500])
async def test_trouble_that_lasts_is_reported_until_it_is_over(
    fake: FakeCluster, new_logs: NewLogs, log_of: LogOf, status: int
) -> None:
    logs = new_logs()
    fake.fault = lambda _: ApiError(status, "", "failed to create fsnotify watcher: too many open files")
    pods = [running(fake, logs, f"uid-{index}", index=index) for index in range(2)]
    pods[0].write(b"one")
    await until(lambda: "and 1 more" in (logs.health()["trouble"] or ""))
    answer = f"failed to create fsnotify watcher: too many open files (HTTP {status})"
    assert logs.health()["trouble"] == f"the log of {pods[0].name} cannot be read now: {answer}; and 1 more"
    fake.fault = lambda _: None
    await until(lambda: content(log_of()) == pods[0].content)
    await until(lambda: logs.health()["trouble"] is None)


async def test_a_drain_goes_on_while_lines_come(fake: FakeCluster, new_logs: NewLogs, log_of: LogOf) -> None:
    logs = new_logs()
    fake.pause_s = 0.02
    pod = fake.add(Pod("uid-1"))
    pod.start()
    pod.write(*(b"x" * 900 for _ in range(100)))
    pod.end()
    logs.put_pod(pod.view, pod.attempt)
    assert not await logs.drain(EXPERIMENT, 1, 0.2)
    assert not await logs.drain(EXPERIMENT, 1, 0.2, longest=0.4)
    assert len(content(log_of())) < len(pod.content)
    assert await logs.drain(EXPERIMENT, 1, 0.3, longest=PATIENCE_S)
    assert content(log_of()) == pod.content


async def test_an_error_behind_the_log_is_not_part_of_it(fake: FakeCluster, new_logs: NewLogs, log_of: LogOf) -> None:
    logs = new_logs()
    pod = running(fake, logs)
    pod.write(b"one")
    answers = [pod.runs[0].read() + b"failed to create fsnotify watcher: too many open files"]
    fake.fault = lambda _: answers.pop() if answers else None
    await until(lambda: content(log_of()) == pod.content)
    pod.write(b"two")
    await until(lambda: content(log_of()) == pod.content)


async def test_an_error_behind_what_is_known_already_is_not_part_of_the_log(
    fake: FakeCluster, new_logs: NewLogs, log_of: LogOf
) -> None:
    logs = new_logs()
    pod = running(fake, logs)
    pod.write(b"one", b"two")
    await until(lambda: content(log_of()) == pod.content)
    await logs.close()
    pod.write(b"three")
    times = 3

    def fault(params: Mapping[str, str]) -> bytes | None:
        nonlocal times
        times -= 1
        noise = b"failed to create fsnotify watcher: too many open files"
        return pod.runs[0].read(params["sinceTime"]) + noise if times >= 0 else None

    fake.fault = fault
    logs = new_logs()
    logs.put_pod(pod.view, pod.attempt)
    await until(lambda: times < 0)
    pod.write(b"four")
    await until(lambda: len(content(log_of())) >= len(pod.content))
    assert (content(log_of()), logs.health()["gaps"]) == (pod.content, 0)


@pytest.mark.parametrize("text", [b"unable to retrieve container logs for containerd://0", None])
async def test_the_log_of_a_run_that_cannot_be_had(
    fake: FakeCluster, new_logs: NewLogs, log_of: LogOf, text: bytes | None
) -> None:
    logs = new_logs()
    pod = fake.add(Pod("uid-1"))
    pod.start()
    pod.end()
    pod.lost = True
    fake.fault = lambda _: text
    logs.put_pod(pod.view, pod.attempt)
    await drained(logs)
    assert (log_of().gaps(), logs.health()["gaps"]) == ([(0, 1)], 1)


async def test_labels_that_lead_elsewhere_are_not_followed(fake: FakeCluster, new_logs: NewLogs) -> None:
    logs = new_logs()
    running(fake, logs, "uid-1", role="ps.old")
    running(fake, logs, "uid-2", role="")
    await asyncio.sleep(0.1)
    assert fake.requests == []


async def test_forgetting_ends_the_stream(fake: FakeCluster, new_logs: NewLogs, log_of: LogOf) -> None:
    logs = new_logs()
    pod = running(fake, logs)
    pod.write(b"one")
    await until(lambda: content(log_of()) == b"one\n")
    logs.forget(EXPERIMENT)
    await until(lambda: fake.open == 0)
    assert not log_of().ended


def test_the_model_writes_stamps_as_kubelets_do() -> None:
    assert stamp(1_700_000_000_000_000_007) == b"2023-11-14T22:13:20.000000007Z"


async def test_an_answer_that_nobody_waits_for_any_more_is_no_noise(fake: FakeCluster, new_logs: NewLogs) -> None:
    """The kubelet refuses in the very moment in which the follower is stopped."""
    noise: list[dict[str, object]] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: noise.append(context))
    logs = new_logs()

    def fault(_: Mapping[str, str]) -> Exception:
        [follower] = [found for of in logs._followers.values() for found in of.values()]
        assert follower._task is not None
        loop.call_soon(follower._task.cancel)
        return ApiError(400, "BadRequest", "failed to create fsnotify watcher: too many open files")

    fake.fault = fault
    running(fake, logs)
    await until(lambda: fake.requests)
    await logs.close()
    gc.collect()
    await asyncio.sleep(0)
    assert noise == []


async def test_a_log_that_cannot_be_opened_is_kept_once_it_can(
    fake: FakeCluster, new_logs: NewLogs, log_of: LogOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = [OSError(errno.ENOSPC, "No space left on device")] * 2
    really = Tail.open

    def open_(self: Tail) -> None:
        if full:
            raise full.pop()
        really(self)

    monkeypatch.setattr(Tail, "open", open_)
    logs = new_logs()
    pod = running(fake, logs)
    pod.write(b"after all")
    await until(lambda: content(log_of()) == pod.content)
