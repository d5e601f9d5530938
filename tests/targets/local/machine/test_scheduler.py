"""Admission: never more than there is, and nobody waits for ever."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from submarine_jupyter_server.targets.local.machine.scheduler import MAX_OVERTAKEN, Amount, Scheduler

CAPACITY = Amount(4000, 4 * 2**30)
amounts = st.builds(Amount, st.integers(1, 5000), st.integers(0, 5 * 2**30))
steps = st.lists(st.one_of(amounts, st.integers(0, 200)), max_size=80)


@given(steps)
@settings(max_examples=200)
def test_never_over_capacity_and_bounded_overtaking(script: list[Amount | int]) -> None:
    """An amount is a new request; a number ends one of those that run."""
    scheduler = Scheduler(CAPACITY)
    wanted: dict[str, Amount] = {}
    running: list[str] = []
    overtaken: dict[str, int] = {}
    for number, step in enumerate(script):
        if isinstance(step, Amount):
            wanted[f"e{number}"] = step
            scheduler.request(f"e{number}", step)
        elif running:
            scheduler.hold(running.pop(step % len(running)), Amount())
        waiting = scheduler.queued
        granted = scheduler.admit()
        running += granted
        for key in granted:
            for before in waiting[: waiting.index(key)]:
                if before not in granted:
                    overtaken[before] = overtaken.get(before, 0) + 1
        assert scheduler.used.within(CAPACITY)
        assert scheduler.used == sum((wanted[key] for key in running), Amount())
        for key in scheduler.queued:
            if wanted[key].within(CAPACITY):
                assert overtaken.get(key, 0) <= MAX_OVERTAKEN
    while running:
        scheduler.hold(running.pop(), Amount())
        running += scheduler.admit()
    assert all(not wanted[key].within(CAPACITY) for key in scheduler.queued)


class Thorough(Scheduler):
    """One that inspects the whole queue each time."""

    def admit(self, now: float = 0.0) -> list[str]:
        self._least, self._asked_at = Amount(), -1
        return super().admit(now)


delays = st.sampled_from((0.0, 0.0, 3.0, 30.0))
events = st.lists(st.one_of(st.tuples(amounts, delays, st.booleans()), st.integers(0, 200)), max_size=80)


@given(events)
@settings(max_examples=200)
def test_what_is_passed_over_quickly_could_not_be_granted(
    script: list[tuple[Amount, float, bool] | int],
) -> None:
    quick, thorough = Scheduler(CAPACITY), Thorough(CAPACITY)
    running: list[str] = []
    for now, step in enumerate(script):
        if not isinstance(step, int):
            amount, delay, first = step
            until = now + delay if delay else 0.0
            for one in (quick, thorough):
                one.request(f"e{now % 40}", amount, first=first, not_before=until)
        elif running:
            ended = running.pop(step % len(running))
            for one in (quick, thorough):
                one.hold(ended, Amount())
        else:
            for one in (quick, thorough):
                one.withdraw(f"e{step % 40}")
        granted = quick.admit(now)
        assert granted == thorough.admit(now)
        assert quick.queued == thorough.queued
        running += [key for key in granted if key not in running]


def test_the_reason_names_what_is_missing_and_who_has_it() -> None:
    scheduler = Scheduler(Amount(3000, 2**30))
    for key, cores in (("first", 2), ("second", 3), ("third", 3)):
        scheduler.request(key, Amount(cores * 1000, 2**29))
    assert scheduler.admit() == ["first"]
    assert scheduler.why_waiting("second") == "waiting for 2 of 3 cpu: first uses them; position 1 in the queue"
    assert scheduler.why_waiting("third").endswith("position 2 in the queue")


def test_what_can_never_fit_says_so_and_holds_up_nobody() -> None:
    scheduler = Scheduler(Amount(1000, 0))
    scheduler.request("big", Amount(5000, 0))
    scheduler.request("small", Amount(1000, 0))
    assert scheduler.admit() == ["small"]
    assert scheduler.why_waiting("big") == "it needs cpu=5, and this machine has cpu=1"
