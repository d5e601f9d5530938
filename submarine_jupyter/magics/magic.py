"""The magics: what each sub-command does."""

from __future__ import annotations

import argparse
import contextlib
import sys
from collections.abc import Callable, Generator, Iterator
from typing import TYPE_CHECKING, Any

from IPython.core import error as ipython
from IPython.core.magic import Magics, line_cell_magic, magics_class, no_var_expand

from submarine_jupyter.commands.grammar import Grammar, HelpShown
from submarine_jupyter.commands.ids import KnownIds, choose
from submarine_jupyter.commands.spec import asked_replicas, describe, is_script
from submarine_jupyter.commands.spec_file import read_spec
from submarine_jupyter.commands.surroundings import Surroundings
from submarine_jupyter.errors import ExperimentFailed, ServerNotFound, UsageError
from submarine_jupyter.magics.completion import matcher
from submarine_jupyter.script.failures import explained
from submarine_jupyter.script.tracebacks import all_as_written, as_written
from submarine_jupyter.script.variables import left_behind
from submarine_jupyter.spec.experiment_ids import is_id

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from submarine_jupyter.client.client import SubmarineClient
    from submarine_jupyter.client.experiment import Experiment, ExperimentList
    from submarine_jupyter.client.following import Item
    from submarine_jupyter.discovery.connection import Connection
    from submarine_jupyter.display.description import Description

_QUESTION = "Run and follow distributed training experiments; ``%submarine COMMAND --help`` explains a command."

# What needs an HTTP client is imported where it is used: %load_ext does not wait for it.


@magics_class
class SubmarineMagics(Magics):
    """Experiments of a Submarine server, from a notebook."""

    shell: InteractiveShell

    def __init__(self, shell: InteractiveShell) -> None:
        super().__init__(shell=shell)
        self._grammar = Grammar()
        self._ids = KnownIds()
        self._cells: dict[str, str] = {}
        self._client: SubmarineClient | None = None
        self.matcher = matcher(self._grammar, self._ids)

    @no_var_expand
    @line_cell_magic
    def submarine(self, line: str, cell: str | None = None) -> Any:
        try:
            return self._carry_out(line, cell)
        except UsageError as error:
            # IPython shows its own without a traceback, if it is exactly this class.
            raise ipython.UsageError(str(error)) from None

    # What '%submarine?' shows.
    submarine.__doc__ = f"{_QUESTION}\n\n{Grammar().help()}"

    def close(self) -> None:
        """Forget the server."""
        if self._client is not None:
            self._client.close()
            self._client = None

    def _carry_out(self, line: str, cell: str | None) -> Any:
        try:
            options = self._grammar.parse(line, self.shell.user_ns)
        except HelpShown as shown:
            return _say(shown.text)
        if cell is not None and options.command != "run":
            raise UsageError(f"%%submarine {options.command} takes no cell: write it with one %")
        options.cell = cell
        command: Callable[[argparse.Namespace], Any] = getattr(self, f"_{options.command}")
        try:
            return command(options)
        except ServerNotFound:
            # The next command looks for it anew: a restarted server has another port or token.
            self.close()
            raise

    # The sub-commands

    def _run(self, options: argparse.Namespace) -> Experiment | None:
        options.loaded = read_spec(options.spec, options.cmd) if options.spec else None
        if options.cell is not None and not options.cell.strip():
            raise UsageError("The cell is empty: write the training script below %%submarine run")
        client, cell = self._server(), f"Cell In[{self.shell.execution_count}]"
        here = Surroundings.of_this_kernel(cell)
        spec = describe(options, options.cell, here, local=_runs_here(client, options))
        if options.cell is not None and is_script(options):
            for sentence in left_behind(options.cell, self.shell.user_ns, cell):
                _say(f"Note: {sentence}")
        if options.dry_run:
            _say(str(client.plan(spec)))
            return None
        experiment = client.create(spec)
        if options.cell is not None:
            self._cells[experiment.id] = cell
        if options.output:
            self.shell.user_ns[options.output] = experiment
        _say(f"{experiment.id} ({experiment.name})")
        if options.detach:
            return experiment
        if self._show(experiment.id, client.follow(experiment.id), options.tail):
            _say(f"{self._ended(experiment, shown=options.tail is None).id} {experiment.took()}")
        return experiment

    def _list(self, options: argparse.Namespace) -> ExperimentList:
        found = self._server().list(
            status=options.status, name=options.name, tag=options.tag, framework=options.framework, limit=options.limit
        )
        self._ids.meet(experiment.id for experiment in reversed(found))
        return found

    def _status(self, options: argparse.Namespace) -> Experiment:
        return self._server().get(self._id(options.id))

    def _logs(self, options: argparse.Namespace) -> None:
        experiment_id, client = self._id(options.id), self._server()
        if not options.follow:
            logs = client.logs(experiment_id, tail=options.tail, since=options.since, replica=options.replica)
            return _say(as_written(repr(logs), self._cells.get(experiment_id)))
        if options.since is not None:
            raise UsageError("--since does not go with --follow: give --tail N, or neither to begin at the start")
        if self._show(experiment_id, client.follow(experiment_id, tail=options.tail, replica=options.replica)):
            _say(f"{experiment_id} {client.get(experiment_id).took()}")
        return None

    def _wait(self, options: argparse.Namespace) -> Experiment:
        experiment_id, client = self._id(options.id), self._server()
        ended = self._show(experiment_id, _states(client.events(experiment_id, timeout=options.timeout)))
        experiment = client.get(experiment_id)
        if ended:
            _say(f"{self._ended(experiment, shown=False).id} {experiment.took()}")
        return experiment

    def _scale(self, options: argparse.Namespace) -> Experiment:
        replicas = dict(asked_replicas(options))
        if not replicas:
            raise UsageError("%submarine scale: say how many replicas: --worker 3")
        experiment = self._server().scale(self._id(options.id), **replicas)
        if experiment.has_ended:
            _say("The experiment has ended: the change is recorded, but nothing was started. Clone it to run it again.")
        return experiment

    def _stop(self, options: argparse.Namespace) -> Experiment | ExperimentList:
        from submarine_jupyter.client.experiment import ExperimentList

        ids = [self._id(text, newest=False) for text in options.ids or (None,)]
        stopped = [self._server().stop(one) for one in ids]
        return stopped[0] if len(stopped) == 1 else ExperimentList(stopped)

    def _delete(self, options: argparse.Namespace) -> None:
        for experiment_id in [self._id(text, newest=False) for text in options.ids]:
            self._server().delete(experiment_id)
            self._ids.forget(experiment_id)
            _say(f"{experiment_id} is deleted")

    def _describe(self, options: argparse.Namespace) -> Description:
        from submarine_jupyter.display.description import Description

        return Description(self._server().get(self._id(options.id)))

    def _connect(self, options: argparse.Namespace) -> None:
        from submarine_jupyter.discovery.connection import find

        connection = find(options.url, options.token, say=_say)
        self._use(connection)
        _say(f"Connected to {connection.url} ({connection.found})")

    def _help(self, options: argparse.Namespace) -> None:
        _say(self._grammar.help(options.about))

    # What they share

    def _server(self) -> SubmarineClient:
        """Return the client, after finding the server of this kernel when there is none yet."""
        if self._client is not None:
            return self._client
        from submarine_jupyter.discovery.connection import find

        return self._use(find(say=_say))

    def _use(self, connection: Connection) -> SubmarineClient:
        from submarine_jupyter.discovery.connection import client_of

        client = client_of(connection)
        client.on_use = self._ids.use
        self.close()
        self._client = client
        for notice in client.ping():
            _say(f"Note: {notice}")
        return client

    def _id(self, text: str | None, *, newest: bool = True) -> str:
        """Return the id that is meant, and make it the last one; of one name the ``newest``, and say so."""
        if text is None:
            if self._ids.last is None:
                raise UsageError("This notebook has no experiment yet: give an id; %submarine list shows them")
            return self._ids.last
        if is_id(text):
            found = text
        else:
            found, name = choose(text, ((one.id, one.name) for one in self._server().list()), newest=newest)
            if name == text:
                _say(f"{found} ({name})")
        self._ids.use(found)
        return found

    def _ended(self, experiment: Experiment, *, shown: bool) -> Experiment:
        """Return the experiment if it has succeeded. Raises ExperimentFailed, which names the line of the cell."""
        try:
            return experiment.ended()
        except ExperimentFailed as error:
            cell = self._cells.get(experiment.id)
            raise explained(error, experiment.known, cell, shown=shown) from None

    def _show(self, experiment_id: str, items: Iterator[Item], tail: int | None = None) -> bool:
        """Show what comes; return False when an interrupt has ended the looking, not the experiment."""
        from submarine_jupyter.display.cell_stream import CellStream, shows_colours

        try:
            CellStream(colour=shows_colours(), tail=tail).show(all_as_written(items, self._cells.get(experiment_id)))
        except KeyboardInterrupt:
            short = experiment_id.rpartition("-")[2]
            _say(
                f"\nDetached: {experiment_id} goes on. "
                f"'%submarine logs {short} -f' comes back to it, '%submarine stop {short}' ends it."
            )
            return False
        finally:
            if isinstance(items, Generator):
                items.close()
        return True


def _runs_here(client: SubmarineClient, options: argparse.Namespace) -> bool:
    """Return whether the replicas run on this kernel's machine, where its interpreter and folder mean something."""
    from submarine_jupyter.client.proxies import on_this_machine

    if not on_this_machine(client.url):
        return False
    named = options.target or ((options.loaded or {}).get("runtime") or {}).get("target")
    return any(
        target["kind"] == "local" and (target["name"] == named if named else target["default"])
        for target in client.targets(capacity=False)
    )


def _states(events: Iterator[dict[str, Any]]) -> Iterator[Item]:
    from submarine_jupyter.client.following import State

    with contextlib.closing(events):  # type: ignore[type-var]
        for event in events:
            if event["status"]:
                yield State(event["status"], event["reason"], event["message"])


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
