"""What is said of a start before it is asked for: it is what then happens, if nothing else does."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from submarine_jupyter.models import ExperimentSpec
from submarine_jupyter.spec.resources import parse_resources, quantity
from submarine_jupyter_server.targets.local.machine.fitting import whole
from submarine_jupyter_server.targets.local.machine.scheduler import Amount, Scheduler
from submarine_jupyter_server.targets.local.machine.turns import elsewhere, forecast, place
from submarine_jupyter_server.targets.protocol import Ahead, Forecast, Verdict

CAPACITY = Amount(4000, 4 * 2**30)
LATER = 100.0
sizes = st.builds(
    lambda replicas, cpu, memory: spec(replicas, f"cpu={cpu}m" + (f",memory={memory}M" if memory else "")),
    st.integers(1, 3),
    st.integers(1, 40).map(lambda tenths: tenths * 100),
    st.one_of(st.just(0), st.integers(64, 5000)),
)
# A new experiment, perhaps one that has to wait a while; the end of one that runs; one that takes more than it had.
steps = st.lists(st.one_of(st.tuples(sizes, st.booleans()), st.integers(0, 200), st.just("grow")), max_size=40)


def spec(replicas: int, resources: str | None, framework: str = "Standalone", **roles: int) -> ExperimentSpec:
    more = {role: {"replicas": count, "resources": resources} for role, count in roles.items()}
    tasks = {"Worker": {"replicas": replicas, "resources": resources}, **more}
    return ExperimentSpec.parse({"meta": {"name": "n", "framework": framework, "cmd": "true"}, "spec": tasks})


def after(scheduler: Scheduler, key: str, amount: Amount) -> tuple[Scheduler, bool]:
    """Return what becomes of the queue when ``amount`` is asked for, and whether that is granted."""
    tried = deepcopy(scheduler)
    tried.request(key, amount)
    return tried, key in tried.admit(1.0)


@given(steps, sizes)
@settings(max_examples=150, deadline=None)
def test_what_is_said_is_what_happens(script: list[object], wanted: ExperimentSpec) -> None:
    scheduler = Scheduler(CAPACITY)
    running: dict[str, Amount] = {}
    asked: dict[str, ExperimentSpec] = {}
    for number, step in enumerate(script):
        key = f"e{number}"
        if isinstance(step, tuple):
            asked[key] = step[0]
            scheduler.request(key, whole(step[0]), not_before=LATER if step[1] else 0.0)
        elif isinstance(step, int) and running:
            gone = list(running)[step % len(running)]
            del running[gone]
            scheduler.hold(gone, Amount())
        elif step == "grow" and running:
            scheduler.hold(last := list(running)[-1], running[last] + Amount(2000))
        if number % 3:  # what was asked for or has become free is not always given at once
            running |= {granted: whole(asked[granted]) for granted in scheduler.admit(1.0)}
    found = forecast(scheduler, wanted, 1.0)
    tried, granted = after(scheduler, "new", whole(wanted))
    assert granted is (found.verdict is Verdict.NOW)
    if not granted:
        assert found.ahead is not None
        assert found.ahead.ids == tuple(scheduler.queued)
    if found.verdict is Verdict.NEVER:
        assert never(tried, "new")
    if found.fits is not None:
        smaller = spec(wanted.spec["Worker"].replicas, with_resources(wanted, found.fits))
        assert after(scheduler, "new", whole(smaller))[1], found
    for key in scheduler.queued:
        check_place(scheduler, key, asked[key])


def check_place(scheduler: Scheduler, key: str, asked: ExperimentSpec) -> None:
    """Check what is said of one that waits: whether it is given room now, and what would be."""
    found = place(scheduler, key, whole(asked), asked, 1.0)
    trial = deepcopy(scheduler)
    started = key in trial.admit(1.0)
    assert started is (found.verdict is Verdict.NOW)
    assert (found.verdict is Verdict.NEVER) is (not whole(asked).within(CAPACITY))
    if found.verdict is not Verdict.NOW:
        assert found.ahead is not None
        assert scheduler.queued[found.ahead.count] == key
    if found.fits is not None:
        smaller = spec(asked.spec["Worker"].replicas, with_resources(asked, found.fits))
        tried = deepcopy(scheduler)
        tried.request(key, whole(smaller))
        assert key in tried.admit(1.0) or tried.admit(LATER), found


def never(scheduler: Scheduler, key: str) -> bool:
    """Return whether something still waits when all others have ended."""
    for other in [*scheduler.queued, *list(scheduler._held)]:
        if other != key:
            scheduler.withdraw(other)
            scheduler.hold(other, Amount())
    return key not in scheduler.admit(LATER)


def with_resources(asked: ExperimentSpec, fits: str) -> str:
    old, new = parse_resources(asked.spec["Worker"].resources or ""), parse_resources(fits)
    assert all(quantity(amount) < quantity(old[name]) for name, amount in new.items())
    return ",".join(f"{name}={amount}" for name, amount in (old | new).items())


def busy() -> Scheduler:
    """Return a machine of three cores and 1 GiB, of which two cores and 512 MiB are taken; one waits for all of it."""
    scheduler = Scheduler(Amount(3000, 2**30))
    scheduler.request("first", Amount(2000, 2**29))
    scheduler.request("second", Amount(3000, 0))
    assert scheduler.admit() == ["first"]
    return scheduler


BY_FIRST = "first uses them; position 2 in the queue"
BOTH = "cpu=1,memory=536M"
ONE = Ahead(1, ("second",))


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (spec(1, "cpu=1"), Forecast(Verdict.NOW, "it needs cpu=1, and cpu=1 is free")),
        (spec(1, None), Forecast(Verdict.NOW, "it needs cpu=1, and cpu=1 is free")),
        (
            spec(1, "cpu=1,memory=100M"),
            Forecast(Verdict.NOW, "it needs cpu=1 and memory=95.4Mi, and cpu=1 and memory=512Mi is free"),
        ),
        (
            spec(1, "cpu=2"),
            Forecast(Verdict.WAITS, f"waiting for 1 of 2 cpu: {BY_FIRST}; with cpu=1 it would start now", ONE, "cpu=1"),
        ),
        (
            spec(2, None),
            Forecast(
                Verdict.WAITS,
                f"waiting for 1 of 2 cpu: {BY_FIRST}; with cpu=500m for each replica it would start now",
                ONE,
                "cpu=500m",
            ),
        ),
        (
            spec(1, "cpu=2,memory=1Gi"),
            Forecast(
                Verdict.WAITS,
                f"waiting for 1 of 2 cpu and 512Mi of 1Gi memory: {BY_FIRST}; with {BOTH} it would start now",
                ONE,
                BOTH,
            ),
        ),
        (spec(30, "cpu=100m"), Forecast(Verdict.WAITS, f"waiting for 2 of 3 cpu: {BY_FIRST}", ONE)),
        (spec(1, "cpu=4"), Forecast(Verdict.NEVER, "it needs cpu=4, and this machine has cpu=3 and memory=1Gi", ONE)),
    ],
)
def test_the_sentence_says_what_is_missing_and_what_would_start(asked: ExperimentSpec, expected: Forecast) -> None:
    assert forecast(busy(), asked, 0.0) == expected


def reported(used: int, *queued: str) -> dict[str, Any]:
    """Return what another server reports of a machine of three cores and 1 GiB."""
    memory = {"total": 2**30, "used": 0, "free": 2**30}
    return {"cpu": {"total": 3, "used": used, "free": 3 - used}, "memory": memory, "queued": list(queued)}


LEAST = "with cpu=1 it would start now"
OVERTAKE = "but only the server that gives the orders knows whether it may overtake what waits"


@pytest.mark.parametrize(
    ("capacity", "expected"),
    [
        (reported(1), Forecast(Verdict.NOW, "it needs cpu=2, and cpu=2 is free")),
        (
            reported(2),
            Forecast(
                Verdict.WAITS,
                f"waiting for 1 of 2 cpu: what runs uses them; position 1 in the queue; {LEAST}",
                Ahead(0),
                "cpu=1",
            ),
        ),
        (
            reported(2, "second"),
            Forecast(Verdict.WAITS, "waiting for 1 of 2 cpu: what runs uses them; position 2 in the queue", ONE),
        ),
        (reported(1, "second"), Forecast(None, f"it needs cpu=2, and cpu=2 is free, {OVERTAKE}", ONE)),
    ],
)
def test_another_server_says_what_follows_from_what_is_reported(capacity: dict[str, Any], expected: Forecast) -> None:
    assert elsewhere(spec(1, "cpu=2"), capacity) == expected


def test_of_more_replicas_only_the_place_is_told() -> None:
    scheduler = busy()
    scheduler.request("first", Amount(1500, 0))
    scheduler.withdraw("second")
    found = place(scheduler, "first", Amount(1500, 0), None, 0.0)
    assert found == Forecast(
        Verdict.NEVER, "it needs cpu=3.5 and memory=512Mi, and this machine has cpu=3 and memory=1Gi", Ahead(0)
    )
