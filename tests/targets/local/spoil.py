"""Make of a run file what a job, another version or a failing disk could make of it."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

FILES = ("experiment.json", "plan.json", "state.json", "exit.json", "started", "lock", "seen")


def spoil(path: Path, kind: str) -> None:
    """Replace what has this name, whatever it is."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)
    _KINDS[kind](path)


def _write(text: str) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        path.write_text(text)

    return write


def _sparse(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(2**30)


def _link(path: Path) -> None:
    path.symlink_to("/dev/zero")


_KINDS: dict[str, Callable[[Path], None]] = {
    "missing": lambda path: None,
    "fifo": lambda path: os.mkfifo(path),
    "folder": lambda path: path.mkdir(),
    "full folder": lambda path: (path / "a").mkdir(parents=True),
    "link": _link,
    "loop": lambda path: path.symlink_to(path),
    "huge": _sparse,
    "empty": _write(""),
    "nulls": _write("\0" * 135),
    "deep": _write('{"a":' + "[" * 100_000),
    "deep and closed": _write('{"replicas":' + "[" * 50_000 + "]" * 50_000 + "}"),
    "no object": _write("[1, 2]"),
    "no keys": _write("{}"),
    "wrong enum": _write(json.dumps({"status": "Weird", "replicas": []})),
    "wrong types": _write(json.dumps({"status": ["Failed"], "uid": 7, "replicas": {}, "pid": "x", "boot_id": None})),
}
KINDS = tuple(_KINDS)
