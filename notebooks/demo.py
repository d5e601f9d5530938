"""Run the quickstart against a server of its own, show what it writes, and stop the server (``make demo``)."""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

NOTEBOOK = Path(__file__).with_name("quickstart.ipynb")
GOAL = 0.95
START_S = 60.0


def main() -> int:
    """Return 0 when the model is as good as it should be."""
    home = Path(tempfile.mkdtemp(prefix="submarine-demo-"))
    # Nothing of the user's own configuration, kernels and experiments takes part. Before Jupyter is imported.
    os.environ.update(
        JUPYTER_CONFIG_DIR=str(home / "config"),
        JUPYTER_DATA_DIR=str(home / "data"),
        JUPYTER_RUNTIME_DIR=str(home / "runtime"),
        SUBMARINE_DATA_DIR=str(home / "submarine"),
    )
    try:
        with server(home) as (url, token):
            os.environ.update(SUBMARINE_URL=url, SUBMARINE_TOKEN=token)
            execute(home / "kernel.log")
            found = accuracy()
    finally:
        shutil.rmtree(home, ignore_errors=True)
    print(f"\nAccuracy on held-out digits: {found:.4f} ({'at least' if found >= GOAL else 'less than'} {GOAL})")
    print("'make lab' opens this notebook and others in JupyterLab.")
    return 0 if found >= GOAL else 1


@contextmanager
def server(home: Path) -> Iterator[tuple[str, str]]:
    """Run a Jupyter Server with the extension on a free port of this machine; give its URL and token."""
    from submarine_jupyter.discovery.running import owner_of

    token = secrets.token_urlsafe(32)
    log = home / "server.log"
    arguments = [
        "--ServerApp.ip=127.0.0.1",
        f"--ServerApp.port={free_port()}",
        f"--ServerApp.root_dir={NOTEBOOK.parent}",
    ]
    if os.getuid() == 0:
        arguments.append("--ServerApp.allow_root=True")
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "submarine_jupyter_server", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env={**os.environ, "JUPYTER_TOKEN": token},
        )
    try:
        end = time.monotonic() + START_S
        while (found := owner_of({process.pid})) is None:
            if process.poll() is not None or time.monotonic() > end:
                sys.exit(f"The server did not start:\n{log.read_text(errors='replace')}")
            time.sleep(0.05)
        print(f"A Jupyter Server with the Submarine extension listens at {found.url}")
        yield found.url, token
    finally:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(20)
        process.kill()


def free_port() -> int:
    """Return a port that is free now; if it is taken meanwhile, Jupyter tries the next ones."""
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


def execute(log: Path) -> None:
    """Execute the notebook; its cells and what they write are shown as they come. ``log`` is for the kernel."""
    import nbformat
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError

    class Shown(NotebookClient):
        def output(self, outs: Any, msg: Any, display_id: Any, cell_index: int) -> Any:
            content = msg["content"]
            # What is written again in place is shown once it is as it stays.
            if msg["msg_type"] != "display_data":
                text = content.get("data", {}).get("text/plain")
                show(content.get("text", "") if text is None else f"{text}\n")
            return super().output(outs, msg, display_id, cell_index)

    notebook = nbformat.read(NOTEBOOK, as_version=4)  # type: ignore[no-untyped-call]
    client = Shown(
        notebook,
        kernel_name="python3",
        timeout=600,
        resources={"metadata": {"path": str(NOTEBOOK.parent)}},
        on_cell_execute=lambda cell, cell_index: show(f"\n>>> {cell['source'].splitlines()[0]}\n"),
        on_cell_executed=lambda cell, cell_index, execute_reply: show(displayed(cell)),
    )
    try:
        with log.open("wb") as output:
            client.execute(stderr=output)
    except CellExecutionError as error:
        sys.exit(f"{error.ename}: {error.evalue}")
    except RuntimeError as error:
        sys.exit(f"{error}\n{log.read_text(errors='replace')}")


def displayed(cell: Any) -> str:
    """Return the cards of a cell as text."""
    shown = (output["data"]["text/plain"] for output in cell.outputs if output.output_type == "display_data")
    return "".join(f"{text}\n" for text in shown)


def show(text: str) -> None:
    """Write at once what has come."""
    sys.stdout.write(text)
    sys.stdout.flush()


def accuracy() -> float:
    """Return the last accuracy of the experiment."""
    from submarine_jupyter import connect

    with connect() as client:
        return client.list(limit=1)[0].metrics().last("accuracy")


if __name__ == "__main__":
    sys.exit(main())
