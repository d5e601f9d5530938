"""The points of experiments as they are read: what there is, then what comes, resumed at any point."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass

from sqlalchemy import Connection

from submarine_jupyter_server.feed.point_feed import Follower, PointFeed
from submarine_jupyter_server.services import access
from submarine_jupyter_server.services.principal import Principal
from submarine_jupyter_server.store.curves import following, points
from submarine_jupyter_server.store.curves.following import NewPoint, PointPlace
from submarine_jupyter_server.store.curves.points import MOST_POINTS, Chosen
from submarine_jupyter_server.store.engine.database import Database

MOST_AT_ONCE = 2000
"""Points that are sent at once."""
_FAR = 50_000
"""Who is so many numbers behind gets few points of each curve anew, in place of all that he missed."""


@dataclass(frozen=True, slots=True)
class WantedPoints:
    """The points of some experiments: of some metrics (none: of all), after a place; None: first what there is.

    Of what there is at most ``points`` of each curve are sent (4 or more), of what comes then all.
    """

    ids: tuple[str, ...]
    names: tuple[str, ...] = ()
    points: int = 1000
    after: PointPlace | None = None


@dataclass(frozen=True, slots=True)
class SomePoints:
    """Points in their order. In a ``snapshot`` they stand in place of all before.

    ``place`` is where to go on from; None: more of the same snapshot follows.
    """

    found: list[NewPoint]
    place: PointPlace | None
    snapshot: bool = False


class Points:
    """The points of experiments."""

    def __init__(self, db: Database, feed: PointFeed) -> None:
        self._db = db
        self._feed = feed

    async def follow(
        self, principal: Principal, wanted: WantedPoints, allowed: Callable[[], Awaitable[object]]
    ) -> AsyncGenerator[SomePoints, None]:
        """Yield points of the latest attempts, each once, whenever ``allowed`` returns. Raises NotFound."""
        await self._db.read(lambda tx: [access.find(tx, principal, one) for one in wanted.ids])
        async with self._feed.following(wanted.ids) as follower:
            now = await self._db.read(following.place)
            place = wanted.after
            while True:
                if place is None or place.life != now.life or not now.seq - _FAR <= place.seq <= now.seq:
                    # It ends with what came meanwhile: up to there each point was sent once.
                    floors: dict[str, int] = {}
                    async for some in self._snapshot(wanted, floors, allowed):
                        yield some
                    found = self._new(wanted, now, allowed, floors)
                else:
                    found = self._new(wanted, place, allowed)
                async for some in found:
                    place = some.place or place
                    if some.found or some.snapshot:
                        yield some
                now, place = await self._next(follower, place or now)

    async def _next(self, follower: Follower, place: PointPlace) -> tuple[PointPlace, PointPlace]:
        """Wait for new points; return how far they go, and from where on there may be some."""
        await follower.news.wait()
        quiet = follower.quiet
        follower.news.clear()
        return await self._db.read(following.place), PointPlace(place.life, max(place.seq, quiet))

    async def _snapshot(
        self, wanted: WantedPoints, floors: dict[str, int], allowed: Callable[[], Awaitable[object]]
    ) -> AsyncGenerator[SomePoints, None]:
        """Yield what there is, one experiment after the other; ``floors`` are up to where of each."""
        for experiment_id in wanted.ids:
            found, floors[experiment_id] = await self._db.read(lambda tx, one=experiment_id: _few(tx, wanted, one))  # type: ignore[misc]
            for begin in range(0, len(found), MOST_AT_ONCE):
                await allowed()
                yield SomePoints(found[begin : begin + MOST_AT_ONCE], None, snapshot=True)

    async def _new(
        self,
        wanted: WantedPoints,
        after: PointPlace,
        allowed: Callable[[], Awaitable[object]],
        floors: dict[str, int] | None = None,
    ) -> AsyncGenerator[SomePoints, None]:
        """Yield what came after a place, but for what is up to the ``floors``: with these, the end of a snapshot."""
        more = True
        while more:
            await allowed()
            found, until, more = await self._db.read(lambda tx, since=after: _new(tx, wanted, since))  # type: ignore[misc]
            after = until
            if floors is not None:
                found = [one for one in found if one.seq > floors[one.experiment_id]]
            # What has a place is behind all that was sent.
            whole = floors is None or until.seq >= max(floors.values(), default=0)
            yield SomePoints(found, until if whole else None, snapshot=floors is not None)
            floors = None if whole else floors


def _few(tx: Connection, wanted: WantedPoints, experiment_id: str) -> tuple[list[NewPoint], int]:
    until = following.place(tx).seq
    attempt = following.attempts(tx, [experiment_id]).get(experiment_id)
    if attempt is None:
        return [], until
    chosen = Chosen(experiment_id=experiment_id, attempt=attempt, names=wanted.names)
    few = points.few(tx, chosen, wanted.points, most=MOST_POINTS // len(wanted.ids))
    return [
        NewPoint(experiment_id, one.attempt, one.name, one.replica, one.step, one.value, one.at, one.seq) for one in few
    ], until


def _new(tx: Connection, wanted: WantedPoints, after: PointPlace) -> tuple[list[NewPoint], PointPlace, bool]:
    now = following.place(tx)
    found = following.new(tx, wanted.ids, wanted.names, after.seq, MOST_AT_ONCE + 1)
    if len(found) <= MOST_AT_ONCE:
        return found, now, False
    return found[:-1], PointPlace(now.life, found[-2].seq), True
