"""The magics: ``%submarine`` and ``%%submarine`` carry out the commands in a kernel."""

from __future__ import annotations

import os
import sys
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from IPython.core import error as ipython
from IPython.core.magic import Magics, line_cell_magic, magics_class, no_var_expand
from traitlets import Any as AnyTrait

from submarine_jupyter.errors import UsageError
from submarine_jupyter.magics.cards import shown_already, shows_cards
from submarine_jupyter.magics.completion import matcher
from submarine_jupyter.magics.surroundings import origin_of

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from submarine_jupyter.client.client import SubmarineClient
    from submarine_jupyter.client.experiment import Experiment
    from submarine_jupyter.client.following import Item
    from submarine_jupyter.commands.session import Session
    from submarine_jupyter.commands.settings import Settings
    from submarine_jupyter.discovery.connection import Say

_QUESTION = "Run and follow distributed training experiments; ``%submarine COMMAND --help`` explains a command."

# The commands, and what needs an HTTP client, are imported where they are used: %load_ext does not wait for them.


def _default(what: str) -> Any:
    return AnyTrait(None, allow_none=True, help=f"{what}; None: not set here").tag(config=True)


def _help() -> str:
    from submarine_jupyter.commands.grammar import Grammar

    return f"{_QUESTION}\n\n{Grammar().help()}"


@magics_class
class SubmarineMagics(Magics):
    """Experiments of a Submarine server, from a notebook. Each setting is the default of an option of ``run``."""

    shell: InteractiveShell

    target = _default("Compute target")
    namespace = _default("Namespace on the target")
    image = _default("Container image (on Kubernetes)")
    framework = _default("Framework of new experiments")
    cpu = _default("Cores of each replica: '2', '500m'")
    memory = _default("Memory of each replica: '2G'")
    gpu = _default("GPUs of each replica")
    max_run_time = _default("How long an experiment may run: 90 (seconds), '10m', '2h'")
    detach = _default("Whether run returns at once: True or False")
    tail = _default("How many of the last lines run shows at the end, instead of all")
    limit = _default("How many experiments list shows")
    most_lines = _default("How many lines of an experiment a cell shows at most (1,000)")
    most_bytes = _default("How many bytes of lines a cell shows at most (262,144)")

    def __init__(self, shell: InteractiveShell) -> None:
        super().__init__(shell=shell, parent=shell)
        self._session: Session | None = None
        self._watched: Experiment | None = None
        self.matcher = matcher(lambda: self.session)

    @property
    def session(self) -> Session:
        """What the commands of this kernel share; made when the first one is given."""
        if self._session is None:
            from submarine_jupyter.commands.grammar import Grammar
            from submarine_jupyter.commands.session import Session

            self._session = Session(
                Grammar(),
                self,
                _found_client,
                names=self.shell.user_ns,
                origin=lambda: origin_of(self.shell),
                settings=self._settings,
                watch=self._watch if shows_cards() else None,
            )
        return self._session

    @no_var_expand
    @line_cell_magic
    def submarine(self, line: str, cell: str | None = None) -> Any:
        from submarine_jupyter.commands.parser import HelpShown

        try:
            value = self.session.carry_out(line, cell)
            if self._watched is not None and value is self._watched:
                shown_already(self.shell, value)
            return value
        except HelpShown as shown:
            return self.say(shown.text)
        except UsageError as error:
            # IPython shows its own without a traceback, if it is exactly this class.
            raise ipython.UsageError(str(error)) from None
        finally:
            self._watched = None

    submarine.__doc__ = _QUESTION
    # What '%submarine?' and Shift-Tab show (IPython asks for it by this name).
    vars(submarine)["getdoc"] = _help

    def close(self) -> None:
        """Forget the server."""
        if self._session is not None:
            self._session.close()

    def say(self, text: str) -> None:
        """Write a line."""
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()

    def show(self, experiment_id: str, items: Iterator[Item], tail: int | None = None) -> bool:
        """Show what comes; return False when an interrupt has ended the waiting, not the experiment."""
        from submarine_jupyter.commands.ids import short
        from submarine_jupyter.display.cell_stream import CellStream, shows_colours

        try:
            CellStream(colour=shows_colours(), tail=tail).show(items)
        except KeyboardInterrupt:
            number = short(experiment_id, ())
            self.say(
                f"\nDetached: {experiment_id} goes on. "
                f"'%submarine logs {number} -f' comes back to it, '%submarine stop {number}' ends it."
            )
            return False
        finally:
            if isinstance(items, Generator):
                items.close()
        return True

    def _watch(self, experiment: Experiment, *, cell: str | None, **how: Any) -> bool:
        from submarine_jupyter.display.waiting.budget import Budget
        from submarine_jupyter.display.waiting.waiting import Wish, wait
        from submarine_jupyter.script.tracebacks import all_as_written

        self._watched = experiment
        settings = self.session.settings
        usual = Budget()
        wish = Wish(
            Budget(settings.get("most_lines") or usual.lines, settings.get("most_bytes") or usual.size),
            cell=cell or "",
            attached=experiment.attached,
            written=lambda items: all_as_written(items, cell),
            **how,
        )
        return wait(experiment, wish)

    def _settings(self) -> Settings:
        from jupyter_core.paths import jupyter_config_dir

        from submarine_jupyter.commands.settings import settled

        kernel = {name: getattr(self, name) for name in self.trait_names(config=True)}
        said = {name: value for name, value in kernel.items() if value is not None}
        return settled(said, os.environ, [Path.cwd(), Path(jupyter_config_dir())])


def _found_client(url: str | None, token: str | None, say: Say) -> tuple[SubmarineClient, str]:
    from submarine_jupyter.discovery.connection import found_client

    return found_client(url, token, say)
