"""Random lives of a collection, its API server and its connection: in the end the copy is right."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from submarine_jupyter import backoff
from tests.targets.kubernetes.fault_server import FaultServer
from tests.targets.kubernetes.followed import PODS, following, replayed, view
from tests.targets.kubernetes.model_server import Model


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backoff, "SHORTEST_S", 0.01)
    monkeypatch.setattr(backoff, "LONGEST_S", 0.05)


NAMES = st.sampled_from(["a", "b", "c", "d", "e"])
ACTIONS = st.one_of(
    st.tuples(st.just("put"), NAMES, st.integers(0, 3)),
    st.tuples(st.just("put"), NAMES, st.integers(0, 3)),
    st.tuples(st.just("write"), NAMES, st.integers(0, 3)),
    st.tuples(st.just("delete"), NAMES),
    st.tuples(st.just("bookmark")),
    st.tuples(st.just("compact"), st.booleans()),
    st.tuples(st.just("cut"), st.sampled_from([b"", b'{"type": "ADDED", "obj', b"\n", b"<html>\n"])),
    st.tuples(st.just("wait")),
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.booleans(), st.lists(ACTIONS, max_size=30))
def test_the_copy_is_right_in_the_end(pages: bool, actions: list[tuple[Any, ...]]) -> None:
    """Whatever happened, and the changes told are the way there."""
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(_live(Path(folder), actions, pages=pages))


async def _live(folder: Path, actions: list[tuple[Any, ...]], *, pages: bool) -> None:
    async with FaultServer() as server:
        model = Model(server, pages=pages)
        server.on("GET", PODS, model)
        async with following(server, folder) as one:
            for action, *given in actions:
                if action == "put":
                    model.put(*given)
                elif action == "write":
                    one.reflector.merge(model.put(*given))
                    assert one.reflector.cache[given[0]].value == given[1]
                elif action == "delete":
                    model.delete(*given)
                elif action == "bookmark":
                    model.bookmark()
                elif action == "compact":
                    model.compact(in_status=given[0])
                elif action == "cut":
                    await model.cut(*given)
                elif action == "wait":
                    await asyncio.sleep(0.02)
            await server.until(
                lambda: dict(one.reflector.cache) == {name: view(item) for name, item in model.items.items()}
            )
            assert replayed(one.told) == dict(one.reflector.cache)
