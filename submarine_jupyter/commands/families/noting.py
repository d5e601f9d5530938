"""``tag``, ``note``, ``archive``: what people say of an experiment; nothing that runs is changed by it."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from submarine_jupyter.commands.chosen import MANY, chosen, many
from submarine_jupyter.commands.command import Command, argument
from submarine_jupyter.commands.families.finding import ID
from submarine_jupyter.commands.ids import short
from submarine_jupyter.errors import UsageError

if TYPE_CHECKING:
    from submarine_jupyter.commands.session import Session


def tag(session: Session, options: argparse.Namespace) -> None:
    """Add tags to an experiment, or take them away."""
    client, experiment_id = session.client, session.id(options.id)
    known: list[str] = client.read(experiment_id)["spec"]["meta"]["tags"] or []
    kept = [one for one in dict.fromkeys((*known, *options.tags)) if one not in (options.remove or ())]
    if kept != known:
        client.patch(experiment_id, {"meta": {"tags": kept}})
    session.say(f"{short(experiment_id, ())} has the tags: {', '.join(kept)}" if kept else "It has no tags")


def note(session: Session, options: argparse.Namespace) -> None:
    """Note something about an experiment, or show what is noted."""
    client, experiment_id = session.client, session.id(options.id)
    change: dict[str, Any] = {"note": options.text} if options.text is not None else {}
    if options.pinned is not None:
        change["pinned"] = options.pinned
    if change:
        client.annotate(experiment_id, change)
    detail = client.read(experiment_id).get("detail") or {}
    pinned = " (pinned)" if detail.get("pinned") else ""
    session.say(f"{short(experiment_id, ())}{pinned}: {detail.get('note') or 'nothing is noted'}")


def archive(session: Session, options: argparse.Namespace) -> None:
    """Take experiments out of lists, or back into them; they stay."""
    from submarine_jupyter.client.answers import Ids

    def fitting(where: dict[str, Any], *, dry_run: bool) -> Ids:
        rows = session.client.rows({**where, "archived": str(options.undo).lower()}, every=True)
        for row in () if dry_run else rows:
            session.client.annotate(row["experimentId"], {"archived": not options.undo})
        return Ids([row["experimentId"] for row in rows], len(rows))

    done = "back in lists" if options.undo else "archived"
    if many(session, options, "archive", done, fitting):
        return
    if not options.ids:
        raise UsageError("%submarine archive: give ids or names, or a filter such as --tag")
    ids = chosen(session, options)
    for experiment_id in ids:
        session.client.annotate(experiment_id, {"archived": not options.undo})
        session.say(f"{experiment_id} is {done}")


COMMANDS = (
    Command(
        "tag",
        "add tags to an experiment, or remove them",
        tag,
        (
            argument("id", experiments=True, help="id or name"),
            argument("tags", nargs="*", metavar="TAG", help="tags to add"),
            argument("--remove", action="append", metavar="TAG", help="tag to remove; can be repeated"),
        ),
        (("%submarine tag 41 baseline --remove try", "add one, remove one"),),
    ),
    Command(
        "note",
        "note something about an experiment, or show what is noted",
        note,
        (
            ID,
            argument("text", nargs="?", help="what to note, in quotation marks; '' removes it"),
            argument("--pin", dest="pinned", action="store_true", default=None, help="mark it"),
            argument("--unpin", dest="pinned", action="store_false", help="take the mark away"),
        ),
        (("%submarine note 41 'best so far' --pin", "lists find it by --search best"),),
    ),
    Command(
        "archive",
        "take experiments out of lists; they stay, with their logs",
        archive,
        (
            argument("ids", nargs="*", metavar="id", experiments=True, help="ids or names"),
            argument("--undo", action="store_true", help="show them in lists again"),
            *MANY,
        ),
        (
            ("%submarine archive 41 42", "these two; list --archived shows them"),
            ("%submarine archive --since 7d --tag try --yes", "all that fit; without --yes it only counts them"),
        ),
    ),
)
