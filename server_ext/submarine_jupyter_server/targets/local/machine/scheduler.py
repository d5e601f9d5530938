"""Who may start: all replicas of an experiment at once or none, first come first served, within what the machine has.

Somebody who fits may overtake others that wait for more, but nobody is overtaken more than ``MAX_OVERTAKEN`` times.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

MAX_OVERTAKEN = 16
SHOWN_POSITIONS = 10
SHOWN_HOLDERS = 2


@dataclass(frozen=True, slots=True)
class Amount:
    """An amount of cpu, in thousandths of a core, and of memory, in bytes."""

    cpu: int = 0
    memory: int = 0

    def __add__(self, other: Amount) -> Amount:
        return Amount(self.cpu + other.cpu, self.memory + other.memory)

    def __sub__(self, other: Amount) -> Amount:
        return Amount(self.cpu - other.cpu, self.memory - other.memory)

    def within(self, other: Amount) -> bool:
        """Return whether ``other`` has room for this."""
        return self.cpu <= other.cpu and self.memory <= other.memory


@dataclass(slots=True)
class _Request:
    key: str
    amount: Amount
    not_before: float = 0.0
    overtaken: int = 0


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
                self.changes += 1
            return
        request = _Request(key, amount, not_before)
        self._queue = {key: request, **self._queue} if first else self._queue
        self._queue[key] = request
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
        granted: list[str] = []
        passed: list[_Request] = []
        later: list[float] = []
        for request in list(self._queue.values()):
            if not self._possible(request):
                continue  # this machine never has so much: it must not hold up the others
            if request.not_before > now:
                later.append(request.not_before)
                continue
            if request.amount.within(self.capacity - self.used):
                del self._queue[request.key]
                self.hold(request.key, self._held.get(request.key, Amount()) + request.amount)
                self.changes += 1
                granted.append(request.key)
                for other in passed:
                    other.overtaken += 1
            else:
                passed.append(request)
            if any(other.overtaken >= MAX_OVERTAKEN for other in passed):
                break
        self._asked_at, self._next_try = self.changes, min(later, default=None)
        return granted

    def why_waiting(self, key: str) -> str:
        """Return a sentence for a person: what is missing, who has it, how long the queue is."""
        request = self._queue[key]
        if not self._possible(request):
            have = describe(self.capacity)
            return f"it needs {describe(self._held.get(key, Amount()) + request.amount)}, and this machine has {have}"
        first = list(itertools.islice(self._queue, SHOWN_POSITIONS))
        if key not in first:
            return f"waiting: more than {SHOWN_POSITIONS - 1} experiments are ahead in the queue"
        missing = request.amount - (self.capacity - self.used)
        parts = []
        if missing.cpu > 0:
            parts.append(f"{_cores(missing.cpu)} of {_cores(request.amount.cpu)} cpu")
        if missing.memory > 0:
            parts.append(f"{_size(missing.memory)} of {_size(request.amount.memory)} memory")
        what = f"waiting for {' and '.join(parts)}: {self._holders(key)}" if parts else "waiting for its turn"
        return f"{what}; position {first.index(key) + 1} in the queue"

    def _possible(self, request: _Request) -> bool:
        return (self._held.get(request.key, Amount()) + request.amount).within(self.capacity)

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
