"""Write a file whole or not at all: whoever reads it, also after a crash, finds the old one or the new one."""

from __future__ import annotations

import os
import secrets
from pathlib import Path


def replace(path: Path, text: str, *, durable: bool) -> None:
    """Put a file of mode 0600 in the place of ``path``; ``durable`` also through a power cut. Raises OSError."""
    draft = _draft(path, text, durable=durable)
    try:
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    if durable:
        sync(path.parent)


def create(path: Path, text: str) -> bool:
    """Write a file of mode 0600 that is not there yet, for good; return False if there is one.

    Raises OSError, also where the file system has no hard links (exFAT, many shares).
    """
    draft = _draft(path, text, durable=True)
    try:
        os.link(draft, path)
    except FileExistsError:
        return False
    finally:
        draft.unlink()
    sync(path.parent)
    return True


def sync(path: Path) -> None:
    """Have a file, or the names in a folder, survive a power cut. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _draft(path: Path, text: str, *, durable: bool) -> Path:
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with open(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            if durable:
                file.flush()
                os.fsync(descriptor)
    except BaseException:
        draft.unlink()
        raise
    return draft
