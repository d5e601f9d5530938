"""Where an experiment is described: what of this kernel a command expects to find around it."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from submarine_jupyter.errors import UsageError


@dataclass(frozen=True, slots=True)
class Surroundings:
    """The kernel's interpreter, its folder, the notebook's name, and ``environment``: what makes both be found.

    ``cell`` is what people call the cell that runs: ``Cell In[4]``.
    """

    python: str
    folder: str
    name: str
    environment: Mapping[str, str] = field(default_factory=dict)
    cell: str = "Cell"

    @classmethod
    def of_this_kernel(cls, cell: str = "Cell") -> Surroundings:
        """Return those of this kernel. Jupyter names the notebook in JPY_SESSION_NAME, VS Code does not.

        Raises UsageError when the kernel's folder is gone.
        """
        try:
            folder = str(Path.cwd())
        except OSError:
            raise UsageError("The folder of this kernel no longer exists: change to another one with %cd") from None
        notebook = Path(os.environ.get("JPY_SESSION_NAME") or "notebook")
        name = notebook.stem if notebook.suffix == ".ipynb" else "notebook"
        found = environment(sys.executable, sys.prefix, folder, os.environ)
        return cls(sys.executable, folder, name, found, cell)


def environment(python: str, prefix: str, folder: str, environ: Mapping[str, str]) -> dict[str, str]:
    """Return the variables by which a process finds the programs and the modules that this kernel finds.

    A kernel is as a rule started without its environment being activated, so VIRTUAL_ENV and CONDA_PREFIX are
    read from the interpreter (``prefix``), not from ``environ``.
    """
    found: dict[str, str] = {}
    if python:
        found["PATH"] = _joined([str(Path(python).parent), *_parts(environ.get("PATH") or os.defpath)])
    virtual = prefix if (Path(prefix) / "pyvenv.cfg").is_file() else ""
    conda = prefix if (Path(prefix) / "conda-meta").is_dir() else environ.get("CONDA_PREFIX", "")
    activated = {"VIRTUAL_ENV": virtual, "CONDA_PREFIX": conda}
    found |= {name: value for name, value in activated.items() if value or environ.get(name)}
    if os.pathsep not in folder:
        found["PYTHONPATH"] = _joined([folder, *_parts(environ.get("PYTHONPATH", ""))])
    return found


def _parts(path: str) -> list[str]:
    return [part for part in path.split(os.pathsep) if part]


def _joined(parts: Iterable[str]) -> str:
    return os.pathsep.join(dict.fromkeys(parts))
