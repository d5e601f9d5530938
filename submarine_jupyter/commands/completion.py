"""What a line of ``%submarine`` can go on with: commands, options, their values, experiments with name and state."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from submarine_jupyter.commands.command import Argument
from submarine_jupyter.commands.grammar import Grammar
from submarine_jupyter.commands.ids import Known, KnownIds, short
from submarine_jupyter.commands.parser import Parser

MOST = 200


class Choice(NamedTuple):
    """A word, and what to know of it."""

    word: str
    about: str = ""


def complete(
    before: Sequence[str], fragment: str, grammar: Grammar, ids: KnownIds, refresh: Callable[[], object] = bool
) -> list[Choice]:
    """Return what ``fragment`` can become behind the words ``before``; ``refresh`` asks which experiments there are."""
    if not before or before == ["help"]:
        return _starting([Choice(name, command.summary) for name, command in grammar.commands.items()], fragment)
    if before[0] not in grammar.commands or "--" in before:
        return []
    parser = grammar.parser(before[0])
    previous = before[-1]
    if len(before) > 1 and parser.takes_value(previous):
        option = parser.argument(previous)
        return _values(option, fragment, ids, refresh) if option else []
    if fragment.startswith("-"):
        return _starting([Choice(name, _help(parser.argument(name))) for name in parser.options()], fragment)
    if _takes_experiments(parser, before[1:]):
        refresh()
        return _experiments(ids.newest_first(), fragment)
    return []


def _values(option: Argument, fragment: str, ids: KnownIds, refresh: Callable[[], object]) -> list[Choice]:
    if option.used:
        refresh()
    dash = "-" if fragment.startswith("-") else ""  # of an order, the highest first
    words = [*option.values, *(f"{dash}{word}" for part in option.used for word in ids.used(part))]
    return _starting([Choice(word) for word in dict.fromkeys(words) if " " not in word], fragment)


def _takes_experiments(parser: Parser, words: Sequence[str]) -> bool:
    """Return whether the next word at a place is an experiment: of `note` only the first is, of `stop` all are."""
    options = [at for at, word in enumerate(words) if word.startswith("-")]
    values = [at for at in options if parser.takes_value(words[at])]
    taken = len(words) - len(options) - len(values)
    places = [one for one in parser.command.arguments if not one.names[0].startswith("-")]
    return any(
        one.experiments and (place == taken or (place <= taken and one.how.get("nargs") == "*"))
        for place, one in enumerate(places)
    )


def _experiments(known: Sequence[tuple[str, Known]], fragment: str) -> list[Choice]:
    ids = [one for one, _ in known]
    found = []
    for experiment_id, about in known:
        word = short(experiment_id, ids)
        if word.startswith(fragment) or word.lstrip("0").startswith(fragment) or experiment_id.startswith(fragment):
            found.append(Choice(word if not fragment.startswith("experiment") else experiment_id, _shown(about)))
        elif about.name.lower().startswith(fragment.lower()) and " " not in about.name:
            found.append(Choice(about.name, f"{word} {about.state}"))
    return list(dict.fromkeys(found))[:MOST]


def _shown(about: Known) -> str:
    return " ".join(filter(None, about))


def _starting(choices: Iterable[Choice], fragment: str) -> list[Choice]:
    return [one for one in choices if one.word.lower().startswith(fragment.lower())]


def _help(argument: Argument | None) -> str:
    return "" if argument is None else str(argument.how.get("help") or "").replace("%%", "%")
