"""Defaults of options, and from where each comes.

What stands on the line, and in a spec file, always counts. Else, the first that says something:

1. the kernel: ``%config SubmarineMagics.cpu = "2"``
2. the environment: ``SUBMARINE_DEFAULT_CPU=2``
3. ``submarine.toml`` in the folder of the notebook: ``cpu = "2"``
4. ``submarine.toml`` in Jupyter's configuration directory (``~/.jupyter``)
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from submarine_jupyter.commands.values import count, duration, framework, meant
from submarine_jupyter.errors import UsageError

FILE = "submarine.toml"
VARIABLE = "SUBMARINE_DEFAULT_"


def _flag(text: str) -> bool:
    if text.lower() not in ("true", "false", "1", "0"):
        raise argparse.ArgumentTypeError(f"{text!r} is neither true nor false")
    return text.lower() in ("true", "1")


NAMES: Mapping[str, Callable[[str], Any]] = {
    "target": str,
    "namespace": str,
    "image": str,
    "framework": framework,
    "cpu": str,
    "memory": str,
    "gpu": str,
    "max_run_time": duration,
    "detach": _flag,
    "tail": count,
    "limit": count,
    "most_lines": count,
    "most_bytes": count,
}
"""The options that can have a default, each with the reader of its value."""


@dataclass(frozen=True, slots=True)
class Setting:
    """A default and from where it comes."""

    value: Any
    source: str


@dataclass(frozen=True, slots=True)
class Settings:
    """The defaults that hold, by name."""

    known: Mapping[str, Setting] = field(default_factory=dict)

    def get(self, name: str, said: Any = None) -> Any:
        """Return what was ``said`` on the line, else the default, None where there is none."""
        if said is not None:
            return said
        return self.known[name].value if name in self.known else None


def settled(kernel: Mapping[str, Any], environ: Mapping[str, str], folders: Iterable[Path]) -> Settings:
    """Return the defaults of a kernel, an environment and the files in folders, in this order. Raises UsageError."""
    found: dict[str, Setting] = {}
    for name, value in kernel.items():
        _keep(found, name, value, f"%config SubmarineMagics.{name}")
    for name in NAMES:
        variable = f"{VARIABLE}{name.upper()}"
        if environ.get(variable):
            _keep(found, name, environ[variable], variable)
    for path in dict.fromkeys(folder / FILE for folder in folders):
        for name, value in _read(path).items():
            _keep(found, name, value, str(path))
    return Settings(found)


def _keep(found: dict[str, Setting], name: str, value: Any, source: str) -> None:
    if name not in NAMES:
        raise UsageError(f"{source}: there is no setting {name!r}{meant(name, NAMES)}: {', '.join(NAMES)}")
    if isinstance(value, dict | list):
        raise UsageError(f"{source}: {name} must be text, a number, true or false")
    try:
        read = NAMES[name](str(value))
    except argparse.ArgumentTypeError as error:
        raise UsageError(f"{source}: {name}: {error}") from None
    found.setdefault(name, Setting(read, source))


def _read(path: Path) -> dict[str, Any]:
    import tomllib

    try:
        with path.open("rb") as file:
            return tomllib.load(file)
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise UsageError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}") from None
