"""``compare``, ``diff``: experiments side by side."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from submarine_jupyter.commands.command import Argument, Command, argument
from submarine_jupyter.commands.filters import FILTERS, order, wanted
from submarine_jupyter.errors import UsageError

if TYPE_CHECKING:
    from submarine_jupyter.client.comparison import Comparison, Difference
    from submarine_jupyter.commands.session import Session

# So many experiments have a curve on the card of a comparison.
MOST_CURVES = 6
BEST: tuple[Argument, ...] = tuple(
    argument(
        f"--{which}",
        metavar="METRIC",
        used=("metrics",),
        help=f"the best has the {extreme} of this metric; the best first",
    )
    for which, extreme in (("max", "highest"), ("min", "lowest"))
)
ORDER = argument(
    "--sort",
    metavar="NAME",
    used=("params", "metrics"),
    help="with filters: a parameter or a metric; -NAME: the highest first",
)


def compare(session: Session, options: argparse.Namespace) -> Comparison:
    """Return experiments side by side: those named, or those that fit the filters."""
    where = wanted(session, options)
    if bool(options.ids) == bool(where):
        raise UsageError("%submarine compare: give ids or names, or a filter such as --group")
    if options.max and options.min:
        raise UsageError("%submarine compare: give --max or --min, not both")
    sort = order(session, options.sort)
    ids = [session.id(text) for text in options.ids]
    metric = options.max or options.min
    found = session.client.compare(*ids, where=where | ({"sort": sort} if sort else {}))
    if metric is None:
        return found
    ranked = found.ranked(metric, highest=options.max is not None)
    best = [one["experimentId"] for one in ranked.experiments[:MOST_CURVES]]
    return ranked._replace(curves=session.client.curves(best, ranked.best or metric))


def diff(session: Session, options: argparse.Namespace) -> Difference:
    """Return how two experiments differ."""
    return session.client.diff(session.id(options.a), session.id(options.b))


COMMANDS = (
    Command(
        "compare",
        "put experiments side by side: what differs, what they measured",
        compare,
        (
            argument("ids", nargs="*", metavar="id", experiments=True, help="ids or names"),
            *BEST,
            *FILTERS,
            ORDER,
        ),
        (
            ("%submarine compare 35 36 37 --max accuracy", "the most accurate first"),
            ("%submarine compare --group lr --min loss", "all trials of a sweep"),
        ),
    ),
    Command(
        "diff",
        "show how an experiment differs from another one",
        diff,
        (
            argument("a", experiments=True, metavar="A", help="id or name"),
            argument("b", experiments=True, metavar="B", help="id or name"),
        ),
        (("%submarine diff 35 36", "parameters, spec and code"),),
    ),
)
