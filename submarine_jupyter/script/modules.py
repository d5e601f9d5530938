"""The modules beside a notebook that code imports, found without running anything: files and packages."""

from __future__ import annotations

import ast
import importlib
import os
import sysconfig
from collections.abc import Iterable, Iterator, Sequence
from importlib.machinery import PathFinder
from pathlib import Path

from submarine_jupyter.script.files import files_of
from submarine_jupyter.spec.code_files import MOST_BYTES


def places(folder: str, path: Sequence[str]) -> list[str]:
    """Return where modules of one's own are: the notebook's folder, and what ``sys.path`` has before Python's own.

    Relative entries count wherever they stand: nobody installs into ``../src``.
    """
    installed = {sysconfig.get_path(kind) for kind in ("stdlib", "platstdlib", "purelib", "platlib")}
    first = next((i for i, entry in enumerate(path) if entry in installed or entry.endswith(".zip")), len(path))
    own = [*path[:first], *(entry for entry in path[first:] if not os.path.isabs(entry))]
    found = (os.path.normpath(os.path.join(folder, entry)) for entry in own)
    return list(dict.fromkeys([folder, *(place for place in found if "site-packages" not in place)]))


def imported_by(texts: Iterable[str | bytes], places: Sequence[str]) -> dict[str, Path]:
    """Return the files of all modules in ``places`` that texts import, and those that these import: name -> file.

    A package comes whole, with its data. Names that only a running program knows (``importlib``) are not found.
    """
    importlib.invalidate_caches()  # a file may have been written a moment ago
    found: dict[str, Path] = {}
    waiting, known = list(texts), set[str]()
    while waiting:
        for name in _imports(waiting.pop()):
            if name in known:
                continue
            known.add(name)
            for file_name, path in module_files(name, places):
                if file_name not in found:
                    found[file_name] = path
                    waiting.extend([path.read_bytes()] if _is_code(path) else ())
    return found


def module_files(name: str, places: Sequence[str]) -> Iterator[tuple[str, Path]]:
    """Yield the files of a module in ``places``, by their names beside the script; none if it is not there."""
    spec = PathFinder.find_spec(name, list(places))
    if spec is None:
        return
    if spec.submodule_search_locations is None:
        if spec.origin:
            yield Path(spec.origin).name, Path(spec.origin)
        return
    for location in spec.submodule_search_locations:
        for file in files_of(Path(location)):
            # Without an __init__ any folder is a package: its data may be anything.
            if spec.origin or file.suffix == ".py":
                yield f"{name}/{file.relative_to(location).as_posix()}", file


def _is_code(path: Path) -> bool:
    return path.suffix == ".py" and path.stat().st_size <= MOST_BYTES


def _imports(text: str | bytes) -> Iterator[str]:
    """Yield the first part of each name that a text imports."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError):
        return  # it says so itself where it is run
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.partition(".")[0]
