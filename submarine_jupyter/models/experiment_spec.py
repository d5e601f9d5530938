"""An experiment as a person describes it: the body of a POST, and the spec of a GET."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import (
    Field,
    SerializerFunctionWrapHandler,
    ValidationError,
    computed_field,
    field_validator,
    model_serializer,
    model_validator,
)

from submarine_jupyter.errors import InvalidSpec
from submarine_jupyter.models.fields import (
    LONGEST_START,
    Command,
    EnvVars,
    Label,
    Repository,
    Text,
    check_command,
    check_files,
    is_empty,
    start_size,
)
from submarine_jupyter.spec.params import Value, filled, variables
from submarine_jupyter.spec.resources import parse_resources
from submarine_jupyter.spec.vocabulary import FRAMEWORKS, LEADERS
from submarine_jupyter.spec.vocabulary import Status as Status  # part of the wire format

from .base import Whole, WireModel
from .runtime import RuntimeSpec

MAX_REPLICAS = 1000
_READ_ONLY = ("experimentId", "uid", "status", "acceptedTime", "createdTime", "runningTime", "finishedTime")


class ExperimentMeta(WireModel):
    """Name, framework and what to run."""

    experiment_id: Annotated[Text, Field(max_length=255)] | None = None
    name: Label
    namespace: Annotated[Text, Field(min_length=1, max_length=63)] | None = None
    framework: Text
    cmd: Command | None = None
    env_vars: EnvVars = Field(default_factory=dict)
    tags: list[Label] = Field(default_factory=list, max_length=100)

    @field_validator("env_vars", "tags", mode="before")
    @classmethod
    def _null_is_empty(cls, value: object, info: Any) -> object:
        return ({} if info.field_name == "env_vars" else []) if value is None else value

    @field_validator("framework")
    @classmethod
    def _known_framework(cls, value: str) -> str:
        for name in FRAMEWORKS:
            if name.lower() == value.lower():
                return name
        raise ValueError(f"Unsupported framework name: {value[:80]}. Supported frameworks are: {', '.join(FRAMEWORKS)}")


class KernelSpec(WireModel):
    """The software a named environment installs."""

    name: Text | None = None
    channels: list[Text] | None = None
    conda_dependencies: list[Text] | None = None
    pip_dependencies: list[Text] | None = None


class EnvironmentSpec(WireModel):
    """Where the replicas run: a container image, or a named environment."""

    name: Text | None = None
    docker_image: Text | None = None
    kernel_spec: KernelSpec | None = None
    description: Text | None = None
    image: Text | None = None


class TaskSpec(WireModel):
    """One role: how many replicas, what each may use, and what differs from the whole experiment."""

    ignored = ("resourceMap", "resource_map")

    replicas: Annotated[Whole, Field(ge=1, le=MAX_REPLICAS)] = 1
    resources: Text | None = None
    name: Text | None = None
    image: Text | None = None
    cmd: Command | None = None
    env_vars: EnvVars | None = None

    @field_validator("resources")
    @classmethod
    def _readable(cls, value: str | None) -> str | None:
        parse_resources(value or "")
        return value

    @computed_field
    def resource_map(self) -> dict[str, str]:
        """Resource name -> quantity, derived from ``resources``."""
        return parse_resources(self.resources or "")


class GitCode(WireModel):
    """A repository to clone."""

    url: Repository
    branch: Text | None = None
    username: Text | None = None
    password: Text | None = None
    trust_certs: bool | None = None


class CodeSpec(WireModel):
    """The code that travels with the experiment: a git repository, or files (name -> text, 512 KiB in all).

    A file that is no text is ``data:application/octet-stream;base64,...``.
    """

    sync_mode: Literal["git", "inline"] = "git"
    git: GitCode | None = None
    files: dict[Text, Text] | None = None

    @field_validator("files")
    @classmethod
    def _safe_files(cls, files: dict[str, str] | None) -> dict[str, str] | None:
        check_files(files or {})
        return files

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if self.sync_mode == "inline" and (not self.files or self.git):
            raise ValueError("syncMode inline needs 'files' and nothing else")
        if self.sync_mode == "git" and (self.git is None or self.files):
            raise ValueError("syncMode git needs 'git' and nothing else")
        return self

    @model_serializer(mode="wrap")
    def _leave_out_files(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {k: v for k, v in handler(self).items() if k != "files" or v is not None}


class ExperimentSpec(WireModel):
    """An experiment as a person describes it."""

    ignored = _READ_ONLY

    meta: ExperimentMeta
    environment: EnvironmentSpec = Field(default_factory=EnvironmentSpec)
    spec: Annotated[dict[str, TaskSpec], Field(min_length=1)]
    code: CodeSpec | None = None
    runtime: RuntimeSpec | None = None

    @model_validator(mode="before")
    @classmethod
    def _no_manifest(cls, data: Any) -> Any:
        if isinstance(data, Mapping) and "apiVersion" in data and "kind" in data:
            raise ValueError(
                f"this is a Kubernetes manifest (kind {str(data['kind'])[:80]}), not an experiment, which looks like "
                '{"meta": {"name": "mnist", "framework": "PyTorch", "cmd": "python train.py"}, '
                '"environment": {"image": "..."}, "spec": {"Worker": {"replicas": 2, "resources": "cpu=1,memory=1Gi"}}}'
            )
        return data

    @model_validator(mode="before")
    @classmethod
    def _no_handler_spec(cls, data: Any) -> Any:
        # Submarine 0.8 emits `experimentHandlerSpec: null`; its clients may send that back.
        if isinstance(data, Mapping) and data.get("experimentHandlerSpec", 0) is None:
            return {key: value for key, value in data.items() if key != "experimentHandlerSpec"}
        return data

    @model_validator(mode="after")
    def _coherent(self) -> Self:
        self.spec = _normal_roles(self.meta.framework, self.spec)
        for role, task in self.spec.items():
            command = self._checked_command(role)
            if is_empty(command):
                raise ValueError(f"meta.cmd: nothing to run for {role}: give meta.cmd or spec.{role}.cmd")
            if (size := start_size(command, self.env(role) | variables(self.params))) > LONGEST_START:
                raise ValueError(
                    f"spec.{role}: the command and its variables have {size:,} bytes together, and a process is given "
                    f"{LONGEST_START:,} at most: send the values as files in code.files"
                )
            if role in LEADERS and task.replicas != 1:
                raise ValueError(f"spec.{role}.replicas: there can be only one {role}")
        if all(role in self.spec for role in LEADERS):
            raise ValueError("spec: give a Chief or a Master, not both")
        if not any(role in self.spec for role in (*LEADERS, "Worker")):
            raise ValueError("spec: add a Worker, Chief or Master: the other roles never end by themselves")
        return self

    @model_serializer(mode="wrap")
    def _leave_out_runtime(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {k: v for k, v in handler(self).items() if k != "runtime" or v}

    @classmethod
    def parse(cls, body: object) -> Self:
        """Return the spec in ``body`` (decoded JSON or YAML). Raises InvalidSpec naming each path."""
        try:
            return cls.model_validate(body)
        except ValidationError as error:
            raise InvalidSpec(problems(error)) from None

    def wire(self) -> dict[str, Any]:
        """Return the spec as it is answered: key set, key order and nulls of the document."""
        return self.model_dump(by_alias=True, mode="json")

    def _checked_command(self, role: str) -> str:
        try:
            return check_command(self.command(role))
        except ValueError as error:
            raise ValueError(f"{f'spec.{role}' if self.spec[role].cmd else 'meta'}.cmd: {error}") from None

    @property
    def params(self) -> dict[str, Value]:
        """The parameters of all replicas."""
        return (self.runtime.params if self.runtime else None) or {}

    def command(self, role: str) -> str:
        """Return the command line of a role, its parameters filled in."""
        return filled(self.spec[role].cmd or self.meta.cmd or "", self.params)

    def image(self, role: str) -> str | None:
        """Return the container image of a role."""
        return self.spec[role].image or self.environment.image

    def env(self, role: str) -> dict[str, str]:
        """Return the user's variables of a role: meta, then the role's own, then runtime.secrets."""
        secrets = self.runtime.secrets if self.runtime else None
        return {**self.meta.env_vars, **(self.spec[role].env_vars or {}), **(secrets or {})}


def _normal_roles(framework: str, tasks: dict[str, TaskSpec]) -> dict[str, TaskSpec]:
    """Return the tasks under the role names of the framework; names are accepted in any case."""
    known = {role.lower(): role for role in FRAMEWORKS[framework]}
    result: dict[str, TaskSpec] = {}
    for name, task in tasks.items():
        role = known.get(name.lower())
        if role is None:
            raise ValueError(
                f"spec: Unrecognized replica type name: {name[:80]}, it should be "
                f"{','.join(FRAMEWORKS[framework])} for {framework} experiment."
            )
        if role in result:
            raise ValueError(f"spec: {role} is given twice")
        result[role] = task
    return result


def problems(error: ValidationError) -> list[str]:
    """Return ``path: what is wrong`` for each error, in the words of the wire format."""
    problems = []
    for item in error.errors(include_url=False, include_input=False):
        path = ".".join(str(part) for part in item["loc"] if part != "[key]")
        text = item["msg"].removeprefix("Value error, ")
        if item["type"] == "extra_forbidden":
            text = "unknown field"
        problems.append(f"{path}: {text}" if path else text)
    return problems
