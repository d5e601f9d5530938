"""Where cards are shown, and that a cell shows the card of its experiment once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell


def shows_cards() -> bool:
    """Return whether a front end of Jupyter shows what is displayed: HTML, written again in place."""
    from IPython.core.getipython import get_ipython

    return getattr(get_ipython(), "kernel", None) is not None


def shown_already(shell: InteractiveShell, handle: Any) -> None:
    """Let the value of this cell stay without an output: its card is there. From the next cell on it has one again."""
    handle._ipython_display_ = _nothing

    def after(*_: object) -> None:
        shell.events.unregister("post_run_cell", after)
        vars(handle).pop("_ipython_display_", None)

    shell.events.register("post_run_cell", after)


def _nothing() -> None:
    pass
