"""What the front end and the kernel say: which notebook, which cell, which run of it."""

from __future__ import annotations

import os
from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from submarine_jupyter.commands.origin import Origin

# VS Code puts the notebook's path here; Jupyter names it in an environment variable.
VSCODE = "__vsc_ipynb_file__"
LONGEST = 255


def origin_of(shell: InteractiveShell) -> Origin:
    """Return where a command is given now; None is what nobody says."""
    from submarine_jupyter.commands.origin import Origin

    header, metadata = _parent(shell)
    cell = metadata.get("cellId")
    execution = header.get("msg_id")
    return Origin(_notebook(shell), _text(cell), _text(execution), f"Cell In[{shell.execution_count}]")


def _notebook(shell: InteractiveShell) -> str | None:
    said = shell.user_ns.get(VSCODE) or os.environ.get("JPY_SESSION_NAME")
    if not isinstance(said, str) or not said.endswith(".ipynb") or len(said) > 4 * LONGEST:
        return None
    return _path(said)


@lru_cache(maxsize=8)
def _path(file: str) -> str:
    """Return the path of a notebook as the pages of the server that has started this kernel name it."""
    from submarine_jupyter.discovery.running import owner_of, parents

    server = owner_of(parents())
    return file if server is None else server.path_of(file)


def _parent(shell: InteractiveShell) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return header and metadata of the message that runs this cell; empty outside of a kernel."""
    kernel = getattr(shell, "kernel", None)
    if kernel is None:
        return {}, {}
    parent = kernel.get_parent("shell") or {}
    return parent.get("header") or {}, parent.get("metadata") or {}


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and 0 < len(value) <= LONGEST else None
