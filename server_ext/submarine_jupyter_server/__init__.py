"""The Jupyter Server extension: the Experiment REST API on top of compute targets.

control/   the one server that gives orders
feed/      what changes, once, in order, for all who follow
handlers/  the URLs: one thin class for each
logs/      what replicas wrote
masking/   keep secret values out of what is shown
metrics/   numbers found in logs
opening/   build the service, open it, end it
process/   the server as a process: time, threads, notices, failpoints
services/  what handlers call
store/     the database
targets/   the places that run experiments
wire/      text in, text out
app        The Jupyter Server extension: its configuration, and the life of what it opens
config     The configuration of the service: plain values, filled from the traits of the extension
"""

from __future__ import annotations

from submarine_jupyter import __version__

__all__ = ["__version__"]


def _jupyter_server_extension_points() -> list[dict[str, object]]:
    """Name to Jupyter Server the application that this package brings."""
    from submarine_jupyter_server.app import SubmarineExtension

    return [{"module": "submarine_jupyter_server.app", "app": SubmarineExtension}]
