"""What a waiting cell knows, and the card that comes of it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from submarine_jupyter.client.following import End, Gap, Lines, Partial, State
from submarine_jupyter.display.card.bundle import MIME
from submarine_jupyter.display.waiting.board import Board
from submarine_jupyter.display.waiting.budget import Budget
from submarine_jupyter.display.waiting.output import BYTES_PER_S, LEAST_S, Output
from submarine_jupyter.display.waiting.waiting import Wish, _card
from tests.kernel.display.card.scenes import NOW, RUNNING


def board() -> Board:
    return Board(RUNNING, Budget())


def lines(*text: str) -> Lines:
    return Lines("worker-0", 1, 0, text)


def test_a_bar_stays_below_the_lines_until_it_is_whole() -> None:
    made = board()
    made.take(lines("begun"))
    made.take(Partial("worker-1", 1, "50 %"))
    made.take(Partial("worker-0", 1, "outer 1/3\ninner 2/9"))
    shown = made.shown(whole=False)
    assert shown.lines == [("worker-0", "begun")]
    # Of nested bars the outermost; each replica has its own row.
    assert shown.bars == [("worker-0", "outer 1/3"), ("worker-1", "50 %")]
    made.take(lines("outer 3/3"))
    assert made.shown(whole=False).bars == [("worker-1", "50 %")]


def test_what_is_lost_is_said_and_reports_are_no_lines() -> None:
    made = board()
    made.take(lines('submarine-metric {"name": "loss", "value": 1}', "a line"))
    made.take(Gap("worker-0", 10, 30))
    made.take(End("Failed", complete=False))
    assert [text for _, text in made.shown(whole=True).lines] == [
        "a line",
        "… 20 bytes of its log are lost …",
        "Some of the logs are lost.",
    ]


def test_a_change_of_state_is_polled_at_once() -> None:
    made = board()
    assert not made.stale.is_set()
    made.take(State("Running", None, None))
    assert made.stale.is_set()


def test_a_server_that_is_away_is_said_with_the_first_time_and_forgotten_once_it_is_back() -> None:
    made = board()
    made.lose(NOW, "No answer from the server.")
    made.lose(NOW + timedelta(minutes=1), "No answer from the server.")
    text = _card(made, Wish(), waits=True)["text/plain"]
    assert "Not reachable · last known: Running" in text
    assert made.away == NOW
    made.know(RUNNING, [])
    assert "Not reachable" not in _card(made, Wish(), waits=True)["text/plain"]


def test_it_is_over_with_an_error_or_without() -> None:
    made = board()
    assert made.wait(0) is False
    made.end(ValueError("x"))
    assert made.wait(60) is True
    assert isinstance(made.error, ValueError)


def test_an_output_is_written_again_only_where_it_differs_and_only_so_often(monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[dict[str, Any]] = []

    class Handle:
        def update(self, bundle: dict[str, Any], raw: bool) -> None:
            written.append(bundle)

    def display(bundle: dict[str, Any], **how: object) -> Handle:
        written.append(bundle)
        return Handle()

    monkeypatch.setattr("IPython.display.display", display)
    clock = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: clock[0])
    made = Output()
    for text in ("a", "a", "b"):
        made.show({"text/plain": text, MIME: {"written": str(len(written))}})
    assert [bundle["text/plain"] for bundle in written] == ["a", "b"]
    assert made.pause == LEAST_S
    made.show({"text/plain": "x" * int(2 * BYTES_PER_S)})
    assert made.pause == pytest.approx(2.0)
    clock[0] += 5
    assert made.pause == 0.0
