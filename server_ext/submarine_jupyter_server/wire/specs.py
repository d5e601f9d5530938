"""Turn bodies into specs, and specs into the texts that are stored."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from submarine_jupyter.errors import Forbidden, InvalidSpec
from submarine_jupyter.models import ExperimentSpec
from submarine_jupyter_server.masking.masks import conceal, restore
from submarine_jupyter_server.metrics.templates import parse_template
from submarine_jupyter_server.store.orders.changes import SpecTexts
from submarine_jupyter_server.targets.protocol import ComputeTarget


@dataclass(frozen=True, slots=True)
class Submission:
    """What a body asks for, once it is found good: the experiment to be, where it is to run, and what is stored of it.

    ``texts`` are those of an experiment that has no id yet (`named`); ``digest`` is that of the body.
    """

    spec: ExperimentSpec
    target: str
    texts: SpecTexts
    digest: str


class SpecReader:
    """Turns bodies into specs that this server may run."""

    def __init__(self, targets: Mapping[str, ComputeTarget], default_target: str) -> None:
        self._targets = targets
        self._default_target = default_target

    def accept(self, body: object, source: ExperimentSpec | None = None) -> Submission:
        """Turn the body of a new experiment into all that follows from it; ``source`` as for ``read``.

        Raises InvalidSpec, also for what its target can never run, or Forbidden.
        """
        spec, target = self.read(body, source)
        self._targets[target].check(spec)
        return Submission(spec, target, stored(spec, None), body_hash(body))

    def read(
        self, body: object, source: ExperimentSpec | None = None, *, target: str | None = None
    ) -> tuple[ExperimentSpec, str]:
        """Return the spec in ``body``, its namespace filled in, and the name of its target.

        Masked secrets and code left out come from ``source``. ``target`` is where an experiment is that exists already,
        which a spec need not name. Raises InvalidSpec, or Forbidden for a namespace its target is not configured for.
        """
        spec = ExperimentSpec.parse(_with_code(body, source))
        wire = spec.wire()
        if (full := restore(wire, source.wire() if source else None)) is not wire:
            spec = ExperimentSpec.parse(full)
        name = self._target(spec, target)
        spec.meta.namespace = self._namespace(spec, name)
        for template in (spec.runtime.metrics if spec.runtime else None) or ():
            parse_template(template)
        return spec, name

    def _target(self, spec: ExperimentSpec, default: str | None) -> str:
        name = (spec.runtime.target if spec.runtime else None) or default or self._default_target
        if name not in self._targets:
            raise InvalidSpec(f"runtime.target: unknown target '{name}'; the targets are {', '.join(self._targets)}")
        return name

    def _namespace(self, spec: ExperimentSpec, target: str) -> str:
        possible = self._targets[target].namespaces
        namespace = spec.meta.namespace or possible[0]
        if namespace not in possible:
            where = "namespaces" if self._targets[target].kind == "local" else f"targets['{target}'].namespaces"
            raise Forbidden(
                f"spec.meta.namespace: '{namespace}' is not one of the namespaces of target '{target}': "
                f"{', '.join(possible)}",
                hint=f"ask the server's owner to add it to SubmarineExtension.{where}",
            )
        return namespace


def source_id(body: object) -> str | None:
    """Return the id of the experiment a body was copied from, if it says so."""
    meta = body.get("meta") if isinstance(body, Mapping) else None
    found = meta.get("experimentId") if isinstance(meta, Mapping) else None
    return found if isinstance(found, str) else None


def patched(old: ExperimentSpec, body: object, *, merge: bool) -> object:
    """Return the whole spec that a PATCH asks for. Raises InvalidSpec where a part of one was sent as the whole."""
    if merge:
        return merge_patch(old.wire(), body)
    if isinstance(body, Mapping) and (missing := [name for name in ("meta", "spec") if name not in body]):
        raise InvalidSpec(
            [f"{name}: Field required" for name in missing],
            hint="to change single fields, send them with the header Content-Type: application/merge-patch+json",
        )
    return body


def merge_patch(target: Any, patch: Any) -> Any:
    """Return ``target`` with a JSON merge patch applied (RFC 7396)."""
    if not isinstance(patch, Mapping):
        return patch
    merged = dict(target) if isinstance(target, Mapping) else {}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = merge_patch(merged.get(key), value)
    return merged


def stored(spec: ExperimentSpec, experiment_id: str | None, *, restored: bool = False) -> SpecTexts:
    """Return a spec as it is stored, under its own id; ``restored``: its code is not known, and shown as null.

    A new experiment gets its id in the transaction that stores it: ``named`` puts that in then.
    """
    wire = spec.wire()
    wire["meta"]["experimentId"] = experiment_id
    whole = _encode(wire)
    conceal(wire)
    shown, listed = _encode(wire), _without_code(wire)
    return SpecTexts(
        spec=whole,
        wire_spec=listed or shown if restored else shown,
        list_spec=listed,
        name=spec.meta.name,
        namespace=spec.meta.namespace or "",
        framework=spec.meta.framework,
        tags=tuple(spec.meta.tags),
        replicas=sum(task.replicas for task in spec.spec.values()),
    )


def named(texts: SpecTexts, experiment_id: str) -> SpecTexts:
    """Return the texts of a new experiment under the id that it has got."""

    def under_it(text: str) -> str:
        head, nameless, rest = text.partition('{"meta":{"experimentId":null')
        assert nameless and not head  # noqa: S101, PT018 - the id is the first key of all, so this is no text of a user
        return f'{{"meta":{{"experimentId":"{experiment_id}"{rest}'

    shown = None if texts.list_spec is None else under_it(texts.list_spec)
    return replace(texts, spec=under_it(texts.spec), wire_spec=under_it(texts.wire_spec), list_spec=shown)


_encode = json.JSONEncoder(separators=(",", ":")).encode


def _without_code(wire: dict[str, Any]) -> str | None:
    """Return a spec with null in place of the text of each file, None if it has no files: a list carries no code."""
    code = wire.get("code") or {}
    if not code.get("files"):
        return None
    return _encode({**wire, "code": {**code, "files": dict.fromkeys(code["files"])}})


def _with_code(body: object, source: ExperimentSpec | None) -> object:
    """Return a body in which each text of code that a list left out is the one of ``source``."""
    code = body.get("code") if isinstance(body, Mapping) else None
    files = code.get("files") if isinstance(code, Mapping) else None
    if not isinstance(files, Mapping) or None not in files.values():
        return body
    known = (source.code.files if source and source.code else None) or {}
    left_out = [name for name, text in files.items() if text is None and name not in known]
    if left_out:
        raise InvalidSpec([f"code.files.{name}: is null, as in a list; send its text"[:300] for name in left_out[:20]])
    filled = {name: known[name] if text is None else text for name, text in files.items()}
    return {**body, "code": {**code, "files": filled}}  # type: ignore[dict-item]


def body_hash(body: object) -> str:
    """Return a digest that is equal for bodies that mean the same, however they are spaced."""
    text = json.dumps(body, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
