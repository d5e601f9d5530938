"""What is told of targets: one that does not answer hides no other one."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from submarine_jupyter.errors import TargetUnavailable
from submarine_jupyter_server.services import targets
from submarine_jupyter_server.services.targets import Targets
from submarine_jupyter_server.targets.local.target import LocalTarget
from tests.services.conftest import ME, Client


class Broken(LocalTarget):
    """A target that fails when it is asked what it has."""

    def __init__(self, data_dir: Path, name: str, error: Exception | None) -> None:
        super().__init__(data_dir, name=name)
        self._error = error

    async def capacity(self) -> dict[str, object]:
        if self._error is not None:
            raise self._error
        await asyncio.Event().wait()
        raise AssertionError

    def health(self) -> dict[str, object]:
        return {"ok": False, "trouble": self.name}


async def test_each_target_is_told_whatever_the_others_do(
    client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(targets, "CAPACITY_S", 0.5)
    errors = {"away": TargetUnavailable("no answer", hint="wait"), "buggy": KeyError("a secret"), "slow": None}
    broken = {name: Broken(tmp_path / name, name, error) for name, error in errors.items()}
    told = Targets(client.service.db, {**broken, **client.service.compute_targets}, "local")
    found = await told.list(ME)
    local = found.pop()
    assert local.pop("capacity")["cpu"]["total"] == 2
    assert local == {
        "name": "local", "kind": "local", "default": True, "namespaces": ["default", "team"], "health": {"ok": True},
    }  # fmt: skip
    assert [(each["capacity"], each["health"]["trouble"], each["note"]) for each in found] == [
        (None, "away", "no answer (wait)"),
        (None, "buggy", "its capacity cannot be read: KeyError"),
        (None, "slow", "no answer within 0 s; try again"),
    ]
    assert "The capacity of target buggy cannot be read" in caplog.text
