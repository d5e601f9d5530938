"""Read the spec in a file as the server reads a body, and check its shape before options are merged into it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from submarine_jupyter.errors import SubmarineError, UsageError

Json = dict[str, Any]
MAX_BYTES = 1024 * 1024  # as the server takes
# The parts that options change, and that may be written in snake case too.
_CAMEL: dict[str, dict[str, str]] = {
    "meta": {"env_vars": "envVars"},
    "runtime": {"max_run_time": "maxRunTime", "working_dir": "workingDir"},
}


def read_spec(name: str) -> Json:
    """Return the spec in a file, JSON or YAML by its ending. Raises UsageError."""
    from submarine_jupyter.spec.parsing import parse_json, parse_yaml

    text = read_bytes(name)
    try:
        value = parse_json(text) if Path(name).suffix.lower() == ".json" else parse_yaml(text)
    except SubmarineError as error:
        raise UsageError(f"{name} cannot be read: {error}") from None
    return checked(name, value)


def checked(name: str, value: object) -> Json:
    """Return a value that has the shape of a spec, as far as options change it. Raises UsageError."""
    if not isinstance(value, dict):
        raise UsageError(
            f"{name} is not a spec: a spec needs 'meta' with name and framework, and 'spec' with the replicas"
        )
    if "apiVersion" in value and "kind" in value:
        raise UsageError(
            f"{name} is a Kubernetes manifest ({str(value['kind'])[:60]}), not a spec: "
            "write 'meta' with name, framework and cmd, and 'spec' with the replicas of each role"
        )
    spec = {**value, **{part: _named(name, part, value.get(part)) for part in ("meta", "runtime") if part in value}}
    meta = spec.get("meta") or {}
    _named(name, "meta.envVars", meta.get("envVars"))
    if not isinstance(meta.get("tags") or [], list):
        raise UsageError(f"{name}: meta.tags must be a list: [{str(meta['tags'])[:60]}]")
    for part in ("environment", "spec"):
        _named(name, part, spec.get(part))
    for role, task in (spec.get("spec") or {}).items():
        _named(name, f"spec.{role[:60]}", task, hint=": {replicas: 3}" if isinstance(task, int) else "")
    return spec


def _named(name: str, part: str, value: object, hint: str = "") -> Json | None:
    """Return names with values under the names of the wire format; None stays."""
    if value is None:
        return None
    if not isinstance(value, dict):
        raise UsageError(f"{name}: {part} must have names and values{hint}, not {str(value)[:60]!r}")
    known = _CAMEL.get(part, {})
    found: Json = {str(known.get(key) or key): one for key, one in value.items()}
    if len(found) != len(value):
        raise UsageError(f"{name}: {part} has the same name twice: {', '.join(known)} in both spellings")
    return found


def read_bytes(name: str) -> bytes:
    """Return what is in a file, as much as the server takes. Raises UsageError."""
    try:
        path = Path(name).expanduser()
        if path.exists() and not path.is_file():
            raise UsageError(f"{name} cannot be read: it is not a file")
        with path.open("rb") as file:
            text = file.read(MAX_BYTES + 1)
    except (OSError, ValueError, RuntimeError) as error:
        raise UsageError(f"{name} cannot be read: {getattr(error, 'strerror', None) or error}") from None
    if len(text) > MAX_BYTES:
        raise UsageError(f"{name} cannot be read: it is larger than {MAX_BYTES // 1024} KiB")
    return text
