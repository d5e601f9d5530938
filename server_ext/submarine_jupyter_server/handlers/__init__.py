"""The URLs of the Experiment REST API, below ``{base_url}api/v1``."""

from __future__ import annotations

from submarine_jupyter_server.handlers.about import OpenApiHandler, PingHandler
from submarine_jupyter_server.handlers.base import SubmarineHandler, UnknownHandler
from submarine_jupyter_server.handlers.events import EventsHandler
from submarine_jupyter_server.handlers.experiments import ExperimentHandler, ExperimentsHandler, StopHandler
from submarine_jupyter_server.handlers.insight import MetricsHandler, TargetHandler
from submarine_jupyter_server.handlers.logs import LogHandler, LogsHandler

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
    (r"/api/v1/experiment/([^/]+)/stop/?", StopHandler),
    (r"/api/v1/experiment/([^/]+)/events/?", EventsHandler),
    (r"/api/v1/experiment/([^/]+)/metrics/?", MetricsHandler),
    (r"/api/v1(?:/.*)?", UnknownHandler),
]
