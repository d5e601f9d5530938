"""Read and write files that a job, another version of ours or a failing disk may have changed.

A run directory belongs to the user, and so do its jobs: a file may have become a FIFO, a link, a folder, or a gigabyte
of brackets. Whatever it is, reading it takes bounded time and memory, and says what was wrong.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import stat
from pathlib import Path
from typing import Any

from submarine_jupyter.errors import TargetUnavailable
from submarine_jupyter.files import atomic_files

Json = dict[str, Any]
MIB = 1024 * 1024
# Never follow a link, never wait for the other end of a FIFO, never pass it on to a shim.
_SAFELY = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_aside = itertools.count()


class Unreadable(TargetUnavailable):
    """A file is there, and nothing can be learnt from it."""

    def __init__(self, path: Path, why: object) -> None:
        super().__init__(
            f"{path} cannot be read: {why}",
            hint="repair the file, or stop or delete the experiment",
            reason="Unreadable",
        )


def open_regular(path: Path, flags: int, mode: int = 0o600) -> int:
    """Open a regular file. Raises FileNotFoundError, and Unreadable for anything else that is no regular file."""
    try:
        fd = os.open(path, flags | _SAFELY, mode)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise Unreadable(path, error.strerror or error) from error
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise Unreadable(path, "it is not a regular file")
    return fd


def read_bytes(path: Path, limit: int) -> bytes | None:
    """Return what a file holds, None if there is no file. Raises Unreadable, also above ``limit`` bytes."""
    try:
        fd = open_regular(path, os.O_RDONLY)
    except FileNotFoundError:
        return None
    with open(fd, "rb") as file:
        try:
            data = file.read(limit + 1) if os.fstat(fd).st_size <= limit else None
        except OSError as error:
            raise Unreadable(path, error.strerror or error) from error
    if data is None or len(data) > limit:
        raise Unreadable(path, f"it is larger than {limit // MIB} MiB")
    return data


def read_json(path: Path, limit: int) -> Json | None:
    """Return the object in a file, None if there is no file. Raises Unreadable."""
    data = read_bytes(path, limit)
    if data is None:
        return None
    try:
        found = json.loads(data)
    except RecursionError:
        raise Unreadable(path, "it is nested too deeply") from None
    except ValueError as error:
        raise Unreadable(path, str(error)[:200]) from None
    if not isinstance(found, dict):
        raise Unreadable(path, "it holds no object")
    return found


def exists(path: Path) -> bool:
    """Return whether there is anything of that name; a link is not followed. Raises Unreadable."""
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise Unreadable(path, error.strerror or error) from error
    return True


def mark(path: Path) -> None:
    """Create an empty file; anything of that name will do."""
    if not exists(path):
        with contextlib.suppress(FileExistsError):
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _SAFELY, 0o600))


def write_json(path: Path, data: Json) -> None:
    """Replace a file at once and for good, also through a power cut; a folder of its name is set aside."""
    text = json.dumps(data)
    try:
        atomic_files.replace(path, text, durable=True)
    except IsADirectoryError:
        set_aside(path)
        atomic_files.replace(path, text, durable=True)


def create_json(path: Path, data: Json) -> bool:
    """Write a file that is not there yet, whole or not at all; False if there is one. Raises OSError without links."""
    return atomic_files.create(path, json.dumps(data))


def set_aside(path: Path) -> None:
    """Give another name to what cannot be read, so that a good file can take its place."""
    with contextlib.suppress(FileNotFoundError):
        path.rename(path.with_name(f".{path.name}.unreadable.{os.getpid()}.{next(_aside)}"))


def private_folder(path: Path) -> Path:
    """Make a folder, and those above it that are missing, for the owner only; return it."""
    if not path.is_dir():
        private_folder(path.parent)
        path.mkdir(mode=0o700, exist_ok=True)
    return path
