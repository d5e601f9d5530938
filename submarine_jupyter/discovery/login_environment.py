"""The environment a server of one's own gets from a kernel: what a login has, not what a notebook has become.

The server outlives the notebook and runs the experiments of all others. What ipykernel, IPython and VS Code set for the
one kernel, and what the notebook has set itself, would be found in all of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

# Read anew by the server, so they must be those this kernel goes by.
_OF_THE_SERVER = ("JUPYTER_", "SUBMARINE_")
_SECRET = ("JUPYTER_TOKEN", "SUBMARINE_TOKEN", "SUBMARINE_URL")
_OF_A_KERNEL = ("JPY_", "JUPYTERHUB_", "PYDEVD_", "DEBUGPY_", "VSCODE_", "ELECTRON_", "IPYKERNEL_")
_FOR_A_SCREEN = ("FORCE_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "COLUMNS", "LINES", "PYTHONSTARTUP")
# Only with these values: a person may have set them too.
_AS_KERNELS_SET = {"MPLBACKEND": "module://", "PAGER": "cat", "GIT_PAGER": "cat", "TERM": "xterm-color"}


def clean_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment this process was started with, less what is only right for a kernel.

    ``environ`` is the environment now; it is taken where the system does not keep the first one (all but Linux).
    """
    first = _first() or environ
    found = {name: value for name, value in first.items() if not name.startswith(_OF_THE_SERVER)}
    found |= {name: value for name, value in environ.items() if name.startswith(_OF_THE_SERVER)}
    return {name: value for name, value in found.items() if not _is_of_a_kernel(name, value)}


def _is_of_a_kernel(name: str, value: str) -> bool:
    if name.startswith(_OF_A_KERNEL) or name in (*_SECRET, *_FOR_A_SCREEN):
        return True
    return name in _AS_KERNELS_SET and value.startswith(_AS_KERNELS_SET[name])


def _first() -> dict[str, str]:
    """Return what the kernel of Linux keeps of the start; nothing if a program has written over it (a new title)."""
    try:
        text = Path("/proc/self/environ").read_bytes().decode(errors="surrogateescape")
    except OSError:
        return {}
    found = {name: value for name, _, value in (entry.partition("=") for entry in text.split("\0")) if name}
    return found if "PATH" in found else {}
