"""The Jupyter Server extension: the Experiment REST API on top of compute targets.

control/        the one server that gives orders
handlers/       the URLs: one thin class for each
logs/           what replicas wrote
metrics/        numbers found in logs
services/       what handlers call
store/          the database
targets/        the places that run experiments
wire/           text in, text out
activity        Whether experiments live, for a Jupyter Server that ends when it has been idle
app             The Jupyter Server extension: its configuration, and the life of what it opens
clock           The time of day as all stored times are: whole milliseconds since the Unix epoch
config          What the service is told when it is opened: plain values, filled from the traits of the extension
daemon_threads  Threads that never keep the process from ending
failpoints      Named places where a test can make the server die or fail
feed            The feed of events: one reader of the event table serves every listener
masking         Hide secret values in what is answered, and find them again in what is sent back
notices         What people should know about the server itself
sensitive       Find which variables hold a credential, by their name or by their value
startup         The service while it is being opened: the server answers at once, the heavy part follows
wiring          build the objects of the server and own their life
"""

from __future__ import annotations

from submarine_jupyter import __version__

__all__ = ["__version__"]


def _jupyter_server_extension_points() -> list[dict[str, object]]:
    """Name to Jupyter Server the application that this package brings."""
    from submarine_jupyter_server.app import SubmarineExtension

    return [{"module": "submarine_jupyter_server.app", "app": SubmarineExtension}]
