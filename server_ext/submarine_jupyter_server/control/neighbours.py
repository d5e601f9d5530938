"""The other servers on the data directory: whether there are any, who gives the orders, what they have committed.

One thread polls that: every two seconds while this server is alone, twice a second otherwise. It is all that
wakes an idle server. The controller says how it is when that changes, and every few seconds, but only while somebody
else is there to read it, and only if its event loop answers: what hangs is silent.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from submarine_jupyter_server.control.election import Election, Note
from submarine_jupyter_server.process.daemon_threads import begun
from submarine_jupyter_server.process.notices import Failing
from submarine_jupyter_server.store.engine.database import Database

log = logging.getLogger(__name__)
ALONE_S = 2.0
SHARED_S = 0.5
BEAT_S = 4.0
# What is so old was not said in time: how old it is, is said with it.
LATE_S = 2 * BEAT_S
# Less than the 20 s within which somebody who waits is to be told.
SILENT_S = 14.0

# Within this a controller whose files were removed finds that out, and steps down.
STEP_DOWN_S = 10.0
_JOIN_S = 0.5

_SAID = ("health", "capacity", "namespaces", "note")

Describe = Callable[[], Awaitable[list[dict[str, Any]]]]
ReportSilence = Callable[[str, float], None]


class Neighbours:
    """The part of this server among those on its data directory; belongs to the event loop that made it.

    ``news`` is called on the loop when another server may have committed something, ``describe`` is awaited there for
    what the followers learn of the targets. ``report_silence`` hears again and again who is silent, and since when
    (Unix time).
    """

    def __init__(
        self, data_dir: Path, db: Database, news: Callable[[], None], describe: Describe, report_silence: ReportSilence
    ) -> None:
        self.leads = asyncio.Event()
        """Set while this server gives the orders."""
        self.deposed = asyncio.Event()
        """Set when it must not do so any more, until ``step_down``."""
        self.note: Note | None = None
        """What the controller said last, if that is another server."""
        self.silent_since: float | None = None
        """When another controller was heard of last (Unix time), None unless that is long ago."""
        self._controller = Election(data_dir)
        self._db = db
        self._foreign = db.foreign_commits()
        self._notices = db.notices
        self._news = news
        self._report_silence = report_silence
        self._describe = describe
        self._loop = asyncio.get_running_loop()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="submarine neighbours", daemon=True)
        self._competes = True
        self._leading = False
        self._won_at: float | None = None
        self._beat: tuple[int, int] | None = None
        self._heard = time.monotonic()
        self._published_at = 0.0
        self._describing: Future[list[dict[str, Any]]] | None = None
        self._published: tuple[object, ...] = ()

    async def start(self) -> None:
        """Become the controller if nobody else is, else go on trying. One that may only read follows."""
        await begun(self._check, "submarine controller lock")
        self._thread.start()

    async def step_down(self) -> None:
        """Let another server give the orders, now that nothing of ours does; compete for it again."""
        self.deposed.clear()
        await begun(self._controller.release, "submarine controller lock")
        self._competes = True

    def stop(self) -> None:
        """Begin to end: take nothing over any more."""
        self._competes = False
        self._stop.set()

    async def close(self) -> None:
        """Let go of everything."""
        await begun(self._shut, "submarine controller lock")

    def elsewhere(self, name: str) -> dict[str, Any] | None:
        """Return the controller's words on a target; None if this server is the controller.

        ``health``, ``capacity``, ``namespaces`` and ``note`` are what it said last, ``age`` (s) how long ago that was
        if it should have said something since.
        """
        if self.leads.is_set():
            return None
        who, age = self._who(), time.monotonic() - self._heard
        rows = {row.get("name"): row for row in (self.note.targets if self.note else ())}
        silent = f"{who}, which gives the orders, has been silent for {self._silence():.0f} s"
        if name not in rows:
            why = f"{who}, which gives the orders, has no target of this name"
            if not rows:
                why = f"{who}, which gives the orders, has not reported its capacity yet; try again"
            why = why if self.silent_since is None else silent
            return {"health": {"ok": False, "trouble": why}, "capacity": None, "note": why}
        said = {key: rows[name][key] for key in _SAID if key in rows[name]}
        if age > LATE_S:
            said["age"] = round(age, 1)
        if self.silent_since is not None:
            said |= {"health": {"ok": False, "trouble": silent}, "note": f"{silent}: this is what it said then"}
        return said

    def _who(self) -> str:
        return str(self.note or "the other server")

    def _silence(self) -> float:
        return 0.0 if self.silent_since is None else time.time() - self.silent_since

    def _shut(self) -> None:
        self.stop()
        if self._thread.is_alive():
            self._thread.join(_JOIN_S)
        self._controller.release()

    def _run(self) -> None:
        failing = Failing(self._notices, "neighbours", "Watching the data directory")
        pause = SHARED_S
        while not self._stop.wait(pause):
            try:
                shared = self._check()
            except Exception as error:  # noqa: BLE001 - it is logged, and shown as a notice
                pause = max(SHARED_S, failing.again(error))
            else:
                failing.over()
                pause = SHARED_S if shared else ALONE_S
        self._foreign.close()

    def _check(self) -> bool:
        """Do what is to be done; return whether another server is there."""
        self._db.keep()
        if not self._leading and not self._take_over():
            self._follow()
        elif self._db.read_only or not self._controller.lead():
            self._leading = self._competes = False
            self._call(self._depose)
        elif not self._controller.followed():
            self._foreign.close()
            self._describing = None
            return False
        else:
            self._publish()
        if self._foreign.happened():
            self._call(self._news)
        return True

    def _take_over(self) -> bool:
        if not self._competes or self._db.read_only or not self._controller.lead():
            self._won_at = None
            return False
        self._won_at = self._won_at or time.monotonic()
        other = self._controller.predecessor(self.note)
        if other is not None and (self._controller.note() or time.monotonic() - self._won_at < STEP_DOWN_S):
            sentence = f"Somebody removed the lock of {other}: this server waits until that one gives no more orders."
            self._notices.put("predecessor", sentence)
            return False
        self._notices.drop("predecessor")
        self._controller.write([], [])
        self._leading = True
        self._published_at = 0.0
        self._call(self._lead)
        return True

    def _follow(self) -> None:
        self._controller.follow()
        beat = self._controller.beat()
        if beat != self._beat:
            self._beat, self._heard = beat, time.monotonic()
            self._call(self._hear, self._controller.note(), None)
        elif (silence := time.monotonic() - self._heard) > SILENT_S:
            self._call(self._hear, self.note, time.time() - silence)

    def _publish(self) -> None:
        """Write down how this controller is, once the event loop has said so."""
        describing = self._describing
        if describing is not None and not describing.done():
            return
        self._describing = asyncio.run_coroutine_threadsafe(self._described(), self._loop)
        if describing is None:
            return
        targets, notices = describing.result(), list(self._notices)
        # Of health some figures change all the time.
        said = [(row["name"], row.get("capacity"), (row["health"] or {}).get("ok"), row.get("note")) for row in targets]
        if (*said, tuple(notices)) != self._published or time.monotonic() - self._published_at >= BEAT_S:
            self._published, self._published_at = (*said, tuple(notices)), time.monotonic()
            self._controller.write(targets, notices)

    async def _described(self) -> list[dict[str, Any]]:
        return await self._describe()

    def _call(self, function: Callable[..., None], *args: object) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(function, *args)

    # On the event loop

    def _lead(self) -> None:
        self.note = self.silent_since = None
        self._notices.drop("controller")
        self.leads.set()

    def _depose(self) -> None:
        self.leads.clear()
        self.deposed.set()

    def _hear(self, note: Note | None, since: float | None) -> None:
        if self.leads.is_set():
            return
        self.note, self.silent_since = note, since
        if since is not None:
            silence = f"gives the orders and has been silent for {self._silence():.0f} s"
            self._notices.put("controller", f"{_upper(self._who())} {silence}: nothing starts or ends meanwhile.")
            self._report_silence(self._who(), since)
        elif note is not None and note.notices:
            self._notices.put(
                "controller", f"{_upper(self._who())}, which gives the orders, says: {' '.join(note.notices)}"
            )
        else:
            self._notices.drop("controller")


def _upper(text: str) -> str:
    """Return a text as it begins a sentence."""
    return text[:1].upper() + text[1:]
