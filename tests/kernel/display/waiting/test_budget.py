"""The first and the last lines, within the budget; what is left out is counted."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from submarine_jupyter.display.card.experiment import Scene, Shown
from submarine_jupyter.display.card.show import show_experiment
from submarine_jupyter.display.waiting.budget import Budget, Kept
from tests.kernel.display.card.scenes import NOW, experiment


def kept(budget: Budget, lines: list[str], tail: int | None = None) -> Kept:
    made = Kept(budget, tail)
    for line in lines:
        made.add("worker-0", line)
    return made


@given(st.lists(st.text(max_size=300), max_size=60), st.integers(2, 40), st.integers(200, 9000))
def test_all_is_shown_or_counted(lines: list[str], most: int, size: int) -> None:
    made = kept(Budget(most, size), lines)
    shown = made.shown()
    assert [text for _, text in shown.lines] == lines[: len(shown.lines)]
    assert [text for _, text in shown.tail] == (lines[-len(shown.tail) :] if shown.tail else [])
    assert len(shown.lines) + len(shown.tail) + shown.left_out == len(lines) == shown.total
    assert len(shown.lines) + len(shown.tail) <= max(most, 2)
    assert [text for _, text in made.newest(4)] == lines[-4:] or shown.left_out


def test_the_output_of_a_flood_stays_within_its_budget() -> None:
    for line in ("0.123456789 " * 6, "字" * 300, '<&"' * 100, "\x1b[31mred\x1b[0m " * 30):
        made = kept(Budget(), [line] * 5000)
        known = experiment(35, "many", "Succeeded")
        shown = show_experiment(known, Scene(shown=made.shown()), now=NOW)
        size = sum(len(shown[kind].encode()) for kind in ("text/html", "text/plain"))
        assert size < 256 * 1024 + 4096, (line, size)
        assert f"… {made.shown().left_out:,} lines" in shown["text/plain"]


def test_a_tail_is_of_each_replica() -> None:
    made = Kept(Budget(), 2)
    for at in range(9):
        made.add(f"worker-{at % 2}", str(at))
    assert made.shown() == Shown([("worker-0", "6"), ("worker-0", "8"), ("worker-1", "5"), ("worker-1", "7")], total=4)
