"""Who may start: all replicas of an experiment at once or none, first come first served, within what the machine has.

Somebody who fits may overtake others that wait for more, but nobody is overtaken more than ``MAX_OVERTAKEN`` times.
"""

from __future__ import annotations

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
        """Tell whether ``other`` has room for this."""
        return self.cpu <= other.cpu and self.memory <= other.memory


@dataclass(slots=True)
class _Request:
    key: str
    amount: Amount
    overtaken: int = 0


class Scheduler:
    """Keeps account of who holds and who wants what; keys are experiment ids."""

    def __init__(self, capacity: Amount) -> None:
        self.capacity = capacity
        self._held: dict[str, Amount] = {}
        self._queue: list[_Request] = []

    @property
    def used(self) -> Amount:
        """Return what is held in all."""
        return sum(self._held.values(), Amount())

    @property
    def queued(self) -> list[str]:
        """Return who waits, in order."""
        return [request.key for request in self._queue]

    def request(self, key: str, amount: Amount) -> None:
        """Ask for more; asking again changes the amount and keeps the place in the queue."""
        for waiting in self._queue:
            if waiting.key == key:
                waiting.amount = amount
                return
        self._queue.append(_Request(key, amount))

    def withdraw(self, key: str) -> None:
        """Ask no more."""
        self._queue = [request for request in self._queue if request.key != key]

    def hold(self, key: str, amount: Amount) -> None:
        """Set what ``key`` holds, more or less than it was granted: what runs, runs."""
        if amount == Amount():
            self._held.pop(key, None)
        else:
            self._held[key] = amount

    def admit(self) -> list[str]:
        """Grant what can be granted now; return to whom."""
        granted: list[str] = []
        passed: list[_Request] = []
        free = self.capacity - self.used
        for request in list(self._queue):
            if not self._possible(request):
                continue  # this machine never has so much: it must not hold up the others
            if request.amount.within(free):
                self._queue.remove(request)
                self._held[request.key] = self._held.get(request.key, Amount()) + request.amount
                free = free - request.amount
                granted.append(request.key)
                for other in passed:
                    other.overtaken += 1
            else:
                passed.append(request)
            if any(other.overtaken >= MAX_OVERTAKEN for other in passed):
                break
        return granted

    def why_waiting(self, key: str) -> str:
        """Return a sentence for a person: what is missing, who has it, how long the queue is."""
        place = self.queued.index(key)
        request = self._queue[place]
        if not self._possible(request):
            have = describe(self.capacity)
            return f"it needs {describe(self._held.get(key, Amount()) + request.amount)}, and this machine has {have}"
        missing = request.amount - (self.capacity - self.used)
        parts = []
        if missing.cpu > 0:
            parts.append(f"{_cores(missing.cpu)} of {_cores(request.amount.cpu)} cpu")
        if missing.memory > 0:
            parts.append(f"{_size(missing.memory)} of {_size(request.amount.memory)} memory")
        what = f"waiting for {' and '.join(parts)}: {self._holders(key)}" if parts else "waiting for its turn"
        if place < SHOWN_POSITIONS:
            return f"{what}; position {place + 1} in the queue"
        return f"waiting: more than {SHOWN_POSITIONS - 1} experiments are ahead in the queue"

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
