"""Where built things stay between runs, and how two processes agree on who builds them."""

import fcntl
import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

_KEPT = 7 * 24 * 3600  # seconds since the last use


def home() -> Path:
    """Return the folder of the caches, outside of every checkout (`XDG_CACHE_HOME`, else `~/.cache`)."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    path = Path(base, "submarine-jupyter", "cluster")
    path.mkdir(parents=True, exist_ok=True)
    return path


def key(*texts: str, files: Iterable[Path] = ()) -> str:
    """Return a short name for everything that goes into a build."""
    digest = hashlib.sha256()
    for text in texts:
        digest.update(f"{text}\0".encode())
    for file in files:
        digest.update(f"{file.name}\0".encode() + file.read_bytes())
    return digest.hexdigest()[:16]


def folder(kind: str, key: str, build: Callable[[Path], None]) -> Path:
    """Return a folder of the cache, built by one process while others wait; half a build is never seen."""
    target = home() / f"{kind}-{key}"
    if not target.exists():
        lock = home() / f"{kind}.lock"
        lock.touch()
        with locked(lock):
            if not target.exists():
                _build(target, build)
                _forget_old(kind)
    os.utime(target)
    return target


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock of a file or folder that exists."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _forget_old(kind: str) -> None:
    for path in home().glob(f"{kind}-*/"):
        if time.time() - path.stat().st_mtime > _KEPT:
            shutil.rmtree(path)


def _build(target: Path, build: Callable[[Path], None]) -> None:
    draft = Path(tempfile.mkdtemp(dir=home(), prefix=f"{target.name}."))
    try:
        build(draft)
        draft.rename(target)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
