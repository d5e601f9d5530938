"""Which kind an experiment becomes, what is refused, and the objects."""

from __future__ import annotations

import json

from submarine_jupyter.errors import InvalidSpec
from submarine_jupyter.models import ExperimentSpec
from submarine_jupyter_server.targets.commands import needs_shell
from submarine_jupyter_server.targets.kubernetes.raw_json import Json
from submarine_jupyter_server.targets.protocol import Launch
from submarine_jupyter_server.targets.replicas import resources

from . import checks, sizes
from .draft import ClusterOptions, Draft, roles
from .kind import Kind
from .pod import inline_code, template, volumes
from .recognition import metadata, seal
from .registry import KINDS, OPERATORS

# The key of a variable in the Secret, with the role before it, may have 253 characters.
_MAX_NAME = 240
# As long as those that an experiment gets: they are in the address of each replica.
_SOME = ("experiment-1000000000000-00000", "00000000-0000-0000-0000-000000000000")


def choose(framework: str, served: frozenset[str], queue: str | None, *, spec: ExperimentSpec | None = None) -> str:
    """Return the name of the kind an experiment becomes.

    ``served`` are the Kubernetes kinds the cluster serves (``TFJob``, ``JobSet``). First comes the operator's kind,
    then a JobSet, then plain Jobs; with a ``queue`` of Kueue the JobSet comes first, for it is admitted as a whole. A
    kind that cannot express ``spec`` is passed over. Standalone is always one plain Job.
    """
    operator = OPERATORS.get(framework)
    order = [] if operator is None else ["jobset", operator.name] if queue else [operator.name, "jobset"]
    for name in order:
        if KINDS[name].kind in served and not (spec and KINDS[name].problems(spec)):
            return name
    return "indexed_jobs"


def render(launch: Launch, *, kind: str, namespace: str, options: ClusterOptions) -> list[Json]:
    """Return the objects of a launch, the first of which is to own the rest. Raises InvalidSpec.

    They hold the secret values of the spec, in objects of kind Secret only.
    """
    return rendered(Draft.of(launch, namespace, options), KINDS[kind])


def rendered(draft: Draft, kind: Kind) -> list[Json]:
    """Return the objects of a draft, as ``render`` does. Raises InvalidSpec."""
    objects, key = _objects(draft, kind), draft.options.key
    if key:
        for item in objects:
            # What the pods come from: the own object, and of plain Jobs those of the other roles.
            if item["kind"] == kind.kind:
                name = item["metadata"]["name"]
                sign = seal.token(key, draft.launch, item["kind"], draft.namespace, name)
                item["metadata"]["annotations"][seal.TOKEN] = sign
    return objects


def refuse(spec: ExperimentSpec, *, kind: str, options: ClusterOptions) -> None:
    """Raise InvalidSpec, naming each problem, for what cannot run as this kind."""
    launch = Launch(*_SOME, "", "", spec, 1, 1, 0)
    draft = Draft.of(launch, spec.meta.namespace or "default", options)
    if sizes.is_small(spec):
        _refuse(draft, KINDS[kind])
    else:
        _objects(draft, KINDS[kind])


def _objects(draft: Draft, kind: Kind) -> list[Json]:
    _refuse(draft, kind)
    objects = kind.objects(draft)
    if too_large := sizes.problems(objects):
        raise InvalidSpec(list(dict.fromkeys(too_large)))
    return objects


def _refuse(draft: Draft, kind: Kind) -> None:
    spec = draft.spec
    try:
        json.dumps(spec.wire(), ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise InvalidSpec(
            "spec: contains half of a character (a lone surrogate), which Kubernetes cannot store"
        ) from None
    found = []
    if spec.meta.framework not in kind.frameworks:
        found.append(f"meta.framework: a {kind.kind} runs {' and '.join(kind.frameworks)}, not {spec.meta.framework}")
    else:
        found += kind.problems(spec)
    for role in roles(spec):
        found += _role_problems(draft, role)
    found += _runtime_problems(draft)
    found += _queue_problems(draft, kind)
    found += inline_code.problems(spec.code)
    found += volumes.problems(draft.runtime.volumes or [], inline_code.places(spec.code))
    if too_much := metadata.excess(draft.masked):
        found.append(f"spec: {too_much // 1024} KiB compressed exceed what a cluster stores with an object")
    if found:
        raise InvalidSpec(list(dict.fromkeys(found)))


def _role_problems(draft: Draft, role: str) -> list[str]:
    spec = draft.spec
    reference = template.image(draft, role)
    found = []
    if not reference:
        found.append("environment.image: give the container image to run; this cluster has no default")
    else:
        found += checks.image(f"spec.{role}.image" if spec.spec[role].image else "environment.image", reference)
    found += checks.resources(f"spec.{role}.resources", resources(spec.spec[role]))
    found += [f"envVars.{name[:80]}...: the name is too long" for name in spec.env(role) if len(name) > _MAX_NAME]
    try:
        needs_shell(spec.command(role))
    except InvalidSpec as error:
        found += error.problems
    return found


def _queue_problems(draft: Draft, kind: Kind) -> list[str]:
    """Return why a queue cannot admit it as a whole: of Jobs that it admits one by one some could wait for ever."""
    found = roles(draft.spec)
    if not draft.runtime.queue or not kind.per_role or len(found) == 1:
        return []
    own = draft.spec.runtime is not None and draft.spec.runtime.queue
    problem = (
        f"runtime.queue: the queue '{draft.runtime.queue[: checks.SHOWN]}' would admit {' and '.join(found)} one by"
        " one, and each could wait for the other for ever: ask the administrator to install JobSet, which is admitted"
        f" as a whole{', or leave runtime.queue out' if own else ''}"
    )
    return [problem]


def _runtime_problems(draft: Draft) -> list[str]:
    runtime = draft.runtime
    found = []
    if runtime.queue:
        found += checks.subdomain("runtime.queue", runtime.queue, longest=63)
    if runtime.priority:
        found += checks.priority("runtime.priority", runtime.priority)
    if runtime.service_account:
        found += checks.subdomain("runtime.serviceAccount", runtime.service_account)
    if runtime.working_dir:
        found += checks.absolute("runtime.workingDir", runtime.working_dir)
    for key, value in (runtime.node_selector or {}).items():
        found += checks.label_key("runtime.nodeSelector", key)
        found += checks.label_value(f"runtime.nodeSelector.{key[:80]}", value)
    for i, toleration in enumerate(runtime.tolerations or []):
        found += checks.toleration(f"runtime.tolerations.{i}", toleration)
    return found
