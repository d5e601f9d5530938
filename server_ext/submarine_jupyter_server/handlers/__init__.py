"""The URLs of the Experiment REST API, below ``{base_url}api/v1``.

streams/        what stays open: server-sent events, and the WebSocket of a tab
about           ``experiment/ping`` and ``openapi.json``: is it there, and what can it do
admission       Who is let in, at REST and at WebSocket handlers alike, what they share, and how errors go out
authentication  Who authenticates the callers of this server
base            What every REST handler is made of: when it may write, how bodies come in and answers go out
body            How a body comes in: bounded while it arrives, its type checked
comparisons     ``experiment/compare`` and ``experiment/diff``: experiments side by side
envelope        The envelope around every answer: ``status, code, success, message, result, attributes``
experiments     ``experiment`` and ``experiment/{id}``: create, list, get, change, stop, delete
groups          ``experiment/groups``, ``experiment/stop``: experiments by group, and many at once
logs            ``experiment/logs`` and ``experiment/logs/{id}``
metrics         ``experiment/{id}/metrics``: the curves of one experiment
targets         ``target``: the compute targets, and what they have
url             What the URL and the headers say: parameters by name, ids, keys
"""

from __future__ import annotations

from submarine_jupyter_server.handlers.about import OpenApiHandler, PingHandler
from submarine_jupyter_server.handlers.admission import Admission
from submarine_jupyter_server.handlers.base import UnknownHandler
from submarine_jupyter_server.handlers.comparisons import CompareHandler, DiffHandler
from submarine_jupyter_server.handlers.experiments import (
    ExperimentHandler,
    ExperimentsHandler,
    NotesHandler,
    StopHandler,
)
from submarine_jupyter_server.handlers.groups import GroupsHandler, StopAllHandler
from submarine_jupyter_server.handlers.logs import LogHandler, LogsHandler
from submarine_jupyter_server.handlers.metrics import MetricsHandler
from submarine_jupyter_server.handlers.streams.events import EventsHandler
from submarine_jupyter_server.handlers.streams.stream import StreamHandler
from submarine_jupyter_server.handlers.targets import TargetHandler

__all__ = ["ROUTES"]

# Literal segments stand before {id}; a slash at the end is tolerated, as by Submarine.
ROUTES: list[tuple[str, type[Admission]]] = [
    (r"/api/v1/openapi\.json", OpenApiHandler),
    (r"/api/v1/target/?", TargetHandler),
    (r"/api/v1/experiment/?", ExperimentsHandler),
    (r"/api/v1/experiment/ping/?", PingHandler),
    (r"/api/v1/experiment/compare/?", CompareHandler),
    (r"/api/v1/experiment/diff/?", DiffHandler),
    (r"/api/v1/experiment/events/?", EventsHandler),
    (r"/api/v1/experiment/groups/?", GroupsHandler),
    (r"/api/v1/experiment/stop/?", StopAllHandler),
    (r"/api/v1/experiment/stream/?", StreamHandler),
    (r"/api/v1/experiment/logs/?", LogsHandler),
    (r"/api/v1/experiment/logs/([^/]+)/?", LogHandler),
    (r"/api/v1/experiment/([^/]+)/?", ExperimentHandler),
    (r"/api/v1/experiment/([^/]+)/notes/?", NotesHandler),
    (r"/api/v1/experiment/([^/]+)/stop/?", StopHandler),
    (r"/api/v1/experiment/([^/]+)/events/?", EventsHandler),
    (r"/api/v1/experiment/([^/]+)/metrics/?", MetricsHandler),
    (r"/api/v1(?:/.*)?", UnknownHandler),
]
