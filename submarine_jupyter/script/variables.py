"""Variables of the notebook that a script uses and has not: it runs in a process of its own."""

from __future__ import annotations

import ast
import builtins
import symtable
from collections.abc import Iterator, Mapping
from types import FunctionType, ModuleType
from typing import Any

from submarine_jupyter.script.syntax import script_of

_MOST = 3
_OF_NOTEBOOKS = frozenset({"display", "get_ipython"})  # IPython puts them among the names of Python itself


def left_behind(body: str, variables: Mapping[str, Any], cell: str) -> list[str]:
    """Return a sentence for each name that the body of a cell uses, the notebook has, and the script will not have."""
    text = script_of(body)
    tree = ast.parse(text)
    if any(isinstance(node, ast.ImportFrom) and node.names[0].name == "*" for node in ast.walk(tree)):
        return []  # nobody knows what that brings
    unknown = _used_and_not_bound(symtable.symtable(text, cell, "exec")) & (variables.keys() | _OF_NOTEBOOKS)
    lines = {name: line for name, line in _uses(tree) if name in unknown}
    first = sorted(lines, key=lambda name: lines[name])
    found = [f"{cell}, line {lines[name]}: {_sentence(name, variables.get(name))}" for name in first[:_MOST]]
    rest = first[_MOST:]
    return [*found, f"The script has not either: {', '.join(rest)}"] if rest else found


def _sentence(name: str, value: Any) -> str:
    if name in _OF_NOTEBOOKS:
        return f"{name!r} is there in a notebook only, and the script runs in a process of its own. Use print"
    has_not = f"the script has no {name!r}, only this notebook has: it runs in a process of its own."
    if isinstance(value, ModuleType):
        as_name = "" if value.__name__ == name else f" as {name}"
        return f"{has_not} Write 'import {value.__name__}{as_name}' in the cell"
    if isinstance(value, FunctionType | type):
        return f"{has_not} Define it in the cell, or import it from a file beside the notebook"
    if isinstance(value, bool | int | float | str) and len(str(value)) <= 40:
        return f"{has_not} Pass it: --param {name}={{{name}}}, and os.environ['{_variable(name)}'] has it"
    return f"{has_not} Save it to a file, and read that in the cell (--files takes it along)"


def _variable(name: str) -> str:
    return f"SUBMARINE_PARAM_{name.upper()}"


def _used_and_not_bound(module: symtable.SymbolTable) -> set[str]:
    """Return the names that a script takes from its module and that nothing in it, nor Python, defines."""
    tables = list(_all(module))
    bound = {one.get_name() for one in module.get_symbols() if one.is_assigned() or one.is_imported()}
    for table in tables:
        bound |= {one.get_name() for one in table.get_symbols() if one.is_declared_global() and one.is_assigned()}
    used = {
        one.get_name()
        for table in tables
        for one in table.get_symbols()
        if one.is_referenced() and (table is module or one.is_global())
    }
    own = {name for name in used - bound if name in _OF_NOTEBOOKS or not hasattr(builtins, name)}
    return {name for name in own if not name.startswith("__")}


def _all(table: symtable.SymbolTable) -> Iterator[symtable.SymbolTable]:
    yield table
    for child in table.get_children():
        yield from _all(child)


def _uses(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """Yield names and lines, the first use last."""
    found = [(node.id, node.lineno) for node in ast.walk(tree) if isinstance(node, ast.Name)]
    yield from sorted(found, key=lambda use: -use[1])
