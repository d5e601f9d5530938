"""Names are the field's words: what has a name there is not called by another one here.

A name says inspect, poll, refresh, report, publish or snapshot. The words below were eight ways to say "what is known".
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import pytest

from tests.test_imports import ROOT, modules

RETIRED = {
    "belongings": "ownership",
    "look": "inspect, poll, refresh, snapshot",
    "looked": "inspected, polled",
    "looking": "inspecting, polling",
    "looks": "inspections, polls",
    "loss": "disappearance",
    "losses": "disappearances",
    "mirror": "cache",
    "observer": "reporter",
    "see": "inspect, put",
    "seen": "known, observation, snapshot",
    "sees": "knows",
    "sight": "status",
    "tell": "report, publish, announce",
    "telling": "excerpt, reporting",
    "tells": "reports",
    "told": "reported",
    "tracked": "state",
}
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")


def names(tree: ast.Module) -> Iterator[tuple[str, int]]:
    """Yield every name that a module gives or uses, with its line: of functions, classes, attributes, variables."""
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                yield node.name, node.lineno
            case ast.Attribute():
                yield node.attr, node.lineno
            case ast.Name():
                yield node.id, node.lineno
            case ast.arg():
                yield node.arg, node.lineno
            case ast.keyword(arg=str(name)):
                yield name, node.lineno
            case _:
                pass


def retired(name: str) -> list[str]:
    """Return the retired words in a name: ``look_at`` and ``LookAt`` have one."""
    return [word for word in map(str.lower, _WORD.findall(name)) if word in RETIRED]


@pytest.mark.parametrize(
    ("name", "words"),
    [("look_at", ["look"]), ("_ToldRest", ["told"]), ("lookup", []), ("SIGHT_S", ["sight"]), ("overlook", [])],
)
def test_a_retired_word_is_found_in_a_name_and_not_in_another_word(name: str, words: list[str]) -> None:
    assert retired(name) == words


def test_no_name_has_a_retired_word() -> None:
    found = [
        f"{file.relative_to(ROOT)}:{line}: {name} (say {RETIRED[word]})"
        for module, file in sorted(modules().items())
        for name, line in ((module.rpartition(".")[2], 1), *names(ast.parse(file.read_text(encoding="utf-8"))))
        for word in retired(name)
    ]
    assert not found, "\n".join(found)
