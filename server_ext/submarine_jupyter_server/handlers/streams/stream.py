"""``experiment/stream``: one WebSocket for a whole tab, rows and logs on numbered channels."""

from __future__ import annotations

import asyncio
import json
from asyncio import Future
from typing import TYPE_CHECKING, Any

from jupyter_server.auth.decorator import ws_authenticated
from jupyter_server.base.handlers import JupyterHandler
from jupyter_server.base.websocket import WebSocketMixin
from jupyter_server.extension.handler import ExtensionHandlerMixin
from tornado.websocket import WebSocketClosedError, WebSocketHandler

from submarine_jupyter.errors import InvalidRequest, SubmarineError
from submarine_jupyter_server.handlers.admission import Admission
from submarine_jupyter_server.wire.frames import failed, parse

if TYPE_CHECKING:
    from submarine_jupyter_server.services.streams.subscriptions import Subscriptions

MAX_MESSAGE_BYTES = 64 * 1024
STALL_SECONDS = 60.0
_NOT_TAKEN = 1008


class StreamHandler(Admission, WebSocketMixin, WebSocketHandler, ExtensionHandlerMixin, JupyterHandler):
    """What one tab follows; it can only read."""

    _subscriptions: Subscriptions | None = None

    async def prepare(self) -> None:  # type: ignore[override]
        """Let the caller in before the upgrade, or raise: a GET has no XSRF token, its Origin is checked instead."""
        if self.surroundings.proxy is not None:
            self._named = self.surroundings.proxy.user(self.request.headers)
        await super().prepare()
        await self.admit("read")

    @ws_authenticated
    async def get(self, *args: Any, **kwargs: Any) -> None:
        """Open the socket."""
        if self.request.headers.get("Upgrade", "").lower() != "websocket":
            raise InvalidRequest(
                "This URL is a WebSocket, but the request does not ask for one.", hint="GET experiment/events."
            )
        service = await self.service()
        # Last: of many that wait for the service together no more are let in than there is room for.
        self.surroundings.sockets.refuse_more(self.principal().name, for_one=self.for_one)
        # It brings pydantic and SQLAlchemy, which a server that starts must not wait for.
        from submarine_jupyter_server.services.streams.subscriptions import Subscriptions

        followed = (service.rows, service.points, service.log_bytes)
        self._subscriptions = Subscriptions(self.principal(), *followed, self._send)
        await super().get(*args, **kwargs)

    def get_compression_options(self) -> dict[str, Any]:
        """Compress text, quickly: rows become a tenth; the usual level takes the event loop twice as long."""
        return {"compression_level": 1}

    @property
    def max_message_size(self) -> int:
        """What comes in are requests."""
        return MAX_MESSAGE_BYTES

    def open(self, *args: Any, **kwargs: Any) -> None:
        """Count it."""
        super().open(*args, **kwargs)
        self.surroundings.sockets.add(self, self.principal().name)

    async def on_message(self, message: str | bytes) -> None:
        """Carry out a request; one that cannot be is answered, and harms no other channel."""
        assert self._subscriptions is not None  # noqa: S101 - for the type checker
        try:
            self._subscriptions.take(parse(message))
        except SubmarineError as error:
            await self._send(failed(_channel(message), error))

    def on_close(self) -> None:
        """End what it followed."""
        super().on_close()
        self.surroundings.sockets.remove(self)
        if self._subscriptions is not None:
            self._subscriptions.close()

    async def _send(self, frame: str | bytes) -> None:
        """Send a frame and wait until the client has taken it: that bounds the memory.

        Raises CancelledError when the client is gone.
        """
        try:
            async with asyncio.timeout(STALL_SECONDS):
                await (self.write_message(frame) if isinstance(frame, str) else self._write_plain(frame))
        except WebSocketClosedError:
            raise asyncio.CancelledError from None
        except TimeoutError:
            self.close(_NOT_TAKEN, f"The client took nothing for {STALL_SECONDS:.0f} s.")
            raise asyncio.CancelledError from None

    def _write_plain(self, frame: bytes) -> Future[None]:
        """Send bytes as they are, which every message may be (RFC 7692, 6): to compress a log takes ten times as long.

        Tornado compresses all messages of a socket or none, so the protocol has no compressor for this moment.
        """
        protocol: Any = self.ws_connection
        kept = getattr(protocol, "_compressor", None)
        if kept is None:
            return self.write_message(frame, binary=True)
        protocol._compressor = None
        try:
            return self.write_message(frame, binary=True)
        finally:
            protocol._compressor = kept


def _channel(message: str | bytes) -> int | None:
    """Return the channel that a bad request names, if it does."""
    try:
        found = json.loads(message)["ch"]
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    return found if type(found) is int and 0 <= found < 2**32 else None
