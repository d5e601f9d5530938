"""The notebooks are executed, as a reader would."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import nbformat
import pytest

from tests.kernel.real_kernel import RealKernel

FOLDER = Path(__file__).parents[2] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))


def read(path: Path) -> nbformat.NotebookNode:
    notebook: nbformat.NotebookNode = nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call]
    return notebook


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_a_notebook_is_clean(path: Path) -> None:
    notebook = read(path)
    nbformat.validate(notebook)

    assert notebook.metadata.kernelspec.name == "python3"
    for cell in notebook.cells:
        assert cell.get("outputs", []) == []
        assert cell.get("execution_count") is None
        # It has to run on a cluster as well: nothing of this machine.
        assert "/home" not in cell.source
        assert "127.0.0.1" not in cell.source
        assert "localhost" not in cell.source


@pytest.mark.slow
def test_the_demo_trains_and_says_how_to_go_on() -> None:
    demo = [sys.executable, "-W", "error", str(FOLDER / "demo.py")]
    ran = subprocess.run(demo, capture_output=True, text=True, timeout=110, check=False)

    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert ran.stderr == ""
    for text in (
        "rank 0 of 3",
        "rank 1 of 3",
        "rank 2 of 3",
        "Accuracy at step 30: 0.9",
        "%submarine list",
        "make lab",
    ):
        assert text in ran.stdout
    assert float(ran.stdout.partition("Accuracy on held-out digits: ")[2].split()[0]) >= 0.95


@pytest.mark.slow
def test_functions_run_elsewhere_and_their_values_come_back(kernel: RealKernel) -> None:
    ran = [kernel.run(cell.source) for cell in read(FOLDER / "functions.ipynb").cells if cell.cell_type == "code"]

    assert [one.status for one in ran] == ["ok"] * len(ran), ran
    one, four, attached, metrics, shared = ran
    assert (one.plain, four.plain, attached.plain) == ("3.1", "(4, 3.1)", "(3.1, 'Succeeded')")
    assert "pi" in metrics.plain
    assert shared.text == "[1, 3]\n'NoneType' object is not subscriptable\n"


@pytest.mark.slow
@pytest.mark.skipif(find_spec("tensorflow") is None, reason="tensorflow-cpu is not installed")
def test_tensorflow_trains_with_a_parameter_server(kernel: RealKernel) -> None:
    cells = [cell for cell in read(FOLDER / "tensorflow.ipynb").cells if cell.cell_type == "code"]

    for cell in cells:
        ran = kernel.run(cell.source)
        assert ran.status == "ok", ran

    assert float(ran.plain) >= 0.95
    # The parameter server never ends by itself: it was ended, and that is no failure.
    shown = kernel.run("digits.describe()").plain
    assert re.search(r"ps-0 +Stopped", shown), shown
    assert re.search(r"^✓ digits-tf .* Succeeded · took ", shown), shown
