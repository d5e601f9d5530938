"""``list``, ``status``, ``describe``, ``why``: find experiments, and how they are."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from submarine_jupyter.commands.command import Command, argument
from submarine_jupyter.commands.filters import FILTERS, order, wanted
from submarine_jupyter.commands.values import count

if TYPE_CHECKING:
    from submarine_jupyter.client.experiment import Experiment, ExperimentList
    from submarine_jupyter.commands.session import Session

ID = argument(
    "id",
    nargs="?",
    experiments=True,
    help="id, a unique part of it, or a name; default: the last one of this notebook",
)
SORT = argument(
    "--sort",
    metavar="NAME",
    values=("accepted", "name", "status", "finished"),
    used=("params", "metrics"),
    help="accepted, name, status, finished, a parameter or a metric; -NAME: the highest first",
)
LIMIT = 50


def find(session: Session, options: argparse.Namespace) -> ExperimentList:
    """Return the experiments that fit, newest first."""
    where = wanted(session, options)
    limit = session.settings.get("limit", options.limit) or LIMIT
    found = session.client.list(limit=limit, sort=order(session, options.sort), where=where)
    session.ids.meet({"experimentId": one.id, "name": one.name, "state": one.state} for one in found)
    return found


def status(session: Session, options: argparse.Namespace) -> Experiment:
    """Return an experiment as it is now."""
    return session.client.get(session.id(options.id))


def describe(session: Session, options: argparse.Namespace) -> Any:
    """Return all that is known of an experiment."""
    return session.client.get(session.id(options.id)).describe()


def why(session: Session, options: argparse.Namespace) -> None:
    """Say why an experiment is as it is."""
    from submarine_jupyter.script.tracebacks import reason_as_written

    session.say(reason_as_written(session.client.get(session.id(options.id)).why()))


COMMANDS = (
    Command(
        "list",
        "list the experiments of the server, newest first",
        find,
        (
            *FILTERS,
            SORT,
            argument("--limit", type=count, metavar="N", help=f"at most N (default: {LIMIT})"),
        ),
        (
            ("%submarine list --here", "those of this notebook"),
            ("%submarine list --where 'lr<0.1 and accuracy>0.9' --sort -accuracy", "by parameters and metrics"),
            ("%submarine list --since 7d --tag baseline --status Failed", "the last week's"),
        ),
    ),
    Command(
        "status",
        "show the state of an experiment and its replicas, and why",
        status,
        (ID,),
        (("%submarine status", "the last one of this notebook"), ("%submarine status 41", "the end of an id")),
    ),
    Command(
        "describe",
        "show everything about an experiment: spec, replicas, events",
        describe,
        (ID,),
        (("%submarine describe mnist", "the newest one of this name"),),
    ),
    Command(
        "why",
        "say in a sentence why an experiment waits, runs or has failed",
        why,
        (ID,),
        (("%submarine why 41", "what it waits for, or what went wrong first"),),
    ),
)
