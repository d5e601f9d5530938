"""A cell and a command find what their writer sees around them: a kernel of another environment than the server's."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Any

import nbformat
import pytest
from jupyter_client.blocking.client import BlockingKernelClient
from nbclient import NotebookClient

from tests.kernel import other_environment
from tests.live_server import TOKEN, LiveServer

SCRIPT = """
import os, subprocess, sys
import helper, only_here, pkg
print(helper.WHO, only_here.ANSWER, pkg.__name__, open('data.csv').read(), sys.executable)
print(subprocess.run(['python', '-c', 'import sys, helper; print(sys.prefix)'], capture_output=True, text=True).stdout)
print(os.environ['VIRTUAL_ENV'])
"""
COMMAND = "%submarine run --cmd 'python train.py && python -m pkg && only-tool' --name command"


@pytest.fixture(scope="module")
def python(server: LiveServer) -> Path:
    kernels = server.folder / "data" / "kernels"
    url = server.url.removesuffix("api/v1/experiment")
    return other_environment.make(server.folder / "other", kernels, SUBMARINE_URL=url, SUBMARINE_TOKEN=TOKEN)


@pytest.fixture(scope="module")
def project(server: LiveServer) -> Path:
    folder = server.folder / "my project"
    (folder / "pkg").mkdir(parents=True)
    (folder / "helper.py").write_text("WHO = 'helper'\n")
    (folder / "pkg" / "__init__.py").touch()
    (folder / "pkg" / "__main__.py").write_text("import helper\nprint('module', helper.WHO)\n")
    (folder / "data.csv").write_text("1,2")
    (folder / "train.py").write_text(SCRIPT)
    return folder


@pytest.fixture(scope="module")
def kernel(server: LiveServer, python: Path, project: Path) -> Iterator[BlockingKernelClient]:
    """The kernel of a notebook in the project, started by the server."""
    base = server.url.removesuffix("api/v1/experiment")
    name = "Untitled 1.ipynb"
    notebook = {"path": f"{project.name}/{name}", "name": name, "type": "notebook"}
    session = server.http.post(f"{base}api/sessions", json={**notebook, "kernel": {"name": other_environment.NAME}})
    made = session.json()
    client = BlockingKernelClient(
        connection_file=str(server.folder / "runtime" / f"kernel-{made['kernel']['id']}.json")
    )
    client.load_connection_file()
    client.start_channels(hb=False)  # on a busy machine a heart may miss a beat
    client.wait_for_ready(timeout=60)
    yield client
    client.stop_channels()
    server.http.delete(f"{base}api/sessions/{made['id']}")


def run(kernel: BlockingKernelClient, code: str) -> str:
    written: list[str] = []
    shown: list[str] = []

    def take(message: dict[str, Any]) -> None:
        content = message["content"]
        if message["msg_type"] in ("display_data", "update_display_data"):
            # A card is written again in place: the last one counts.
            shown[:] = [on_page(content["data"]["text/html"])]
        else:
            written.append(content.get("text") or str(content.get("evalue", "")))

    kernel.execute_interactive(code, timeout=90, output_hook=take)
    return "".join((*written, *shown))


def on_page(markup: str) -> str:
    """Return the text of a card."""
    return unescape(re.sub(r"<[^>]+>", "", markup))


def test_a_cell_and_a_command_find_what_the_kernel_finds(
    kernel: BlockingKernelClient, python: Path, project: Path, server: LiveServer
) -> None:
    run(kernel, "%load_ext submarine_jupyter")
    found = f"helper 42 pkg 1,2 {python}"
    virtual = str(python.parent.parent)

    cell = run(kernel, f"%%submarine run -o here\n{SCRIPT}")
    # As the pages of the server name the notebook.
    origin = run(kernel, "print(here.known['spec']['runtime']['origin']['notebook'])")
    assert origin == f"{project.name}/Untitled 1.ipynb\n"
    assert "Untitled 1" in cell
    assert found in cell, cell
    assert cell.count(virtual) == 3

    command = run(kernel, COMMAND)
    assert found in command, command
    assert "module helper" in command
    assert f"tool 42 {virtual}" in command


def test_what_the_kernel_sets_itself_does_not_travel(kernel: BlockingKernelClient) -> None:
    run(kernel, "%load_ext submarine_jupyter")
    run(kernel, "%env MY_LR=0.1")
    assert "None" in run(kernel, "%%submarine run\nimport os\nprint(os.environ.get('MY_LR'))")
    assert "0.2" in run(kernel, "%%submarine run --env MY_LR=0.2\nimport os\nprint(os.environ.get('MY_LR'))")


def test_a_notebook_that_is_executed_as_a_whole(
    python: Path, project: Path, server: LiveServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As papermill and nbconvert do, which stand on nbclient."""
    monkeypatch.setenv("JUPYTER_PATH", str(server.folder / "data"))
    notebook = nbformat.v4.new_notebook()  # type: ignore[no-untyped-call]
    for source in ("%load_ext submarine_jupyter", f"%%submarine run --name whole\n{SCRIPT}", COMMAND):
        notebook.cells.append(nbformat.v4.new_code_cell(source))  # type: ignore[no-untyped-call]
    resources = {"metadata": {"path": str(project)}}

    NotebookClient(notebook, timeout=90, kernel_name=other_environment.NAME, resources=resources).execute()

    for cell in notebook.cells[1:]:
        (output,) = cell.outputs
        text = on_page(output["data"]["text/html"])
        assert f"helper 42 pkg 1,2 {python}" in text, text
