"""Follow the logs or the events of an experiment over a connection that may break.

After a cut the stream goes on behind the last event that arrived, so no line is lost and none comes twice.
"""

from __future__ import annotations

import codecs
import contextlib
import json
import math
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from submarine_jupyter.client.calls.sse import Event, EventParser
from submarine_jupyter.client.calls.transport import CONNECT_S, Pauses, Transport, retry_after
from submarine_jupyter.errors import ServerError, SubmarineError, TooManyRequests, Unavailable, WaitTimeout
from submarine_jupyter.spec.vocabulary import FINAL, VALUE_MARK

# The server sends a sign of life every 15 s; a stream that is silent for longer is dead. How long to try for
# another one (s) leaves time for a server that restarts.
SILENCE_S = 45.0
PATIENCE_S = 60.0
# A connection that lasted is no failure: a proxy may cut what is silent, however well the server is.
LASTING_S = 5.0
_PASSING = (429, 502, 503, 504)


@dataclass(frozen=True, slots=True)
class Lines:
    """Whole lines of one replica (``worker-0``), the first one at ``offset`` bytes of its log."""

    replica: str
    attempt: int
    offset: int
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Partial:
    """The last line of one replica as it looks now, such as a progress bar: it is not whole yet, and may change."""

    replica: str
    attempt: int
    text: str


@dataclass(frozen=True, slots=True)
class State:
    """The status of the experiment, and why: ``reason`` is one word, ``message`` a sentence."""

    status: str
    reason: str | None
    message: str | None


@dataclass(frozen=True, slots=True)
class Gap:
    """Bytes ``start`` to ``stop`` of a replica's log are lost."""

    replica: str
    start: int
    stop: int


@dataclass(frozen=True, slots=True)
class End:
    """Nothing will follow; ``complete`` when every byte of the logs was kept."""

    status: str
    complete: bool


Item = Lines | Partial | State | Gap | End


class Cut:
    """Ends a followed stream from another thread, at once: the one that reads it may wait for bytes for long."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._connection: socket.socket | None = None
        self.is_made = False

    def make(self) -> None:
        """End the stream; the iterator ends, too, as if nothing more came."""
        with self._lock:
            self.is_made = True
            if self._connection is not None:
                _shut(self._connection)

    @contextlib.contextmanager
    def of(self, response: httpx.Response) -> Iterator[None]:
        """While the block runs, a cut shuts the connection of this response."""
        with self._lock:
            self._connection = response.extensions["network_stream"].get_extra_info("socket")
            if self.is_made and self._connection is not None:
                _shut(self._connection)
        try:
            yield
        finally:
            with self._lock:
                self._connection = None


def follow_log(
    transport: Transport,
    experiment_id: str,
    params: Mapping[str, Any],
    timeout: float | None,
    cut: Cut | None = None,
) -> Iterator[Item]:
    """Yield lines and changes of state as they come, and at last one ``End``, unless ``cut`` ends it.

    Lines that carry the value of a remote function are left out: they are for its handle. Raises WaitTimeout.
    """
    query = {**params, "follow": "true"}
    path = f"experiment/logs/{experiment_id}"
    for event in follow(transport, path, query, timeout, lambda event: event.name == "end", cut):
        item = _item(event.name, json.loads(event.data))
        if item is not None:
            yield item


def follow_events(transport: Transport, experiment_id: str | None, timeout: float | None) -> Iterator[dict[str, Any]]:
    """Yield the events of an experiment from its beginning to its end, or those of all from now on.

    Raises WaitTimeout.
    """
    path = f"experiment/{experiment_id}/events" if experiment_id else "experiment/events"

    def over(event: Event) -> bool:
        # A stream that is resumed behind the final event would wait for ever.
        return experiment_id is not None and json.loads(event.data).get("status") in FINAL

    for event in follow(transport, path, {}, timeout, over):
        if event.name != "end":
            yield json.loads(event.data)


def follow(
    transport: Transport,
    path: str,
    params: Mapping[str, Any],
    timeout: float | None,
    over: Callable[[Event], bool],
    cut: Cut | None = None,
) -> Iterator[Event]:
    """Yield server-sent events up to the first one that is ``over``, resuming after every break, up to the ``cut``.

    Raises WaitTimeout after ``timeout`` seconds, and when no connection lasts nor brings anything new for a minute:
    ServerNotFound, TooManyRequests or Unavailable, whatever the last one has ended with.
    """
    deadline = None if timeout is None else time.monotonic() + timeout
    position, pauses, cut = "", None, cut or Cut()
    while not cut.is_made:
        opened = time.monotonic()
        stream = _Stream(transport, path, params, position, deadline, cut)
        for event in stream.events():
            # Each connection begins with what is known already: only what is new shows that following gets on.
            if event.id != position:
                position, pauses = event.id, None
            yield event
            if over(event):
                return
        if cut.is_made:
            return
        left = math.inf if deadline is None else deadline - time.monotonic()
        if left <= 0:
            raise WaitTimeout(f"The experiment has not ended within {timeout:g} s. It goes on.")
        if pauses is None or time.monotonic() - opened >= LASTING_S:
            pauses = Pauses(PATIENCE_S)
        if not pauses.wait(stream.wanted_pause, at_most=left):
            raise stream.trouble


class _Stream:
    """One connection: its events, and when it has ended why, and for how long the server wants to be left alone."""

    def __init__(
        self,
        transport: Transport,
        path: str,
        params: Mapping[str, Any],
        position: str,
        deadline: float | None,
        cut: Cut,
    ) -> None:
        self._transport = transport
        self._deadline = deadline
        self._cut = cut
        headers = {"Accept": "text/event-stream", **({"Last-Event-ID": position} if position else {})}
        self._request = transport.build("GET", path, params=params, headers=headers)
        self.trouble: SubmarineError = transport.lost(httpx.ReadError("the connection was closed"))
        self.wanted_pause = 0.0

    def events(self) -> Iterator[Event]:
        """Yield what comes until the connection ends. Raises the error that the server answers instead."""
        left = math.inf if self._deadline is None else max(0.001, self._deadline - time.monotonic())
        limits = httpx.Timeout(min(SILENCE_S, left), connect=min(CONNECT_S, left), pool=min(CONNECT_S, left))
        self._request.extensions["timeout"] = limits.as_dict()
        try:
            response = self._transport.open(self._request)
            with contextlib.closing(response), _cut_at(self._deadline, response), self._cut.of(response):
                yield from self._read(response)
        except httpx.RequestError as error:
            self.trouble = self._transport.lost(error)

    def _read(self, response: httpx.Response) -> Iterator[Event]:
        if response.status_code != 200 or "event-stream" not in response.headers.get("Content-Type", ""):
            response.read()
            try:
                self._transport.result(response)
            except (TooManyRequests, Unavailable, ServerError) as error:
                if response.status_code not in _PASSING:
                    raise
                self.trouble, self.wanted_pause = error, retry_after(response)
            return
        decoder, parser = codecs.getincrementaldecoder("utf-8")("replace"), EventParser()
        for chunk in response.iter_bytes():
            for event in parser.feed(decoder.decode(chunk)):
                if event.name == "error":
                    problem = json.loads(event.data)
                    raise ServerError(str(problem.get("message")), code=500, hint=problem.get("hint"))
                yield event


@contextlib.contextmanager
def _cut_at(deadline: float | None, response: httpx.Response) -> Iterator[None]:
    """Shut the connection at a moment: a read that waits cannot be told of a deadline otherwise."""
    if deadline is None:
        yield
        return
    connection = response.extensions["network_stream"].get_extra_info("socket")
    timer = threading.Timer(max(0.0, deadline - time.monotonic()), _shut, (connection,))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _shut(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        # Not the method of an SSL socket, which drops its state under the feet of the reading thread.
        socket.socket.shutdown(connection, socket.SHUT_RDWR)


def _item(name: str, data: dict[str, Any]) -> Item | None:
    if name == "log":
        lines = tuple(line for line in data["lines"] if not line.startswith(VALUE_MARK))
        return Lines(data["replica"], data["attempt"], data["offset"], lines)
    if name == "partial":
        return Partial(data["replica"], data["attempt"], data["text"])
    if name == "state":
        return State(data["status"], data["reason"], data["message"])
    if name == "gap":
        return Gap(data["replica"], data["from"], data["to"])
    if name == "end":
        return End(data["status"], data["complete"])
    return None
