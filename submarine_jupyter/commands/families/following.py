"""``logs``, ``metrics``, ``wait``: what experiments write and measure, until they end."""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from submarine_jupyter.commands.command import Command, argument
from submarine_jupyter.commands.families.finding import ID
from submarine_jupyter.commands.values import count, duration
from submarine_jupyter.errors import ExperimentFailed, UsageError
from submarine_jupyter.script.tracebacks import as_written

if TYPE_CHECKING:
    from submarine_jupyter.client.answers import Metrics
    from submarine_jupyter.client.experiment import Experiment, ExperimentList
    from submarine_jupyter.client.following import Item
    from submarine_jupyter.commands.session import Session


def logs(session: Session, options: argparse.Namespace) -> None:
    """Show lines of all replicas, or follow them."""
    if options.follow and options.since is not None:
        raise UsageError("--since does not go with --follow: give --tail N, or neither to begin at the start")
    experiment_id, client = session.id(options.id), session.client
    if options.grep is not None:
        for match in client.search(experiment_id, options.grep, ignore_case=True, replica=options.replica):
            session.screen.say(str(match))
    elif not options.follow:
        lines = client.logs(experiment_id, tail=options.tail, since=options.since, replica=options.replica)
        session.screen.say(as_written(repr(lines), session.cells.get(experiment_id)))
    elif session.follow(client.get(experiment_id), tail=options.tail, replica=options.replica) and not session.draws:
        session.say(f"{experiment_id} {client.get(experiment_id).took()}")


def metrics(session: Session, options: argparse.Namespace) -> Metrics:
    """Return what the replicas have measured."""
    return session.client.metrics(session.id(options.id), names=options.names)


def wait(session: Session, options: argparse.Namespace) -> Experiment | ExperimentList:
    """Wait until all have ended. Raises ExperimentFailed, WaitTimeout."""
    from submarine_jupyter.client.experiment import ExperimentList
    from submarine_jupyter.client.reasons import together

    ids = [session.id(text) for text in options.ids or (None,)] if not options.group else []
    if options.group:
        ids = [row["experimentId"] for row in session.client.rows({"group": options.group, "archived": "any"})]
        if not ids:
            raise UsageError(f"No experiment is of a group {options.group!r}")
    found = [session.client.get(one) for one in ids]
    failed: list[ExperimentFailed] = []
    for experiment in found:
        try:
            if not _waited(session, experiment, options.timeout):
                break
        except ExperimentFailed as error:
            if len(found) == 1:
                raise
            failed.append(error)
    if failed:
        raise together(failed, len(found), "experiments")
    return found[0] if len(found) == 1 else ExperimentList(found)


def _waited(session: Session, experiment: Experiment, timeout: float | None) -> bool:
    if session.draws:
        has_ended = session.follow(experiment, timeout=timeout)
        if has_ended:
            session.ended(experiment, shown=True)
        return has_ended
    events = session.client.events(experiment.id, timeout=timeout)
    if session.show(experiment.id, _states(events)):
        session.say(f"{session.ended(experiment, shown=False).id} {experiment.took()}")
        return True
    return False


def _states(events: Iterator[dict[str, Any]]) -> Iterator[Item]:
    from submarine_jupyter.client.following import State

    with contextlib.closing(events):  # type: ignore[type-var]
        for event in events:
            if event["status"]:
                yield State(event["status"], event["reason"], event["message"])


COMMANDS = (
    Command(
        "logs",
        "show the newest lines of all replicas",
        logs,
        (
            ID,
            argument(
                "-f", "--follow", action="store_true", help="follow until the experiment ends; interrupting detaches"
            ),
            argument("--tail", type=count, metavar="N", help="only the last N lines of each replica"),
            argument("--since", metavar="TIME", help="only lines since 30s, 10m, 2h, 1d ago, or since an ISO time"),
            argument("--replica", metavar="NAME", help="only this replica: worker-0"),
            argument("--grep", metavar="TEXT", help="find a text in all lines, however many; case does not count"),
        ),
        (
            ("%submarine logs", "of the last one of this notebook"),
            ("%submarine logs 41 -f --tail 20", "go on from the last 20 lines to the end"),
            ("%submarine logs 41 --grep error --replica worker-1", "find a text"),
        ),
    ),
    Command(
        "metrics",
        "show what an experiment has measured",
        metrics,
        (ID, argument("names", nargs="*", metavar="NAME", help="only these metrics")),
        (("%submarine metrics 41 loss accuracy", "two of its metrics"),),
    ),
    Command(
        "wait",
        "wait until experiments have ended",
        wait,
        (
            argument("ids", nargs="*", metavar="id", experiments=True, help="ids or names; if left out, the last one"),
            argument("--group", metavar="NAME", used=("group",), help="all of this group, such as a sweep"),
            argument("--timeout", type=duration, metavar="TIME", help="give up waiting for one after this time"),
        ),
        (
            ("%submarine wait 41 42 --timeout 2h", "for both"),
            ("%submarine wait --group lr", "for all trials of a sweep"),
        ),
    ),
)
