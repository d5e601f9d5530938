"""What replicas inherit of the server's environment, and what they must not."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

# Name, or beginning of a name before a star -> why no replica gets it.
_KEPT_BACK = {
    "JUPYTER_TOKEN": "lets in to this server",
    "JUPYTER_PASSWORD": "lets in to this server",
    "SUBMARINE_TOKEN": "lets in to this server",
    "CONFIGPROXY_AUTH_TOKEN": "rules the proxy of a hub",
    "JUPYTERHUB_*": "speaks for the user at the hub",
    "JPY_*": "is between a server and its kernels, tokens among it",
    "SUBMARINE_JUPYTER_*": "is between the server and its replicas",
    "SUBMARINE_FAILPOINT": "is for tests of the server",
    "OLDPWD": "is a folder of another shell",
    "NOTIFY_SOCKET": "tells systemd of the server",
    "LISTEN_FDS": "is a socket that systemd gave the server",
    "LISTEN_PID": "is a socket that systemd gave the server",
    "WATCHDOG_*": "tells systemd of the server",
    # A server that a kernel started has what the kernel set for the output of cells.
    "FORCE_COLOR": "colours the output of cells, and would colour logs",
    "CLICOLOR": "colours the output of cells",
    "CLICOLOR_FORCE": "colours the output of cells, and would colour logs",
    "PAGER": "is made for cells",
    "GIT_PAGER": "is made for cells",
    "PYDEVD_*": "is of the debugger of a kernel",
    # A server can itself be a replica of a training job.
    "SUBMARINE_PARAM*": "are the parameters of the server",
    "TF_CONFIG": "says who the server is",
    "RANK": "says who the server is",
    "LOCAL_RANK": "says who the server is",
    "WORLD_SIZE": "says who the server is",
    "LOCAL_WORLD_SIZE": "says who the server is",
    "MASTER_ADDR": "says where the server's peers are",
    "MASTER_PORT": "says where the server's peers are",
    "PET_*": "says who the server is",
    "DMLC_*": "says who the server is",
}
_BEGINNINGS = tuple(name.removesuffix("*") for name in _KEPT_BACK if name.endswith("*"))
_JUPYTERS_TOKEN = re.compile(r"(JUPYTER|JPY).*(TOKEN|PASSWORD|SECRET|COOKIE)")
_PROXY = re.compile(r"(?i)(http|https|all|ftp|grpc|ws|wss)_proxy")
_NO_PROXY = re.compile(r"(?i)no_(grpc_)?proxy")


def inherited(environ: Mapping[str, str], interpreter: str) -> dict[str, str]:
    """Return the environment replicas inherit: without Jupyter's secrets, and ``python`` is the server's."""
    kept = {name: value for name, value in environ.items() if not _is_kept_back(name, value)}
    folder = str(Path(interpreter).parent)
    kept["PATH"] = os.pathsep.join([folder, kept.get("PATH", os.defpath)])
    return kept


def around_proxies(env: Mapping[str, str], hosts: Iterable[str]) -> dict[str, str]:
    """Return ``env`` so that the way to ``hosts``, at which replicas find each other, leads through no proxy.

    Programs differ in which spelling they read, so that where a proxy is set both are given.
    """
    found = dict(env)
    if not any(value and _PROXY.fullmatch(name) for name, value in env.items()):
        return found
    either = env.get("no_proxy") or env.get("NO_PROXY") or ""
    exceptions = {"no_proxy": either, "NO_PROXY": env.get("NO_PROXY") or either}
    exceptions |= {name: value for name, value in env.items() if value and _NO_PROXY.fullmatch(name)}
    for name, value in exceptions.items():
        known = [part.strip() for part in value.split(",") if part.strip()]
        if "*" not in known:
            found[name] = ",".join(dict.fromkeys([*known, *hosts]))
    return found


def _is_kept_back(name: str, value: str) -> bool:
    return (
        name in _KEPT_BACK
        or name.startswith(_BEGINNINGS)
        or _JUPYTERS_TOKEN.match(name) is not None
        # What draws into the cells of a kernel draws into nothing here, or is not even installed.
        or (name == "MPLBACKEND" and value.startswith("module:"))
    )
