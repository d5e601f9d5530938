"""The files that go along with an experiment: those that ``--files`` names, and what they may have in all."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from submarine_jupyter.errors import UsageError
from submarine_jupyter.spec.code_files import MOST_BYTES, MOST_FILES, encoded

_NAMED = 5
_HIDDEN = "__pycache__"


def chosen(patterns: Iterable[str], folder: str) -> dict[str, Path]:
    """Return the files that paths, folders and patterns (``data/*.csv``) name in ``folder``, by their names in it.

    Raises UsageError for what is not there, and for what lies elsewhere.
    """
    found: dict[str, Path] = {}
    home = Path(folder)
    for pattern in patterns:
        relative = _inside(pattern, home)
        places = [home / relative] if (home / relative).exists() else sorted(home.glob(relative))
        files = {path.relative_to(home).as_posix(): path for place in places for path in files_of(place)}
        if not files:
            raise UsageError(f"--files {pattern}: there is no such file in {folder}")
        found |= files
    return found


def files_of(place: Path) -> Iterator[Path]:
    """Yield a file, or the files of a folder; not what is hidden in it, nor what Python has compiled.

    Raises UsageError beyond the number that can go along: a folder may be a whole disk.
    """
    if not place.is_dir():
        if place.is_file():
            yield place
        return
    count = 0
    for path, folders, names in os.walk(place):
        folders[:] = sorted(name for name in folders if not name.startswith(".") and name != _HIDDEN)
        for name in sorted(names):
            file = Path(path, name)
            if not name.startswith(".") and file.is_file():
                count += 1
                if count > MOST_FILES:
                    raise UsageError(f"{place} has more than {MOST_FILES} files, which is what can go along")
                yield file


def read(files: Mapping[str, Path], *, beside: int = 0) -> dict[str, str]:
    """Return files as they are sent; ``beside`` is the size of what else is. Raises UsageError if that is too much."""
    try:
        sizes = {name: path.stat().st_size for name, path in files.items()}
        _check(sizes, beside)
        contents = {name: path.read_bytes() for name, path in files.items()}
    except OSError as error:
        raise UsageError(f"{error.filename} cannot go along: {error.strerror}") from None
    _check({name: len(content) for name, content in contents.items()}, beside)
    return {name: encoded(content) for name, content in contents.items()}


def summary(sizes: Mapping[str, int]) -> str:
    """Return what goes along in a line."""
    names = list(sizes)
    rest = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    count = f"{len(names)} file{'' if len(names) == 1 else 's'}"
    return f"{count} go{'es' if len(names) == 1 else ''} along ({_size(sum(sizes.values()))}): " + (
        ", ".join(names[:_NAMED]) + rest
    )


def _inside(pattern: str, home: Path) -> str:
    path = os.path.normpath(home / pattern)
    relative = os.path.relpath(path, home)
    if relative == os.pardir or relative.startswith(os.pardir + os.sep):
        raise UsageError(
            f"--files {pattern}: only files of {home} can go along: copy it there, or begin there with %cd"
        )
    return relative


def _check(sizes: Mapping[str, int], beside: int) -> None:
    if len(sizes) > MOST_FILES:
        raise UsageError(f"{len(sizes)} files would go along, and {MOST_FILES} can")
    total = sum(sizes.values()) + beside
    if total > MOST_BYTES:
        largest = sorted(sizes, key=lambda name: -sizes[name])[:3]
        named = ", ".join(f"{name} has {_size(sizes[name])}" for name in largest)
        raise UsageError(
            f"{_size(total)} would go along, and {_size(MOST_BYTES)} can: {named}. Leave out what is large, and put it "
            "where the replicas can read it"
        )


def _size(count: int) -> str:
    if count < 1024:
        return f"{count} byte{'' if count == 1 else 's'}"
    kib = count / 1024
    return f"{kib:.3g} KiB" if kib < 1000 else f"{kib / 1024:.3g} MiB"
