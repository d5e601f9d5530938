"""The verbs: what they answer, and whose secrets they know."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from submarine_jupyter.errors import Conflict, IdempotencyMismatch, InvalidSpec, NotFound
from submarine_jupyter.models import ExperimentSpec, Status
from submarine_jupyter_server.control.delivery import launch_of
from submarine_jupyter_server.services import changing
from submarine_jupyter_server.services.principal import Principal
from submarine_jupyter_server.store import experiments as rows
from submarine_jupyter_server.store.experiments import Query
from submarine_jupyter_server.store.lists import listing
from submarine_jupyter_server.targets.protocol import Launch, Made
from submarine_jupyter_server.wire.answers.experiments import page_json
from submarine_jupyter_server.wire.queries.lists import list_query
from tests.control.conftest import opened, until
from tests.control.house import ME, House
from tests.control.test_delivery import BODY, create
from tests.control.world import CommandedTarget, Trouble

SECRET = {**BODY, "meta": {**BODY["meta"], "envVars": {"HF_TOKEN": "canary"}}}


async def make(house: House, body: object, owner: str = "me", key: str | None = None) -> dict[str, Any]:
    accepted = await house.service.submissions.create(Principal(owner), body, key=key)
    made: dict[str, Any] = json.loads(accepted.experiment)
    return made


async def listed(house: House, **query: str) -> tuple[list[dict[str, Any]], str | None]:
    wanted = list_query({name: [value] for name, value in query.items()})
    page = await house.service.experiments.list(ME, wanted)
    return json.loads(page_json(page)), page.next_cursor


async def test_a_key_is_known_before_its_body_is_read_again(tmp_path: Path) -> None:
    async with opened(tmp_path) as house:
        source = await make(house, SECRET)
        copy = source["spec"]
        first = await make(house, copy, key="k")
        await house.service.experiments.delete(ME, source["experimentId"])
        assert await make(house, copy, key="k") == first  # its mask can be put back by nobody any more
        with pytest.raises(InvalidSpec, match="is the mask"):
            await make(house, copy, key="other")
        with pytest.raises(IdempotencyMismatch):
            await make(house, {**copy, "meta": {**copy["meta"], "framework": "nonsense"}}, key="k")


async def test_a_mask_is_put_back_for_its_owner_only(tmp_path: Path) -> None:
    async with opened(tmp_path) as house:
        source = await make(house, SECRET, owner="alice")
        with pytest.raises(InvalidSpec, match="is the mask"):
            await make(house, source["spec"], owner="bob")
        copy = await make(house, source["spec"], owner="alice")
        row = await house.service.db.read(lambda tx: rows.find(tx, copy["experimentId"]))
        assert row is not None
        assert json.loads(row.spec)["meta"]["envVars"] == {"HF_TOKEN": "canary"}


async def test_a_stop_and_a_change_at_the_same_time_leave_nothing_waiting(tmp_path: Path) -> None:
    async with opened(tmp_path) as house:
        made = await create(house)
        await house.quiet()
        house.world.gate.clear()
        house.world.troubles = [Trouble("ok", slow=True)]
        verbs = house.service.experiments
        await verbs.stop(ME, made)
        with pytest.raises(Conflict, match="being stopped"):
            await verbs.patch(ME, made, {"meta": {"cmd": "other"}}, merge=True)
        await house.quiet()
        shown = await house.read(made)
        assert shown is not None
        assert (shown["detail"]["state"], shown["detail"]["attempt"]) == ("Stopped", 1)


async def test_a_change_that_was_read_before_a_stop_is_refused_when_it_is_made(tmp_path: Path) -> None:
    async with opened(tmp_path) as house:
        made = await create(house)
        await house.quiet()
        db = house.service.db
        row = await db.read(lambda tx: rows.find(tx, made))
        assert row is not None
        house.world.gate.clear()
        house.world.troubles = [Trouble("ok", slow=True)]
        await house.service.experiments.stop(ME, made)
        spec = ExperimentSpec.parse(json.loads(row.spec))
        change = replace(changing.change(row, spec, spec), restart=True)
        with pytest.raises(Conflict, match="being stopped"):
            await db.write(lambda tx: changing.store(tx, row, change))
        await house.quiet()
        assert house.world.processes == []


async def test_a_new_experiment_is_ordered_as_it_is_stored(tmp_path: Path) -> None:
    """What the order is read from is the body, and what it is given again from is the row: they say the same."""
    async with opened(tmp_path) as house:
        source = await make(house, SECRET)
        for body in (BODY, SECRET, source["spec"]):
            made = (await make(house, body))["experimentId"]
            row = await house.service.db.read(lambda tx, made=made: rows.find(tx, made))  # type: ignore[misc]
            assert row is not None
            assert house.world.things[made].launch == launch_of(row)


async def test_a_scaling_is_ordered_as_it_is_stored_with_what_was_made_ready(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[Launch] = []
    ensure = CommandedTarget.ensure

    async def noted(target: CommandedTarget, launch: Launch) -> Made | None:
        given.append(launch)
        return await ensure(target, launch)

    async with opened(tmp_path) as house:
        made = (await make(house, SECRET))["experimentId"]
        await house.quiet()
        monkeypatch.setattr(CommandedTarget, "ensure", noted)
        monkeypatch.setattr(CommandedTarget, "check_change", lambda target, old, new: f"ready {new.generation}")
        change = {"meta": {"name": "other"}, "spec": {"Worker": {"replicas": 3}}}
        await house.service.experiments.patch(ME, made, change, merge=True)
        row = await house.service.db.read(lambda tx: rows.find(tx, made))
        assert row is not None
        assert (given[0], given[0].prepared) == (launch_of(row), "ready 2")
        assert (given[0].name, given[0].generation) == ("other", 2)


async def test_what_ran_stays_readable(tmp_path: Path) -> None:
    async with opened(tmp_path) as house:
        made = await create(house)
        verbs = house.service.experiments
        await house.quiet()
        await verbs.patch(ME, made, {"meta": {"cmd": "second"}}, merge=True)
        await house.quiet()
        house.world.things[made].end(Status.SUCCEEDED, "")
        await house.quiet()
        for cmd in ("never ran", "never ran either"):
            await verbs.patch(ME, made, {"meta": {"cmd": cmd, "framework": "Standalone"}}, merge=True)
        ran = {}
        for attempt in (None, 1, 2):
            ran[attempt] = json.loads((await verbs.get(ME, made, attempt=attempt)).row.wire_spec)["meta"]["cmd"]
        assert ran == {None: "never ran either", 1: "train", 2: "second"}
        with pytest.raises(NotFound, match="2 attempts"):
            await verbs.get(ME, made, attempt=3)
        # The filter and what is shown agree.
        assert [row["experimentId"] for row in (await listed(house, framework="Standalone"))[0]] == [made]
        assert (await listed(house, framework="PyTorch"))[0] == []


async def test_a_list_carries_no_code_and_its_specs_can_be_sent_back(tmp_path: Path) -> None:
    async with opened(tmp_path) as house:
        code = {"syncMode": "inline", "files": {"train.py": "print(1)\n" * 1000, "empty.py": ""}}
        made = await make(house, {**BODY, "code": code})
        [row], _ = await listed(house)
        assert row["spec"]["code"] == {**made["spec"]["code"], "files": {"train.py": None, "empty.py": None}}
        copy = await make(house, row["spec"])
        assert copy["spec"]["code"]["files"] == code["files"]
        with pytest.raises(InvalidSpec, match=r"code\.files\.train\.py: is null"):
            await make(house, row["spec"], owner="bob")


async def test_a_page_ends_before_it_is_too_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "MOST_CHARACTERS", 10_000)
    async with opened(tmp_path) as house:
        body = {**BODY, "meta": {**BODY["meta"], "envVars": {"A": "x" * 4000}}}
        names = [(await make(house, body))["experimentId"] for _ in range(5)]
        seen: list[str] = []
        cursor, pages = None, 0
        while pages == 0 or cursor:
            found, cursor = await listed(house, **({"cursor": cursor} if cursor else {}))
            seen += [row["experimentId"] for row in found]
            pages += 1
        assert seen == names[::-1]
        assert pages == 3


async def test_the_word_for_people(tmp_path: Path) -> None:
    async with opened(tmp_path) as house:
        house.world.slots = 1
        names = [await create(house) for _ in range(2)]
        await house.quiet()
        listed = json.loads(page_json(await house.service.experiments.list(ME, Query(), summary=True)))
        states = {row["experimentId"]: row["detail"]["state"] for row in listed}
        assert states == {names[0]: "Running", names[1]: "Queued"}
        await house.service.experiments.stop(ME, names[0])
        await house.quiet()
        listed = json.loads(page_json(await house.service.experiments.list(ME, Query(), summary=True)))
        states = {row["experimentId"]: row["detail"]["state"] for row in listed}
        assert states == {names[0]: "Stopped", names[1]: "Running"}


async def test_a_purge_leaves_nothing_but_the_name(tmp_path: Path) -> None:
    async with opened(tmp_path) as house:
        made = await make(house, SECRET)
        await house.service.experiments.delete(ME, made["experimentId"], purge=True)
        await house.quiet()
        await until(lambda: not house.world.processes, "its end")
        row = await house.service.db.read(lambda tx: rows.find(tx, made["experimentId"], include_deleted=True))
        assert row is not None
        assert (row.spec, row.wire_spec, row.name) == ("{}", "{}", "")
        assert not any("canary" in json.dumps(found) for found in await dump(house))


async def dump(house: House) -> list[list[str]]:
    """Return all text in the database."""
    await asyncio.sleep(0)

    def read(tx: Any) -> list[list[str]]:
        names = tx.exec_driver_sql("SELECT name FROM sqlite_master WHERE type = 'table'").scalars().all()
        return [[str(row) for row in tx.exec_driver_sql(f'SELECT * FROM "{name}"')] for name in names]  # noqa: S608

    found: list[list[str]] = await house.service.db.read(read)
    return found
