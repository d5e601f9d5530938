"""The paths of experiments: list, create, show, change, note, stop, delete."""

from __future__ import annotations

from submarine_jupyter_server.wire.openapi.list_parameters import listed
from submarine_jupyter_server.wire.openapi.operations import BODY, PATH_ID, WRITE, Json, header, operation, query

_MEDIA = ("application/json", "application/yaml", "text/yaml", "application/x-yaml")
_MERGE = "application/merge-patch+json"

_COUNT: Json = {"type": "integer", "minimum": 0}
_CHOSEN: Json = {
    "type": "object",
    "required": ["count", "dryRun", "experimentIds"],
    "properties": {
        "count": _COUNT,
        "dryRun": {"type": "boolean"},
        "experimentIds": {"type": "array", "items": {"type": "string"}, "description": "The newest 1,000."},
    },
}
_GROUP: Json = {
    "type": "object",
    "required": ["name", "experiments", "states", "maxRunning", "firstAcceptedTime", "lastAcceptedTime"],
    "properties": {
        "name": {"type": "string"},
        "experiments": _COUNT,
        "states": {"type": "object", "additionalProperties": _COUNT, "description": "How many are in which state."},
        "maxRunning": {"type": ["integer", "null"]},
        "firstAcceptedTime": {"type": "string"},
        "lastAcceptedTime": {"type": "string"},
    },
}


def paths(spec: Json, notes: Json, experiment: Json) -> Json:
    """Describe the calls on experiments; the arguments are the schemas of a spec, of notes and of an experiment."""
    return {
        "/experiment": {
            "get": _list(experiment),
            "post": _create(spec, experiment),
            "delete": _all("End all experiments that fit the filters, and take them out of every list", purge=True),
        },
        "/experiment/groups": {
            "get": operation("Count the members of groups", {"type": "array", "items": _GROUP}, 400)
            | {"parameters": listed()}
        },
        "/experiment/stop": {"post": _all("End all experiments that fit the filters, and keep their records")},
        "/experiment/{id}": _one(spec, experiment),
        "/experiment/{id}/notes": {"parameters": [PATH_ID], "patch": _note(notes, experiment)},
        "/experiment/{id}/stop": {
            "parameters": [PATH_ID],
            "post": operation("End an experiment and keep its record", experiment, 400, 404, *WRITE),
        },
    }


def _list(experiment: Json) -> Json:
    one = {"anyOf": [experiment, {"type": "object", "description": "A row, with view=row."}]}
    views = "`summary` adds `detail`: state, reason and message. `row`: one compact row of each instead."
    found = operation("List experiments, newest first", {"type": "array", "items": one}, 400)
    return found | {"parameters": [*listed(), query("view", {"enum": ["summary", "row"]}, views)]}


def _all(summary: str, *, purge: bool = False) -> Json:
    filters = [found for found in listed() if found["name"] not in ("sort", "limit", "cursor")]
    more = [query("dryRun", {"type": "boolean"}, "Only say which ones these are.")]
    more += [query("purge", {"type": "boolean"}, "Whether to remove logs and secrets at once.")] if purge else []
    return operation(summary, _CHOSEN, 400, *WRITE) | {"parameters": [*filters, *more]}


def _create(spec: Json, experiment: Json) -> Json:
    created = {"anyOf": [experiment, {"type": "object", "description": "The plan, with dryRun."}]}
    once = "Answer with the experiment that the same body from the same cell runs already."
    return operation("Create an experiment", created, *BODY, 403, 422, *WRITE) | {
        "parameters": [
            query("dryRun", {"type": "boolean"}, "Only show what would be created, and whether it would start now."),
            query("ifNotRunning", {"type": "boolean"}, once),
            header("Idempotency-Key", "The same key and body create one experiment only.", r"^[!-~]{1,255}$"),
        ],
        "requestBody": _body(dict.fromkeys(_MEDIA, spec)),
    }


def _one(spec: Json, experiment: Json) -> Json:
    full = query("view", {"enum": ["full"]}, "`full` adds `detail`: why the experiment is as it is.")
    attempt = query("attempt", {"type": "integer", "minimum": 1}, "The spec as that attempt ran.")
    if_match = header("If-Match", "The generation the change is meant for, in quotes.", r'^(\*|"[0-9]{1,18}")$')
    purge = query("purge", {"type": "boolean"}, "Whether to remove logs and secrets at once.")
    delete = operation("End an experiment and take it out of every list", experiment, 400, 404, 409, *WRITE)
    return {
        "parameters": [PATH_ID],
        "get": operation("Return an experiment", experiment, 400, 404) | {"parameters": [full, attempt]},
        "patch": operation("Change an experiment", experiment, *BODY, 404, 409, *WRITE)
        | {
            "parameters": [full, if_match],
            "requestBody": _body(dict.fromkeys(_MEDIA, spec) | {_MERGE: {"type": "object"}}),
        },
        "delete": delete | {"parameters": [purge]},
    }


def _note(notes: Json, experiment: Json) -> Json:
    summary = "Note something about an experiment, pin it, archive it"
    body = _body(dict.fromkeys((*_MEDIA, _MERGE), notes))
    return operation(summary, experiment, *BODY, 404, *WRITE) | {"requestBody": body}


def _body(schemas: Json) -> Json:
    """Describe a body that has to be there: a schema for each media type."""
    return {"required": True, "content": {kind: {"schema": schema} for kind, schema in schemas.items()}}
