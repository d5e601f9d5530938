"""A user's own metric lines, described without regular expressions: ``loss={loss} step={step}``.

A template is literal text with fields in braces. Each field stands for a number; ``{step}`` is the step of
the others. A blank stands for any run of blanks. The text may begin anywhere in a line. Matching takes one
pass without backtracking, so no template and no line can make it slow.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from submarine_jupyter.errors import InvalidSpec

_FINITE = r"(?:[0-9]{1,40}+(?:\.[0-9]{0,40}+)?+|\.[0-9]{1,40}+)(?:[eE][+-]?[0-9]{1,4}+)?+(?![0-9])"
NUMBER = rf"[+-]?(?:{_FINITE}|(?i:nan|inf(?:inity)?+)(?![A-Za-z]))"
MAX_TEMPLATE = 200
MAX_FIELDS = 8
STEP = "step"

_FIELD = re.compile(r"\{([^{}]*)\}")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_./@-]{0,63}")


@dataclass(frozen=True, slots=True)
class Template:
    """A compiled template: ``needle`` is in every line that matches."""

    needle: bytes
    names: tuple[str, ...]
    pattern: re.Pattern[str]

    def match(self, line: str) -> dict[str, str] | None:
        """Return the fields' numbers as text, None when the line does not match."""
        found = self.pattern.search(line)
        return dict(zip(self.names, found.groups(), strict=True)) if found else None


def parse_template(text: str) -> Template:
    """Compile a template. Raises InvalidSpec that says what is wrong with it."""
    pieces = _FIELD.split(text)
    literals, names = pieces[::2], pieces[1::2]
    problem = _problem(text, literals, names)
    if problem:
        raise InvalidSpec(
            f"runtime.metrics: {text[:80]!r} {problem}",
            hint="write the line as it is printed, with names in braces for numbers: loss={loss} step={step}",
        )
    parts = [_literal(literals[0])]
    for literal in literals[1:]:
        parts += [f"({NUMBER})", _literal(literal)]
    needle = max(literals[0].split(), key=len).encode()
    return Template(needle, tuple(names), re.compile("".join(parts)))


def _problem(text: str, literals: list[str], names: list[str]) -> str | None:
    if len(text) > MAX_TEMPLATE or not text.isprintable():
        return f"must be one line of at most {MAX_TEMPLATE} printable characters"
    if not any(name != STEP for name in names) or len(names) > MAX_FIELDS:
        return f"must name 1 to {MAX_FIELDS} numbers, not only the step"
    if any("{" in literal or "}" in literal for literal in literals):
        return "has a brace without its other half"
    if len(set(names)) < len(names) or not all(_NAME.fullmatch(name) for name in names):
        return "must have names of letters, digits and _./@- in its braces, each once"
    if not literals[0].strip() or "" in literals[1:-1]:
        return "must have text before each field"
    return None


def _literal(text: str) -> str:
    """Return the pattern of literal text; a blank in it is any run of blanks."""
    return r"[ \t]++".join(re.escape(word) for word in re.split(r" +", text))
