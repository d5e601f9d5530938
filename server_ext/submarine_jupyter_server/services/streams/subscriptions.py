"""What one tab follows: channels by number, each a task of its own, all sent over one socket."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from functools import partial

from submarine_jupyter.errors import InvalidRequest, SubmarineError, TooManyRequests, Unavailable
from submarine_jupyter_server.logs.archive import Chunk, Gap
from submarine_jupyter_server.logs.following.follow_bytes import End, Skipped
from submarine_jupyter_server.services.logs.log_bytes import LogBytes, WantedBytes
from submarine_jupyter_server.services.principal import Principal
from submarine_jupyter_server.services.rows import Rows
from submarine_jupyter_server.services.streams.points import Points, WantedPoints
from submarine_jupyter_server.store.annotations.row_changes import Place
from submarine_jupyter_server.store.curves.following import PointPlace
from submarine_jupyter_server.wire.frames import (
    FollowLog,
    FollowPoints,
    FollowRows,
    Leave,
    Pay,
    Request,
    failed,
    log_frame,
    notice,
    points_frame,
    rows_frame,
)

log = logging.getLogger(__name__)
MAX_CHANNELS = 64
Send = Callable[[str | bytes], Awaitable[None]]


class Credit:
    """How many bytes may still be sent on a channel before the client has drawn some."""

    def __init__(self, count: int) -> None:
        """``count`` is what may be on its way at a time, the ``window``."""
        self.window = count
        self._left = count
        self._more = asyncio.Event()

    def pay(self, count: int) -> None:
        """Allow more, but never more than the window at once."""
        self._left = min(self._left + count, self.window)
        self._more.set()

    def take(self, count: int) -> None:
        """Use some."""
        self._left -= count

    async def some(self) -> int:
        """Wait until there is any and return how much."""
        while self._left <= 0:
            self._more.clear()
            await self._more.wait()
        return self._left


class Subscriptions:
    """The channels of one socket; ``send`` returns once the client has taken a frame."""

    def __init__(self, principal: Principal, rows: Rows, points: Points, logs: LogBytes, send: Send) -> None:
        self._principal = principal
        self._rows = rows
        self._points = points
        self._logs = logs
        self._send = send
        self._channels: dict[int, tuple[asyncio.Task[None], Credit | None]] = {}

    def take(self, request: Request) -> None:
        """Carry out a request. Raises InvalidRequest, TooManyRequests."""
        match request:
            case FollowRows():
                after = None if request.after is None else Place.parse(request.after)
                self._begin(request.ch, partial(self._follow_rows, request.ch, after), None)
            case FollowLog():
                credit = Credit(request.credit)
                self._begin(request.ch, partial(self._follow_log, request, credit), credit)
            case FollowPoints():
                credit = Credit(request.credit)
                self._begin(request.ch, partial(self._follow_points, request, credit), credit)
            case Pay():
                _, owed = self._channels.get(request.ch, (None, None))
                if owed is not None:  # a channel that has ended meanwhile needs none
                    owed.pay(request.count)
            case Leave():
                task, _ = self._channels.pop(request.ch, (None, None))
                if task is not None:
                    task.cancel()

    def close(self) -> None:
        """End all channels."""
        for task, _ in self._channels.values():
            task.cancel()
        self._channels.clear()

    def _begin(self, ch: int, work: Callable[[], Awaitable[None]], credit: Credit | None) -> None:
        if ch in self._channels or len(self._channels) >= MAX_CHANNELS:
            if ch in self._channels:
                raise InvalidRequest(f"ch: channel {ch} is in use; close it first, or take another number.")
            raise TooManyRequests(f"This socket has {MAX_CHANNELS} channels, the most it allows.", hint="Close some.")
        task = asyncio.create_task(self._run(ch, work), name=f"submarine channel {ch}")
        self._channels[ch] = task, credit

    async def _run(self, ch: int, work: Callable[[], Awaitable[None]]) -> None:
        try:
            # Made here: a channel may be closed before it has begun.
            await work()
        except SubmarineError as error:
            await self._send(failed(ch, error))
        except Exception as error:
            log.exception("Channel %d of %s failed", ch, self._principal.name)
            await self._send(failed(ch, Unavailable(f"The server failed: {type(error).__name__}.")))
        finally:
            # By then the number may have been given to another one.
            if self._channels.get(ch, (None,))[0] is asyncio.current_task():
                del self._channels[ch]

    async def _follow_rows(self, ch: int, after: Place | None) -> None:
        async with aclosing(self._rows.follow(self._principal, after)) as found:
            async for each in found:
                place = None if each.place is None else str(each.place)
                await self._send(rows_frame(ch, each.rows, gone=each.gone, cursor=place, snapshot=each.snapshot))

    async def _follow_points(self, request: FollowPoints, credit: Credit) -> None:
        after = None if request.after is None else PointPlace.parse(request.after)
        wanted = WantedPoints(request.ids, request.names, request.points, after)
        async with aclosing(self._points.follow(self._principal, wanted, credit.some)) as found:
            async for some in found:
                place = None if some.place is None else str(some.place)
                frame = points_frame(request.ch, some.found, cursor=place, snapshot=some.snapshot)
                credit.take(len(frame))
                await self._send(frame)

    async def _follow_log(self, request: FollowLog, credit: Credit) -> None:
        ch, window = request.ch, credit.window if request.skip else None
        wanted = WantedBytes(
            request.experiment_id, request.replica, request.attempt, request.offset, request.tail, window
        )
        pieces = self._logs.follow(self._principal, wanted, credit.some)
        async with aclosing(pieces) as found:
            async for piece in found:
                match piece:
                    case Chunk():
                        credit.take(len(piece.data))
                        await self._send(log_frame(ch, piece.offset, piece.data))
                    case Gap():
                        await self._send(notice(ch, gap=[piece.offset, piece.stop]))
                    case Skipped():
                        await self._send(notice(ch, skip=[piece.offset, piece.stop]))
                    case End():
                        await self._send(notice(ch, end=piece.size, complete=piece.complete))
