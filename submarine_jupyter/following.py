"""Follow the logs or the events of an experiment over a connection that may break.

After a cut the stream goes on behind the last event that arrived, so no line is lost and none comes twice.
"""

from __future__ import annotations

import codecs
import contextlib
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from submarine_jupyter.errors import ServerError, WaitTimeout
from submarine_jupyter.sse import Event, EventParser
from submarine_jupyter.transport import Pauses, Transport

# The server sends a sign of life every 15 s; a stream that is silent for longer is dead. How long to try for
# another one (s) leaves time for a server that restarts.
SILENCE_S = 45.0
PATIENCE_S = 60.0
_PASSING = (429, 502, 503, 504)
FINAL = ("Succeeded", "Failed", "Deleted")


@dataclass(frozen=True, slots=True)
class Lines:
    """Whole lines of one replica (``worker-0``), the first one at ``offset`` bytes of its log."""

    replica: str
    attempt: int
    offset: int
    lines: tuple[str, ...]


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


Item = Lines | State | Gap | End


def follow_log(
    transport: Transport, experiment_id: str, params: Mapping[str, Any], timeout: float | None
) -> Iterator[Item]:
    """Yield lines and changes of state as they come, and at last one ``End``. Raises WaitTimeout."""
    query = {**params, "follow": "true"}
    path = f"experiment/logs/{experiment_id}"
    for event in follow(transport, path, query, timeout, lambda event: event.name == "end"):
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
) -> Iterator[Event]:
    """Yield server-sent events up to the first one that is ``over``, resuming after every cut.

    Raises WaitTimeout after ``timeout`` seconds, ServerNotFound when the server stays away.
    """
    deadline = None if timeout is None else time.monotonic() + timeout
    position, pauses = "", None
    while True:
        lost = httpx.TransportError("the connection was closed")
        try:
            for event in _connection(transport, path, params, position, deadline):
                position, pauses = event.id, None
                if event.name == "error":
                    raise ServerError(str(json.loads(event.data).get("message")), code=500)
                yield event
                if over(event):
                    return
        except httpx.TransportError as error:
            lost = error
        if deadline is not None and time.monotonic() >= deadline:
            raise WaitTimeout(f"It has not ended within {timeout:g} s; it goes on.")
        pauses = pauses or Pauses(PATIENCE_S)
        if not pauses.wait():
            raise transport.lost(lost)


def _connection(
    transport: Transport, path: str, params: Mapping[str, Any], position: str, deadline: float | None
) -> Iterator[Event]:
    headers = {"Accept": "text/event-stream", **({"Last-Event-ID": position} if position else {})}
    request = transport.build("GET", path, params=params, headers=headers)
    request.extensions["timeout"] = httpx.Timeout(SILENCE_S, connect=5.0).as_dict()
    response = transport.open(request)
    with contextlib.closing(response), _cut_at(deadline, response):
        if response.status_code in _PASSING:
            return
        if response.status_code != 200 or "event-stream" not in response.headers.get("Content-Type", ""):
            response.read()
            transport.result(response)
        decoder, parser = codecs.getincrementaldecoder("utf-8")("replace"), EventParser()
        for chunk in response.iter_bytes():
            yield from parser.feed(decoder.decode(chunk))


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
        return Lines(data["replica"], data["attempt"], data["offset"], tuple(data["lines"]))
    if name == "state":
        return State(data["status"], data["reason"], data["message"])
    if name == "gap":
        return Gap(data["replica"], data["from"], data["to"])
    if name == "end":
        return End(data["status"], data["complete"])
    return None
