"""Write down what happens, so that any server can read it at any time, also when nobody was there to see."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import stat
import time

RESERVED_BYTES = 64 * 1024
_WRITE = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def write_file(path: str, data: dict[str, object], *, durable: bool) -> None:
    """Replace a JSON file at once; ``durable`` also through a power cut. Raises OSError.

    Only what is synced may use the room of ``reserve``: after a cut, an unsynced file that was cut to its size is as
    long as it should be, and empty.
    """
    draft = f"{path}.tmp"
    fd = _open(draft, 0 if durable else os.O_TRUNC)
    try:
        text = json.dumps(data).encode()
        if os.write(fd, text) < len(text):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), draft)
        if durable:
            os.ftruncate(fd, len(text))
            os.fsync(fd)
    finally:
        os.close(fd)
    with contextlib.suppress(FileNotFoundError):
        if stat.S_ISDIR(os.lstat(path).st_mode):
            os.rename(path, f"{path}.{time.time_ns()}")  # a file cannot replace a folder
    os.rename(draft, path)
    if durable:
        folder = os.open(os.path.dirname(path), os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def reserve(path: str) -> None:
    """Take the room for a later ``write_file`` to ``path`` now, so that a full disk cannot prevent it."""
    with contextlib.suppress(OSError, AttributeError):  # macOS has no posix_fallocate
        fd = _open(f"{path}.tmp", 0)
        try:
            os.posix_fallocate(fd, 0, RESERVED_BYTES)
        finally:
            os.close(fd)


def announce(folder: str, line: str) -> None:
    """Notify the server, if one listens, of news; without that it would find them within a second."""
    with contextlib.suppress(OSError):
        news = f"{os.path.dirname(os.path.dirname(folder))}/.news"
        fd = os.open(news, os.O_WRONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
        try:
            if stat.S_ISFIFO(os.fstat(fd).st_mode):
                os.write(fd, line.encode())
        finally:
            os.close(fd)


def _open(draft: str, flags: int) -> int:
    """Open a draft for writing. What somebody else put in its place is removed: a pipe would never open."""
    try:
        if not stat.S_ISREG(os.lstat(draft).st_mode):
            os.unlink(draft)
    except FileNotFoundError:
        pass
    return os.open(draft, _WRITE | flags, 0o600)
