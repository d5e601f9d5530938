"""Who sees what: every service call, by the owner of an experiment, by a stranger, and on a server of one person."""

from __future__ import annotations

import asyncio
import inspect
import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest

from submarine_jupyter.errors import InvalidSpec, NotFound
from submarine_jupyter_server.logs.search.needle import needle
from submarine_jupyter_server.logs.search.scan import SearchQuery
from submarine_jupyter_server.opening.wiring import Service
from submarine_jupyter_server.services.logs.log_bytes import WantedBytes
from submarine_jupyter_server.services.principal import Principal
from submarine_jupyter_server.services.streams.points import WantedPoints
from submarine_jupyter_server.store import experiments
from submarine_jupyter_server.store.experiments import Query
from submarine_jupyter_server.targets.protocol import Ahead
from submarine_jupyter_server.wire.answers.forecasts import Waiting
from submarine_jupyter_server.wire.comparison.columns import ComparisonQuery
from submarine_jupyter_server.wire.queries.logs import LogQuery, MergedQuery, PlaceQuery
from submarine_jupyter_server.wire.queries.metrics import MetricQuery
from tests.services.conftest import ME, Client, experiment

STRANGER = Principal("eve")
SAME_MACHINE = Principal("eve", owns_all=True)
BODY = {
    **experiment("echo $SUBMARINE_EXPERIMENT_ID; exec sleep 60", cpu="2", meta={"envVars": {"HF_TOKEN": "canary"}}),
    "runtime": {"group": {"name": "kin"}},
}
Case = Callable[[Service, Principal, str], Awaitable[object]]


async def copied(service: Service, who: Principal, made: str) -> dict[str, Any]:
    """Return the body of a clone, as it is made of what a GET shows: its secret is the mask."""
    meta = {**BODY["meta"], "experimentId": made, "envVars": {"HF_TOKEN": "******"}}
    return {**BODY, "meta": meta}


async def create(service: Service, who: Principal, made: str) -> object:
    await service.submissions.create(who, await copied(service, who, made))
    return made


async def plan(service: Service, who: Principal, made: str) -> object:
    await service.submissions.plan(who, await copied(service, who, made))
    return made


async def raw(service: Service, who: Principal, made: str) -> object:
    log = await service.logs.raw(who, made)
    return b"".join([chunk async for chunk in log.chunks])


async def search(service: Service, who: Principal, made: str) -> object:
    found = await service.log_search.search(who, made, SearchQuery(needle(made)))
    return found.experiment_id if found.matches else None


async def follow_log(service: Service, who: Principal, made: str) -> object:
    async for message in await service.logs.follow(who, made):
        if message is not None and message.event == "log":
            return message
    return None


async def follow_all(service: Service, who: Principal, made: str) -> object:
    """Return the first event of all, or the first heartbeat."""
    async for message in await service.events.follow(who, after=0):
        return message
    return None


async def follow_one(service: Service, who: Principal, made: str) -> object:
    async for message in await service.events.follow(who, experiment_id=made):
        return message
    return None


PLACE = PlaceQuery(at=0.0, replica=None, attempt=None)
MERGED = MergedQuery(limit=10, attempt=None, at=None, after=None, before=None, since=None)


async def follow_rows(service: Service, who: Principal, made: str) -> object:
    async for changes in service.rows.follow(who):
        return changes
    return None


async def follow_bytes(service: Service, who: Principal, made: str) -> object:
    async def allowed() -> int:
        return 1000

    async for piece in service.log_bytes.follow(who, WantedBytes(made, "worker-0"), allowed):
        return piece
    return None


KIN = Query(group="kin")


async def count(service: Service, who: Principal, made: str) -> object:
    return made if "kin" in await service.groups.count(who, Query()) else None


async def follow_points(service: Service, who: Principal, made: str) -> object:
    async def allowed() -> None:
        pass

    async for some in service.points.follow(who, WantedPoints((made,)), allowed):
        return made if some.snapshot else None
    return None


async def compare_named(service: Service, who: Principal, made: str) -> object:
    found = await service.comparisons.compare(who, ComparisonQuery(ids=(made,), query=Query()))
    return [row.id for row in found.rows]


async def compare_listed(service: Service, who: Principal, made: str) -> object:
    return await service.comparisons.compare(who, ComparisonQuery(ids=(), query=Query()))


PATCH = {"meta": {"tags": ["mine"]}}
# In this order: what ends the experiment comes last.
CASES: dict[str, list[Case]] = {
    "experiments.list": [lambda service, who, made: service.experiments.list(who, Query())],
    "experiments.get": [lambda service, who, made: service.experiments.get(who, made, full=True)],
    "submissions.create": [create],
    "submissions.plan": [plan],
    "logs.list": [lambda service, who, made: service.logs.list(who, Query())],
    "logs.page": [lambda service, who, made: service.logs.page(who, made, LogQuery())],
    "logs.raw": [raw],
    "logs.follow": [follow_log],
    "log_search.search": [search],
    "log_times.places": [lambda service, who, made: service.log_times.places(who, made, PLACE)],
    "log_times.merged": [lambda service, who, made: service.log_times.merged(who, made, MERGED)],
    "log_bytes.follow": [follow_bytes],
    "rows.page": [lambda service, who, made: service.rows.page(who, Query())],
    "rows.follow": [follow_rows],
    "groups.count": [count],
    "points.follow": [follow_points],
    "comparisons.compare": [compare_named, compare_listed],
    "comparisons.diff": [lambda service, who, made: service.comparisons.diff(who, made, made)],
    "metrics.curves": [lambda service, who, made: service.metrics.curves(who, made, MetricQuery())],
    "targets.list": [lambda service, who, made: service.targets.list(who)],
    "events.follow": [follow_all, follow_one],
    "experiments.patch": [lambda service, who, made: service.experiments.patch(who, made, PATCH, merge=True)],
    "experiments.note": [lambda service, who, made: service.experiments.note(who, made, {"note": "mine"})],
    "groups.delete": [lambda service, who, made: service.groups.delete(who, KIN, dry_run=True)],
    "groups.stop": [lambda service, who, made: service.groups.stop(who, KIN)],
    "experiments.stop": [lambda service, who, made: service.experiments.stop(who, made)],
    "experiments.delete": [lambda service, who, made: service.experiments.delete(who, made)],
}
OF_ITS_OWNER_ONLY = ("submissions.create", "submissions.plan")  # they put secrets into another experiment


def calls(service: Service) -> dict[str, Callable[..., Any]]:
    """Return everything that handlers can call, name -> method."""
    parts = {name: part for name, part in vars(service).items() if not name.startswith("_")}
    return {
        f"{name}.{verb}": method
        for name, part in parts.items()
        if type(part).__module__.startswith("submarine_jupyter_server.services.")
        for verb, method in inspect.getmembers(part, inspect.ismethod)
        if not verb.startswith("_") and verb != "close"
    }


async def test_every_call_asks_who_it_is_and_has_a_case_here(client: Client) -> None:
    found = calls(client.service)
    for name, method in found.items():
        first = next(iter(inspect.signature(method).parameters.values()), None)
        assert first is not None, f"{name} takes no principal"
        assert (first.name, first.annotation) == ("principal", "Principal"), f"{name} takes {first} first"
    assert found.keys() == CASES.keys(), "each service call needs a case in this test"


async def outcome(case: Case, service: Service, who: Principal, made: str) -> str:
    """Return what is told of an experiment: ``seen``, ``hidden``, or the name of the error."""
    try:
        async with asyncio.timeout(30):
            return "seen" if made in str(await case(service, who, made)) else "hidden"
    except (NotFound, InvalidSpec) as error:
        return type(error).__name__


async def waiting(client: Client) -> str:
    """Return an experiment that has run and waits for room again, with a log and events."""
    made = (await client.create(BODY))["experimentId"]
    await client.until(made, lambda found: found["status"] == "Running")
    while await client.log(made) != [[made]]:  # noqa: ASYNC110 - a log tells nobody
        await asyncio.sleep(0.02)
    return str(made)


@pytest.mark.parametrize("who", [STRANGER, ME, SAME_MACHINE], ids=["stranger", "owner", "personal"])
async def test_who_sees_an_experiment(client: Client, monkeypatch: pytest.MonkeyPatch, who: Principal) -> None:
    monkeypatch.setattr("submarine_jupyter_server.feed.event_feed.HEARTBEAT_S", 0.05)
    service = client.service
    made = await waiting(client)
    queued = (await client.create({**BODY, "meta": {**BODY["meta"], "name": "queued"}}))["experimentId"]
    await client.until(queued, lambda found: found["detail"]["reason"] == "Queued")
    before = await service.db.read(lambda tx: experiments.find(tx, made))
    for name, cases in CASES.items():
        about = queued if name == "targets.list" else made
        for case in cases:
            found = await outcome(case, service, who, about)
            if who is STRANGER or (name in OF_ITS_OWNER_ONLY and who is not ME):
                assert found in ("hidden", "NotFound", "InvalidSpec"), (name, found)
            else:
                assert found == "seen", (name, found)
    after = await service.db.read(lambda tx: experiments.find(tx, made))
    assert (after == before) is (who is STRANGER), "a stranger has changed it"


async def waits(client: Client, name: str) -> Waiting | None:
    detail = (await client.experiments.get(STRANGER, name, full=True)).detail
    assert detail is not None
    return detail.waiting


async def test_what_is_ahead_is_counted_and_named_to_its_owner_only(client: Client) -> None:
    body = experiment("exec sleep 60", cpu="2")
    _, queued = [(await client.create(body))["experimentId"] for _ in range(2)]
    await client.until(queued, lambda found: found["detail"]["reason"] == "Queued")
    for who, ids in ((ME, (queued,)), (SAME_MACHINE, (queued,)), (STRANGER, ())):
        ahead = (await client.service.submissions.plan(who, body)).forecast.ahead
        assert ahead == Ahead(1, ids), who
    hers = json.loads((await client.service.submissions.create(STRANGER, body)).experiment)["experimentId"]
    async with asyncio.timeout(30):
        while (found := await waits(client, hers)) is None:  # noqa: ASYNC110 - it is asked as a client asks
            await asyncio.sleep(0.02)
    assert found.forecast.ahead == Ahead(1, ())
    await client.experiments.delete(STRANGER, hers)


async def test_nobody_ends_all_experiments_of_others(client: Client) -> None:
    made = (await client.create(BODY))["experimentId"]
    for query in (KIN, Query(), Query(owner="me")):
        assert (await client.service.groups.stop(STRANGER, query)).ids == []
        assert (await client.service.groups.delete(STRANGER, query, purge=True)).ids == []
    assert (await client.service.groups.delete(ME, KIN)).ids == [made]
    assert (await client.experiments.list(ME, Query())).rows == []


async def test_a_filter_by_owner_opens_nothing(client: Client) -> None:
    made = (await client.create(experiment("true")))["experimentId"]
    for who, owner, expected in (
        (ME, "me", [made]),
        (ME, "eve", []),
        (STRANGER, "me", []),
        (STRANGER, "eve", []),
        (SAME_MACHINE, "me", [made]),
        (SAME_MACHINE, "eve", []),
    ):
        page = await client.experiments.list(who, Query(owner=owner))
        assert [row.id for row in page.rows] == expected, (who, owner)


async def test_pages_of_an_owner_are_whole_however_many_others_there_are(client: Client) -> None:
    mine = [
        (await client.service.submissions.create(ME if number % 3 == 0 else STRANGER, experiment("true"))).experiment
        for number in range(9)
    ]
    seen: list[str] = []
    query: Query | None = Query(limit=1)
    while query is not None:
        page = await client.experiments.list(ME, query)
        seen += [row.id for row in page.rows]
        query = replace(query, cursor=page.next_cursor) if page.next_cursor else None
    assert len(seen) == 3
    assert all(any(found in text for text in mine[::3]) for found in seen)
    for row in (await client.experiments.list(STRANGER, Query())).rows:
        await client.experiments.delete(STRANGER, row.id)


async def test_a_key_of_somebody_else_is_another_key(client: Client) -> None:
    first = await client.service.submissions.create(ME, experiment("true"), key="k")
    other = await client.service.submissions.create(STRANGER, experiment("false"), key="k")
    assert not other.replayed
    assert first.experiment != other.experiment
    for row in (await client.experiments.list(STRANGER, Query())).rows:
        await client.experiments.delete(STRANGER, row.id)
