"""``clone``, ``rerun``: an experiment again, with changes."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from submarine_jupyter.commands.command import Command
from submarine_jupyter.commands.families.finding import ID
from submarine_jupyter.commands.families.running import CHANGES, OUTPUT, PARAM, ROLE_RESOURCES, WAITING, keep, wait_for
from submarine_jupyter.commands.sending.spec import change
from submarine_jupyter.commands.sending.spec_file import Json

if TYPE_CHECKING:
    from submarine_jupyter.client.experiment import Experiment
    from submarine_jupyter.commands.session import Session


def clone(session: Session, options: argparse.Namespace) -> Experiment:
    """Submit an experiment again, with changes, and do not wait."""
    experiment = session.client.create(_changed(session, options))
    keep(session, options, experiment)
    session.say(f"{experiment.id} ({experiment.name})")
    return experiment


def rerun(session: Session, options: argparse.Namespace) -> Experiment:
    """Run an experiment again, with changes, and wait for it."""
    experiment = session.client.create(_changed(session, options))
    return wait_for(session, options, experiment)


def _changed(session: Session, options: argparse.Namespace) -> Json:
    found = change(options, session.client.read(session.id(options.id))["spec"])
    runtime = {name: value for name, value in (found.get("runtime") or {}).items() if name not in ("origin", "group")}
    origin = session.origin.wire()
    return {**found, "runtime": runtime | ({"origin": origin} if origin else {})}


COMMANDS = (
    Command(
        "clone",
        "submit an experiment again, with changes, and return its handle at once",
        clone,
        (ID, *CHANGES, PARAM, OUTPUT),
        (("%submarine clone 41 --param lr=0.2 --name colder", "the same with another parameter"),),
        about=ROLE_RESOURCES,
    ),
    Command(
        "rerun",
        "run an experiment again, with changes, and wait for it",
        rerun,
        (ID, *CHANGES, PARAM, *WAITING),
        (
            ("%submarine rerun 41", "once more"),
            ("%submarine rerun 44 --memory 4G", "what ran out of memory, with more of it"),
        ),
        about=ROLE_RESOURCES,
    ),
)
