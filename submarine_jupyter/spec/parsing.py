"""Text of a body -> plain values, strictly: what two readers could understand differently is refused.

JSON is RFC 8259 and YAML its 1.2 JSON schema (https://yaml.org/spec/1.2.2/#102-json-schema), both without
what no experiment needs: repeated names, NaN and Infinity, numbers beyond 18 digits, lone surrogates,
anchors, aliases, tags.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Hashable
from typing import Any

import yaml

from submarine_jupyter.errors import InvalidRequest, TooLarge
from submarine_jupyter.spec.params import Fraction

try:
    from yaml import CSafeLoader as _SafeLoader
except ImportError:  # PyYAML without libyaml
    from yaml import SafeLoader as _SafeLoader  # type: ignore[assignment]

MAX_DEPTH = 32
MAX_NODES = 10_000
MAX_DIGITS = 18
MAX_YAML_BYTES = 256 * 1024


class Unreadable(InvalidRequest):
    """The text is not JSON or YAML as it is read here; the message says where."""


def parse_json(body: bytes) -> object:
    """Return the value of a JSON text. Raises Unreadable."""
    text = _decode(body)
    try:
        value = json.loads(
            text,
            object_pairs_hook=_unique,
            parse_int=_integer,
            parse_float=_number,
            parse_constant=_no_constant,
        )
    except json.JSONDecodeError as error:
        raise Unreadable(f"Line {error.lineno}, column {error.colno}: {error.msg}.") from None
    except RecursionError:
        raise Unreadable(f"Nested deeper than {MAX_DEPTH} levels.") from None
    _check(value)
    return value


def parse_yaml(body: bytes) -> object:
    """Return the value of a YAML text of one document. Raises Unreadable, TooLarge."""
    if len(body) > MAX_YAML_BYTES:
        raise TooLarge(f"The YAML is larger than {MAX_YAML_BYTES // 1024} KiB.", hint="Send it as JSON.")
    text = _decode(body)
    try:
        _check_events(text)
        value = yaml.load(text, Loader=_StrictLoader)  # noqa: S506 - a SafeLoader
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"Line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        what = ", ".join(part for part in (error.context, error.problem) if part)
        if "maximum nesting depth" in what:  # libyaml has a limit too, which it may meet while it looks ahead
            what = f"nested deeper than {MAX_DEPTH} levels"
        raise Unreadable(f"{where}{what}.") from None
    except yaml.YAMLError as error:
        raise Unreadable(f"{str(error).splitlines()[0]}.") from None
    _check(value)
    return value


def _decode(body: bytes) -> str:
    try:
        return body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Unreadable(f"Byte {error.start} is not UTF-8.") from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        known: set[str] = set()
        twice = next(name for name, _ in pairs if name in known or known.add(name))  # type: ignore[func-returns-value]
        raise Unreadable(f"The name {twice[:200]!r} is given twice.")
    return result


def _integer(digits: str) -> int:
    if len(digits) > MAX_DIGITS + 1:
        raise Unreadable(f"The number {digits[:30]}... has more than {MAX_DIGITS} digits.")
    return int(digits)


def _number(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise Unreadable(f"The number {text[:30]} is too large.")
    return value


def _no_constant(name: str) -> float:
    raise Unreadable(f"{name} is not JSON.")


def _check(value: object) -> None:
    """Refuse what is too deep, too large or cannot be written again as JSON."""
    nodes = 1
    level: list[object] = [value]
    for _ in range(MAX_DEPTH):
        below: list[object] = []
        for item in level:
            if isinstance(item, dict):
                for name in item:
                    _check_scalar(name)
                below.extend(item.values())
            elif isinstance(item, list):
                below.extend(item)
            else:
                _check_scalar(item)
        nodes += len(below)
        if nodes > MAX_NODES:
            raise Unreadable(f"More than {MAX_NODES} values.")
        level = below
    if any(isinstance(item, dict | list) for item in level):
        raise Unreadable(f"Nested deeper than {MAX_DEPTH} levels.")
    for item in level:
        _check_scalar(item)


def _check_scalar(value: object) -> None:
    if isinstance(value, str) and not value.isascii() and re.search("[\ud800-\udfff]", value):
        raise Unreadable("A string contains half of a surrogate pair, which is not valid Unicode.")
    if isinstance(value, int) and abs(value) >= 10**MAX_DIGITS:
        raise Unreadable(f"A number has more than {MAX_DIGITS} digits.")
    if isinstance(value, float) and not math.isfinite(value):
        raise Unreadable("A number is too large.")


class _StrictLoader(_SafeLoader):
    """A safe loader for text, whole numbers, fractions, true, false and null."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 - as in its base

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        known: set[str] = set()
        for key, _ in node.value:
            if key.tag != "tag:yaml.org,2002:str":
                raise _refused("a name must be text; put it in quotes", key.start_mark)
            if key.value == "<<" and key.style not in ("'", '"'):
                raise _refused("merge keys are not supported", key.start_mark)
            if key.value in known:
                raise _refused(f"the name {key.value[:200]!r} is given twice", key.start_mark)
            known.add(key.value)
        return super().construct_mapping(node, deep=deep)


# A number with a fraction stays text, as it was written: VERSION: 1.10 must not become 1.1, nor 1e-3 0.001.
_StrictLoader.add_constructor("tag:yaml.org,2002:float", lambda _, node: Fraction(node.value))
for _tag, _pattern, _first in (
    ("null", r"~|null|", ["~", "n", ""]),
    ("bool", r"true|false", list("tf")),
    ("int", r"0|-?[1-9][0-9]{0,17}", list("-0123456789")),
    ("float", r"-?(?:0|[1-9][0-9]{0,17})(?=[.eE])(?:\.[0-9]{1,40})?(?:[eE][-+]?[0-9]{1,3})?", list("-0123456789")),
):
    _StrictLoader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(rf"(?:{_pattern})\Z"), _first)


def _check_events(text: str) -> None:
    """Refuse before anything is built what expands (aliases), what has its own type (tags), what is huge."""
    depth = nodes = 0
    for event in yaml.parse(text, Loader=_StrictLoader):
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) is not None:
            raise _refused("anchors and aliases are not supported", event.start_mark)
        if getattr(event, "tag", None) is not None:
            raise _refused("tags are not supported", event.start_mark)
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        nodes += isinstance(event, yaml.NodeEvent)
        if depth > MAX_DEPTH:
            raise _refused(f"nested deeper than {MAX_DEPTH} levels", event.start_mark)
        if nodes > 2 * MAX_NODES:
            raise _refused(f"more than {MAX_NODES} values", event.start_mark)


def _refused(problem: str, mark: Any) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=problem, problem_mark=mark)
