"""What everybody else may know of an attempt: ``state.json`` while it goes on, ``exit.json`` at its end."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable

from .exchange import record
from .exchange.heartbeat import Heartbeat
from .exchange.plan import Plan
from .outcome import AttemptOutcome, interim
from .replica.life import Replica, now_ms

TICK_S = 1.0
MAX_NOTES = 32
CREATED, RUNNING = "Created", "Running"


class AttemptReporter:
    """Writes the two files; ``changed`` when there is news, ``found`` when only other processes are there."""

    def __init__(self, folder: str, heart: Heartbeat) -> None:
        self._folder = folder
        self._heart = heart
        self.changed = True
        self.found = False
        self._notes: list[str] = []
        self._created_ms = now_ms()
        self._running_ms: int | None = None
        self._publish_at = 0.0
        self._published = False

    def running(self) -> None:
        """Record that the experiment runs from now on."""
        self._running_ms = now_ms()
        self.changed = True

    def note(self, sentence: str) -> None:
        """Say something to a person once."""
        if sentence not in self._notes and len(self._notes) < MAX_NOTES:
            self._notes.append(sentence)
            self.changed = True

    def publish(self, plan: Plan, replicas: list[Replica], processes: Callable[[], list[list[int]]]) -> None:
        """Write ``state.json`` if something changed; a full disk is no reason to stop, it is tried again.

        ``processes`` gives [pid, start time] of all that would have to be ended if this process were killed. The first
        time it is made sure that a power cut does not leave an empty file: then there is no older one to fall back on.
        """
        if not (self.changed or self.found) or time.monotonic() < self._publish_at:
            return
        status = CREATED if self._running_ms is None else RUNNING
        state = self._state(plan, replicas, status, *interim(replicas)) | {"descendants": processes()}
        try:
            record.write_file(f"{self._folder}/state.json", state, durable=not self._published)
        except OSError:
            self._publish_at = time.monotonic() + TICK_S
            return
        self._published = True
        changed, self.changed, self.found = self.changed, False, False
        if changed:
            self.announce(plan)

    def finish(self, plan: Plan, replicas: list[Replica], verdict: AttemptOutcome, left: str | None) -> None:
        """Write ``exit.json``, however long the disk is full; ``left`` says what could not be ended."""
        message = "; ".join([text for text in (verdict.message, left) if text]) or None
        state = self._state(plan, replicas, verdict.status, verdict.reason, message) | {"finished_ms": now_ms()}
        while True:
            try:
                record.write_file(f"{self._folder}/exit.json", state, durable=True)
            except FileNotFoundError:
                return  # the whole folder was removed: nobody asks any more
            except OSError:
                self._heart.beat()
                time.sleep(TICK_S)
            else:
                break
        with contextlib.suppress(OSError):
            os.unlink(f"{self._folder}/ctl")

    def announce(self, plan: Plan) -> None:
        """Notify the server that there is news."""
        record.announce(self._folder, f"{plan.experiment_id}/{plan.attempt}\n")

    def _state(
        self, plan: Plan, replicas: list[Replica], status: str, reason: str | None, message: str | None
    ) -> dict[str, object]:
        return {
            "experiment_id": plan.experiment_id,
            "uid": plan.uid,
            "attempt": plan.attempt,
            "generation": plan.generation,
            "status": status,
            "reason": reason,
            "message": message,
            "created_ms": self._created_ms,
            "running_ms": self._running_ms,
            "finished_ms": None,
            "notes": self._notes,
            "replicas": [replica.report() for replica in replicas],
        }
