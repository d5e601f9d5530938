"""Server-sent events: one writer for all streams.

The format: https://html.spec.whatwg.org/multipage/server-sent-events.html
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Protocol

from tornado.iostream import StreamClosedError

from submarine_jupyter.errors import SubmarineError
from submarine_jupyter_server.handlers.streams.connections import Connections

if TYPE_CHECKING:
    from submarine_jupyter_server.handlers.base import SubmarineHandler

STALL_SECONDS = 60.0


class Message(Protocol):
    """One event: ``id`` is what a client sends back as Last-Event-ID, ``data`` any text."""

    @property
    def id(self) -> str: ...
    @property
    def event(self) -> str: ...
    @property
    def data(self) -> str: ...


class Streams(Connections[asyncio.Task[None]]):
    """The streams that are open: they are counted, and ended when the server stops."""

    def __init__(self) -> None:
        super().__init__(
            "streams",
            close="Close some, or ask without following.",
            later="Try again later, or ask without following.",
        )
        self.turn = asyncio.Lock()
        """Held while one stream is written to: a hundred that have news at once must not hold the loop together."""

    async def run(self, handler: SubmarineHandler, messages: AsyncIterator[Message | None]) -> None:
        """Write ``messages`` (None is a heartbeat) until they end, the client leaves or the server stops.

        Raises TooManyRequests.
        """
        owner = handler.principal().name
        self.refuse_more(owner, for_one=handler.for_one)
        task = asyncio.create_task(_pump(handler, messages), name="submarine-stream")
        self.add(task, owner)
        task.add_done_callback(self.remove)
        handler.on_disconnect(task.cancel)
        await asyncio.wait({task})
        if not task.cancelled():
            task.result()

    async def close(self) -> None:
        """End all streams; their clients resume elsewhere, or later, with the last id they saw."""
        tasks = set(self)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=1.0)


async def write(handler: SubmarineHandler, data: str | bytes) -> bool:
    """Write and wait until the client took it; return whether it is still there.

    Awaiting is what bounds the memory: nothing is read for a client that does not take what it has. One that
    took nothing for 60 s is closed.
    """
    try:
        async with handler.surroundings.streams.turn:
            handler.write(data)
            flushed = handler.flush()
            await asyncio.sleep(0)
        async with asyncio.timeout(STALL_SECONDS):
            await flushed
    except StreamClosedError:
        return False
    except TimeoutError:
        handler.log.info("Closed a stream whose client took nothing for %.0f s", STALL_SECONDS)
        handler.detach().close()
        return False
    return True


async def _pump(handler: SubmarineHandler, messages: AsyncIterator[Message | None]) -> None:
    handler.set_header("Content-Type", "text/event-stream; charset=utf-8")
    handler.set_header("Cache-Control", "no-cache")
    handler.set_header("X-Accel-Buffering", "no")  # nginx would keep events back
    try:
        alive = await write(handler, ":\n\n")
        while alive:
            message = await anext(messages)
            alive = await write(handler, ":\n\n" if message is None else _frame(message))
    except StopAsyncIteration:
        pass
    except SubmarineError as error:
        await write(handler, _error(*handler.words(error.status, error)))
    except Exception as error:  # noqa: BLE001 - logged by the handler, under the id that is told
        # A stream that is cut without a word is opened again and again.
        handler.log_exception(type(error), error, error.__traceback__)
        await write(handler, _error(*handler.words(500, error)))
    finally:
        if (close := getattr(messages, "aclose", None)) is not None:
            await close()


def _error(message: str, hint: str | None, cause: str) -> str:
    data = {"message": message, "hint": hint, "error": cause}
    return f"event: error\ndata: {json.dumps(data)}\n\n"


def _frame(message: Message) -> str:
    data = message.data
    if "\n" in data or "\r" in data:
        # Only these end a line here; str.splitlines would also break at U+2028 and others.
        data = "\ndata: ".join(re.split("\r\n|\r|\n", data))
    return f"id: {message.id}\nevent: {message.event}\ndata: {data}\n\n"
