"""Which experiments: the filters that ``list``, ``stop``, ``delete``, ``archive`` and ``compare`` have in common."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from submarine_jupyter.commands.command import argument
from submarine_jupyter.commands.values import STATUSES, framework, meant, statuses
from submarine_jupyter.errors import UsageError
from submarine_jupyter.spec.vocabulary import FRAMEWORKS

if TYPE_CHECKING:
    from submarine_jupyter.commands.session import Session

Where = dict[str, Any]
FILTERS = (
    argument(
        "--where",
        metavar="CONDITIONS",
        help="parameters and metrics: 'lr<0.1 and accuracy>0.9'; param.NAME or metric.NAME where both have the name",
    ),
    argument(
        "--status",
        type=statuses,
        metavar="NAME",
        values=STATUSES,
        help=f"only with this status: {', '.join(STATUSES)}; several with commas",
    ),
    argument("--name", help="only with this name; mnist* for a beginning"),
    argument("--tag", action="append", used=("tags",), help="only with this tag; several: with all of them"),
    argument("--group", metavar="NAME", used=("group",), help="only of this group, such as a sweep"),
    argument("--framework", type=framework, metavar="NAME", values=FRAMEWORKS, help="only of this framework"),
    argument("--since", metavar="TIME", help="only accepted since 30m, 7d ago, or since an ISO time"),
    argument("--search", metavar="WORDS", help="only with these words in name, id, tags, note or parameters"),
    argument("--here", action="store_true", help="only of this notebook"),
    argument("--archived", action="store_true", help="only what is archived"),
)
_PLAIN = {"status": "status", "name": "name", "group": "group", "framework": "framework", "since": "since"}
_VALUE = r"""(?:'([^']*)'|"([^"]*)"|([^\s<>=!'"]+))"""
_CONDITION = re.compile(rf"""\s*([^\s<>=!'"]+)\s*(<=|>=|!=|==|=|<|>)\s*{_VALUE}\s*(?:$|\b[aA][nN][dD]\s+(?!$))""")
_ORDERS = ("accepted", "name", "status", "finished")


def wanted(session: Session, options: argparse.Namespace) -> Where:
    """Return the filters of a line as the server takes them, none for none. Raises UsageError."""
    found: Where = {key: getattr(options, name) for name, key in _PLAIN.items()}
    found |= {"tag": options.tag, "q": options.search, "archived": "true" if options.archived else None}
    found["notebook"] = session.here() if options.here else None
    found = {name: value for name, value in found.items() if value}
    for name, condition in conditions(options.where or ""):
        found.setdefault(_full(session, name), []).append(condition)
    return found


def order(session: Session, text: str | None) -> str | None:
    """Return what to sort by as the server takes it: ``-accuracy`` is ``-metric.accuracy``. Raises UsageError."""
    if text is None:
        return None
    name = text.removeprefix("-")
    full = name if name in _ORDERS else _full(session, name)
    return f"-{full}" if text.startswith("-") else full


def conditions(text: str) -> Iterator[tuple[str, str]]:
    """Yield name and condition of ``lr<0.1 and accuracy>0.9``. Raises UsageError."""
    at, text = 0, text.strip()
    while at < len(text):
        found = _CONDITION.match(text, at)
        if found is None:
            raise UsageError(
                f"--where {text[at:]!r} is not a condition like lr<0.1; join several with 'and' (there is no 'or')"
            )
        at = found.end()
        value = next(value for value in found.groups()[2:] if value is not None)
        yield found[1], f"{found[2]}{value}"


def _full(session: Session, name: str) -> str:
    """Return ``param.NAME`` or ``metric.NAME``: which of both has this name. Raises UsageError where none has."""
    if name.startswith(("param.", "metric.")):
        return name
    kinds = [kind for kind in ("param", "metric") if session.client.knows(f"{kind}.{name}")]
    if len(kinds) == 1:
        return f"{kinds[0]}.{name}"
    if kinds:
        raise UsageError(f"{name!r} is a parameter and a metric: write param.{name} or metric.{name}")
    rows = session.client.rows({"archived": "any"}, limit=100)
    known = {key for row in rows for part in ("params", "metrics") for key in row[part]}
    raise UsageError(f"No experiment has a parameter or a metric {name!r}{meant(name, known)}")
