"""Credentials stay fresh: one thread reads them, and a server that says no is not asked again and again."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from submarine_jupyter_server.targets.kubernetes.api import credentials
from submarine_jupyter_server.targets.kubernetes.api.cluster import ApiError, BadCredentials, Cluster
from submarine_jupyter_server.targets.kubernetes.api.credentials import Credentials, Keeper
from tests.targets.kubernetes.fault_server import FaultServer, answer, error, guarded


class Login:
    """A login whose token is ``token``; it waits while ``closed`` is set, and counts how often it was used."""

    def __init__(self) -> None:
        self.token = "first"
        self.loads = self.refreshes = 0
        self.open = threading.Event()
        self.open.set()
        self.broken = False

    def load(self) -> Credentials:
        self.loads += 1
        assert self.open.wait(30)
        if self.broken:
            raise BadCredentials("nobody is there")
        return Credentials("https://api.test", "ns", (("Authorization", self.token),))

    def refresh(self) -> Credentials:
        self.refreshes += 1
        return self.load()


async def test_a_hundred_refusals_are_one_login() -> None:
    login = Login()
    keeper = Keeper(login)
    first = await keeper.current()
    login.token = "second"
    login.open.clear()
    renewing = [asyncio.create_task(keeper.renewed(first)) for _ in range(100)]
    await asyncio.sleep(0)
    assert await keeper.current() is first
    login.open.set()
    found = await asyncio.gather(*renewing)
    assert login.loads == 2
    assert {one.headers for one in found if one is not None} == {(("Authorization", "second"),)}


async def test_the_same_again_is_no_reason_to_ask_again(monkeypatch: pytest.MonkeyPatch) -> None:
    login = Login()
    keeper = Keeper(login)
    first = await keeper.current()
    assert await keeper.renewed(first) is None
    assert await keeper.renewed(first) is None
    assert login.loads == 2  # not a third time within the pause
    monkeypatch.setattr(credentials, "RELOAD_PAUSE_S", 0.0)
    login.token = "second"
    assert await keeper.renewed(first) is not None


async def test_a_login_that_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(credentials, "CHECK_S", 0.0)
    login = Login()
    login.broken = True
    keeper = Keeper(login)
    with pytest.raises(BadCredentials):
        await keeper.current()
    login.broken = False
    first = await keeper.current()
    login.broken = True
    assert await keeper.current() is first  # it may still be good
    assert login.refreshes == 1
    with pytest.raises(BadCredentials):
        await keeper.renewed(first)


async def test_a_login_that_waits_for_somebody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(credentials, "PATIENCE_S", 0.05)
    login = Login()
    login.open.clear()
    keeper = Keeper(login)
    for _ in range(3):
        with pytest.raises(BadCredentials, match="longer than"):
            await keeper.current()
    assert login.loads == 1  # it still waits: no second one beside it
    monkeypatch.undo()
    login.open.set()
    assert (await keeper.current()).server == "https://api.test"


async def test_doubts_lead_to_a_new_look() -> None:
    login = Login()
    keeper = Keeper(login)
    first = await keeper.current()
    assert await keeper.current() is first
    assert login.loads == 1
    keeper.doubt()
    assert await keeper.current() is first  # nothing has changed, so connections can stay
    assert login.loads == 2


async def test_other_credentials_are_tried_once(tmp_path: Path) -> None:
    async with FaultServer() as server:
        server.on("GET", "/version", error(401, "Unauthorized"))
        kubeconfig = server.kubeconfig(tmp_path, token="first")
        async with await Cluster.connect(kubeconfig=kubeconfig) as cluster:
            server.kubeconfig(tmp_path, token="second")
            with pytest.raises(ApiError):
                await cluster.call("GET", "/version")
            assert [one.headers["authorization"] for one in server.requests] == ["Bearer first", "Bearer second"]
            with pytest.raises(ApiError):
                await cluster.call("GET", "/version")
            assert len(server.requests) == 3
            server.on("GET", "/version", guarded("Bearer second", answer({"works": True})))
            assert await cluster.call("GET", "/version")


async def test_a_kubeconfig_that_vanished(tmp_path: Path) -> None:
    async with FaultServer() as server:
        server.on("GET", "/version", error(401, "Unauthorized", "who are you"))
        kubeconfig = server.kubeconfig(tmp_path, token="first")
        async with await Cluster.connect(kubeconfig=kubeconfig) as cluster:
            os.unlink(kubeconfig)
            with pytest.raises(ApiError, match="who are you; there is no kubeconfig"):
                await cluster.call("GET", "/version")


async def test_rights_that_a_kubeconfig_gives_up(tmp_path: Path) -> None:
    async with FaultServer() as server:
        server.on("GET", "/version", answer({}))
        kubeconfig = server.kubeconfig(tmp_path, token="t", user={"as": "me", "as-groups": ["g"]})
        async with await Cluster.connect(kubeconfig=kubeconfig) as cluster:
            await cluster.call("GET", "/version")
        headers = server.requests[0].headers
        assert (headers["impersonate-user"], headers["impersonate-group"]) == ("me", "g")


@pytest.mark.parametrize("context", ["nobody", None])
async def test_what_is_not_there(context: str | None, tmp_path: Path) -> None:
    async with FaultServer() as server:
        path = server.kubeconfig(tmp_path) if context else str(tmp_path / "nothing")
    with pytest.raises(BadCredentials, match="nobody" if context else "no kubeconfig at"):
        await Cluster.connect(kubeconfig=path, context=context)
    with pytest.raises(BadCredentials, match="service account"):
        await Cluster.connect(in_cluster=True)


def test_nothing_heavy_is_imported_before_somebody_connects() -> None:
    check = (
        "import sys; import submarine_jupyter_server.targets.kubernetes.api.cluster, "
        "submarine_jupyter_server.targets.kubernetes.api.discovery; "
        "print(sorted({'kubernetes', 'aiohttp', 'yaml', 'urllib3'} & set(sys.modules)))"
    )
    run = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
