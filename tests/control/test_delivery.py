"""Orders: whoever waits, waits for one; what fails is tried again, and says why."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection

from submarine_jupyter.errors import TargetRefused
from submarine_jupyter_server.control import delivery as outbox_module
from submarine_jupyter_server.control.waiters import Waiters
from submarine_jupyter_server.store import experiments
from submarine_jupyter_server.store.orders import outbox
from submarine_jupyter_server.store.orders.outbox import OutboxRow
from submarine_jupyter_server.store.tables import outbox as outbox_table
from submarine_jupyter_server.wire.answers.states import state_of
from tests.control.conftest import opened, until
from tests.control.house import ME, House
from tests.control.world import Trouble

BODY: dict[str, Any] = {
    "meta": {"name": "n", "framework": "PyTorch", "cmd": "train"},
    "spec": {"Worker": {"replicas": 1}},
}


def order(seq: int, experiment_id: str = "e") -> OutboxRow:
    return OutboxRow(seq, experiment_id, "ensure", seq, 1, 0, 0, None)


async def create(house: House) -> str:
    accepted = await house.service.submissions.create(ME, BODY)
    return str(json.loads(accepted.experiment)["experimentId"])


async def test_each_hears_of_his_own_order() -> None:
    waiters = Waiters()
    first, second, third = (waiters.join(order(seq)) for seq in (1, 2, 3))
    other = waiters.join(order(2, "f"))
    waiters.answer(order(2), TargetRefused("no"))
    assert first.result() is None  # replaced: what became of it is no refusal
    with pytest.raises(TargetRefused):
        second.result()
    assert not third.done()
    assert not other.done()
    for future, of in ((first, 1), (second, 2), (third, 3)):
        waiters.leave(order(of), future)
    assert not waiters.wait_for(order(9))
    assert waiters.wait_for(order(2, "f"))


async def test_a_refused_change_is_no_answer_to_a_deletion(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox_module, "INLINE_S", 10)
    async with opened(tmp_path) as house:
        made = await create(house)
        house.world.gate.clear()
        house.world.troubles = [Trouble("refuse", slow=True)]
        verbs = house.service.experiments
        patched = asyncio.create_task(verbs.patch(ME, made, {"spec": {"Worker": {"replicas": 3}}}, merge=True))
        await until(lambda: not house.world.troubles, "the order of the change is given")
        deleted = asyncio.create_task(verbs.delete(ME, made))
        await until(lambda: len(house.service._outbox._waiters._futures[made]) == 2, "both wait")
        house.world.gate.set()
        assert (await deleted).row.id == made
        with pytest.raises(Exception, match=r"Not found experiment\."):
            await patched  # its order was replaced, and there is nothing left to show
        await house.quiet()
        assert house.world.processes == []


async def test_what_stands_in_the_way_of_an_order_is_shown_until_it_does_so_no_more(tmp_path: Path) -> None:
    async with opened(tmp_path) as house:
        made = await create(house)
        await house.quiet()
        house.world.gate.clear()
        house.world.troubles = [Trouble("unavailable"), Trouble("unavailable"), Trouble("ok", slow=True)]
        assert state_of((await house.service.experiments.stop(ME, made)).row) == "Stopping"
        await until(lambda: not house.world.troubles, "the third try")
        shown = await house.read(made)
        assert shown is not None
        assert shown["status"] == "Running"
        assert (shown["detail"]["state"], shown["detail"]["reason"]) == ("Stopping", "TargetUnavailable")
        assert "outage" in shown["detail"]["message"]
        assert shown["detail"]["order"]["op"] == "stop"
        assert shown["detail"]["order"]["tries"] <= 2  # counted anew where rows and target were compared meanwhile
        await house.quiet()
        shown = await house.read(made)
        assert shown is not None
        assert (shown["detail"]["state"], shown["detail"]["reason"]) == ("Stopped", "Stopped")
        assert "order" not in shown["detail"]


async def test_a_target_is_asked_again_when_it_wants_to_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is left in peace as long as it said, up to the longest pause."""
    monkeypatch.setattr(outbox_module, "MAX_BACKOFF_S", 60.0)
    async with opened(tmp_path) as house:
        for seconds, least in ((30.0, 28.0), (90_000.0, 58.0)):
            house.world.troubles = [Trouble("unavailable", retry_after=seconds)]
            made = await create(house)
            for _ in range(500):
                shown = await house.read(made)
                assert shown is not None
                if "order" in shown["detail"]:
                    break
                await asyncio.sleep(0.01)
            assert shown is not None
            wait = datetime.fromisoformat(shown["detail"]["order"]["nextTime"]) - datetime.now(UTC)
            assert least < wait.total_seconds() <= 60


async def test_a_target_that_does_not_answer_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox_module, "SILENCE_S", 0.05)
    async with opened(tmp_path) as house:
        house.world.gate.clear()
        house.world.troubles = [Trouble("ok", slow=True)]
        made = await create(house)
        said = ""
        for _ in range(200):
            shown = await house.read(made)
            if shown is not None and shown["detail"]["reason"] == "TargetSilent":
                said = shown["detail"]["message"]
                break
            await asyncio.sleep(0.01)
        assert "has not answered" in said
        await house.quiet()
        shown = await house.read(made)
        assert shown is not None
        assert (shown["status"], shown["detail"]["reason"]) == ("Running", None)


async def test_the_pause_between_tries_stays_short_however_often_it_failed(tmp_path: Path) -> None:
    async with opened(tmp_path) as house:
        made = await create(house)
        await house.quiet()
        house.world.troubles = [Trouble("crash")] * 5
        await house.service.db.write(lambda tx: _stop(tx, made, tried=5000))
        house.service._outbox.wake()
        await until(lambda: not house.world.troubles, "five more tries")
        await house.quiet()
        assert house.world.processes == []


def _stop(tx: Connection, experiment_id: str, *, tried: int) -> None:
    row = experiments.find(tx, experiment_id)
    assert row is not None
    order = outbox.put(tx, row, "stop")
    tx.execute(outbox_table.update().where(outbox_table.c.seq == order.seq).values(attempts=tried))


async def test_what_was_made_is_kept_with_the_end_of_its_order_and_given_to_the_next_server(tmp_path: Path) -> None:
    async with opened(tmp_path) as house:
        kept, deleted = [await create(house) for _ in range(2)]
        house.world.troubles = [Trouble("unknown")]
        await house.service.experiments.patch(ME, kept, {"meta": {"cmd": "train more"}}, merge=True)
        await house.quiet()
        await house.service.experiments.delete(ME, deleted)
        await house.quiet()
        await house.close()
        await house.open()
        made = house.world.things[kept].made
        assert made is not None
        assert (made.attempt, made.generation) == (2, 2)
        assert house.given == [made]
