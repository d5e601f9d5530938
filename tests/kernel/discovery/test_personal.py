"""The personal server: one for all, whoever comes when, and whatever has become of it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from submarine_jupyter.discovery import personal
from submarine_jupyter.discovery.processes import identity
from submarine_jupyter.discovery.running import Running
from submarine_jupyter.errors import ServerNotFound
from tests.live_server import kill_experiments


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A user's own directories, whose servers are ended after the test."""
    for name in list(os.environ):
        if name.startswith(("JUPYTER", "JPY", "SUBMARINE")):
            monkeypatch.delenv(name)
    for kind in ("CONFIG", "DATA", "RUNTIME"):
        monkeypatch.setenv(f"JUPYTER_{kind}_DIR", str(tmp_path / kind.lower()))
    monkeypatch.setenv("JUPYTER_NO_CONFIG", "1")
    monkeypatch.setenv("SUBMARINE_DATA_DIR", str(tmp_path / "submarine"))
    yield tmp_path
    for pid in servers(tmp_path):
        os.kill(pid, signal.SIGKILL)
    kill_experiments(tmp_path)


def servers(home: Path) -> list[int]:
    """Return the server processes of a user."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (entry / "cmdline").exists():
            try:
                if b"-m\0submarine_jupyter_server" in (entry / "cmdline").read_bytes():
                    mine = f"JUPYTER_RUNTIME_DIR={home}/runtime".encode() in (entry / "environ").read_bytes()
                    found += [int(entry.name)] if mine and identity(int(entry.name)) else []
            except OSError:
                continue
    return found


def test_all_who_come_at_once_share_one_and_are_told_before_they_wait(home: Path) -> None:
    found: list[Running] = []
    said: list[tuple[str, int]] = []
    others = threading.Semaphore(0)

    def told(text: str) -> None:
        said.append((text, len(servers(home))))
        if text.startswith("Waiting"):
            others.release()
        if text.startswith("Starting"):  # it goes on once the others have come
            for _ in range(2):
                assert others.acquire(timeout=60)

    def come() -> None:
        found.append(personal.personal_server(told))

    threads = [threading.Thread(target=come) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(servers(home)) == 1
    assert found == [found[0]] * 3
    assert found[0].port != 8888
    texts = [text for text, _ in said]
    assert texts.count("Starting your personal server ...") == 1
    assert sum(text.startswith("Started your personal server at ") for text in texts) == 1
    assert sum(text.startswith("Waiting for your personal server, which another") for text in texts) == 2
    # Everybody has been told before there was one.
    assert {running for text, running in said if not text.startswith("Started")} == {0}


def test_one_that_is_busy_is_waited_for(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = personal.personal_server(lambda _: None)
    said: list[str] = []
    os.kill(first.pid, signal.SIGSTOP)

    def told(text: str) -> None:
        said.append(text)
        os.kill(first.pid, signal.SIGCONT)

    assert personal.personal_server(told) == first
    assert said == [f"Waiting for your personal server (process {first.pid}) to answer ..."]
    assert servers(home) == [first.pid]

    # It never answers: that is said, with what to do, and no second one is started.
    monkeypatch.setattr(personal, "START_S", 0.1)
    monkeypatch.setattr(personal, "SILENT_S", 0.1)
    os.kill(first.pid, signal.SIGSTOP)
    with pytest.raises(ServerNotFound, match=f"kill -9 {first.pid}"):
        personal.personal_server(said.append)
    assert servers(home) == [first.pid]


def test_one_whose_starter_was_killed_is_found_while_it_starts(home: Path) -> None:
    starter = subprocess.Popen([sys.executable, "-c", "import submarine_jupyter; submarine_jupyter.connect()"])
    while not list((home / "runtime").glob("submarine-server-*.json")):
        time.sleep(0.001)
    starter.kill()
    starter.wait()

    found = personal.personal_server(lambda _: None)

    assert servers(home) == [found.pid]


def test_one_that_died_is_replaced(home: Path) -> None:
    first = personal.personal_server(lambda _: None)
    os.kill(first.pid, signal.SIGKILL)
    os.waitpid(first.pid, 0)

    second = personal.personal_server(lambda _: None)

    assert servers(home) == [second.pid]
    assert second.pid != first.pid


def test_a_note_that_names_another_process_or_nothing_is_no_server(home: Path) -> None:
    (home / "runtime").mkdir(exist_ok=True)
    note = home / "runtime" / "note.json"
    for text in ("", "[]", "{}", '{"pid": "x"}', '{"pid": 1, "identity": "old"}', f'{{"pid": {os.getpid()}}}', "\xff"):
        note.write_bytes(text.encode("latin-1"))
        assert personal._noted(note) is None


def test_a_folder_that_cannot_be_used_is_said(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / "file").touch()
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(home / "file" / "runtime"))
    with pytest.raises(ServerNotFound, match="Not a directory") as caught:
        personal.personal_server(lambda _: None)
    assert "JUPYTER_RUNTIME_DIR" in str(caught.value.hint)


def test_one_that_cannot_start_is_said_with_its_log(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(personal, "_arguments", lambda: ["--ServerApp.port=nonsense"])
    with pytest.raises(ServerNotFound, match=r"did not start: .*nonsense"):
        personal.personal_server(lambda _: None)
    assert servers(home) == []
