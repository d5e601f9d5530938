"""The life of the extension: it starts light, says what is wrong, and leaves nothing open."""

from __future__ import annotations

import asyncio
import gc
import logging
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jupyter_server.serverapp import ServerApp
from traitlets import TraitError

from submarine_jupyter.errors import Unavailable
from submarine_jupyter_server.app import EVENT_SCHEMA, SubmarineExtension
from submarine_jupyter_server.config import nobody, private_directory
from submarine_jupyter_server.opening.startup import check_system

HEAVY = ("pydantic", "sqlalchemy", "alembic", "kubernetes", "numpy", "submarine_jupyter.models")


def test_what_a_server_imports_at_its_start_is_light() -> None:
    program = (
        "import sys, jupyter_server.serverapp; before = set(sys.modules)\n"
        "import submarine_jupyter_server.app\n"
        "print(*sorted(set(sys.modules) - before))"
    )
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    modules = found.stdout.split()
    assert not [name for name in modules if name.startswith(HEAVY)]
    assert "submarine_jupyter_server.app" in modules


async def test_ping_answers_before_and_after_the_service_is_open(call: Any) -> None:
    assert (await call("GET", "experiment/ping")).result == "Pong"
    assert (await call("GET", "experiment")).result == []
    assert (await call("GET", "experiment/ping/")).text == (
        '{"status":"OK","code":200,"success":true,"message":null,"result":"Pong","attributes":{}}'
    )


async def test_the_data_directory_is_private(call: Any, tmp_path: Path) -> None:
    await call("GET", "experiment")
    assert stat.S_IMODE((tmp_path / "submarine").stat().st_mode) == 0o700


def test_a_data_directory_that_leads_elsewhere_is_refused(tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.mkdir(mode=0o755)
    private_directory(mine)
    assert stat.S_IMODE(mine.stat().st_mode) == 0o700
    (tmp_path / "link").symlink_to(mine)
    with pytest.raises(Unavailable, match="not a directory of this user"):
        private_directory(tmp_path / "link")


def test_the_data_directory_can_be_named_in_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SUBMARINE_DATA_DIR", str(tmp_path / "here"))
    assert SubmarineExtension().data_dir == str(tmp_path / "here")
    monkeypatch.delenv("SUBMARINE_DATA_DIR")
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "jupyter"))
    assert SubmarineExtension().data_dir == str(tmp_path / "jupyter" / "submarine")


class TestServiceThatCannotOpen:
    @pytest.fixture
    def logged(self) -> Iterator[list[logging.LogRecord]]:
        """What is logged from before the server starts."""
        records: list[logging.LogRecord] = []
        handler = logging.Handler(logging.ERROR)
        handler.emit = records.append  # type: ignore[method-assign,assignment]
        opening_log = logging.getLogger("submarine_jupyter_server.opening.startup")
        opening_log.addHandler(handler)
        yield records
        opening_log.removeHandler(handler)

    @pytest.fixture
    def server_config(self, logged: list[logging.LogRecord]) -> dict[str, Any]:
        return {"SubmarineExtension": {"data_dir": "/dev/null/submarine"}}

    async def test_says_why(self, call: Any, logged: list[logging.LogRecord]) -> None:
        answer = await call("GET", "experiment")
        assert answer.code == 503
        assert answer.message.startswith("Submarine could not start: ")
        assert "/dev/null" in answer.message
        assert "restart" in answer.envelope["attributes"]["hint"]
        assert answer.headers["Retry-After"]
        assert (await call("GET", "experiment/ping")).result == "Pong"
        assert len(logged) == 1
        assert "Submarine cannot run experiments" in logged[0].getMessage()
        assert "restart" in logged[0].getMessage()


def test_a_system_without_what_the_server_needs_is_refused() -> None:
    check_system("linux")
    check_system("darwin")
    with pytest.raises(Unavailable, match=r"Linux and macOS, not on Windows.*WSL"):
        check_system("win32")


@pytest.mark.parametrize("trait", ["local_cpus", "grace_seconds", "log_cap_bytes", "reconcile_seconds"])
def test_a_setting_that_makes_no_sense_is_refused(trait: str) -> None:
    with pytest.raises(TraitError, match=trait):
        SubmarineExtension(**{trait: 0})


@pytest.mark.parametrize(
    ("trait", "value"),
    [
        ("instance_name", ""),
        ("instance_name", "Team A"),
        ("instance_name", "a" * 41),
        ("targets", {"local": {}}),
        ("targets", {"Prod": {}}),
        ("targets", {"prod": "context"}),
    ],
)
def test_a_name_that_a_cluster_would_not_take_is_refused(trait: str, value: object) -> None:
    with pytest.raises(TraitError, match=trait):
        SubmarineExtension(**{trait: value})


def test_the_environment_adds_a_cluster_and_makes_it_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    monkeypatch.delenv("SUBMARINE_NAMESPACE", raising=False)
    monkeypatch.setenv("SUBMARINE_KUBE_CONTEXT", "prod")
    other = {"other": {"context": "lab"}}
    found = SubmarineExtension(targets=other, instance_name="mine")._service_config()
    assert found.targets == {**other, "kubernetes": {"context": "prod"}}
    assert (found.default_target, found.instance, found.local_enabled) == ("kubernetes", "mine", True)
    assert SubmarineExtension(default_target="local")._service_config().default_target == "local"
    monkeypatch.delenv("SUBMARINE_KUBE_CONTEXT")
    found = SubmarineExtension()._service_config()
    assert (found.targets, found.default_target, found.instance) == ({}, "local", None)
    assert SubmarineExtension(targets=other, local_enabled=False)._service_config().default_target == "other"


def test_every_setting_says_what_it_means() -> None:
    for name, trait in SubmarineExtension.class_own_traits(config=True).items():
        assert len(trait.help) > 40, name


async def test_jupyter_hears_of_every_change(call: Any, jp_serverapp: ServerApp) -> None:
    heard: list[dict[str, Any]] = []

    async def listen(logger: object, schema_id: str, data: dict[str, Any]) -> None:
        heard.append(data)

    assert jp_serverapp.event_logger is not None
    jp_serverapp.event_logger.add_listener(schema_id=EVENT_SCHEMA, listener=listen)
    spec = {
        "meta": {"name": "heard", "framework": "Standalone", "cmd": "true"},
        "spec": {"Worker": {"resources": "cpu=1"}},
    }
    made = (await call("POST", "experiment", spec)).result
    await call("DELETE", f"experiment/{made['experimentId']}")
    for _ in range(800):
        if any(data["type"] == "deleted" for data in heard):
            break
        await asyncio.sleep(0.05)
    assert {data["experimentId"] for data in heard} == {made["experimentId"]}
    assert [heard[0]["type"], heard[0]["status"]] == ["accepted", "Accepted"]
    assert "deleted" in [data["type"] for data in heard]


async def test_after_the_server_stopped_nothing_is_answered_for_long(call: Any, jp_serverapp: ServerApp) -> None:
    await call("GET", "experiment")
    await jp_serverapp.cleanup_extensions()
    answer = await call("GET", "experiment")
    assert answer.code == 503
    assert "not running" in answer.message


async def test_a_guest_leaves_logging_and_memory_as_they_are(call: Any, jp_serverapp: ServerApp) -> None:
    frozen = gc.get_freeze_count()
    await call("GET", "experiment")
    package_log = logging.getLogger("submarine_jupyter_server")
    assert package_log.parent is logging.getLogger()
    assert gc.get_freeze_count() == frozen
    assert set(jp_serverapp.log.handlers) <= set(package_log.handlers)


def test_where_users_are_separate_nothing_is_emitted_for_all_to_read() -> None:
    assert SubmarineExtension(separate_users=True)._service_config().emit is nobody
    assert SubmarineExtension()._service_config().emit is not nobody
