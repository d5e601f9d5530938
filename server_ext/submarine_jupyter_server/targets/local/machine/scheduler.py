"""Who may start: all replicas of an experiment at once or none, first come first served, within what the machine has.

Somebody who fits may overtake others that wait for more, but nobody is overtaken more than ``MAX_OVERTAKEN`` times.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

MAX_OVERTAKEN = 16
SHOWN_POSITIONS = 10
SHOWN_HOLDERS = 2
FAR_BACK = f"waiting: more than {SHOWN_POSITIONS - 1} experiments are ahead in the queue"


@dataclass(frozen=True, slots=True)
class Amount:
    """An amount of cpu, in thousandths of a core, and of memory, in bytes."""

    cpu: int = 0
    memory: int = 0

    def __add__(self, other: Amount) -> Amount:
        return Amount(self.cpu + other.cpu, self.memory + other.memory)

    def __sub__(self, other: Amount) -> Amount:
        return Amount(self.cpu - other.cpu, self.memory - other.memory)

    def least(self, other: Amount) -> Amount:
        """Return the less of both in each."""
        if self.cpu <= other.cpu and self.memory <= other.memory:
            return self
        return Amount(min(self.cpu, other.cpu), min(self.memory, other.memory))

    def within(self, other: Amount) -> bool:
        """Return whether ``other`` has room for this."""
        return self.cpu <= other.cpu and self.memory <= other.memory


@dataclass(slots=True)
class _Request:
    key: str
    amount: Amount
    not_before: float = 0.0
    overtaken: int = 0


@dataclass(frozen=True, slots=True)
class Turn:
    """What comes of a request if nothing else changes: whether it is granted, else the ``room`` it would find.

    ``ahead`` are those who ask before it, in order.
    """

    granted: bool
    room: Amount
    ahead: tuple[str, ...]


class Scheduler:
    """Keeps account of who holds and who wants what; keys are experiment ids.

    ``changes`` counts what may have changed somebody's reason to wait.
    """

    def __init__(self, capacity: Amount) -> None:
        self.capacity = capacity
        self.used = Amount()
        self.changes = 0
        self._held: dict[str, Amount] = {}
        self._queue: dict[str, _Request] = {}
        # No request of the queue is for less: most of the time nobody fits, however many wait.
        self._least = capacity
        self._asked_at = -1
        self._next_try: float | None = None

    @property
    def queued(self) -> list[str]:
        """Return who waits, in order."""
        return list(self._queue)

    def waits(self, key: str) -> bool:
        """Return whether ``key`` waits for something."""
        return key in self._queue

    def request(self, key: str, amount: Amount, *, first: bool = False, not_before: float = 0.0) -> None:
        """Ask for more, before all others or after them, but not before a moment (on the monotonic clock).

        Asking again changes the amount and keeps the place in the queue.
        """
        known = self._queue.get(key)
        if known is not None:
            if known.amount != amount:
                known.amount = amount
                self._least = self._least.least(amount)
                self.changes += 1
            return
        request = _Request(key, amount, not_before)
        self._queue = {key: request, **self._queue} if first else self._queue
        self._queue[key] = request
        self._least = self._least.least(amount)
        if not_before and (self._next_try is None or not_before < self._next_try):
            self._next_try = not_before
        self.changes += 1

    def withdraw(self, key: str) -> None:
        """Ask no more."""
        if self._queue.pop(key, None) is not None:
            self.changes += 1

    def hold(self, key: str, amount: Amount) -> None:
        """Set what ``key`` holds, more or less than it was granted: what runs, runs."""
        before = self._held.get(key, Amount())
        if before == amount:
            return
        self.used = self.used - before + amount
        self.changes += 1
        if amount == Amount():
            self._held.pop(key, None)
        else:
            self._held[key] = amount

    def admit(self, now: float = 0.0) -> list[str]:
        """Grant what can be granted now; return to whom."""
        if self._asked_at == self.changes and (self._next_try is None or now < self._next_try):
            return []
        if not self._least.within(self.capacity - self.used):
            self._asked_at = self.changes
            return []
        queue, granted, passed = list(self._queue.values()), list[_Request](), list[tuple[_Request, int]]()
        for request, _, fits in self._turns(queue, now):
            if fits:
                granted.append(request)
            else:
                passed.append((request, len(granted)))
        for request in granted:
            del self._queue[request.key]
            self.hold(request.key, self._held.get(request.key, Amount()) + request.amount)
            self.changes += 1
        for request, before in passed:
            request.overtaken += len(granted) - before
        self._least = self.capacity
        for request in self._queue.values():
            self._least = self._least.least(request.amount)
        later = (request.not_before for request in self._queue.values() if request.not_before > now)
        self._asked_at, self._next_try = self.changes, min(later, default=None)
        return [request.key for request in granted]

    def turn(self, key: str, amount: Amount, now: float = 0.0) -> Turn:
        """Return what would come of asking for ``amount`` now, at the place that ``key`` has or behind all others."""
        mine = _Request(key, amount)
        requests = [*self._queue.values(), *([] if key in self._queue else [mine])]
        requests = [replace(request, amount=amount) if request.key == key else request for request in requests]
        ahead = tuple(itertools.takewhile(lambda other: other != key, (request.key for request in requests)))
        for request, room, fits in self._turns(requests, now):
            if request.key == key:
                return Turn(fits, room, ahead)
        return Turn(False, Amount(), ahead)

    def _turns(self, requests: Iterable[_Request], now: float) -> Iterator[tuple[_Request, Amount, bool]]:
        """Yield each request that gets its turn, the room it finds, and whether it fits; nothing is changed."""
        free, granted, most = self.capacity - self.used, 0, math.inf
        for request in requests:
            # What this machine never has must not hold up the others.
            if not self.possible(request.key, request.amount) or request.not_before > now:
                continue
            fits = request.amount.within(free)
            yield request, free, fits
            if fits:
                free, granted = free - request.amount, granted + 1
            else:
                most = min(most, granted + MAX_OVERTAKEN - request.overtaken)
            if granted >= most:
                return

    def why_waiting(self, key: str, amount: Amount | None = None) -> str:
        """Return a sentence for a person: what is missing, who has it, how long the queue is.

        With ``amount`` it is about somebody who may not ask yet, at the place as for ``turn``.
        """
        request = self._queue[key] if amount is None else _Request(key, amount)
        if not self.possible(request.key, request.amount):
            have = describe(self.capacity)
            return f"it needs {describe(self._held.get(key, Amount()) + request.amount)}, and this machine has {have}"
        first = list(itertools.islice(self._queue, SHOWN_POSITIONS))
        if key not in self._queue and len(first) < SHOWN_POSITIONS:
            first.append(key)
        if key not in first:
            return FAR_BACK
        missing = request.amount - (self.capacity - self.used)
        parts = []
        if missing.cpu > 0:
            parts.append(f"{_cores(missing.cpu)} of {_cores(request.amount.cpu)} cpu")
        if missing.memory > 0:
            parts.append(f"{_size(missing.memory)} of {_size(request.amount.memory)} memory")
        what = f"waiting for {' and '.join(parts)}: {self._holders(key)}" if parts else "waiting for its turn"
        return f"{what}; position {first.index(key) + 1} in the queue"

    def possible(self, key: str, amount: Amount) -> bool:
        """Return whether this machine has so much at all, beside what ``key`` holds already."""
        held = self._held.get(key)
        return (amount if held is None else held + amount).within(self.capacity)

    def _holders(self, key: str) -> str:
        holders = [other for other in self._held if other != key]
        more = len(holders) - SHOWN_HOLDERS
        if not holders:
            return "this experiment itself uses them"
        if more > 0:
            return f"{', '.join(holders[:SHOWN_HOLDERS])} and {more} more use them"
        return f"{' and '.join(holders)} {'uses' if len(holders) == 1 else 'use'} them"


def describe(amount: Amount) -> str:
    """Return an amount as a person writes it: ``cpu=1.5 and memory=512Mi``."""
    return f"cpu={_cores(amount.cpu)}" + (f" and memory={_size(amount.memory)}" if amount.memory else "")


def _cores(thousandths: int) -> str:
    return f"{thousandths / 1000:g}"


def _size(size: int) -> str:
    for factor, suffix in ((2**30, "Gi"), (2**20, "Mi"), (2**10, "Ki")):
        if size >= factor:
            return f"{round(size / factor, 1):g}{suffix}"
    return str(size)
