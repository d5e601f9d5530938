"""What keeps going wrong with one run of a container."""

from __future__ import annotations

import logging
import time

from submarine_jupyter_server.targets.kubernetes.state.reasons.trouble import cut

from .next_step import Step

log = logging.getLogger(__name__)


class RunTrouble:
    """One kind of trouble at a time: a new one, or another run, begins anew."""

    def __init__(self) -> None:
        self._what: tuple[object, ...] | None = None
        self._since = 0.0
        self._noted: list[str] = []

    @property
    def sentence(self) -> str | None:
        """Return what was noted more than once since it went well last."""
        return self._noted[-1] if len(self._noted) > 1 else None

    def note(self, step: Step, error: Exception) -> None:
        """Keep what the cluster answered."""
        said = f"the log of {step.pod.name} cannot be read now: {cut(str(error) or type(error).__name__)}"
        if len(self._noted) == 1:
            log.warning("%s", said)
        self._noted = [*self._noted[-1:], said]

    def lasts(self, step: Step, kind: str) -> float:
        """Note that it goes wrong; return for how long this has been going on (s)."""
        what = (step.source, step.way, kind)
        if self._what != what:
            self._what, self._since = what, time.monotonic()
        return time.monotonic() - self._since

    def lasted(self, step: Step, kind: str) -> float:
        """Return for how long it has been going wrong (s), 0 if it has not."""
        return time.monotonic() - self._since if self._what == (step.source, step.way, kind) else 0.0

    def clear(self) -> None:
        """Note that it went well."""
        """Note that it went well."""
        self._what = None
        self._noted.clear()
