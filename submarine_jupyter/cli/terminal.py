"""Where a command says what it does: standard output, and standard error where that is kept free for JSON."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING

from submarine_jupyter.commands.ids import short

if TYPE_CHECKING:
    from submarine_jupyter.client.following import Item


class Terminal:
    """A screen of commands; ``said`` are the lines so far."""

    def __init__(self, program: str, *, as_json: bool) -> None:
        self._program = program
        self._as_json = as_json
        self.said: list[str] = []

    def say(self, text: str) -> None:
        """Write a line."""
        self.said.append(text)
        out = sys.stderr if self._as_json else sys.stdout
        out.write(f"{text}\n")
        out.flush()

    def show(self, experiment_id: str, items: Iterator[Item], tail: int | None = None) -> bool:
        """Write what comes; return False when Ctrl-C has ended the waiting, not the experiment."""
        from submarine_jupyter.display.cell_stream import CellStream

        try:
            with contextlib.redirect_stdout(sys.stderr if self._as_json else sys.stdout):
                CellStream(colour=sys.stdout.isatty() and not self._as_json, tail=tail).show(items)
        except KeyboardInterrupt:
            number = short(experiment_id, ())
            self.say(
                f"\nDetached: {experiment_id} goes on. "
                f"'{self._program} logs {number} -f' comes back to it, '{self._program} stop {number}' ends it."
            )
            return False
        finally:
            if isinstance(items, Generator):
                items.close()
        return True
