"""Read the record on an experiment's own object: only what we can have written there ourselves.

Whether we have is told by its seal. What is read here must still agree with the object, and fit a row.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from typing import Any

from submarine_jupyter.errors import InvalidSpec
from submarine_jupyter.models import ExperimentSpec
from submarine_jupyter.spec.experiment_ids import is_id
from submarine_jupyter_server.targets.kubernetes.manifests.kinds.role_jobs import leader
from submarine_jupyter_server.targets.protocol import Launch, ObjectRef

from .metadata import ACCEPTED, ATTEMPT, GENERATION, NAME, OWNER, SPEC, SPEC_LIMIT, UID, unpack

_NUMBER = re.compile(r"0|[1-9][0-9]{0,14}")
_MOST = 10**9
_LAST_MS = 10**14  # in the year 5138
_LONGEST_TEXT = 1024
_SHOWN = 500


def record(notes: Mapping[str, Any], ref: ObjectRef, experiment_id: str) -> Launch:
    """Return the launch that is recorded in the annotations of an own object.

    Its secret values are masked, and its code has no text. Raises ValueError, which says what is wrong with it.
    """
    if not is_id(experiment_id):
        raise ValueError(f"'{experiment_id[:80]}' is not the id of an experiment")
    found = Launch(
        experiment_id=experiment_id,
        uid=_uuid(_text(notes, UID)),
        owner=_text(notes, OWNER),
        name=_text(notes, NAME),
        spec=_spec(_text(notes, SPEC, SPEC_LIMIT)),
        attempt=_number(notes, ATTEMPT, 1, _MOST),
        generation=_number(notes, GENERATION, 1, _MOST),
        accepted_ms=_number(notes, ACCEPTED, 0, _LAST_MS),
    )
    name = own_name(ref.kind, found.spec, experiment_id)
    if ref.name != name:
        raise ValueError(f"the record names '{name}', but the object is called '{ref.name[:80]}'")
    namespace = found.spec.meta.namespace or "default"
    if ref.namespace != namespace:
        raise ValueError(f"the record names namespace '{namespace}', but the object is in '{ref.namespace[:80]}'")
    return found


def own_name(kind: str, spec: ExperimentSpec, experiment_id: str) -> str:
    """Return the name of an experiment's own object, which is of this Kubernetes kind."""
    return f"{experiment_id}-{leader(spec).lower()}" if kind == "Job" else experiment_id


def _text(notes: Mapping[str, Any], key: str, longest: int = _LONGEST_TEXT) -> str:
    value = notes.get(key)
    if not isinstance(value, str):
        raise ValueError(f"the record has no {key}")
    if len(value) > longest:
        raise ValueError(f"the record's {key} has more than {longest:,} characters")
    return value


def _number(notes: Mapping[str, Any], key: str, least: int, most: int) -> int:
    text = _text(notes, key)
    if not _NUMBER.fullmatch(text) or not least <= int(text) <= most:
        raise ValueError(f"the record's {key} is '{text[:80]}', and not a number from {least} to {most}")
    return int(text)


def _uuid(text: str) -> str:
    try:
        good = str(uuid.UUID(text)) == text
    except ValueError:
        good = False
    if not good:
        raise ValueError(f"the record's {UID} is '{text[:80]}', and not a UUID")
    return text


def _spec(text: str) -> ExperimentSpec:
    try:
        return ExperimentSpec.parse(unpack(text))
    except (InvalidSpec, RecursionError) as error:
        raise ValueError(f"the recorded spec is not valid: {str(error)[:_SHOWN]}") from None
