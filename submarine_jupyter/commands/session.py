"""What the commands of one kernel or one terminal share: the server, the ids they have met, where they are given."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Protocol

from submarine_jupyter.commands.grammar import Grammar
from submarine_jupyter.commands.ids import KnownIds, choose
from submarine_jupyter.commands.origin import Origin
from submarine_jupyter.commands.parser import spoken
from submarine_jupyter.commands.settings import Settings
from submarine_jupyter.errors import ExperimentFailed, ServerNotFound, UsageError
from submarine_jupyter.script.tracebacks import all_as_written
from submarine_jupyter.spec.experiment_ids import is_id

if TYPE_CHECKING:
    from submarine_jupyter.client.client import SubmarineClient
    from submarine_jupyter.client.experiment import Experiment
    from submarine_jupyter.client.following import Item


class Screen(Protocol):
    """Where a person reads what a command says, and waits for an experiment."""

    def say(self, text: str) -> None:
        """Show a line."""

    def show(self, experiment_id: str, items: Iterator[Item], tail: int | None = None) -> bool:
        """Show what comes; return False when an interrupt has ended the waiting, not the experiment."""


# Takes an experiment and how to wait for it (tail, replica, timeout, cell); returns False after an interrupt.
Watch = Callable[..., bool]
Connect = Callable[[str | None, str | None, Callable[[str], object]], "tuple[SubmarineClient, str]"]


class Session:
    """The commands of one kernel or terminal.

    ``connect`` takes address and token (None: find the server) and returns a client with how it was found. ``names``
    are the variables of the notebook, None where there are none; ``origin`` says where a command is given now.
    ``watch`` shows an experiment as one card until its end, None where lines are shown as they come.
    """

    def __init__(
        self,
        grammar: Grammar,
        screen: Screen,
        connect: Connect,
        *,
        names: dict[str, Any] | None = None,
        origin: Callable[[], Origin] = Origin,
        settings: Callable[[], Settings] = Settings,
        watch: Watch | None = None,
    ) -> None:
        self.grammar = grammar
        self.screen = screen
        self.names = names
        self.ids = KnownIds()
        self.cells: dict[str, str] = {}  # what people call the cell that an experiment comes from
        self.interrupted = False  # whether somebody has stopped waiting
        self._find = connect
        self._origin = origin
        self._settings = settings
        self._watch = watch
        self._client: SubmarineClient | None = None
        self._execution: tuple[str | None, set[str]] = (None, set())

    def carry_out(self, words: str | list[str], cell: str | None = None) -> Any:
        """Carry out a command and return its value. Raises SubmarineError, HelpShown."""
        grammar = self.grammar
        options = grammar.parse(words, self.names) if isinstance(words, str) else grammar.read(words, self.names)
        if cell is not None and not options.command.takes_cell:
            raise UsageError(f"%%submarine {options.command.name} takes no cell: write it with one %")
        options.cell = cell
        try:
            return options.command.act(self, options)
        except ServerNotFound:
            # The next command finds it anew: a restarted server has another port or token.
            self.close()
            raise

    def say(self, text: str) -> None:
        """Show a line."""
        self.screen.say(spoken(text, self.grammar.program))

    def show(self, experiment_id: str, items: Iterator[Item], tail: int | None = None) -> bool:
        """Show what comes of an experiment; return False when an interrupt has ended the waiting."""
        ended = self.screen.show(experiment_id, all_as_written(items, self.cells.get(experiment_id)), tail)
        self.interrupted = self.interrupted or not ended
        return ended

    @property
    def draws(self) -> bool:
        """Whether an experiment is shown as a card, which says its name and how it ended."""
        return self._watch is not None

    def follow(
        self,
        experiment: Experiment,
        *,
        tail: int | None = None,
        last: int | None = None,
        replica: str | None = None,
        timeout: float | None = None,
    ) -> bool:
        """Show an experiment until its end; return False when an interrupt has ended the waiting. Raises WaitTimeout.

        Its log is shown from the last ``tail`` lines on, or only the ``last`` ones at the end, of a ``replica`` or all.
        """
        if self._watch is not None:
            cell = self.cells.get(experiment.id)
            return self._watch(experiment, cell=cell, tail=last or tail, replica=replica, timeout=timeout)
        items = self.client.follow(experiment.id, tail=tail, replica=replica, timeout=timeout)
        return self.show(experiment.id, items, last)

    def ended(self, experiment: Experiment, *, shown: bool) -> Experiment:
        """Return an experiment if it has succeeded; ``shown``: its lines stand above.

        Raises ExperimentFailed, which names the line of the cell.
        """
        from submarine_jupyter.script.failures import explained

        try:
            return experiment.ended()
        except ExperimentFailed as error:
            raise explained(error, experiment.known, self.cells.get(experiment.id), shown=shown) from None

    @property
    def origin(self) -> Origin:
        """Where the command is given: which notebook, which cell."""
        return self._origin()

    @property
    def settings(self) -> Settings:
        """The defaults that hold now."""
        return self._settings()

    @property
    def client(self) -> SubmarineClient:
        """The client, after finding the server when there is none yet. Raises ServerNotFound."""
        return self._client if self._client is not None else self.connect()[0]

    @property
    def connected(self) -> SubmarineClient | None:
        """The client, None before the first command that needs one."""
        return self._client

    def connect(self, url: str | None = None, token: str | None = None) -> tuple[SubmarineClient, str]:
        """Use the server at ``url``, or find the one of this place; return the client with how it was found."""
        client, found = self._find(url, token, self.say)
        client.on_use = self.ids.use
        self.close()
        self._client = client
        for notice in client.ping():
            self.say(f"Note: {notice}")
        return client, found

    def close(self) -> None:
        """Forget the server."""
        if self._client is not None:
            self._client.close()
            self._client = None

    def id(self, text: str | None, *, newest: bool = True) -> str:
        """Return the id that is meant, and make it the last one; of one name the ``newest``, and say so."""
        if text is None:
            found = self.ids.last or self._last()
        elif is_id(text):
            found = text
        else:
            rows = self.client.rows({"archived": "any"})
            self.ids.meet(rows)
            found, name = choose(text, ((row["experimentId"], row["name"]) for row in rows), newest=newest)
            if name == text:
                self.say(f"{found} ({name})")
        self.ids.use(found)
        return found

    def made_here(self, experiment_id: str) -> bool:
        """Return whether this run of the cell has made this experiment itself, as a loop does; remember it."""
        execution = self.origin.execution
        if execution is None or self._execution[0] != execution:
            self._execution = (execution, set())
        made = experiment_id in self._execution[1]
        self._execution[1].add(experiment_id)
        return made

    def here(self) -> str:
        """Return the notebook of this place. Raises UsageError where there is none."""
        notebook = self.origin.notebook
        if notebook is None:
            raise UsageError("There is no notebook here: give an id, a name, or a filter such as --tag")
        return notebook

    def _last(self) -> str:
        """Return the newest experiment of this notebook, which another kernel may have made; of a terminal, of all."""
        notebook = self.origin.notebook
        where: Mapping[str, str] = {"notebook": notebook} if notebook else {}
        rows = self.client.rows({**where, "archived": "any"}, limit=1) if notebook or self.names is None else []
        if not rows:
            raise UsageError("This notebook has no experiment yet: give an id; %submarine list shows them")
        self.ids.meet(rows)
        return str(rows[0]["experimentId"])
