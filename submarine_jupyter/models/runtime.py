"""Where and how to run: what the document does not know, in the optional block ``runtime``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import (
    Field,
    PlainValidator,
    SerializerFunctionWrapHandler,
    WithJsonSchema,
    model_serializer,
)

from submarine_jupyter.models.fields import EnvVars, Folder, Label, NotebookPath, Text
from submarine_jupyter.spec.params import LONGEST_VALUE, MOST_PARAMS, Value, check_params
from submarine_jupyter.spec.vocabulary import Status as Status  # part of the wire format

from .base import Whole, WireModel


class Volume(WireModel):
    """A volume of exactly one kind, mounted into every replica."""

    name: Text
    mount_path: Text
    sub_path: Text | None = None
    read_only: bool = False
    persistent_volume_claim: Text | None = None
    config_map: Text | None = None
    secret: Text | None = None
    empty_dir: dict[Text, Text] | None = None


class Toleration(WireModel):
    """A Kubernetes toleration."""

    key: Text | None = None
    operator: Literal["Exists", "Equal"] | None = None
    value: Text | None = None
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = None
    toleration_seconds: Annotated[Whole, Field(ge=-(10**9), le=10**9)] | None = None


def _params(value: object) -> dict[str, Value] | None:
    if value is None:
        return None
    if not isinstance(value, Mapping):
        raise ValueError('must be names and values, such as {"lr": 0.1}')
    return check_params(value)


Params = Annotated[
    dict[str, Value] | None,
    PlainValidator(_params),
    WithJsonSchema(
        {
            "anyOf": [
                {
                    "type": "object",
                    "maxProperties": MOST_PARAMS,
                    "propertyNames": {"pattern": "^[A-Za-z_][A-Za-z0-9_.-]{0,63}$"},
                    "additionalProperties": {"type": ["string", "number", "boolean"], "maxLength": LONGEST_VALUE},
                },
                {"type": "null"},
            ]
        }
    ),
]


class Origin(WireModel):
    """Where an experiment comes from: the path of a notebook, and the id of a cell. Nothing that runs knows it."""

    notebook: NotebookPath
    cell: Label | None = None

    @model_serializer(mode="wrap")
    def _only_what_is_set(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {key: value for key, value in handler(self).items() if value is not None}


class Group(WireModel):
    """What an experiment belongs to, such as a sweep: ``maxRunning`` of its members may run for it to begin."""

    name: Label
    max_running: Annotated[Whole, Field(ge=1, le=100_000)] | None = None

    @model_serializer(mode="wrap")
    def _only_what_is_set(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {key: value for key, value in handler(self).items() if value is not None}


class RuntimeSpec(WireModel):
    """What the document does not know: where and how to run. Left out of answers when unset; times in seconds."""

    target: Text | None = None
    max_run_time: Annotated[Whole, Field(ge=1, le=10**9)] | None = None
    retries: Annotated[Whole, Field(ge=0, le=100)] | None = None
    ttl_after_finished: Annotated[Whole, Field(ge=0, le=10**9)] | None = None
    queue: Text | None = None
    priority: Text | None = None
    node_selector: dict[Text, Text] | None = None
    tolerations: Annotated[list[Toleration], Field(max_length=100)] | None = None
    volumes: Annotated[list[Volume], Field(max_length=100)] | None = None
    secrets: EnvVars | None = None
    service_account: Text | None = None
    success_policy: Literal["AllWorkers"] | None = None
    working_dir: Folder | None = None
    metrics: list[Text] | None = None
    params: Params = None
    origin: Origin | None = None
    group: Group | None = None

    @model_serializer(mode="wrap")
    def _only_what_is_set(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {key: value for key, value in handler(self).items() if value is not None}
