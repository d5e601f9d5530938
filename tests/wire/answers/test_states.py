"""The word that people see for how an experiment is."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import pytest

from submarine_jupyter_server.store.rows import ListRow
from submarine_jupyter_server.wire.answers.states import state_of


def row(status: str, reason: str | None = None, **more: Any) -> ListRow:
    empty: dict[str, Any] = {field.name: None for field in fields(ListRow)}
    return ListRow(**empty | {"status": status, "reason": reason} | more)


@pytest.mark.parametrize("status", ["Accepted", "Created", "Running"])
def test_what_is_held_back_as_a_whole_does_not_run_whatever_its_status_was(status: str) -> None:
    assert state_of(row(status, "Queued")) == "Queued"
    for reason in ("QueueStopped", "QueueTooSmall", "QueueUnfit", "NoQueue", "Deactivated", "Suspended"):
        assert state_of(row(status, reason)) == "Waiting"
        assert state_of(row(status, reason, stop_requested=1)) == "Stopping"


@pytest.mark.parametrize(
    ("status", "reason", "state"),
    [
        ("Accepted", None, "Waiting"),
        ("Created", "Unschedulable", "Starting"),
        ("Running", "Preempted", "Running"),
        ("Running", None, "Running"),
        ("Failed", "Stopped", "Stopped"),
        ("Failed", "Deactivated", "Failed"),
        ("Succeeded", None, "Succeeded"),
    ],
)
def test_every_other_state(status: str, reason: str | None, state: str) -> None:
    assert state_of(row(status, reason)) == state
