"""The frames of server-sent events."""

from __future__ import annotations

import json
from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from submarine_jupyter.client.calls.sse import EventParser
from submarine_jupyter_server.handlers.streams.sse import _error, _frame


@dataclass(frozen=True)
class Note:
    id: str
    event: str
    data: str


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_any_data_comes_back_as_one_event(text: str) -> None:
    [event] = EventParser().feed(_frame(Note("7", "log", text)) + ":\n\n")
    assert (event.id, event.name) == ("7", "log")
    assert event.data == text.replace("\r\n", "\n").replace("\r", "\n")


def test_an_error_is_an_event() -> None:
    [event] = EventParser().feed(_error("It is\ngone.", None, "Gone") + ":\n\n")
    told = json.loads(event.data)
    assert (event.name, told["message"], told["hint"]) == ("error", "It is\ngone.", None)
