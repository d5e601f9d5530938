"""Follow the bytes of one replica's log as they come, no faster than they are wanted."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass

from submarine_jupyter_server.logs.archive import Chunk, Gap, ReplicaLog
from submarine_jupyter_server.logs.following.growth import Growth, Watch

CHUNK_BYTES = 256 * 1024
# How often it is asked whether anything may still come, while nothing does.
ASK_S = 2.0


@dataclass(frozen=True, slots=True)
class Skipped:
    """The bytes from ``offset`` to ``stop`` (exclusive) were left out, because the reader was too far behind."""

    offset: int
    stop: int


@dataclass(frozen=True, slots=True)
class End:
    """No more bytes will come; ``size`` is the logical size. ``complete``: none are missing."""

    size: int
    complete: bool


Followed = Chunk | Gap | Skipped | End


async def follow_bytes(
    growth: Growth,
    log: ReplicaLog,
    start: int,
    *,
    allowed: Callable[[], Awaitable[int]],
    over: Callable[[], Awaitable[bool]],
    window: int | None = None,
) -> AsyncGenerator[Followed, None]:
    """Yield what stands from offset ``start`` on, at last ``End``. Raises OSError.

    ``allowed`` waits until bytes are wanted, and returns how many; ``over`` returns whether the attempt has ended.
    What is more than ``window`` behind the end is left out.
    """
    offset, late = start, False
    async with growth.watch(log.experiment_id, log.attempt) as watch:
        while not watch.closed:
            version, size = watch.version, watch.sizes.logs.get(log)
            end = 0 if size is None else size.end
            if offset < end:
                if window is not None and end - offset > window:
                    yield Skipped(offset, end - window)
                    offset = end - window
                piece = await watch.archive.run(log.read, offset, min(await allowed(), CHUNK_BYTES))
                if isinstance(piece, Gap) or piece.data:
                    yield piece
                    offset, late = piece.stop, False
                    continue
            elif size is not None and size.ended:
                yield End(end, size.whole)
                return
            elif late:
                # Its attempt has ended some time ago, and nobody has said that the log has.
                yield End(end, complete=False)
                return
            late = await _idle(watch, version) and await over()


async def _idle(watch: Watch, version: int) -> bool:
    """Wait for something new; return whether nothing has come."""
    await watch.changed(version, ASK_S)
    return watch.version == version
