"""The OpenAPI 3.1 document of the REST API: the models as they are, the routes as they are served.

Source of the format: https://spec.openapis.org/oas/v3.1.0. Imported only when the document is asked for.
"""

from __future__ import annotations

import json
from typing import Any

from pydantic.json_schema import GenerateJsonSchema, models_json_schema

from submarine_jupyter import __version__
from submarine_jupyter.models import Experiment, ExperimentLog, ExperimentSpec
from submarine_jupyter_server.wire.notes import Notes
from submarine_jupyter_server.wire.openapi import about, comparisons, experiments, failures, logs, metrics, streams
from submarine_jupyter_server.wire.openapi.operations import Json

_SECURITY = {
    "token": {
        "type": "apiKey",
        "in": "header",
        "name": "Authorization",
        "description": "`token ` and the token of the Jupyter Server.",
    },
    "bearer": {"type": "http", "scheme": "bearer"},
}


class _Wire(GenerateJsonSchema):
    """Describe the fields of a model that leaves unset ones out, not the dictionary its serializer returns."""

    def ser_schema(self, schema: Any) -> Json | None:
        return None if schema["type"] == "function-wrap" else super().ser_schema(schema)

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False


def document(url: str) -> str:
    """Return the document as JSON text; ``url`` is where the paths begin, such as ``/api/v1``."""
    (spec, notes, experiment, log), schemas = _models()
    paths = experiments.paths(spec, notes, experiment) | streams.paths() | logs.paths(log)
    return json.dumps(
        {
            "openapi": "3.1.0",
            "info": {
                "title": "Submarine Experiment API",
                "version": __version__,
                "description": "Distributed training experiments, in a Jupyter Server.",
                "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
            },
            "servers": [{"url": url, "description": "The server this document came from."}],
            "security": [{name: []} for name in _SECURITY],
            "paths": paths | metrics.paths() | comparisons.paths() | about.paths(),
            "components": {
                "schemas": {**schemas, "Error": failures.ERROR},
                "responses": failures.responses(),
                "securitySchemes": _SECURITY,
            },
        }
    )


def _models() -> tuple[list[Json], Json]:
    """Return references to the schemas of the models, and the schemas."""
    refs, defs = models_json_schema(
        [
            (ExperimentSpec, "validation"),
            (Notes, "validation"),
            (Experiment, "serialization"),
            (ExperimentLog, "serialization"),
        ],
        schema_generator=_Wire,
        ref_template="#/components/schemas/{model}",
    )
    schemas = defs["$defs"]
    # What only some answers have, and the read-only field that may be sent back.
    schemas["Experiment"]["properties"]["detail"] = {"type": "object", "description": "With view=full."}
    schemas["TaskSpec-Input"]["properties"]["resourceMap"] = {"type": "object", "readOnly": True}
    return list(refs.values()), schemas
