"""Define, launch and follow distributed training experiments without leaving Jupyter.

What a notebook needs is here; it is imported when it is first used, because a kernel that only says
``import submarine_jupyter`` should not wait for an HTTP client (PEP 562).

    cli/        ``submarine-jupyter``: the commands of ``%submarine`` in a terminal
    client/     HTTP to one server, the experiment as an object
    commands/   the language of ``%submarine``
    discovery/  which server belongs to this kernel
    display/    what a person sees
    files/      files that several processes share
    functions/  functions of a notebook that run as experiments: ``@remote``
    magics/     ``%submarine`` in IPython
    models/     the wire format of the Experiment REST API
    script/     what a cell sends to its replicas, and what of it comes back when that fails
    spec/       what a spec is written in: words, quantities, parameters
    backoff     How long to wait before the next try
    errors      The one tree of errors, the same in the kernel and in the server
    tracking    Tell the server what training code measures: one line on standard output each
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from submarine_jupyter.client.client import SubmarineClient
    from submarine_jupyter.client.experiment import Experiment
    from submarine_jupyter.discovery.connection import connect
    from submarine_jupyter.errors import (
        Conflict,
        ExperimentFailed,
        Forbidden,
        InvalidRequest,
        NotFound,
        RemoteError,
        ServerError,
        ServerNotFound,
        SubmarineError,
        Unavailable,
        WaitTimeout,
    )
    from submarine_jupyter.functions.handle import RemoteCall, attach
    from submarine_jupyter.functions.remote import remote
    from submarine_jupyter.models import (
        CodeSpec,
        EnvironmentSpec,
        ExperimentMeta,
        ExperimentSpec,
        RuntimeSpec,
        Status,
        TaskSpec,
    )
    from submarine_jupyter.tracking import log_metric, log_param, progress

try:
    from submarine_jupyter._version import __version__
except ImportError:  # a checkout that was never built
    __version__ = "0+unknown"

__all__ = [
    "CodeSpec",
    "Conflict",
    "EnvironmentSpec",
    "Experiment",
    "ExperimentFailed",
    "ExperimentMeta",
    "ExperimentSpec",
    "Forbidden",
    "InvalidRequest",
    "NotFound",
    "RemoteCall",
    "RemoteError",
    "RuntimeSpec",
    "ServerError",
    "ServerNotFound",
    "Status",
    "SubmarineClient",
    "SubmarineError",
    "TaskSpec",
    "Unavailable",
    "WaitTimeout",
    "__version__",
    "attach",
    "connect",
    "load_ipython_extension",
    "log_metric",
    "log_param",
    "progress",
    "remote",
    "unload_ipython_extension",
]

_ROOMS = {
    "client.client": ("SubmarineClient",),
    "discovery.connection": ("connect",),
    "errors": (
        "Conflict",
        "ExperimentFailed",
        "Forbidden",
        "InvalidRequest",
        "NotFound",
        "RemoteError",
        "ServerError",
        "ServerNotFound",
        "SubmarineError",
        "Unavailable",
        "WaitTimeout",
    ),
    "client.experiment": ("Experiment",),
    "functions.handle": ("RemoteCall", "attach"),
    "functions.remote": ("remote",),
    "models": (
        "CodeSpec",
        "EnvironmentSpec",
        "ExperimentMeta",
        "ExperimentSpec",
        "RuntimeSpec",
        "Status",
        "TaskSpec",
    ),
    "tracking": ("log_metric", "log_param", "progress"),
}
_ROOM_OF = {name: room for room, names in _ROOMS.items() for name in names}


def __getattr__(name: str) -> Any:
    room = _ROOM_OF.get(name)
    if room is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{room}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def load_ipython_extension(shell: InteractiveShell) -> None:
    """Add ``%submarine`` and ``%%submarine`` (``%load_ext submarine_jupyter``); nothing is contacted."""
    from submarine_jupyter.magics import load

    load(shell)


def unload_ipython_extension(shell: InteractiveShell) -> None:
    """Take the magics away again (``%unload_ext submarine_jupyter``)."""
    from submarine_jupyter.magics import unload

    unload(shell)


def _jupyter_labextension_paths() -> list[dict[str, str]]:
    return [{"src": "labextension", "dest": "submarine-jupyter"}]
