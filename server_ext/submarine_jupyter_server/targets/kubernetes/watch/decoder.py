"""Events out of the bytes of a watch: one JSON object per line, in chunks that end anywhere.

Ten thousand objects come faster than they can be read, and a stream with data at hand never waits: so the event loop
gets its turn by the clock. https://kubernetes.io/docs/reference/using-api/api-concepts/#efficient-detection-of-changes
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterator

from submarine_jupyter_server.targets.kubernetes.raw_json import Json

# For how long the event loop may be held (s).
SLICE_S = 0.005
# etcd refuses objects over 1.5 MiB: a longer line is something else.
LONGEST_LINE = 16 * 1024 * 1024


class BrokenStream(Exception):
    """The stream says something that is no event."""


async def events(chunks: AsyncIterator[bytes]) -> AsyncGenerator[tuple[str, Json], None]:
    """Yield type and object of each event. A line without its end is none: the connection was cut in it.

    Raises BrokenStream. Close the generator (``aclosing``) when leaving early.
    """
    turns = LoopTurns()
    lines = _Lines()
    async for chunk in chunks:
        for line in lines.feed(chunk):
            yield _event(line)
            await turns.give()


class LoopTurns:
    """Gives the event loop its turn after every ``SLICE_S`` of work."""

    def __init__(self) -> None:
        self._begun = time.perf_counter()

    async def give(self) -> None:
        """Let others run if it is time."""
        if time.perf_counter() - self._begun > SLICE_S:
            await asyncio.sleep(0)
            self._begun = time.perf_counter()


class _Lines:
    """Joins chunks and parts them at line ends, in time proportional to their bytes."""

    def __init__(self) -> None:
        self._rest: list[bytes] = []
        self._size = 0

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """Yield the lines that end in ``chunk``, but for empty ones."""
        first, *others = chunk.split(b"\n")
        self._rest.append(first)
        self._size += len(first)
        if self._size > LONGEST_LINE:
            raise BrokenStream(f"a line of more than {LONGEST_LINE} bytes")
        for other in others:
            if line := b"".join(self._rest).strip():
                yield line
            self._rest, self._size = [other], len(other)


def _event(line: bytes) -> tuple[str, Json]:
    try:
        event = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise BrokenStream(f"a line that is not JSON: {error}") from error
    if not isinstance(event, dict) or not isinstance(event.get("type"), str):
        raise BrokenStream("a line that is not an event")
    item = event.get("object")
    return event["type"], item if isinstance(item, dict) else {}
