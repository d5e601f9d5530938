"""The language of ``%submarine``: one grammar for the line magic, the cell magic and the command line.

Pure: text in, a namespace out; what cannot be read becomes a ``UsageError`` of one line.
"""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from submarine_jupyter.commands.expansion import expanded
from submarine_jupyter.commands.families import COMMANDS
from submarine_jupyter.commands.parser import HelpShown as HelpShown  # who parses has to know it
from submarine_jupyter.commands.parser import Parser, spoken
from submarine_jupyter.commands.values import meant
from submarine_jupyter.errors import UsageError

MAGIC = "%submarine"

EXAMPLES = """\
examples:
  %%submarine run --worker 2 --cpu 1 --memory 1G            the rest of the cell is the training script
  %submarine run train.py -- --lr 0.1                       a program in this folder, with its arguments
  %submarine run experiment.yaml                            a spec, as for the REST API
  exp = %submarine run experiment.yaml --detach             its handle: exp.status, exp.wait(), exp.metrics()
  %submarine list --status Running
  %submarine logs 0003 -f                                   the end of an id is enough, or a name; without one: the last
  for lr in (0.1, 0.01):                                    {name} is a variable of the notebook, $NAME one of the shell
      %submarine run --env LR={lr} --cmd "python train.py --lr $LR" --detach
"""


class Grammar:
    """The commands with their parsers; ``program`` is what stands before a command, ``footer`` ends the help of all."""

    def __init__(self, program: str = MAGIC, footer: str = "") -> None:
        self.program = program
        self._footer = footer
        self.commands = {command.name: command for command in COMMANDS}
        self._parsers: dict[str, Parser] = {}

    def parse(self, line: str, names: Mapping[str, Any] | None = None) -> argparse.Namespace:
        """Return the arguments of a line, the command as ``command``. Raises UsageError, HelpShown.

        ``names`` are the variables of the notebook, which ``{name}`` in an option stands for.
        """
        try:
            words = shlex.split(line)
        except ValueError:
            raise UsageError(f"A quotation mark is not closed in: {line}") from None
        return self.read(words, names)

    def read(self, words: Sequence[str], names: Mapping[str, Any] | None = None) -> argparse.Namespace:
        """Return the arguments in words, as ``parse`` does."""
        if not words or words[0] in ("-h", "--help"):
            words = ["help", *words[1:]]
        name, *rest = words
        parser = self.parser(name)
        return parser.read(rest if names is None else expanded(rest, names))

    def parser(self, name: str) -> Parser:
        """Return the parser of a command. Raises UsageError."""
        if name not in self.commands:
            raise UsageError(f"{self.program} has no {name!r}{meant(name, self.commands)}: {', '.join(self.commands)}")
        if name not in self._parsers:
            self._parsers[name] = Parser(self.commands[name], self.program)
        return self._parsers[name]

    def help(self, name: str | None = None) -> str:
        """Return the help of a command, or of all. Raises UsageError."""
        if name is not None:
            return self.parser(name).format_help()
        width = max(map(len, self.commands))
        lines = [f"  {command.name:{width}}  {command.summary}" for command in self.commands.values()]
        head = f"{self.program} COMMAND ...   {self.program} COMMAND --help explains more"
        return "\n".join([head, *lines, "", spoken(EXAMPLES, self.program) + self._footer])
