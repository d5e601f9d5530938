"""The URLs of the Experiment REST API, below ``{base_url}api/v1``.

about           ``experiment/ping`` and ``openapi.json``: is it there, and what can it do
authentication  Who authenticates the callers of this server
base            What every handler is made of: who may call it, how answers and errors go out
body            How a body comes in: bounded while it arrives, its type checked
envelope        The envelope around every answer: ``status, code, success, message, result, attributes``
events          ``experiment/events`` and ``experiment/{id}/events``: state changes as server-sent events
experiments     ``experiment`` and ``experiment/{id}``: create, list, get, change, stop, delete
logs            ``experiment/logs`` and ``experiment/logs/{id}``
metrics         ``experiment/{id}/metrics``: the curves of one experiment
sse             Server-sent events: one writer for all streams
targets         ``target``: the compute targets, and what they have
url             What the URL and the headers say: parameters by name, ids, keys
"""

from __future__ import annotations

from submarine_jupyter_server.handlers.about import OpenApiHandler, PingHandler
from submarine_jupyter_server.handlers.base import SubmarineHandler, UnknownHandler
from submarine_jupyter_server.handlers.events import EventsHandler
from submarine_jupyter_server.handlers.experiments import (
    ExperimentHandler,
    ExperimentsHandler,
    NotesHandler,
    StopHandler,
)
from submarine_jupyter_server.handlers.logs import LogHandler, LogsHandler
from submarine_jupyter_server.handlers.metrics import MetricsHandler
from submarine_jupyter_server.handlers.targets import TargetHandler

__all__ = ["ROUTES"]

# Literal segments stand before {id}; a slash at the end is tolerated, as by Submarine.
ROUTES: list[tuple[str, type[SubmarineHandler]]] = [
    (r"/api/v1/openapi\.json", OpenApiHandler),
    (r"/api/v1/target/?", TargetHandler),
    (r"/api/v1/experiment/?", ExperimentsHandler),
    (r"/api/v1/experiment/ping/?", PingHandler),
    (r"/api/v1/experiment/events/?", EventsHandler),
    (r"/api/v1/experiment/logs/?", LogsHandler),
    (r"/api/v1/experiment/logs/([^/]+)/?", LogHandler),
    (r"/api/v1/experiment/([^/]+)/?", ExperimentHandler),
    (r"/api/v1/experiment/([^/]+)/notes/?", NotesHandler),
    (r"/api/v1/experiment/([^/]+)/stop/?", StopHandler),
    (r"/api/v1/experiment/([^/]+)/events/?", EventsHandler),
    (r"/api/v1/experiment/([^/]+)/metrics/?", MetricsHandler),
    (r"/api/v1(?:/.*)?", UnknownHandler),
]
