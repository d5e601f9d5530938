"""``scale``, ``stop``, ``delete``: change what runs, end it, forget it."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from submarine_jupyter.commands.chosen import MANY, chosen, many
from submarine_jupyter.commands.command import Command, argument
from submarine_jupyter.commands.families.finding import ID
from submarine_jupyter.commands.families.running import NUMBERS
from submarine_jupyter.commands.sending.spec import asked_replicas
from submarine_jupyter.errors import UsageError

if TYPE_CHECKING:
    from submarine_jupyter.client.experiment import Experiment, ExperimentList
    from submarine_jupyter.commands.session import Session


def scale(session: Session, options: argparse.Namespace) -> Experiment:
    """Change how many replicas roles have."""
    replicas = dict(asked_replicas(options))
    if not replicas:
        raise UsageError("%submarine scale: say how many replicas: --worker 3")
    experiment = session.client.scale(session.id(options.id), **replicas)
    if experiment.has_ended:
        session.say("The experiment has ended: the change is recorded, but nothing was started. %submarine rerun does.")
    return experiment


def stop(session: Session, options: argparse.Namespace) -> Experiment | ExperimentList | None:
    """End experiments; their records stay."""
    from submarine_jupyter.client.experiment import ExperimentList

    if many(session, options, "stop", "stopped", session.client.stop_all):
        return None
    stopped = [session.client.stop(one) for one in chosen(session, options)]
    return stopped[0] if len(stopped) == 1 else ExperimentList(stopped)


def delete(session: Session, options: argparse.Namespace) -> None:
    """End experiments and forget them."""
    if many(session, options, "delete", "deleted", session.client.delete_all):
        return
    if not options.ids:
        raise UsageError("%submarine delete: give ids or names, or a filter such as --tag")
    for experiment_id in chosen(session, options):
        session.client.delete(experiment_id)
        session.ids.forget(experiment_id)
        session.say(f"{experiment_id} is deleted")


IDS = argument("ids", nargs="*", metavar="id", experiments=True, help="ids or names; if left out, the last one")
COMMANDS = (
    Command(
        "scale",
        "change how many replicas an experiment has, while it runs",
        scale,
        (ID, *NUMBERS),
        (("%submarine scale 41 --worker 4", "four workers"),),
    ),
    Command(
        "stop",
        "end experiments; their records and their logs stay",
        stop,
        (IDS, *MANY),
        (
            ("%submarine stop", "the last one of this notebook"),
            ("%submarine stop 41 42", "these two"),
            ("%submarine stop --group lr --yes", "all of a sweep; without --yes it only counts them"),
        ),
    ),
    Command(
        "delete",
        "end experiments and forget them",
        delete,
        (argument("ids", nargs="*", metavar="id", experiments=True, help="ids or names"), *MANY),
        (
            ("%submarine delete 41 42", "these two"),
            ("%submarine delete --status Failed --tag try", "count them; with --yes they are deleted"),
        ),
    ),
)
