"""The Jupyter Server extension: the Experiment REST API on top of compute targets."""

from __future__ import annotations

__all__: list[str] = []


def _jupyter_server_extension_points() -> list[dict[str, object]]:
    """Tell Jupyter Server which application this package brings."""
    from submarine_jupyter_server.app import SubmarineExtension

    return [{"module": "submarine_jupyter_server.app", "app": SubmarineExtension}]
