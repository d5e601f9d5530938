"""``%submarine`` and ``%%submarine``.

cards       Where cards are shown, and that a cell shows the card of its experiment once
completion  Complete ``%submarine`` lines from what this kernel knows already; nothing is asked of the server
magic       The magics: what each sub-command does
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

_LOADED = "submarine_jupyter_magics"


def load(shell: InteractiveShell) -> None:
    """Register the magics and their completion."""
    from submarine_jupyter.magics.magic import SubmarineMagics

    magics = SubmarineMagics(shell)
    shell.register_magics(magics)
    shell.Completer.custom_matchers.append(magics.matcher)
    setattr(shell, _LOADED, magics)


def unload(shell: InteractiveShell) -> None:
    """Take away what ``load`` has registered."""
    magics = getattr(shell, _LOADED, None)
    if magics is None:
        return
    for kind in ("line", "cell"):
        shell.magics_manager.magics[kind].pop("submarine", None)
    shell.magics_manager.registry.pop(type(magics).__name__, None)
    if magics.matcher in shell.Completer.custom_matchers:
        shell.Completer.custom_matchers.remove(magics.matcher)
    magics.close()
    delattr(shell, _LOADED)
