"""What a reader pastes first works as it stands."""

from __future__ import annotations

import re
from pathlib import Path

from tests.kernel.real_kernel import RealKernel

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")


def cells() -> list[str]:
    """Return the indented blocks that begin with a magic."""
    blocks = re.findall(r"(?:^    .*\n)+", README, re.MULTILINE)
    texts = ["".join(line[4:] for line in block.splitlines(keepends=True)) for block in blocks]
    return [text for text in texts if text.startswith("%")]


def test_the_first_cells_run_and_show_what_is_promised(kernel: RealKernel) -> None:
    load, first = cells()
    assert kernel.run(load).status == "ok"

    ran = kernel.run(first)

    assert ran.status == "ok", ran
    text = ran.plain
    shown = README.partition("one card")[2].partition("Ctrl-C")[0]
    promised = [line.strip() for line in shown.splitlines() if " │ " in line]
    assert len(promised) == 4
    for line in promised:
        assert line in text
    assert text.startswith("✓ hello  ")
    assert "Succeeded · took " in text
