"""The traceback of an exception in another process, with the lines of the cells of this notebook."""

from __future__ import annotations

import linecache
import pickle
from collections.abc import Iterable

from submarine_jupyter.errors import RemoteError

Frame = tuple[str, int | None, str, str]


class RemoteTraceback(Exception):
    """Where an exception was raised: the cause that Python shows above it."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text

    def __str__(self) -> str:
        return f"\n{self.text}"


def exception(content: tuple[bytes | None, str, str, Iterable[Frame]], where: str) -> BaseException:
    """Return the exception of a call as it was raised, a RemoteError where this kernel has no such class."""
    pickled, name, message, frames = content
    error = _unpickled(pickled) or RemoteError(f"{name}: {message}")
    lines = [f"Traceback of {where} (most recent call last):", *(_frame(*frame) for frame in frames)]
    error.__cause__ = RemoteTraceback("\n".join([*lines, f"{name}: {message}"]))
    return error


def _unpickled(pickled: bytes | None) -> BaseException | None:
    if pickled is None:
        return None
    try:
        error = pickle.loads(pickled)  # noqa: S301 - part of what was signed
    except Exception:  # noqa: BLE001 - of the user's own classes, which may not be here
        return None
    return error if isinstance(error, BaseException) else None


def _frame(file: str, line: int | None, name: str, text: str) -> str:
    source = text or linecache.getline(file, line or 0).strip()
    return f"  {file}, line {line}, in {name}" + (f"\n    {source}" if source else "")
