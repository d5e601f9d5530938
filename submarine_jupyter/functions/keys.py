"""The key by which this user knows his own values again, in a file of mode 0600 in Jupyter's runtime folder."""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import stat
from pathlib import Path

from submarine_jupyter.errors import UsageError
from submarine_jupyter.files import atomic_files

NAME = "submarine-functions.key"
_BYTES = 32


def key_of(call: str, folder: Path) -> bytes:
    """Return the key of one call, made of the user's own, which never leaves this machine. Raises UsageError."""
    try:
        return hmac.digest(_own(folder), call.encode(), hashlib.sha256)
    except OSError as error:
        raise UsageError(f"The key of remote functions cannot be kept in {folder}: {error.strerror}") from None


def _own(folder: Path) -> bytes:
    path = folder / NAME
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not path.exists():
        atomic_files.create(path, secrets.token_hex(_BYTES))
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    with open(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_uid != os.geteuid() or status.st_mode & 0o077:
            raise UsageError(f"{path} is not yours alone, so values signed with it prove nothing: remove it")
        text = file.read(2 * _BYTES + 1)
    try:
        key = bytes.fromhex(text.decode("ascii"))
    except ValueError:
        key = b""
    if len(key) != _BYTES:
        raise UsageError(f"{path} is damaged: remove it; values of calls until now cannot be read any more")
    return key
