"""A refusal ends what it refuses, and nothing else."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path
from typing import Any

import pytest

from submarine_jupyter.errors import TargetRefused
from submarine_jupyter_server.control import delivery as outbox_module
from submarine_jupyter_server.control import refusals
from submarine_jupyter_server.store.orders import outbox
from submarine_jupyter_server.wire.answers.states import state_of
from tests.control.conftest import opened, until
from tests.control.house import ME, House
from tests.control.test_delivery import BODY, create
from tests.control.world import Trouble


def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have whoever gives an order wait for its answer, on a busy machine too."""
    monkeypatch.setattr(outbox_module, "INLINE_S", 10.0)


async def shown(house: House, experiment_id: str) -> dict[str, Any]:
    found = await house.read(experiment_id)
    assert found is not None, f"{experiment_id} is gone"
    return found


async def test_a_refused_experiment_is_kept_and_its_key_gives_the_same_answer(tmp_path: Path) -> None:
    async with opened(tmp_path) as house:
        house.world.troubles = [Trouble("refuse")]
        answers = await asyncio.gather(
            *(house.service.submissions.create(ME, BODY, key="k") for _ in range(8)), return_exceptions=True
        )
        assert {type(answer) for answer in answers} == {TargetRefused}
        assert len({str(answer) for answer in answers}) == 1
        [row] = (await house.rows()).values()
        assert row["experimentId"] in str(answers[0])
        assert (row["status"], row["detail"]["reason"], row["detail"]["message"]) == (
            "Failed", "Denied", "refusal 1 of ensure",
        )  # fmt: skip
        await house.close()
        await house.open()
        with pytest.raises(TargetRefused) as again:
            await house.service.submissions.create(ME, BODY, key="k")
        assert str(again.value) == str(answers[0])


async def test_what_was_acknowledged_stays_so_for_its_key_when_it_is_refused_later(tmp_path: Path) -> None:
    async with opened(tmp_path) as house:
        house.world.gate.clear()
        house.world.troubles = [Trouble("refuse", slow=True)]
        made = json.loads((await house.service.submissions.create(ME, BODY, key="k")).experiment)
        house.world.gate.set()
        await house.quiet()
        assert (await shown(house, made["experimentId"]))["status"] == "Failed"
        again = await house.service.submissions.create(ME, BODY, key="k")
        assert json.loads(again.experiment) == made


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("anew", [False, True])
async def test_a_refused_change_is_taken_back(tmp_path: Path, late: bool, anew: bool) -> None:
    async with opened(tmp_path) as house:
        made = await create(house)
        await house.quiet()
        house.world.gate.clear()
        house.world.troubles = [Trouble("refuse", slow=late)]
        change = {"meta": {"cmd": "other"}} if anew else {"spec": {"Worker": {"replicas": 5}}}
        patched = house.service.experiments.patch(ME, made, change, merge=True)
        if late:
            await patched
        else:
            with pytest.raises(TargetRefused, match="refusal 1 of ensure"):
                await patched
        house.world.gate.set()
        await house.quiet()
        now = await shown(house, made)
        assert (now["status"], now["detail"]["attempt"]) == ("Running", 1)
        assert (now["spec"]["meta"]["cmd"], now["spec"]["spec"]["Worker"]["replicas"]) == ("train", 1)
        assert "refusal 1 of ensure" in now["detail"]["notes"][-1]
        assert house.world.processes == [(made, 1)]


@pytest.mark.parametrize("late", [False, True])
async def test_a_missing_right_refuses_only_who_still_waits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, late: bool
) -> None:
    """However often it is refused, and whenever that is known: what was told comes true once the right is there."""
    if not late:
        patient(monkeypatch)
    async with opened(tmp_path) as house:
        scaled = await create(house)
        await house.quiet()
        house.world.gate.clear()
        lacking = Trouble("refuse", slow=late, reason="NoPermission")
        verbs = house.service.experiments
        change = {"spec": {"Worker": {"replicas": 5}}}
        for create_it in (True, False):
            house.world.troubles = [lacking, *[Trouble("refuse", reason="NoPermission")] * 3 * late]
            order = (
                house.service.submissions.create(ME, BODY) if create_it else verbs.patch(ME, scaled, change, merge=True)
            )
            if late:
                await order
                house.world.gate.set()
                await until(lambda: not house.world.troubles, "the last refusal")
                await house.quiet()  # else it is refused what the next one is to be
                house.world.gate.clear()
            else:
                with pytest.raises(TargetRefused, match="refusal"):
                    await order
        await house.quiet()
        other = next(row for row in (await house.rows()).values() if row["experimentId"] != scaled)
        assert (other["status"], other["detail"]["reason"]) == (
            ("Running", None) if late else ("Failed", "NoPermission")
        )
        assert (await shown(house, scaled))["spec"]["spec"]["Worker"]["replicas"] == (5 if late else 1)


@pytest.mark.parametrize("late", [False, True])
async def test_a_refused_stop_is_given_again(tmp_path: Path, late: bool) -> None:
    async with opened(tmp_path) as house:
        made = await create(house)
        await house.quiet()
        house.world.gate.clear()
        house.world.troubles = [Trouble("refuse", slow=late), Trouble("refuse"), Trouble("ok", slow=True)]

        async def known() -> tuple[bool, bool]:
            found = await house.service._leader._recall(made)
            assert found is not None
            return found.live, found.stopping

        assert state_of((await house.service.experiments.stop(ME, made)).row) == "Stopping"
        if late:
            house.world.gate.set()
        else:
            await until(lambda: not house.world.troubles, "the third try")
            now = await shown(house, made)
            assert (now["status"], now["detail"]["reason"]) == ("Running", "StopRefused")
            assert "refusal 2 of stop" in now["detail"]["message"]
            assert await known() == (True, True)
        await house.quiet()
        assert (await shown(house, made))["detail"]["state"] == "Stopped"
        assert await known() == (False, False)
        assert house.world.processes == []


async def test_a_refused_deletion_leaves_the_experiment_in_the_lists_and_is_given_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    patient(monkeypatch)
    async with opened(tmp_path) as house:
        made = await create(house)
        await house.quiet()
        house.world.gate.clear()
        house.world.troubles = [Trouble("refuse"), Trouble("ok", slow=True)]
        with pytest.raises(
            TargetRefused, match="refusal 1 of delete; the experiment will be deleted as soon as possible"
        ):
            await house.service.experiments.delete(ME, made)
        now = (await house.rows())[made]
        assert (now["status"], now["detail"]["reason"]) == ("Running", "DeleteRefused")
        await house.quiet()
        assert await house.read(made) is None
        assert house.world.processes == []


async def test_a_deletion_that_was_told_stays_told_when_it_is_refused_later(tmp_path: Path) -> None:
    async with opened(tmp_path) as house:
        made = await create(house)
        await house.quiet()
        house.world.gate.clear()
        house.world.troubles = [Trouble("refuse", slow=True), Trouble("refuse")]
        await house.service.experiments.delete(ME, made)
        house.world.gate.set()
        await until(lambda: not house.world.troubles, "the second try")
        assert await house.read(made) is None
        await house.quiet()
        assert house.world.processes == []


async def test_a_deletion_that_was_told_stays_told_however_old_it_is_when_it_is_refused(tmp_path: Path) -> None:
    async with opened(tmp_path) as house:
        made = await create(house)
        await house.quiet()
        house.world.gate.clear()
        house.world.troubles = [Trouble("unavailable", slow=True), Trouble("refuse"), Trouble("ok", slow=True)]
        await house.service.experiments.delete(ME, made)
        await house.forget_events()
        house.world.gate.set()  # for the first try only
        house.world.gate.clear()
        await until(lambda: not house.world.troubles, "the third try")
        assert await house.read(made) is None
        await house.quiet()
        assert await house.read(made) is None
        assert house.world.processes == []


CHANGES: dict[str, dict[str, Any]] = {
    "scale": {"spec": {"Worker": {"replicas": 5}}},
    "anew": {"meta": {"cmd": "other"}},
}


async def give(house: House, op: str, made: str) -> bool:
    """Give an order; return whether it was acknowledged."""
    verbs = house.service.experiments
    try:
        if op in CHANGES:
            await verbs.patch(ME, made, CHANGES[op], merge=True)
        elif op == "stop":
            await verbs.stop(ME, made)
        else:
            await verbs.delete(ME, made, purge=op == "purge")
    except TargetRefused:
        return False
    return True


@pytest.mark.parametrize("reason", ["Denied", "NoPermission"])
@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("op", [*CHANGES, "stop", "delete", "purge"])
async def test_what_was_answered_is_what_becomes_of_an_order_that_is_refused_and_then_allowed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, op: str, late: bool, reason: str
) -> None:
    if not late and op != "stop":
        patient(monkeypatch)
    async with opened(tmp_path) as house:
        made = await create(house)
        await house.quiet()
        house.world.gate.clear()
        again = Trouble("refuse", reason=reason)
        house.world.troubles = [Trouble("refuse", late, reason=reason), *([again] * (0 if op in CHANGES else 2))]
        acknowledged = await give(house, op, made)
        assert acknowledged is (late or op == "stop")
        house.world.gate.set()
        await house.quiet()
        if op in ("delete", "purge"):
            assert await house.read(made) is None
            assert house.world.processes == []
            return
        now = await shown(house, made)
        if op == "stop":
            assert (now["detail"]["state"], now["detail"]["reason"]) == ("Stopped", "Stopped")
            return
        taken = acknowledged and reason == "NoPermission"
        assert house.world.processes == [(made, 2 if taken and op == "anew" else 1)]
        assert (now["spec"]["meta"]["cmd"] == "other") is (taken and op == "anew")
        assert now["spec"]["spec"]["Worker"]["replicas"] == (5 if taken and op == "scale" else 1)
        assert ("refused" in [event["type"] for event in now["detail"]["events"]]) is not taken
        assert (
            "the target refused a change, and the server undid it: refusal 1 of ensure" in now["detail"]["notes"]
        ) is not taken


async def test_what_was_accepted_waits_for_a_right_and_says_so(tmp_path: Path) -> None:
    async with opened(tmp_path) as house:
        house.world.gate.clear()
        house.world.troubles = [
            Trouble("refuse", slow=True, reason="NoPermission"),
            Trouble("refuse", reason="NoPermission"),
            Trouble("ok", slow=True),
        ]
        made = await create(house)
        house.world.gate.set()
        house.world.gate.clear()
        await until(lambda: not house.world.troubles, "the third try")
        now = await shown(house, made)
        assert (now["status"], now["detail"]["reason"]) == ("Accepted", "NoPermission")
        assert now["detail"]["message"] == "refusal 2 of ensure"
        await house.quiet()
        now = await shown(house, made)
        assert (now["status"], now["detail"]["reason"]) == ("Running", None)


async def test_a_refusal_that_comes_with_the_end_of_waiting_is_the_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the one who waits is told that it is accepted, while it is stored that it is not."""
    apply = refusals.apply

    def slowly(*args: Any, **options: Any) -> Any:
        time.sleep(1.2)  # longer than anybody waits
        return apply(*args, **options)

    monkeypatch.setattr(outbox_module, "INLINE_S", 1.0)
    monkeypatch.setattr(refusals, "apply", slowly)
    async with opened(tmp_path) as house:
        house.world.troubles = [Trouble("refuse", reason="NoPermission")]
        with pytest.raises(TargetRefused, match="refusal 1 of ensure"):
            await create(house)
        [row] = (await house.rows()).values()
        assert (row["status"], row["detail"]["reason"]) == ("Failed", "NoPermission")


async def test_what_an_earlier_try_may_have_begun_is_stopped_also_after_new_hope(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox_module, "MAX_BACKOFF_S", 60)
    monkeypatch.setattr(outbox_module, "FIRST_PAUSE_S", 60)
    async with opened(tmp_path, reconcile_seconds=1000) as house:
        house.world.slots = 0
        house.world.troubles = [Trouble("unknown"), Trouble("refuse")]
        made = await create(house)
        for _ in range(500):
            order = await house.service.db.read(lambda tx: outbox.pending(tx, made))
            if order is not None and order.tried:
                break
            await asyncio.sleep(0.01)
        house.world.things[made].unsure = False  # its target does not know either what it has begun
        await house.service.db.write(outbox.hasten)
        house.service._outbox.wake()
        await until(lambda: not house.world.troubles, "the second try")
        await house.quiet()
        assert (await shown(house, made))["detail"]["reason"] == "Denied"
        assert "Queued" not in house.world.things[made].attempts.values()


async def test_why_an_order_is_not_carried_out_is_shown_also_after_new_hope(tmp_path: Path) -> None:
    async with opened(tmp_path) as house:
        made = await create(house)
        await house.quiet()
        house.world.gate.clear()
        house.world.troubles = [Trouble("refuse"), Trouble("ok", slow=True)]
        await house.service.experiments.stop(ME, made)
        await until(lambda: not house.world.troubles, "the second try")
        await house.service.db.write(outbox.hasten)
        assert (await shown(house, made))["detail"]["reason"] == "StopRefused"
