"""What the JSON files of a run directory hold, checked before anybody believes it.

Keys that are not named here are let through: another version may write more.
"""

from __future__ import annotations

from typing import Annotated, Literal, NotRequired

from pydantic import AfterValidator, ConfigDict, Field, TypeAdapter, ValidationError
from typing_extensions import TypedDict

_OPEN = ConfigDict(extra="allow", strict=True)


def _storable(text: str) -> str:
    text.encode()  # half a surrogate pair can be neither stored nor sent
    return text


Text = Annotated[str, Field(max_length=64 * 1024), AfterValidator(_storable)]
Count = Annotated[int, Field(ge=0, le=2**53)]
Name = Annotated[str, Field(pattern=r"^[a-z]{1,20}-[0-9]{1,6}$")]


class Started(TypedDict):
    """``started``: the shim that began an attempt."""

    __pydantic_config__ = _OPEN  # type: ignore[misc]
    boot_id: Text
    hostname: Text
    machine_id: NotRequired[Text]
    pid_namespace: Count
    pid: Annotated[int, Field(ge=2, le=2**31)]
    ticks: Count | None


class ReplicaContent(TypedDict):
    """How one replica is."""

    __pydantic_config__ = _OPEN  # type: ignore[misc]
    name: Name
    role: Text
    index: Count
    status: Literal["Waiting", "Running", "Succeeded", "Failed", "Stopped"]
    exit_code: Annotated[int, Field(ge=-(2**31), le=2**31)] | None
    signal: Text | None
    reason: Text | None
    message: Text | None
    pid: Annotated[int, Field(ge=2, le=2**31)] | None
    ticks: Count | None
    restarts: Count
    started_ms: Count | None
    finished_ms: Count | None


class _Any(TypedDict):
    __pydantic_config__ = _OPEN  # type: ignore[misc]
    experiment_id: Text
    uid: Text
    attempt: Count
    generation: Count
    reason: Text | None
    message: Text | None
    created_ms: Count | None
    running_ms: Count | None
    replicas: list[ReplicaContent]
    notes: NotRequired[Annotated[list[Text], Field(max_length=1000)]]


class State(_Any):
    """``state.json``: how an attempt is."""

    status: Literal["Created", "Running", "Succeeded", "Failed"]
    finished_ms: Count | None
    descendants: NotRequired[list[Annotated[list[int], Field(min_length=2, max_length=2)]]]


class Exit(_Any):
    """``exit.json``: how an attempt ended."""

    status: Literal["Succeeded", "Failed"]
    finished_ms: Count


class ItemContent(TypedDict):
    """One replica as it should run."""

    __pydantic_config__ = _OPEN  # type: ignore[misc]
    name: Name
    role: Text
    index: Count
    incarnation: Count
    duty: Text
    argv: list[str]
    env: dict[str, str]
    cwd: str
    cpu: NotRequired[Count]
    memory_bytes: Count | None
    memory: Text | None
    ports: list[Annotated[int, Field(ge=1, le=65535)]]
    held_ports: list[Annotated[int, Field(ge=1, le=65535)]]


class StopContent(TypedDict):
    """The order to end everything."""

    __pydantic_config__ = _OPEN  # type: ignore[misc]
    reason: Text
    message: Text
    grace_s: Annotated[float, Field(ge=0)]


class PlanContent(TypedDict):
    """``plan.json``: what the shim shall make so."""

    __pydantic_config__ = _OPEN  # type: ignore[misc]
    experiment_id: Text
    uid: Text
    attempt: Count
    generation: Count
    replicas: list[ItemContent]
    stop: StopContent | None
    grace_s: Annotated[float, Field(ge=0)]


class Ordered(TypedDict):
    """``experiment.json``: what was ordered last; ``spec`` is checked by the model of specs."""

    __pydantic_config__ = _OPEN  # type: ignore[misc]
    experiment_id: Text
    uid: Text
    owner: Text
    name: Text
    spec: dict[str, object]
    attempt: Annotated[int, Field(ge=1, le=2**31)]
    generation: Annotated[int, Field(ge=1, le=2**53)]
    accepted_ms: Count


MIB = 1024 * 1024
# A plan for 1,000 replicas of TensorFlow has 22 MB.
LIMITS = {
    "started": MIB,
    "state.json": 32 * MIB,
    "exit.json": 32 * MIB,
    "plan.json": 256 * MIB,
    "experiment.json": 16 * MIB,
}
_SHAPES: dict[str, TypeAdapter[object]] = {
    "started": TypeAdapter(Started),
    "state.json": TypeAdapter(State),
    "exit.json": TypeAdapter(Exit),
    "plan.json": TypeAdapter(PlanContent),
    "experiment.json": TypeAdapter(Ordered),
}


def problem(name: str, data: object) -> str | None:
    """Return what is wrong with the content of the file ``name``; None if it is good."""
    try:
        _SHAPES[name].validate_python(data)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"[:300]
    return None
