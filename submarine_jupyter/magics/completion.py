"""Complete ``%submarine`` lines from what this kernel knows already; nothing is asked of the server."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from IPython.core.completer import CompletionContext, SimpleCompletion, context_matcher

from submarine_jupyter.commands.grammar import STATUSES, Grammar
from submarine_jupyter.commands.ids import KnownIds
from submarine_jupyter.spec.vocabulary import FRAMEWORKS

# The line up to the cursor: alone, assigned, or the head of a cell.
_LINE = re.compile(r"(?:[\w, ]+=\s*)?%{1,2}submarine[ \t]+(?P<words>[^\n]*)")
_TAKES_ID = ("status", "logs", "wait", "scale", "stop", "delete", "describe")


Matcher = Callable[[CompletionContext], dict[str, Any]]


def matcher(grammar: Grammar, ids: KnownIds) -> Matcher:
    """Return a matcher for ``shell.Completer.custom_matchers``."""

    def submarine_matcher(context: CompletionContext) -> dict[str, Any]:
        match = _LINE.fullmatch(context.text_until_cursor.lstrip())
        if match is None:
            return {"completions": []}
        *before, fragment = match["words"].split(" ")
        found = complete([word for word in before if word], fragment, grammar, ids)
        return {
            "completions": [SimpleCompletion(text=word, type="param") for word in found],
            # The completer's own idea of a token ends at a dash.
            "matched_fragment": fragment,
            "ordered": True,
            "suppress": bool(found),
        }

    marked: Matcher = context_matcher()(submarine_matcher)
    return marked


def complete(before: list[str], fragment: str, grammar: Grammar, ids: KnownIds) -> list[str]:
    """Return what ``fragment`` can become behind the words ``before``."""
    if not before:
        return [name for name in grammar.commands if name.startswith(fragment)]
    command, previous = before[0], before[-1]
    if command == "help":
        return [name for name in grammar.commands if name.startswith(fragment)]
    if command not in grammar.commands:
        return []
    if previous == "--framework":
        return [name for name in FRAMEWORKS if name.lower().startswith(fragment.lower())]
    if previous == "--status":
        return [name for name in STATUSES if name.lower().startswith(fragment.lower())]
    if fragment.startswith("-"):
        return [name for name in grammar.commands[command].options() if name.startswith(fragment)]
    if command in _TAKES_ID and not previous.startswith("-"):
        return [one for one in ids.newest_first() if one.startswith(fragment)]
    return []
