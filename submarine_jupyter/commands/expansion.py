"""``{name}`` in an option becomes the value of that variable of the notebook: ``--env LR={lr}``.

Nothing is sent as it stands by accident: a name that is not known, an expression and ``$name`` of a known name are
refused with what to write instead. In a command the braces are the shell's, and so is the dollar: nothing is put in
there, but the name of a variable of the notebook in braces is refused, for the command would run with the letters.
Words behind ``--`` are those of a program: ``{name}`` is a variable, ``{{name}}`` a parameter, and there is no shell.
"""

from __future__ import annotations

import builtins
import re
from collections.abc import Mapping, Sequence
from typing import Any

from submarine_jupyter.errors import UsageError

# {{ and }} are braces; ${x} is the shell's; what begins like a name in braces is meant as one.
_BRACES = re.compile(r"\{\{|\}\}|(?<!\$)\{(?P<name>[^\W\d][^{}]*)\}")
_DOLLAR = re.compile(r"\$\{?(?P<name>[^\W\d]\w*)")
_PATH = re.compile(r"[^\W\d]\w*(?:\.[^\W\d]\w*)*")


def expanded(words: Sequence[str], names: Mapping[str, Any]) -> list[str]:
    """Return the words of a line with the values of ``names`` in them. Raises UsageError."""
    at = words.index("--") if "--" in words else len(words)
    found: list[str] = []
    for word in words[:at]:
        option = found[-1] if found else ""
        if option == "--cmd" or word.startswith("--cmd="):
            _check_command(word.removeprefix("--cmd="), names)
            found.append(word)
        else:
            _check_dollar(word, names)
            found.append(_BRACES.sub(lambda match: _value(match, names), word))
    return found + [_of_a_program(word, names) for word in words[at:]]


def _of_a_program(word: str, names: Mapping[str, Any]) -> str:
    """Return a word behind ``--``: {{name}} stays, for it is a parameter; a dollar would reach no shell."""
    if (dollar := _DOLLAR.search(word)) is not None:
        raise UsageError(f"{dollar[0]}: a word behind -- reaches no shell; write the whole command as --cmd '...'")
    return _BRACES.sub(lambda match: match[0] if match["name"] is None else _value(match, names), word)


def _value(match: re.Match[str], names: Mapping[str, Any]) -> str:
    text = match["name"]
    if text is None:
        return match[0][0]
    if not _PATH.fullmatch(text):
        raise UsageError(f"{match[0]}: braces take only a name; write {{{match[0]}}} for the text itself")
    first, *rest = text.split(".")
    if first not in names:
        raise UsageError(f"{match[0]}: the notebook has no variable {first!r}; {{{match[0]}}} for the text itself")
    value = names[first]
    for attribute in rest:
        try:
            value = getattr(value, attribute)
        except AttributeError:
            raise UsageError(f"{match[0]}: {first!r} has no {attribute!r}") from None
    if isinstance(value, list | tuple | range):
        return ",".join(map(str, value))  # the values of a sweep, a list of resources
    if callable(value):
        raise UsageError(f"{match[0]}: {text!r} is {type(value).__name__}, which an option cannot take")
    return str(value)


def _check_dollar(word: str, names: Mapping[str, Any]) -> None:
    for match in _DOLLAR.finditer(word):
        if _is_of_the_notebook(match["name"], names):
            raise UsageError(f"{match[0]}: write {{{match['name']}}} for the variable of the notebook")


def _check_command(text: str, names: Mapping[str, Any]) -> None:
    for match in _BRACES.finditer(text):
        name = match["name"]
        if name is not None and _is_of_the_notebook(name, names) and not callable(names[name]):
            env = name.upper()
            raise UsageError(f"{match[0]} is not replaced in a command: add --env {env}={match[0]} and write ${env}")


def _is_of_the_notebook(name: str, names: Mapping[str, Any]) -> bool:
    return name in names and not name.startswith("_") and not hasattr(builtins, name)
