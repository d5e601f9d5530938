"""The OpenAPI 3.1 document of the REST API: the models as they are, the routes as they are served.

Source of the format: https://spec.openapis.org/oas/v3.1.0. Imported only when the document is asked for.
"""

from __future__ import annotations

import json
from typing import Any

from pydantic.json_schema import GenerateJsonSchema, models_json_schema

from submarine_jupyter import __version__, experiment_ids
from submarine_jupyter.models import Experiment, ExperimentLog, ExperimentSpec
from submarine_jupyter_server.wire.list_parameters import LISTED
from submarine_jupyter_server.wire.notes import Notes
from submarine_jupyter_server.wire.openapi_logs import RESULTS, SEARCH

Json = dict[str, Any]

_ID = f"^{experiment_ids.PATTERN}$"
_ERRORS = {
    400: "What was sent cannot be understood; the message says what and where.",
    403: "Authentication is missing, or the caller may not do this.",
    404: "There is no such experiment.",
    409: "The state of the experiment does not allow it.",
    413: "The body is larger than 1 MiB (YAML: 256 KiB).",
    415: "The content type of the body is not read here.",
    416: "The byte range is outside of the log.",
    422: "The Idempotency-Key was used before, with another body.",
    429: "The server follows as many streams as it can.",
    503: "The server is starting, or cannot reach its storage or its compute target; try again.",
    507: "The disk of the server is full.",
}
_WRITE = (503, 507)
_BODY = (400, 413, 415)


class _Wire(GenerateJsonSchema):
    """Describe the fields of a model that leaves unset ones out, not the dictionary its serializer returns."""

    def ser_schema(self, schema: Any) -> Json | None:
        return None if schema["type"] == "function-wrap" else super().ser_schema(schema)

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False


def document(url: str) -> str:
    """Return the document as JSON text; ``url`` is where the paths begin, such as ``/api/v1``."""
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
    spec, notes, experiment, log = refs.values()
    schemas = defs["$defs"]
    _open(schemas)
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
            "security": [{"token": []}, {"bearer": []}],
            "paths": {**_experiments(spec, notes, experiment), **_streams(), **_logs(log), **_others()},
            "components": {
                "schemas": {**schemas, "Error": _ERROR},
                "responses": {str(code): _error(text) for code, text in _ERRORS.items()},
                "securitySchemes": {
                    "token": {
                        "type": "apiKey",
                        "in": "header",
                        "name": "Authorization",
                        "description": "`token ` and the token of the Jupyter Server.",
                    },
                    "bearer": {"type": "http", "scheme": "bearer"},
                },
            },
        }
    )


def _experiments(spec: Json, notes: Json, experiment: Json) -> Json:
    full = _query("view", {"enum": ["full"]}, "`full` adds `detail`: why the experiment is as it is.")
    views = "`summary` adds `detail`: state, reason and message. `row`: one compact row of each instead."
    brief = _query("view", {"enum": ["summary", "row"]}, views)
    attempt = _query("attempt", {"type": "integer", "minimum": 1}, "The spec as that attempt ran.")
    dry_run = _query("dryRun", {"type": "boolean"}, "Only show what would be made.")
    once = _query(
        "ifNotRunning", {"type": "boolean"}, "Answer with what the same body from the same cell runs already."
    )
    key = _header("Idempotency-Key", "The same key and body create one experiment only.", r"^[!-~]{1,255}$")
    if_match = _header("If-Match", "The generation the change is meant for, in quotes.", r'^(\*|"[0-9]{1,18}")$')
    media = ("application/json", "application/yaml", "text/yaml", "application/x-yaml")
    whole = {kind: {"schema": spec} for kind in media}
    merge = {"application/merge-patch+json": {"schema": {"type": "object"}}}
    listed = {"anyOf": [experiment, {"type": "object", "description": "A row, with view=row."}]}
    created = {"anyOf": [experiment, {"type": "object", "description": "The plan, with dryRun."}]}
    return {
        "/experiment": {
            "get": _operation("List experiments, newest first", {"type": "array", "items": listed}, 400)
            | {"parameters": [*_listed(), brief]},
            "post": _operation("Create an experiment", created, *_BODY, 403, 422, *_WRITE)
            | {"parameters": [dry_run, once, key], "requestBody": {"required": True, "content": whole}},
        },
        "/experiment/{id}": {
            "parameters": [_PATH_ID],
            "get": _operation("Return an experiment", experiment, 400, 404) | {"parameters": [full, attempt]},
            "patch": _operation("Change an experiment", experiment, *_BODY, 404, 409, *_WRITE)
            | {
                "parameters": [full, if_match],
                "requestBody": {"required": True, "content": {**whole, **merge}},
            },
            "delete": _operation("End an experiment and take it out of every list", experiment, 400, 404, 409, *_WRITE)
            | {"parameters": [_query("purge", {"type": "boolean"}, "Whether logs and secrets go at once.")]},
        },
        "/experiment/{id}/notes": {
            "parameters": [_PATH_ID],
            "patch": _operation(
                "Note something about an experiment, pin it, archive it", experiment, *_BODY, 404, *_WRITE
            )
            | {"requestBody": {"required": True, "content": {kind: {"schema": notes} for kind in (*media, *merge)}}},
        },
        "/experiment/{id}/stop": {
            "parameters": [_PATH_ID],
            "post": _operation("End an experiment and keep its record", experiment, 400, 404, *_WRITE),
        },
    }


def _streams() -> Json:
    last = [
        _query("lastEventId", {"type": "integer", "minimum": 0}, "Begin after this event."),
        _header("Last-Event-ID", "Begin after this event.", r"^[0-9]{1,18}$"),
    ]
    return {
        "/experiment/events": {
            "get": _stream("Follow the state changes of all experiments", 400) | {"parameters": last}
        },
        "/experiment/stream": {
            "get": {
                "summary": "A WebSocket for rows and logs; docs/rest-api.md has its frames",
                "responses": {"101": {"description": "The socket is open."}, **_failures(400, 429)},
            }
        },
        "/experiment/{id}/events": {
            "parameters": [_PATH_ID],
            "get": _stream("Follow the state changes of one experiment", 400, 404) | {"parameters": last},
        },
    }


def _logs(log: Json) -> Json:
    found = {"anyOf": [log, *RESULTS]}
    lines = _operation("Return, search, merge, follow or download the logs of an experiment", found, 400, 404, 416, 429)
    partial = {"description": "A range of the bytes.", "content": {"text/plain": {"schema": {"type": "string"}}}}
    lines["responses"]["206"] = partial
    lines["responses"]["200"]["content"] |= {
        "text/event-stream": {"schema": {"type": "string"}},
        "text/plain": {"schema": {"type": "string"}},
    }
    parameters = [
        _query("tail", {"type": "integer", "minimum": 0, "maximum": 1_000_000}, "The newest lines only."),
        _query("since", {"type": "string"}, "Only what came since: `10m`, or a time in ISO 8601."),
        _query("replica", {"type": "string"}, "One replica only, such as `worker-0`."),
        _query("attempt", {"type": "integer", "minimum": 1}, "An attempt other than the last."),
        _query("follow", {"type": "boolean"}, "Stream the lines as they come (text/event-stream)."),
        _query("lastEventId", {"type": "string"}, "Where to go on following."),
        _header("Last-Event-ID", "Where to go on following."),
        _query("format", {"enum": ["raw"]}, "`raw`: the bytes as they were written (text/plain)."),
        _query("download", {"type": "boolean"}, "As `format=raw`, as a file."),
        _header("Range", "With `format=raw`: the bytes wanted, such as `bytes=0-1023`."),
        *(_query(name, schema, text) for name, schema, text in SEARCH),
    ]
    listed = _operation("List logs by name", {"type": "array", "items": log}, 400)
    return {
        "/experiment/logs": {"get": listed | {"parameters": _listed()}},
        "/experiment/logs/{id}": {"parameters": [_PATH_ID], "get": lines | {"parameters": parameters}},
    }


def _others() -> Json:
    metrics = [
        _query("name", {"type": "string"}, "One metric only."),
        _query("replica", {"type": "string"}, "One replica only."),
        _query("limit", {"type": "integer", "minimum": 1, "maximum": 100_000}, "At most so many points."),
        _query("points", {"type": "integer", "minimum": 4, "maximum": 100_000}, "So many of each series."),
        _query("since", {"type": "integer", "minimum": 0}, "Only what came after: `last` of an earlier answer."),
    ]
    return {
        "/experiment/{id}/metrics": {
            "parameters": [_PATH_ID],
            "get": _operation("Return the metrics of an experiment", {"type": "object"}, 400, 404)
            | {"parameters": metrics},
        },
        "/experiment/ping": {"get": _operation("Ask for a sign of life", {"const": "Pong"}, 400)},
        "/target": {
            "get": _operation("List the compute targets", {"type": "array", "items": _TARGET}, 400)
            | {"parameters": [_query("capacity", {"type": "boolean"}, "Whether to say what they have (default).")]}
        },
        "/openapi.json": {
            "get": {
                "summary": "Return this document",
                "responses": {
                    "200": {"description": "It.", "content": {"application/json": {"schema": {"type": "object"}}}},
                    **_failures(400),
                },
            }
        },
    }


def _listed() -> list[Json]:
    return [_query(name, schema, text) for name, schema, text in LISTED]


def _operation(summary: str, result: Json, *codes: int) -> Json:
    envelope = {
        "type": "object",
        "required": ["status", "code", "success", "message", "result", "attributes"],
        "properties": {
            "status": {"const": "OK"},
            "code": {"const": 200},
            "success": {"const": True},
            "message": {"type": "null"},
            "result": result,
            "attributes": {"type": "object"},
        },
    }
    found = {"description": "Done.", "content": {"application/json": {"schema": envelope}}}
    return {"summary": summary, "responses": {"200": found, **_failures(*codes)}}


def _stream(summary: str, *codes: int) -> Json:
    events = {"description": "Server-sent events.", "content": {"text/event-stream": {"schema": {"type": "string"}}}}
    return {"summary": summary, "responses": {"200": events, **_failures(*codes, 429)}}


def _failures(*codes: int) -> Json:
    return {str(code): {"$ref": f"#/components/responses/{code}"} for code in sorted({*codes, 403, 503})}


def _query(name: str, schema: Json, description: str) -> Json:
    return {"name": name, "in": "query", "description": description, "schema": schema}


def _header(name: str, description: str, pattern: str | None = None) -> Json:
    schema = {"type": "string"} if pattern is None else {"type": "string", "pattern": pattern}
    return {"name": name, "in": "header", "description": description, "schema": schema}


def _error(description: str) -> Json:
    return {
        "description": description,
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}},
    }


def _open(schemas: Json) -> None:
    """Add what only some answers have, and the read-only field that may be sent back."""
    schemas["Experiment"]["properties"]["detail"] = {"type": "object", "description": "With view=full."}
    schemas["TaskSpec-Input"]["properties"]["resourceMap"] = {"type": "object", "readOnly": True}


_TARGET = {
    "type": "object",
    "required": ["name", "kind", "default", "namespaces", "health"],
    "properties": {
        "name": {"type": "string", "examples": ["local"]},
        "kind": {"enum": ["local", "kubernetes"]},
        "default": {"type": "boolean", "description": "Whether experiments that name no target run here."},
        "namespaces": {
            "type": "array",
            "items": {"type": "string"},
            "minItems": 1,
            "description": "The first by default.",
        },
        "health": {"type": ["object", "null"], "properties": {"ok": {"type": "boolean"}}, "required": ["ok"]},
        "capacity": {
            "type": ["object", "null"],
            "description": "What it has and what is free; null if it does not say.",
        },
        "note": {"type": "string", "description": "Why it does not say."},
    },
}
_PATH_ID = {"name": "id", "in": "path", "required": True, "schema": {"type": "string", "pattern": _ID}}
_ERROR = {
    "type": "object",
    "required": ["status", "code", "success", "message", "result", "attributes"],
    "properties": {
        "status": {"type": "string", "examples": ["NOT_FOUND"]},
        "code": {"type": "integer", "examples": [404]},
        "success": {"const": False},
        "message": {"type": "string", "examples": ["Not found experiment."]},
        "result": {"type": "null"},
        "attributes": {"type": "object", "properties": {"error": {"type": "string"}, "hint": {"type": "string"}}},
    },
}
