"""What people should know about the server itself: a restored backup, a full disk, a target that does not start."""

from __future__ import annotations

import logging
from collections.abc import Iterator

from submarine_jupyter.backoff import Backoff
from submarine_jupyter.errors import SubmarineError

log = logging.getLogger(__name__)
RETRY_S = 1.0
MAX_RETRY_S = 60.0


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


class Failing:
    """The failures of one thing in a row: each new cause is logged, the others are counted."""

    def __init__(self, notices: Notices, key: str, what: str, retry_s: float = RETRY_S) -> None:
        self._notices = notices
        self._key = key
        self._what = what
        self._backoff = Backoff(retry_s, max(retry_s, MAX_RETRY_S))
        self._causes: set[str] = set()

    def again(self, error: Exception) -> float:
        """Record a failure; return the seconds until the next try: more each time, 60 at most."""
        pause = self._backoff.failed()
        why = cause(error)
        if why not in self._causes:
            self._causes.add(why)
            unexpected = None if isinstance(error, SubmarineError) else error
            log.error("%s failed: %s. It is tried again", self._what, why, exc_info=unexpected)
        count = self._backoff.failures
        times = "once" if count == 1 else f"{count} times in a row"
        self._notices.put(self._key, f"{self._what} failed {times}, most recently with: {why}")
        return pause

    def over(self) -> None:
        """Record that it works."""
        if self._backoff.failures:
            log.info("%s works again after %d failures", self._what, self._backoff.failures)
            self._notices.drop(self._key)
        self._backoff.worked()
        self._causes.clear()


def cause(error: BaseException) -> str:
    """Return what went wrong as people read it; an error that nobody expected shows its type."""
    return str(error) if isinstance(error, SubmarineError) else f"{type(error).__name__}: {error}"
