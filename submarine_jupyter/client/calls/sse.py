"""Read server-sent events from text that arrives in pieces.

The format: https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

# Only these end a line here; str.splitlines() would also break at U+2028 and others.
_LINE_END = re.compile("\r\n|\r|\n")


@dataclass(frozen=True, slots=True)
class Event:
    """One event; ``id`` is the last one that was sent, empty when there was none."""

    id: str
    name: str
    data: str


class EventParser:
    """Turns pieces of a stream into events; an event that was cut off is never given out."""

    def __init__(self) -> None:
        self._rest = ""
        self._id = ""
        self._name = ""
        self._data: list[str] = []

    def feed(self, text: str) -> Iterator[Event]:
        """Yield the events that ``text`` completes."""
        self._rest += text
        # A return at the very end may be half of a line end: it waits for what follows.
        ready = len(self._rest) - self._rest.endswith("\r")
        start = 0
        for match in _LINE_END.finditer(self._rest, 0, ready):
            event = self._line(self._rest[start : match.start()])
            start = match.end()
            if event is not None:
                yield event
        self._rest = self._rest[start:]

    def _line(self, line: str) -> Event | None:
        if not line:
            return self._dispatch()
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if field == "data":
            self._data.append(value)
        elif field == "event":
            self._name = value
        elif field == "id" and "\0" not in value:
            self._id = value
        return None

    def _dispatch(self) -> Event | None:
        event = Event(self._id, self._name or "message", "\n".join(self._data)) if self._data else None
        self._name, self._data = "", []
        return event
