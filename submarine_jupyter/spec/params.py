"""``runtime.params``: which names and values there can be, and how a replica is given them.

Each is the variable ``SUBMARINE_PARAM_<NAME>``, all together are JSON in ``SUBMARINE_PARAMS``, and ``{{name}}`` in a
command becomes the value, quoted for the place where it stands. A parameter is shown to everybody: it is no secret.
"""

from __future__ import annotations

import difflib
import json
import math
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache

VARIABLE = "SUBMARINE_PARAM_"
ALL = "SUBMARINE_PARAMS"
MOST_PARAMS = 200
LONGEST_VALUE = 4096
MOST_BYTES = 64 * 1024  # of all together, as JSON
MOST_DIGITS = 18

Value = str | int | float | bool
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,63}")
_PLACE = r"\{\{\{\{(?P<literal> *[A-Za-z_][A-Za-z0-9_.-]* *)\}\}\}\}|\{\{ *(?P<name>[A-Za-z_][A-Za-z0-9_.-]*) *\}\}"
# Characters that mean nothing to a shell, wherever they stand.
_HARMLESS = re.compile(r"[A-Za-z0-9_@%+=:,./-]+")


class Fraction(str):
    """A number with a fraction in YAML: text as it was written, and the number where one is meant."""

    __slots__ = ()


def check_params(params: Mapping[str, object]) -> dict[str, Value]:
    """Return parameters as they are kept. Raises ValueError naming the one that cannot be."""
    if len(params) > MOST_PARAMS:
        raise ValueError(
            f"{len(params):,} parameters are too many, {MOST_PARAMS} are the most: send the rest in a file"
        )
    variables: dict[str, str] = {}
    for name in params:
        if not _NAME.fullmatch(str(name)):
            raise ValueError(
                f"{str(name)[:80]!r} is not the name of a parameter, which begins with a letter or _, and has letters, "
                "digits, _ . - (64 characters at most)"
            )
        if (other := variables.setdefault(variable(name), name)) != name:
            raise ValueError(f"'{other}' and '{name}' would both be the variable {variable(name)}: rename one of them")
    kept = {name: _value(name, value) for name, value in params.items()}
    if (size := len(json.dumps(kept))) > MOST_BYTES:
        raise ValueError(
            f"the parameters have {size:,} bytes together, {MOST_BYTES:,} are the most: send them in a file"
        )
    return kept


def read(text: str) -> Value:
    """Return the value that a person writes as ``text``: a number, true or false, else text as it stands.

    >>> [read(text) for text in ("0.1", "3", "true", "adam", '"3"', "NaN")]
    [0.1, 3, True, 'adam', '3', 'NaN']
    """
    try:
        found = json.loads(text, parse_constant=lambda word: word)
    except (ValueError, RecursionError):
        return text
    return found if isinstance(found, str | int | float) else text


def variable(name: str) -> str:
    """Return the environment variable of a parameter."""
    return VARIABLE + re.sub("[.-]", "_", name).upper()


def text(value: Value) -> str:
    """Return a value as a variable or a command has it: numbers and truth values as in JSON."""
    return value if isinstance(value, str) else json.dumps(value)


def variables(params: Mapping[str, Value]) -> dict[str, str]:
    """Return the variables that give a replica its parameters; none for no parameters."""
    if not params:
        return {}
    return {variable(name): text(value) for name, value in params.items()} | {ALL: json.dumps(params)}


def filled(command: str, params: Mapping[str, Value]) -> str:
    """Return a command with each ``{{name}}`` replaced by the quoted value.

    ``{{{{name}}}}`` becomes ``{{name}}``, and so does nothing else: braces around what cannot be a name stay. Without
    parameters the command stays as it is. Raises ValueError for an unknown name, and for a value that cannot be quoted
    where it would stand.
    """
    if not params or "{{" not in command:
        return command
    # As texts: to a cache, 1, 1.0 and True are the same.
    return _filled(command, tuple((name, text(value)) for name, value in params.items()))


def declared(spec: str) -> dict[str, Value]:
    """Return the parameters in the JSON text of a stored spec; none where the disk has altered it."""
    if '"params"' not in spec:
        return {}
    try:
        found = json.loads(spec)
    except ValueError:
        return {}
    return (found.get("runtime") or {}).get("params") or {}


def _value(name: str, value: object) -> Value:
    value = float(value) if isinstance(value, Fraction) else value
    if isinstance(value, bool):
        return value
    if isinstance(value, int):
        if abs(value) >= 10**MOST_DIGITS:
            raise ValueError(
                f"{name} has more than {MOST_DIGITS} digits, which not every program reads: send it as text"
            )
        return int(value)
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError(f"{name} is {value}, which JSON cannot represent: send it as text")
        return float(value)
    if not isinstance(value, str):
        raise ValueError(f"{name} must be text, a number, true or false")
    if "\0" in value:
        raise ValueError(f"{name} must not contain a NUL character")
    try:
        size = len(value.encode())
    except UnicodeEncodeError:
        raise ValueError(f"{name} must be valid Unicode text") from None
    if size > LONGEST_VALUE:
        raise ValueError(f"{name} has {size:,} bytes, {LONGEST_VALUE:,} are the most: send it as a file")
    return str(value)


@lru_cache(maxsize=32)  # of one experiment it is asked several times, for each role
def _filled(command: str, params: tuple[tuple[str, str], ...]) -> str:
    return "".join(_pieces(command, dict(params)))


# What a shell reads, as far as it matters for where quotation marks begin and end (POSIX 2.2, 2.3, and bash). In each
# place `hard` begins what is followed no further: here-documents, arithmetic, substitutions with marks of their own.
_DOLLAR = r"(?P<dollar>\$(?=\{\{ *[A-Za-z_]))"
_SIMPLE = r"""\$\{[^{}'"`\\$]*+\}"""
_OUTSIDE = re.compile(
    rf"""{_PLACE}|{_DOLLAR}|(?P<single>')|(?P<double>")|(?P<keep>\\.(?!\#)|<<<|{_SIMPLE}|(?<![^\s;&|()<>])\#[^\n]*+"""
    r"""|[^{'"`$<\\\#\s;&|()>]++)|(?P<hard>\\.|\$['\[{]|`|<<|\(\()|(?P<more>.)""",
    re.DOTALL,
)
_DOUBLE = re.compile(
    rf"""{_PLACE}|{_DOLLAR}|\$(?P<bare>[A-Za-z_]\w*+)(?=\{{\{{)|(?P<double>")|(?P<lone>\\(?=\{{\{{))|(?P<keep>\\.|{_SIMPLE}|\$\([^(){{'"`\\$\#<]*+\))"""
    r"""|(?P<hard>`|\$[(\[{])|(?P<more>[^{"`$\\]++|.)""",
    re.DOTALL,
)
_SINGLE = re.compile(rf"{_PLACE}|(?P<single>')|(?P<keep>[^{{']++|.)", re.DOTALL)
_HARD = re.compile(rf"{_PLACE}|(?P<dollar>\$\w*+(?=\{{\{{ *[A-Za-z_]))|(?P<keep>[^{{$]++|.)", re.DOTALL)


def _pieces(command: str, params: Mapping[str, str]) -> Iterator[str]:
    """Yield the parts of a filled command, following where a shell is within quotation marks."""
    reading, at = _OUTSIDE, 0
    while found := reading.match(command, at):
        at = found.end()
        if found["name"] is not None:
            yield _quoted(found["name"], params, reading)
            continue
        if found.lastgroup == "dollar":
            place = command[at : at + 80].partition("}}")[0]
            raise ValueError(f"'{found[0][:80]}' stands before '{place}}}}}': leave the $ out")
        if found.lastgroup == "bare":
            yield f"${{{found['bare']}}}"  # the value must not become a part of this name
            continue
        yield found[0] if found["literal"] is None else f"{{{{{found['literal']}}}}}"
        kind = found.lastgroup
        if kind == "lone":
            yield "\\"  # a value may begin with what the shell takes a backslash before for its own
        elif kind == "hard":
            reading = _HARD
        elif kind in ("single", "double"):
            reading = _OUTSIDE if reading is not _OUTSIDE else _SINGLE if kind == "single" else _DOUBLE


def _quoted(name: str, params: Mapping[str, str], reading: re.Pattern[str]) -> str:
    value = params.get(name)
    if value is None:
        close = difflib.get_close_matches(name, params, 1)
        meant = f"did you mean {{{{{close[0]}}}}}?" if close else f"they are {', '.join(params)}."[:400]
        raise ValueError(
            f"runtime.params has no '{name[:80]}'; {meant} For the braces themselves write them twice: "
            f"{{{{{{{{{name[:80]}}}}}}}}}"
        )
    if reading is _OUTSIDE:
        return "'" + value.replace("'", "'\"'\"'") + "'"
    if reading is _DOUBLE:
        return re.sub(r'(["$`\\])', r"\\\1", value)
    if reading is _SINGLE:
        return value.replace("'", "'\"'\"'")
    if not _HARMLESS.fullmatch(value):
        raise ValueError(
            f"{{{{{name}}}}} stands in or behind a part of the command (a here-document, ((...)), `...`, $'...', or "
            f'"$(...)" with quotation marks) where {value[:80]!r} cannot be quoted: put it in front of that, or let '
            f"the command read the variable {variable(name)}"
        )
    return value
