"""What goes along with the code of an experiment: the files of ``--files``, and the modules beside the notebook."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from submarine_jupyter.commands.sending.given import Given
from submarine_jupyter.commands.sending.surroundings import Surroundings
from submarine_jupyter.errors import UsageError
from submarine_jupyter.script import modules
from submarine_jupyter.script.files import chosen, read, summary
from submarine_jupyter.spec.code_files import decoded


def along(
    options: argparse.Namespace, given: Given, code: Mapping[str, str], cmd: str, here: Surroundings, *, local: bool
) -> dict[str, str]:
    """Return the files that go along with ``code``: name -> text. Raises UsageError.

    Modules do where the replicas have not the notebook's folder, unless the line says otherwise; there the programs
    of a command do, too.
    """
    files = chosen(options.files or (), here.folder)
    if options.local_modules or (options.local_modules is None and not local):
        files = {**(_programs(cmd, here.folder) if not code else {}), **files}
        texts: list[str | bytes] = [*code.values()]
        texts += [path.read_bytes() for name, path in files.items() if name.endswith(".py")]
        near = [str(Path(here.folder, given.program).parent)] if given.program else []
        found = modules.imported_by(texts, [*near, *modules.places(here.folder, sys.path)])
        files = {**found, **files}
    if taken := [name for name in files if name in code and not given.program]:
        raise UsageError(f"{taken[0]} is the name of the cell's own script: give the file that goes along another one")
    wanted = {name: path for name, path in files.items() if name not in code}
    return read(wanted, beside=sum(len(decoded(text)) for text in code.values()))


def said(files: Mapping[str, str]) -> str:
    """Return what goes along in a line."""
    return summary({name: len(decoded(text)) for name, text in files.items()})


def _programs(cmd: str, folder: str) -> dict[str, Path]:
    """Return the files of ``folder`` that a command names: ``python train.py``."""
    return {word: Path(folder, word) for word in _words(cmd) if word.endswith(".py") and _is_within(word, folder)}


def _is_within(name: str, folder: str) -> bool:
    path = Path(name)
    return not path.is_absolute() and ".." not in path.parts and Path(folder, name).is_file()


def _words(cmd: str) -> Iterator[str]:
    try:
        yield from shlex.split(cmd)
    except ValueError:  # a shell may read it all the same
        yield from cmd.split()
