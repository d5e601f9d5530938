"""The house has no circle: modules that import each other when they are imported would be one module."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = {
    "submarine_jupyter": ROOT / "submarine_jupyter",
    "submarine_jupyter_server": ROOT / "server_ext" / "submarine_jupyter_server",
}


def modules() -> dict[str, Path]:
    """Return the files of both packages by the names of their modules."""
    found: dict[str, Path] = {}
    for package, folder in PACKAGES.items():
        for file in folder.rglob("*.py"):
            parts = file.relative_to(folder).with_suffix("").parts
            found[".".join((package, *(part for part in parts if part != "__init__")))] = file
    return found


def at_import(body: list[ast.stmt]) -> Iterator[ast.Import | ast.ImportFrom]:
    """Yield the imports that run when a module is imported: not those in functions, nor those for types only."""
    for statement in body:
        if isinstance(statement, ast.Import | ast.ImportFrom):
            yield statement
        elif isinstance(statement, ast.If):
            is_for_types = "TYPE_CHECKING" in ast.unparse(statement.test)
            yield from at_import(statement.orelse if is_for_types else [*statement.body, *statement.orelse])
        elif isinstance(statement, ast.Try):
            yield from at_import([*statement.body, *statement.orelse, *statement.finalbody])
            for handler in statement.handlers:
                yield from at_import(handler.body)
        elif isinstance(statement, ast.With | ast.ClassDef):
            yield from at_import(statement.body)


def imported(name: str, known: dict[str, Path]) -> set[str]:
    """Return the modules of ours that a module imports at its own import."""
    package = name.split(".") if known[name].name == "__init__.py" else name.split(".")[:-1]
    found: set[str] = set()
    for statement in at_import(ast.parse(known[name].read_text(encoding="utf-8")).body):
        if isinstance(statement, ast.Import):
            found |= {alias.name for alias in statement.names}
            continue
        above = package[: len(package) - statement.level + 1] if statement.level else []
        base = ".".join((*above, *filter(None, [statement.module])))
        members = {f"{base}.{alias.name}" for alias in statement.names}
        found |= members & known.keys() or {base}
        if members - known.keys():
            found.add(base)
    return found & known.keys()


@pytest.mark.parametrize("package", PACKAGES)
def test_no_circle_of_imports(package: str) -> None:
    known = modules()
    graph = {name: imported(name, known) - {name} for name in known if name.split(".")[0] == package}
    try:
        list(TopologicalSorter(graph).static_order())
    except CycleError as error:
        pytest.fail("these import each other: " + " -> ".join(reversed(error.args[1])))


def test_a_circle_is_found() -> None:
    with pytest.raises(CycleError):
        list(TopologicalSorter({"a": {"b"}, "b": {"a"}}).static_order())
    (one, *_), known = at_import(ast.parse("from .client import x").body), modules()
    assert isinstance(one, ast.ImportFrom)
    assert "submarine_jupyter.errors" in imported("submarine_jupyter.client.experiment", known)


def test_no_module_has_the_name_of_one_of_the_standard_library() -> None:
    import sys

    assert not [name for name in modules() if name.split(".")[-1] in sys.stdlib_module_names]
