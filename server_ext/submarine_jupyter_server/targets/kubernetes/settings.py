"""What an administrator configures of a cluster: ``SubmarineExtension.targets``, checked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Literal

from submarine_jupyter.errors import Unavailable
from submarine_jupyter_server.config import DNS_LABEL

from .manifests import KINDS, ClusterOptions, checks

MAX_UID = 2**31 - 1
MAX_STREAMS = 10_000


@dataclass(frozen=True, slots=True)
class KubernetesSettings:
    """How a cluster is reached and used.

    ``kubeconfig`` None is ``$KUBECONFIG`` or ``~/.kube/config``, ``context`` None its current one; ``in_cluster`` takes
    the service account of the pod instead. ``namespaces`` are those that experiments may name, the first one is the
    default; empty: the namespace of the context, or the pod's own. ``kinds`` are the names in ``KINDS`` that
    experiments may become, beside plain Jobs, which every cluster has; empty: all. ``log_collection`` is *eager*, where
    every log is followed from its start, or *on-demand*, where it is while somebody looks and once at the end;
    ``log_streams`` is how many are followed at once.
    """

    name: str
    kubeconfig: str | None = None
    context: str | None = None
    in_cluster: bool = False
    namespaces: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    log_collection: Literal["eager", "on-demand"] = "eager"
    log_streams: int = 300
    options: ClusterOptions = field(default_factory=ClusterOptions)


@dataclass(frozen=True, slots=True)
class _Option:
    holds: Callable[[object], bool]
    possible: str


def settings_of(name: str, mapping: Mapping[str, object]) -> KubernetesSettings:
    """Return the settings in a plain dict, such as ``{"namespaces": ["team-a"], "image": "..."}``.

    Raises Unavailable, which names every option that cannot be used and what is possible.
    """
    path = f"SubmarineExtension.targets['{name}']"
    problems = [
        f"{path}.{key}: unknown option; the options are {', '.join(_OPTIONS)}" for key in mapping.keys() - _OPTIONS
    ]
    problems.sort()
    values: dict[str, object] = {}
    for key, option in _OPTIONS.items():
        if key in mapping and not option.holds(mapping[key]):
            problems.append(f"{path}.{key}: must be {option.possible}, not {_shown(mapping[key])}")
        elif key in mapping:
            values[key] = _frozen(mapping[key])
    if values.get("in_cluster") and (values.get("kubeconfig") or values.get("context")):
        problems.append(f"{path}.in_cluster: cannot go together with a kubeconfig or a context")
    if problems:
        raise Unavailable("; ".join(problems), hint="Correct it in the configuration of the Jupyter Server.")
    own = {item.name for item in fields(ClusterOptions)}
    options = ClusterOptions(**{key: value for key, value in values.items() if key in own})  # type: ignore[arg-type]
    rest = {key: value for key, value in values.items() if key not in own}
    return KubernetesSettings(name, options=options, **rest)  # type: ignore[arg-type]


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= checks.SHOWN else f"{text[: checks.SHOWN]}..."


def _frozen(value: object) -> object:
    # A name given twice would be watched twice.
    return tuple(dict.fromkeys(value)) if isinstance(value, list | tuple) else value


def _text(value: object) -> bool:
    return value is None or (isinstance(value, str) and value.strip() == value != "")


def _flag(value: object) -> bool:
    return isinstance(value, bool)


def _number(least: int, most: int, *, none: bool = False) -> Callable[[object], bool]:
    def holds(value: object) -> bool:
        if value is None:
            return none
        return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most

    return holds


def _list(holds: Callable[[str], bool]) -> Callable[[object], bool]:
    def all_hold(value: object) -> bool:
        return isinstance(value, list | tuple) and all(isinstance(item, str) and holds(item) for item in value)

    return all_hold


def _object_name(value: str) -> bool:
    return not checks.subdomain("", value)


def _queue(value: object) -> bool:
    return value is None or (isinstance(value, str) and not checks.subdomain("", value, longest=63))


def _image(value: object) -> bool:
    return value is None or (isinstance(value, str) and not checks.image("", value))


_OPTIONS: dict[str, _Option] = {
    "kubeconfig": _Option(_text, "the path of a kubeconfig"),
    "context": _Option(_text, "the name of a context in the kubeconfig"),
    "in_cluster": _Option(_flag, "True or False"),
    "namespaces": _Option(_list(lambda name: DNS_LABEL.fullmatch(name) is not None), "a list of names of namespaces"),
    "kinds": _Option(_list(KINDS.__contains__), f"a list of {', '.join(KINDS)}"),
    "image": _Option(_image, "the name of a container image"),
    "image_pull_secrets": _Option(_list(_object_name), "a list of names of Secrets"),
    "run_as_user": _Option(_number(0, MAX_UID, none=True), f"a user id from 0 to {MAX_UID}, or None"),
    "cpu_limit": _Option(_flag, "True or False"),
    "ttl_after_finished": _Option(_number(0, MAX_UID, none=True), "a number of seconds, or None"),
    "queue": _Option(_queue, "the name of a LocalQueue"),
    "log_collection": _Option(lambda value: value in ("eager", "on-demand"), "'eager' or 'on-demand'"),
    "log_streams": _Option(_number(1, MAX_STREAMS), f"a number from 1 to {MAX_STREAMS}"),
}
