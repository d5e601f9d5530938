"""Each state of the card, as HTML and as text, against what was reviewed.

Renew: ``UPDATE_GOLDEN=1 pytest tests/kernel/display/card``; then review the difference as if it were code.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from submarine_jupyter.display.card.drawing.blocks import COLUMNS
from submarine_jupyter.display.card.drawing.values import width
from tests.kernel.display.card.scenes import SCENES
from tests.test_imports import ROOT

GOLDEN = ROOT / "tests" / "golden" / "cards"


@pytest.fixture(autouse=True)
def utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Cards show the clock of their machine."""
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize("name", SCENES)
def test_a_card_is_as_it_was_reviewed(name: str) -> None:
    shown = SCENES[name]()
    for file, text in ((f"{name}.html", shown["text/html"]), (f"{name}.txt", shown["text/plain"])):
        path = GOLDEN / file
        if os.environ.get("UPDATE_GOLDEN"):
            path.write_text(text + "\n", encoding="utf-8")
        assert text + "\n" == path.read_text(encoding="utf-8"), file


def test_no_golden_file_is_left_over() -> None:
    assert {path.stem for path in GOLDEN.iterdir()} == set(SCENES)


@pytest.mark.parametrize("name", SCENES)
def test_text_fits_a_terminal(name: str) -> None:
    for line in SCENES[name]()["text/plain"].splitlines():
        assert width(line) <= COLUMNS
        assert line == line.rstrip()
        assert line.isprintable()


def test_golden_files_have_no_terminal_codes() -> None:
    for path in Path(GOLDEN).glob("*.txt"):
        assert "\x1b" not in path.read_text(encoding="utf-8")
