"""Many experiments at once: those of some ids, or all that fit filters, which are counted before anything is done."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from submarine_jupyter.commands.command import argument
from submarine_jupyter.commands.filters import FILTERS, Where, wanted
from submarine_jupyter.commands.ids import SHOWN, short
from submarine_jupyter.errors import UsageError

if TYPE_CHECKING:
    from submarine_jupyter.client.answers import Ids
    from submarine_jupyter.commands.session import Session

MANY = (*FILTERS, argument("--yes", action="store_true", help="do it to all that fit the filters, not only count them"))


def chosen(session: Session, options: argparse.Namespace) -> list[str]:
    """Return the ids that a line names, without any the last one of the notebook.

    Raises UsageError before anything is done.
    """
    if not options.ids and session.names is None:
        raise UsageError(f"%submarine {options.command.name}: give ids or names, or a filter such as --tag")
    return list(dict.fromkeys(session.id(text, newest=False) for text in options.ids or (None,)))


def many(session: Session, options: argparse.Namespace, verb: str, done: str, order: Callable[..., Ids]) -> bool:
    """Carry out an ``order`` on all that fit the filters of a line; return False where it has none.

    Without ``--yes`` only say how many these are, and the line that does it. Raises UsageError.
    """
    where: Where = wanted(session, options)
    if not where:
        if options.yes and not options.ids:
            raise UsageError(f"--yes needs a filter that names what to {verb}, such as --tag or --group")
        return False
    if options.ids:
        raise UsageError(f"Name what to {verb} by ids or by filters, not by both")
    found = order(where, dry_run=not options.yes)
    if not found:
        session.say(f"No experiment fits: nothing is {done}")
    elif options.yes:
        for experiment_id in found if verb == "delete" else ():
            session.ids.forget(experiment_id)
        session.say(f"{_counted(found)} {'is' if found.total == 1 else 'are'} {done}")
    else:
        session.say(f"{_counted(found)} would be {done}. To do it: {_line(session, options)} --yes")
    return True


def _counted(found: Ids) -> str:
    shown = ", ".join(short(one, found) for one in found[:SHOWN])
    more = f" and {found.total - SHOWN:,} more" if found.total > SHOWN else ""
    return f"{found.total:,} experiment{'s' if found.total > 1 else ''} ({shown}{more})"


def _line(session: Session, options: argparse.Namespace) -> str:
    """Return the line as it was given, the values of variables in it."""
    words: list[str] = ["%submarine", options.command.name]
    for one in FILTERS:
        name = one.names[-1]
        value: Any = getattr(options, name.removeprefix("--"))
        for text in value if isinstance(value, list) else [value] if value else []:
            words += [name] if text is True else [name, shlex.quote(text)]
    return " ".join(words)
