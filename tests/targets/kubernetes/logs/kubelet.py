"""What a kubelet answers for the log of one container: a model of ``ReadLogs`` of Kubernetes 1.36."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime

EPOCH = 1_700_000_000 * 10**9


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of a container runtime's log; ``whole`` is its tag: F, or P for a part of a line."""

    at_ns: int
    data: bytes
    whole: bool = True


def stamp(at_ns: int) -> bytes:
    """Return a time as kubelets write it."""
    second = datetime.fromtimestamp(at_ns // 10**9, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{second}.{at_ns % 10**9:09d}Z".encode()


@dataclass
class Log:
    """The log of one run of a container: ``entries`` is all of it, ``rotated`` how much is no longer served."""

    entries: list[Entry] = field(default_factory=list)
    rotated: int = 0

    def write(self, *entries: Entry) -> None:
        """Let the container write."""
        self.entries += entries

    def rotate(self) -> None:
        """Begin a new file: only that is served."""
        self.rotated = len(self.entries)

    @property
    def content(self) -> bytes:
        """The bytes the container wrote."""
        return b"".join(_text(entry) for entry in self.entries)

    def read(self, since: str | None = None) -> bytes:
        """Return an answer with stamps."""
        least = 0 if since is None else int(datetime.fromisoformat(since).timestamp()) * 10**9
        found = []
        new_line = True
        for entry in self.entries[self.rotated :]:
            text = _text(entry)
            if entry.at_ns >= least:
                found.append(stamp(entry.at_ns) + b" " + text if new_line else text)
            new_line = not text or text.endswith(b"\n")
        return b"".join(found)


def _text(entry: Entry) -> bytes:
    return entry.data + b"\n" if entry.whole else entry.data
