"""The copy of a collection of the cluster: a stream put into slim views, and every real difference reported once.

What we wrote ourselves is put in at once (`merge`), so that a read after a write sees it. The stream is
behind or ahead of our answer, and must neither take it back nor be taken back by it. Two facts decide. Resource
versions of one kind are in order: decimal numbers that only grow (documented since Kubernetes 1.35, true of every API
server on etcd before it; https://www.kubernetes.dev/resources/keps/5504/). And a stream passes every version in that
order. So an answer no newer than the position of the stream is old news, and until the stream has come to the version
of an answer, what it says of that object is older. Versions that are no numbers are never compared: then whatever
comes last counts.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from submarine_jupyter_server.targets.kubernetes.raw_json import Json

log = logging.getLogger(__name__)
V = TypeVar("V")
# For how long an answer of ours may be ahead of the stream (s): an etcd restored from a backup counts from before.
AHEAD_S = 30.0
# What a projection may raise for an object it cannot read.
_UNREADABLE = (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError)


@dataclass(frozen=True, slots=True)
class _Ours:
    """An answer that the stream has not come to yet."""

    version: str
    at: float


class CollectionCache(Generic[V]):
    """Views of the objects of one collection by name.

    ``changed(name, old, new)`` is called for every difference (None: not there), after it is in ``views``. An object
    that cannot be read is quarantined: what was read of it before stays, for it is not gone.
    """

    def __init__(
        self, name: str, project: Callable[[Json], V], changed: Callable[[str, V | None, V | None], None]
    ) -> None:
        self.views: dict[str, V] = {}
        self.version: str | None = None
        self.quarantined: dict[str, str] = {}
        self._name = name
        self._project = project
        self._changed = changed
        self._uids: dict[str, str] = {}
        self._ours: dict[str, _Ours] = {}
        # Versions of what was seen since `begin`, None after `end`.
        self._listed: dict[str, str] | None = {}

    @property
    def complete(self) -> bool:
        """Whether all objects are known: no initial state is being read."""
        return self._listed is None

    def begin(self) -> None:
        """Begin to read all objects anew, from a request that is sent after this: it sees all we wrote so far."""
        self.version = None
        self._listed = {}
        self._ours.clear()

    def end(self, version: str) -> None:
        """Drop what has not come since `begin`; the stream goes on from ``version``."""
        listed = self._listed or {}
        for name in [name for name in self.views if name not in listed]:
            ours = self._ours.get(name)
            if ours is None or not _older(version, ours.version):
                self._drop(name)
        for name in [name for name in self.quarantined if name not in listed]:
            del self.quarantined[name]
        self._listed = None
        self.version = version

    def passed(self, version: str) -> None:
        """Note how far the stream has come; not while the initial state is read, which is in no order."""
        if version and self._listed is None:
            self.version = version

    def put(self, item: Json) -> bool:
        """Take an object as the stream or a list has it; return whether it is a new one in this initial state."""
        name, uid, version = _identity(item)
        if not name:
            return False
        new = self._listed is not None and name not in self._listed
        if self._listed is not None:
            self._listed[name] = version
        ours = self._ours.get(name)
        if ours is not None and ours.version == version and self._uids.get(name) == uid:
            del self._ours[name]  # the stream has come to what is there already
        elif not self._behind(name, version):
            self._store(name, uid, item)
        self.passed(version)
        return new

    def drop(self, item: Json) -> None:
        """Take the end of an object from the stream."""
        name, _, version = _identity(item)
        if self._listed is not None:
            self._listed.pop(name, None)
        if not self._behind(name, version):
            self.quarantined.pop(name, None)
            self._drop(name)
        self.passed(version)

    def merge(self, item: Json) -> None:
        """Take the answer to a write of ours, unless the stream was there already."""
        name, uid, version = _identity(item)
        if not name or self._behind(name, version):
            return
        known = self.version if self._listed is None else self._listed.get(name)
        if known is not None and not _newer(version, known):
            return
        self._ours[name] = _Ours(version, time.monotonic())
        self._store(name, uid, item)

    def forget(self, name: str, uid: str) -> None:
        """Take an object out that is not there any more, if it is still this one."""
        if self._uids.get(name) == uid:
            self._ours.pop(name, None)
            self.quarantined.pop(name, None)
            self._drop(name)

    def _behind(self, name: str, version: str) -> bool:
        """Return whether what we wrote of an object is newer than ``version``; forget it when it is not."""
        ours = self._ours.get(name)
        if ours is None:
            return False
        if _older(version, ours.version) and time.monotonic() < ours.at + AHEAD_S:
            return True
        del self._ours[name]
        return False

    def _store(self, name: str, uid: str, item: Json) -> None:
        try:
            view = self._project(item)
        except _UNREADABLE as error:
            if self._uids.get(name, uid) != uid:
                self._drop(name)  # that one is gone, whatever this one is
            if name not in self.quarantined:
                log.warning("%s: %s cannot be read: %s: %s", self._name, name, type(error).__name__, error)
            self.quarantined[name] = f"{type(error).__name__}: {error}"
            return
        self.quarantined.pop(name, None)
        old = self.views.get(name)
        self._uids[name] = uid
        if old is None or old != view:
            self.views[name] = view
            self._publish(name, old, view)

    def _drop(self, name: str) -> None:
        self._uids.pop(name, None)
        old = self.views.pop(name, None)
        if old is not None:
            self._publish(name, old, None)

    def _publish(self, name: str, old: V | None, new: V | None) -> None:
        try:
            self._changed(name, old, new)
        except Exception as error:
            # One object stops nobody: its stream goes on for all others.
            log.exception("%s: %s cannot be taken in", self._name, name)
            self.quarantined[name] = f"{type(error).__name__}: {error}"


def metadata(item: Any) -> Json:
    """Return the metadata of an object, an empty one for anything else."""
    found = item.get("metadata") if isinstance(item, dict) else None
    return found if isinstance(found, dict) else {}


def _identity(item: Json) -> tuple[str, str, str]:
    """Return name, uid and resource version, empty where there is none."""
    found = metadata(item)
    name, uid, version = found.get("name"), found.get("uid"), found.get("resourceVersion")
    return (
        name if isinstance(name, str) else "",
        uid if isinstance(uid, str) else "",
        version if isinstance(version, str) else "",
    )


def _older(version: str, other: str) -> bool:
    return _numbers(version, other) and int(version) < int(other)


def _newer(version: str, other: str) -> bool:
    return int(version) > int(other) if _numbers(version, other) else version != other


def _numbers(*versions: str) -> bool:
    return all(version.isascii() and version.isdigit() for version in versions)
