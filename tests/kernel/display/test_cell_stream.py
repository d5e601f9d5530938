"""What a cell shows: lines, and a bar below them that is written over."""

from __future__ import annotations

import pytest

from submarine_jupyter.client.following import End, Gap, Lines, Partial, State
from submarine_jupyter.display import cell_stream
from submarine_jupyter.display.cell_stream import CellStream


def screen(written: str) -> list[str]:
    """Return what a reader sees: after a return, what follows takes the place of what is there."""
    lines = []
    for line in written.split("\n"):
        seen: list[str] = []
        for piece in line.split("\r"):
            seen[: len(piece)] = piece
        lines.append("".join(seen).rstrip())
    return lines


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cell_stream, "BAR_S", 0.0)


def shown(
    capsys: pytest.CaptureFixture[str], *items: Lines | Partial | State | Gap | End, colour: bool = True
) -> list[str]:
    stream = CellStream(colour=colour)
    for item in items:
        stream._one(item) if not isinstance(item, End) else stream.show([item])
    return screen(cell_stream._SEQUENCE.sub("", capsys.readouterr().out))


def bar(text: str, replica: str = "worker-0") -> Partial:
    return Partial(replica, 1, text)


def lines(*text: str, replica: str = "worker-0") -> Lines:
    return Lines(replica, 1, 0, text)


def test_a_bar_is_written_over_and_lines_come_above_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert shown(capsys, bar("100 %"), bar("9 %")) == ["[worker-0] 9 %"]
    assert shown(capsys, bar("10 %"), lines("a warning", replica="ps-0"), bar("20 %")) == [
        "[ps-0] a warning",
        "[worker-0] 20 %",
    ]


def test_bars_of_several_replicas_are_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    bars = (bar("10 %"), bar("12 %", "worker-1"), bar("20 %"))
    assert shown(capsys, *bars) == ["[worker-0] 20 %  [worker-1] 12 %"]


def test_a_whole_line_takes_the_place_of_its_bar(capsys: pytest.CaptureFixture[str]) -> None:
    assert shown(capsys, bar("99 % very long"), lines("done"), End("Succeeded", True)) == ["[worker-0] done", ""]
    assert shown(capsys, bar("50 %"), State("Running", None, None), End("Failed", True)) == ["Running", ""]
    assert shown(capsys, bar("50 %"), Gap("worker-0", 0, 9), End("Failed", False))[0].endswith(
        "9 bytes of its log are lost …"
    )


def test_a_bar_of_any_length_stays_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    (line,) = shown(capsys, bar("\x1b[31m" + "x" * 5000 + "\t"))
    assert len(line) <= cell_stream.BAR_WIDTH + len("[worker-0] ")


def test_a_file_has_no_bars(capsys: pytest.CaptureFixture[str]) -> None:
    assert shown(capsys, bar("10 %"), lines("done"), End("Succeeded", True), colour=False) == ["[worker-0] done", ""]


def test_a_bar_moves_only_so_often(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cell_stream, "BAR_S", 1000.0)
    stream = CellStream(colour=True)
    stream._moved = -1e9
    for step in range(1000):
        stream._one(bar(f"{step}"))
    assert capsys.readouterr().out.count("\r") == 1
