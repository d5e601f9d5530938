"""Wait for the end of an experiment, and show how it goes in one output of the cell."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from submarine_jupyter.client.following import Cut, Item
from submarine_jupyter.display.card.experiment import Scene
from submarine_jupyter.display.card.show import show_experiment
from submarine_jupyter.display.waiting.board import Board
from submarine_jupyter.display.waiting.budget import Budget
from submarine_jupyter.display.waiting.output import Output
from submarine_jupyter.display.waiting.sources import Sources
from submarine_jupyter.errors import SubmarineError, WaitTimeout
from submarine_jupyter.spec.vocabulary import FINAL

if TYPE_CHECKING:
    from submarine_jupyter.client.experiment import Experiment

# Where nothing is new, only the time that has passed is written anew (s).
IDLE_S = 1.0
# The whole of the metrics, for the chart that stays.
_POINTS = 120


@dataclass(frozen=True)
class Wish:
    """How a cell waits: which lines are kept (``budget``, ``tail``, of one ``replica``), and for how long (s).

    ``cell`` is what people call the cell, ``attached`` whether the experiment ran already; ``written`` changes what is
    followed, as the names of files in tracebacks.
    """

    budget: Budget = field(default_factory=Budget)
    tail: int | None = None
    replica: str | None = None
    timeout: float | None = None
    cell: str = ""
    attached: bool = False
    written: Callable[[Iterable[Item]], Iterable[Item]] = iter


def wait(experiment: Experiment, wish: Wish | None = None, output: Output | None = None) -> bool:
    """Show an experiment until it has ended; return False when an interrupt has ended the waiting, not the experiment.

    What it has become stands in the experiment, as after a ``refresh``. Raises WaitTimeout, ServerNotFound.
    """
    wish, output = wish or Wish(), output or Output()
    client, cut = experiment._client, Cut()
    board = Board(experiment.known, wish.budget, wish.tail)
    sources: Sources | None = None
    try:
        output.show(_card(board, wish, waits=True))
        items = client.follow(experiment.id, tail=wish.tail, replica=wish.replica, timeout=wish.timeout, cut=cut)
        sources = Sources(client, experiment.id, wish.written(items), cut, board)
        _until_over(board, output, wish)
        if board.error is not None:
            raise board.error
        sources.close()
        board.know(client.read(experiment.id), client.metrics(experiment.id, points=_POINTS).documents())
        experiment._known = board.known
        output.show(_card(board, wish, waits=False))
        return True
    except KeyboardInterrupt:
        output.show(_card(board, wish, waits=False))
        return False
    except SubmarineError as error:
        if not isinstance(error, WaitTimeout):
            board.lose(datetime.now().astimezone(), str(error).partition("\n")[0])
        output.show(_card(board, wish, waits=False))
        raise
    finally:
        if sources is not None:
            sources.close()


def _until_over(board: Board, output: Output, wish: Wish) -> None:
    while True:
        # More may come while the output has to stay as it is: it is drawn with what there is then.
        if board.wait(IDLE_S) or board.over.wait(output.pause):
            return
        output.show(_card(board, wish, waits=True))


def _card(board: Board, wish: Wish, *, waits: bool) -> dict[str, Any]:
    """Return the card as things stand; when it no longer waits for what has not ended, it says how to come back."""
    known, has_ended = board.known, board.known["status"] in FINAL
    scene = Scene(
        waits=waits,
        detached=not waits and not has_ended,
        attached=wish.attached,
        away=board.away,
        trouble=board.trouble,
        cell=wish.cell,
        series=board.series,
        shown=board.shown(whole=has_ended and not waits),
    )
    return show_experiment(known, scene)
