"""The page about the architecture names files that are there; its features are where folder and file names lead."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from tests.test_imports import ROOT

PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
SERVER = "server_ext/submarine_jupyter_server/"
PLACES = {"S/": SERVER, "K/": f"{SERVER}targets/kubernetes/", "L/": f"{SERVER}targets/local/"}
_ROW = re.compile(r"^\| (.+) \| `([\w/]+\.py)` \| `([\w.]+)` \|$", re.MULTILINE)
_NAMED = re.compile(r"`((?:[SKL]|tests|submarine_jupyter)/[\w./]*)`")
FEATURES = _ROW.findall(PAGE)


def place(name: str) -> Path:
    """Return where a path of the page leads."""
    return ROOT / (PLACES.get(name[:2], name[:2]) + name[2:])


def defined(tree: ast.Module) -> set[str]:
    """Return the names that a module defines, and those of its classes' methods as ``Class.method``."""
    found = set()
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.Assign):
            found |= {target.id for target in node.targets if isinstance(target, ast.Name)}
        if isinstance(node, ast.ClassDef):
            methods = (one for one in node.body if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef))
            found |= {f"{node.name}.{one.name}" for one in methods}
    return found


def test_the_page_has_twenty_features() -> None:
    assert len(FEATURES) == 20


@pytest.mark.parametrize(("feature", "file", "name"), FEATURES)
def test_a_feature_is_where_its_words_lead(feature: str, file: str, name: str) -> None:
    assert name in defined(ast.parse(place(file).read_text(encoding="utf-8")))
    words = {word[:5] for word in re.findall(r"[a-z]{4,}", feature.lower())}
    assert words & {word[:5] for word in re.findall(r"[a-z]{4,}", file.partition("/")[2])}


def test_all_files_that_the_page_names_are_there() -> None:
    missing = [name for name in set(_NAMED.findall(PAGE)) if not place(name).exists()]
    assert not missing
