"""What people should know about the server itself: a restored backup, a full disk, a target that does not start."""

from __future__ import annotations

import logging
from collections.abc import Iterator

from submarine_jupyter.errors import SubmarineError

log = logging.getLogger(__name__)


class Notices:
    """Whole sentences by key, oldest first; may be used from any thread."""

    def __init__(self) -> None:
        self._sentences: dict[str, str] = {}

    def put(self, key: str, sentence: str) -> None:
        """Show ``sentence`` until ``key`` is dropped; it takes the place of an earlier one and is logged if new."""
        if key not in self._sentences:
            log.warning("Submarine: %s", sentence)
        self._sentences[key] = sentence

    def drop(self, key: str) -> None:
        """Show the sentence of ``key`` no longer, if there is one."""
        self._sentences.pop(key, None)

    def __iter__(self) -> Iterator[str]:
        return iter(list(self._sentences.values()))

    def __len__(self) -> int:
        return len(self._sentences)


def cause(error: BaseException) -> str:
    """Return what went wrong as people read it; an error that nobody expected shows its type."""
    return str(error) if isinstance(error, SubmarineError) else f"{type(error).__name__}: {error}"
