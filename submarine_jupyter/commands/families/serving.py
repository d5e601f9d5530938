"""``target``, ``connect``, ``config``, ``help``: where things run, and how the commands themselves are set."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from submarine_jupyter.commands.command import Command, argument
from submarine_jupyter.commands.settings import NAMES

if TYPE_CHECKING:
    from submarine_jupyter.commands.session import Session


def target(session: Session, options: argparse.Namespace) -> Any:
    """Return the compute targets with what is free there."""
    from submarine_jupyter.client.targets import Targets

    found = session.client.targets()
    return Targets(one for one in found if options.name in (None, one["name"]))


def connect(session: Session, options: argparse.Namespace) -> None:
    """Use another server, or find the one of this place again."""
    client, found = session.connect(options.url, options.token)
    session.say(f"Connected to {client.url} ({found})")


def config(session: Session, options: argparse.Namespace) -> Any:
    """Return the defaults that hold, and from where each comes."""
    from submarine_jupyter.client.configuration import Configuration

    known = session.settings.known
    client = session.connected
    rows = [(name, known[name].value, known[name].source) for name in NAMES if name in known]
    return Configuration(None if client is None else client.url, rows, [name for name in NAMES if name not in known])


def show_help(session: Session, options: argparse.Namespace) -> None:
    """Show the help of all, or of one command."""
    session.screen.say(session.grammar.help(options.about))


COMMANDS = (
    Command(
        "target",
        "show the compute targets, and what is free there",
        target,
        (argument("name", nargs="?", help="only this one"),),
        (("%submarine target", "all that the server knows"),),
    ),
    Command(
        "connect",
        "use another server, or find the one of this notebook again",
        connect,
        (
            argument("url", nargs="?", help="address of a Jupyter Server with the Submarine extension"),
            argument("--token", help="its token"),
        ),
        (
            ("%submarine connect", "find it again, after it was restarted"),
            ("%submarine connect http://127.0.0.1:8888/ --token TOKEN", "that one"),
        ),
    ),
    Command(
        "config",
        "show the defaults of options that hold, and from where each comes",
        config,
        (),
        (("%submarine config", '%config SubmarineMagics.cpu = "2" sets one for this kernel'),),
    ),
    Command(
        "help",
        "show this text, or the help of a command",
        show_help,
        (argument("about", nargs="?", metavar="COMMAND", help="such as run"),),
        (("%submarine help run", "the options of run"),),
    ),
)
