"""Which of several servers on one data directory gives orders to the targets.

An exclusive flock on ``controller.lock`` decides; the kernel frees it when the holder dies, however it dies. All
others hold ``followers.lock`` together, so that the holder knows whether there are any. ``controller.json`` says who
the holder is: one whose lock file was removed is found by it, and waited for, so that there are never two. Everything
here blocks.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from submarine_jupyter.files import atomic_files, file_locks
from submarine_jupyter_server.targets.local.shim.processes.identity import hostname, start_ticks

_MOST_BYTES = 4 << 20


@dataclass(frozen=True, slots=True)
class Note:
    """What the controller says of itself, its ``targets`` as ``GET target`` answers; ``ticks`` is its start time."""

    pid: int
    host: str
    ticks: int | None
    token: str
    targets: list[dict[str, Any]] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        where = "" if self.host == hostname() else f" on {self.host}"
        return f"the server with pid {self.pid}{where}"


class Election:
    """The part of one server in who is the controller of a data directory."""

    def __init__(self, data_dir: Path) -> None:
        self._lock = data_dir / "controller.lock"
        self._followers = data_dir / "followers.lock"
        self._note = data_dir / "controller.json"
        self._leading: int | None = None
        self._following: int | None = None
        self._me = Note(os.getpid(), hostname(), start_ticks(os.getpid()), secrets.token_hex(8))

    def lead(self) -> bool:
        """Try to become the controller, or to stay it where the lock file was removed. Raises OSError."""
        if not _is_at(self._leading, self._lock):
            self._leading = _closed(self._leading)
            self._leading = _locked(self._lock)
        return self._leading is not None

    def holds(self) -> bool:
        """Return whether the lock file is still the one that this server has locked."""
        return _is_at(self._leading, self._lock)

    def predecessor(self, known: Note | None = None) -> Note | None:
        """Return who still takes itself for the controller, though its lock is gone; None if nobody does.

        ``known`` was it before, should its note be gone, too.
        """
        note = self.note() or known
        if note is None or note.token == self._me.token or note.host != self._me.host:
            return None
        other = note.pid != self._me.pid and note.ticks is not None and start_ticks(note.pid) == note.ticks
        return note if other else None

    def follow(self) -> None:
        """Let the controller know that this server is there. Raises OSError."""
        if not _is_at(self._following, self._followers):
            self._following = _closed(self._following)
            self._following = _locked(self._followers, shared=True)

    def followed(self) -> bool:
        """Return whether there is another server, to be asked by the controller."""
        self._following = _closed(self._following)
        probe = _locked(self._followers)
        _closed(probe)
        return probe is None

    def write(self, targets: list[dict[str, Any]], notices: list[str]) -> None:
        """Announce that this server is the controller, and how things are. Raises OSError."""
        me = Note(self._me.pid, self._me.host, self._me.ticks, self._me.token, targets, notices)
        atomic_files.replace(self._note, json.dumps(asdict(me)), durable=False)

    def note(self) -> Note | None:
        """Return what the controller said last, None where nothing can be read."""
        try:
            descriptor = os.open(self._note, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW)
            with open(descriptor, encoding="utf-8") as file:
                return Note(**json.loads(file.read(_MOST_BYTES)))
        except (OSError, ValueError, TypeError, RecursionError):
            return None

    def beat(self) -> tuple[int, int]:
        """Return what changes each time that the controller says something."""
        try:
            found = self._note.lstat()
        except OSError:
            return 0, 0
        return found.st_ino, found.st_mtime_ns

    def release(self) -> None:
        """Let another server take over."""
        if (note := self.note()) is not None and note.token == self._me.token:
            with contextlib.suppress(OSError):
                self._note.unlink()
        self._leading = _closed(self._leading)
        self._following = _closed(self._following)


def _locked(path: Path, *, shared: bool = False) -> int | None:
    """Return the descriptor of a file that is locked now, None where another server has it."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK, 0o600)
    try:
        locked = file_locks.try_lock(descriptor, shared=shared)
    except BaseException:
        os.close(descriptor)
        raise
    # The file may have been replaced before it was locked.
    return descriptor if locked and file_locks.is_at(descriptor, path) else _closed(descriptor)


def _is_at(descriptor: int | None, path: Path) -> bool:
    return descriptor is not None and file_locks.is_at(descriptor, path)


def _closed(descriptor: int | None) -> int | None:
    if descriptor is not None:
        os.close(descriptor)
    return None
