"""Change what runs: the patches a kind allows for another number of workers, and a plain no for the rest."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from submarine_jupyter.errors import Conflict
from submarine_jupyter_server.targets.kubernetes.raw_json import Json
from submarine_jupyter_server.targets.protocol import Launch

from .choice import render, rendered
from .draft import ClusterOptions, Draft
from .recognition.metadata import RECORD, ROLE_LABEL
from .registry import KINDS, OWN_KINDS

_Path = tuple[str, ...]
_WORKERS = ("spec", "Worker", "replicas")
# Only people see these: no replica knows them.
_SHOWN = (("meta", "name"), ("meta", "tags"), ("runtime", "metrics"), ("runtime", "origin"), ("runtime", "group"))
# What clients send back with it is not read.
_IGNORED = ("meta", "experimentId")
_CHANGEABLE: dict[str, tuple[_Path, ...]] = {
    "ConfigMap": (("data",),),
    **{name: kind.workers for name, kind in OWN_KINDS.items()},
}
_ADVICE = "this needs a restart of all replicas: clone the experiment"


@dataclass(frozen=True, slots=True)
class Patch:
    """A JSON merge patch (RFC 7396) for one object."""

    api_version: str
    kind: str
    name: str
    body: Json


@dataclass(frozen=True, slots=True)
class Rendered:
    """The objects of a launch as this kind, the first of which owns the rest."""

    kind: str
    objects: Sequence[Json]


def check(old: Launch, new: Launch, *, kind: str, options: ClusterOptions) -> Rendered:
    """Refuse what cannot change while ``old`` runs, and return ``new`` as it was rendered for that.

    Both are of one attempt, with all their secrets.

    Raises InvalidSpec if ``new`` could not run at all, and Conflict, which says what is possible, if it cannot be
    reached without starting all again.
    """
    drafts = [Draft.of(launch, old.spec.meta.namespace or "default", options) for launch in (new, old)]
    objects, former = (rendered(draft, KINDS[kind]) for draft in drafts)
    after, before = ({_identity(item): item for item in some} for some in (objects, former))
    _refuse(drafts[1], drafts[0], kind)
    if before.keys() != after.keys():
        raise Conflict("this number of workers needs other objects than there are", hint=_ADVICE)
    for name, item in before.items():
        _refuse_others(item, after[name])
    return Rendered(kind, objects)


def changes(
    new: Launch, *, kind: str, namespace: str, options: ClusterOptions, ready: Rendered | None = None
) -> list[Patch]:
    """Return the patches, in order, that make what runs ``new``, whatever it is now; ``ready`` is ``new`` rendered.

    They hold all that may change, whether it does or not. Replicas that start later know the new number, those that run
    do not.
    """
    known = ready is not None and ready.kind == kind
    own, *rest = ready.objects if ready and known else render(new, kind=kind, namespace=namespace, options=options)
    # What new replicas read comes before the order to start them, and the record that all is done at the end.
    rest.sort(key=lambda item: item["kind"] != "ConfigMap")
    record = {name: own["metadata"]["annotations"][name] for name in RECORD}
    bodies = [(item, _changeable(item)) for item in rest]
    bodies.append((own, {"metadata": {"annotations": record}, **_changeable(own)}))
    return [Patch(item["apiVersion"], item["kind"], item["metadata"]["name"], body) for item, body in bodies if body]


def _changeable(item: Json) -> Json:
    """Return what may change of an object, as a merge patch."""
    # Where each role has an object, only the workers' may become more or fewer.
    per_role = item["kind"] in OWN_KINDS and OWN_KINDS[item["kind"]].per_role
    fixed = per_role and item["metadata"]["labels"][ROLE_LABEL] != "worker"
    body: Json = {}
    for path in () if fixed or item.get("immutable") else _CHANGEABLE.get(item["kind"], ()):
        value: Any = item
        for key in path:
            value = value.get(key) or {}
        if value:
            part = body
            for key in path[:-1]:
                part = part.setdefault(key, {})
            part[path[-1]] = value
    return body


def _refuse(old: Draft, new: Draft, kind: str) -> None:
    # A spec without a runtime is the same as one with an empty one.
    differences = _differences({"runtime": {}} | old.masked, {"runtime": {}} | new.masked)
    changed = [path for path in differences if path[:2] not in (*_SHOWN, _IGNORED)]
    others = [".".join(path) for path in changed if path != _WORKERS and "resourceMap" not in path]
    if others:
        raise Conflict(f"{', '.join(others)} cannot change while it runs, only spec.Worker.replicas can", hint=_ADVICE)
    if changed and (reason := KINDS[kind].fixed):
        raise Conflict(f"spec.Worker.replicas cannot change while it runs: {reason}", hint=_ADVICE)
    if changed and new.runtime.queue:
        raise Conflict(
            f"spec.Worker.replicas cannot change while it runs: the queue '{new.runtime.queue}' admitted the replicas"
            " there are",
            hint=_ADVICE,
        )


def _refuse_others(old: Json, new: Json) -> None:
    """Refuse changes of an object that cannot be made while it runs."""
    may_change = (("metadata", "annotations"), *_CHANGEABLE.get(old["kind"], ()))
    for path in _differences(old, new):
        if old.get("immutable") or not any(path[: len(start)] == start for start in may_change):
            what = "secret values" if old["kind"] == "Secret" else "what replicas that run were given"
            raise Conflict(f"{what} cannot change", hint=_ADVICE)


def _identity(item: Json) -> tuple[str, str]:
    return item["kind"], item["metadata"]["name"]


def _differences(old: Any, new: Any, path: _Path = ()) -> Iterator[_Path]:
    """Yield the paths at which two JSON objects differ; lists are compared as a whole."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in {**old, **new}:
            yield from _differences(old.get(key), new.get(key), (*path, key))
    elif old != new:
        yield path
