"""Kernels that find their server by themselves: started by Jupyter, by something between, by nothing of Jupyter."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from jupyter_client.blocking.client import BlockingKernelClient

from tests.kernel.real_kernel import MakeKernel
from tests.live_server import LiveServer

NOTE = "submarine-server-*.json"
CONNECT = "%load_ext submarine_jupyter\n%submarine connect"


@pytest.fixture
def personal(tmp_path: Path) -> Iterator[Path]:
    """The folder with the note about the personal server, which is ended after the test."""
    yield tmp_path / "runtime"
    if list((tmp_path / "runtime").glob(NOTE)):
        os.kill(noted(tmp_path / "runtime"), signal.SIGKILL)


def noted(folder: Path) -> int:
    (note,) = folder.glob(NOTE)
    return int(json.loads(note.read_text())["pid"])


def test_a_kernel_without_jupyter_starts_a_server_that_others_find(
    make_kernel: MakeKernel, personal: Path, tmp_path: Path
) -> None:
    env = {"JUPYTER_NO_CONFIG": "1", "TMPDIR": str(tmp_path), "SUBMARINE_DATA_DIR": str(tmp_path / "submarine")}
    first = make_kernel(**env)
    first.run("%load_ext submarine_jupyter")

    first.run("%env WANDB_API_KEY=of-this-notebook")
    command = "pwd; env | grep -E 'MPLBACKEND|COLOR|PAGER|PYDEVD|JPY_|WANDB|TERM=xterm-color'; true"
    ran = first.run(f'%submarine run --name here --cmd "{command}" --detach')
    assert ran.status == "ok", ran
    said = ran.text.splitlines()
    assert said[0] == "Starting your personal server ..."
    assert said[1].startswith("Started your personal server at http://127.0.0.1:")
    assert len(said) == 2
    assert "here" in ran.plain  # its card
    pid = noted(personal)
    arguments = Path(f"/proc/{pid}/cmdline").read_bytes()
    token = Path(f"/proc/{pid}/environ").read_bytes().partition(b"JUPYTER_TOKEN=")[2].partition(b"\0")[0]
    assert len(token) >= 32
    assert token not in arguments
    (log,) = personal.glob("submarine-server-*.log")
    assert log.stat().st_mode & 0o077 == 0

    first.close()
    second = make_kernel(**env)
    second.run("%load_ext submarine_jupyter")
    ran = second.run("%submarine wait 1")
    assert (ran.status, "Started" in ran.text) == ("ok", False), ran
    assert second.run("%submarine logs").text == f"[worker-0] {tmp_path}\n"

    # It died: the next command starts another one.
    os.kill(pid, signal.SIGKILL)
    while Path(f"/proc/{pid}/stat").exists() and " Z " not in Path(f"/proc/{pid}/stat").read_text():
        time.sleep(0.05)
    third = make_kernel(**env)
    ran = third.run("%load_ext submarine_jupyter\n%submarine list")
    assert "Started your personal server" in ran.text, ran
    assert "here" in ran.plain
    assert noted(personal) != pid


def test_a_kernel_of_a_jupyter_server_finds_it(server: LiveServer) -> None:
    base = server.url.removesuffix("api/v1/experiment")
    kernel = server.http.post(f"{base}api/kernels", json={"name": "python3"}).json()["id"]
    client = BlockingKernelClient(connection_file=str(server.folder / "runtime" / f"kernel-{kernel}.json"))
    client.load_connection_file()
    client.start_channels(hb=False)  # on a busy machine a heart may miss a beat
    written: list[str] = []
    try:
        client.wait_for_ready(timeout=60)
        client.execute_interactive(
            CONNECT, timeout=60, output_hook=lambda message: written.append(message["content"].get("text", ""))
        )
        # By way of something between, such as a shell script as the kernel: then the servers are asked.
        client.execute_interactive(
            "import os; del os.environ['JPY_PARENT_PID']; os.getppid = lambda: 1\n%submarine connect",
            timeout=60,
            output_hook=lambda message: written.append(message["content"].get("text", "")),
        )
    finally:
        client.stop_channels()
        server.http.delete(f"{base}api/kernels/{kernel}")
    assert "".join(written) == f"Connected to {base} (the Jupyter Server of this notebook)\n" * 2
