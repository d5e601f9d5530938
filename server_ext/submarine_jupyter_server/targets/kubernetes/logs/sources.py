"""Which bytes of a replica's log came from where: ``sources.jsonl`` beside the log.

``{"offset", "uid", "pod", "restart"}`` is appended before the first byte of each run of a container, and again behind
each gap in it, with ``"gap"``; the same with ``"done"`` when all of the run has been read.
"""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

SOURCES = "sources.jsonl"
_APPEND = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW


@dataclass(frozen=True, slots=True)
class LogSource:
    """One run of the container of one pod; ``restart`` counts the runs before it."""

    uid: str
    pod: str
    restart: int


@dataclass(frozen=True, slots=True)
class Region:
    """Bytes from ``offset`` on, all of the same source; ``gap`` when the byte before them stands for lost ones."""

    offset: int
    source: LogSource
    gap: bool = False


@dataclass(slots=True)
class Sources:
    """What the file says: the regions in the order they were written, and the sources read to their end."""

    regions: list[Region] = field(default_factory=list)
    done: set[LogSource] = field(default_factory=set)

    @property
    def current(self) -> Region | None:
        """The region that is being written."""
        return self.regions[-1] if self.regions else None

    @property
    def follows_another(self) -> bool:
        """Return whether the region that is being written is the first of its source, behind those of another."""
        return len(self.regions) > 1 and [region.source for region in self.regions].count(self.regions[-1].source) == 1

    @property
    def unfinished(self) -> bool:
        """Return whether there may be more of the current source."""
        return self.current is not None and self.current.source not in self.done

    def gaps_behind(self, offset: int) -> int:
        """Count the bytes from ``offset`` on that stand for lost ones."""
        return sum(region.gap and region.offset > offset for region in self.regions)

    def start(self, source: LogSource) -> int:
        """Return where the first byte of a source is."""
        return min(region.offset for region in self.regions if region.source == source)

    def before(self) -> int:
        """Return where the source before the current one began, or else the current one."""
        newest = self.regions[-1].source
        others = [region.source for region in self.regions if region.source != newest]
        return self.start(others[-1] if others else newest)


def read(folder: Path) -> Sources:
    """Read the file of a replica; there need not be one."""
    found = Sources()
    try:
        data = (folder / SOURCES).read_bytes()
    except FileNotFoundError:
        return found
    for line in data[: data.rfind(b"\n") + 1].splitlines():
        try:
            entry = json.loads(line)
            _add(found, entry)
        except (ValueError, KeyError, TypeError, AttributeError):
            continue
    return found


def append(folder: Path, region: Region, *, done: bool = False) -> None:
    """Add an entry."""
    entry: dict[str, object] = {
        "offset": region.offset,
        "uid": region.source.uid,
        "pod": region.source.pod,
        "restart": region.source.restart,
    }
    flags = {name: True for name, value in (("gap", region.gap), ("done", done)) if value}
    text = json.dumps(entry | flags) + "\n"
    fd = os.open(folder / SOURCES, _APPEND, 0o600)
    try:
        size = os.fstat(fd).st_size
        if size and os.pread(fd, 1, size - 1) != b"\n":
            text = "\n" + text  # the last entry of a server that was killed is torn
        if os.write(fd, text.encode()) < len(text):
            raise OSError(errno.ENOSPC, "the disk is full", SOURCES)
    finally:
        os.close(fd)


def _add(found: Sources, entry: Mapping[str, object]) -> None:
    source = LogSource(str(entry["uid"]), str(entry["pod"]), _whole(entry["restart"]))
    if entry.get("done"):
        found.done.add(source)
    else:
        found.regions.append(Region(_whole(entry["offset"]), source, gap=bool(entry.get("gap"))))


def _whole(value: object) -> int:
    if not isinstance(value, int):
        raise TypeError("not a number")
    return value
