"""Read the words behind a command: argparse, that raises instead of leaving the process and knows what was meant."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any, NoReturn

from submarine_jupyter.commands.command import Argument, Command
from submarine_jupyter.commands.values import meant
from submarine_jupyter.errors import UsageError

# What others call it.
_OTHERS = {
    **dict.fromkeys(("--file", "--script", "--code", "--program"), "write it without: run {0}"),
    **dict.fromkeys(("--command", "--exec"), "--cmd '{0}'"),
    **dict.fromkeys(("--workers", "--replicas", "--num-workers", "--nproc"), "--worker 2"),
    **dict.fromkeys(("--dryrun", "--plan"), "--dry-run"),
    **dict.fromkeys(("--no-wait", "--background", "--async"), "--detach"),
    **dict.fromkeys(("--timeout", "--time"), "--max-run-time 10m"),
    **dict.fromkeys(("--force", "--confirm"), "--yes"),
}


class HelpShown(Exception):
    """The help was asked for; ``text`` is it."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text


class _Help(argparse.Action):
    def __init__(self, option_strings: Sequence[str], dest: str, **_: Any) -> None:
        super().__init__(option_strings, dest, nargs=0, help="show this help")

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> NoReturn:
        raise HelpShown(parser.format_help())


class Parser(argparse.ArgumentParser):
    """The parser of one command; ``program`` is what stands before it: ``%submarine``."""

    def __init__(self, command: Command, program: str) -> None:
        super().__init__(
            prog=f"{program} {command.name}",
            description=command.summary,
            epilog=_epilog(command, program),
            add_help=False,
            allow_abbrev=False,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        self.command = command
        for one in command.arguments:
            self.add_argument(*one.names, **one.how)
        self.add_argument("-h", "--help", action=_Help)

    def read(self, words: Sequence[str]) -> argparse.Namespace:
        """Return what the words say, those behind ``--`` as ``program_words``. Raises UsageError, HelpShown."""
        own, behind = list(words), None
        if self.command.takes_program and "--" in own:
            at = own.index("--")
            own, behind = own[:at], own[at + 1 :]
        found, unknown = self.parse_known_args(self._joined(own))
        if unknown:
            self._refuse(unknown[0], own)
        found.command, found.program_words = self.command, behind
        return found

    def error(self, message: str) -> NoReturn:
        """Raise a UsageError."""
        raise UsageError(f"{self.prog}: {message} ({self.prog} --help explains more)")

    def options(self) -> list[str]:
        """Return all options, long ones first."""
        return sorted(self._option_string_actions, key=lambda name: (not name.startswith("--"), name))

    def argument(self, option: str) -> Argument | None:
        """Return an option by one of its names."""
        return next((one for one in self.command.arguments if option in one.names), None)

    def takes_value(self, option: str) -> bool:
        """Return whether a word belongs to this option."""
        action = self._option_string_actions.get(option)
        return action is not None and action.nargs is None

    def _joined(self, words: Sequence[str]) -> list[str]:
        """Return the words with a value that begins with a dash put behind its option: ``--sort -accuracy``."""
        found: list[str] = []
        for word in words:
            dashed = word.startswith("-") and word.partition("=")[0] not in self._option_string_actions
            if dashed and not word.startswith("--") and found and self.takes_value(found[-1]):
                found[-1] = f"{found[-1]}={word}" if found[-1].startswith("--") else f"{found[-1]}{word}"
            else:
                found.append(word)
        return found

    def _refuse(self, word: str, words: Sequence[str]) -> NoReturn:
        """Explain what is wrong with a word that has no meaning here. Raises UsageError."""
        if "--cmd" in words:
            command = " ".join(words[words.index("--cmd") + 1 :])
            self.error(f"{word!r} is no longer part of the command; quote all of it: --cmd '{command}'")
        if not word.startswith("-"):
            self.error(f"{word!r} is one word too many; quote words that belong together")
        option, _, value = word.partition("=")
        if option in _OTHERS:
            example = value or next(iter(words[words.index(word) + 1 :]), "train.py")
            self.error(f"there is no option {option}: {_OTHERS[option].format(example)}")
        self.error(f"there is no option {word}{meant(option, self.options())}")


def _epilog(command: Command, program: str) -> str:
    width = max((len(line) for line, _ in command.examples), default=0)
    examples = [f"  {spoken(line, program):{width}}   {what}".rstrip() for line, what in command.examples]
    parts = [command.about, "\n".join(["examples:", *examples]) if examples else ""]
    return "\n\n".join(filter(None, parts))


def spoken(text: str, program: str) -> str:
    """Return a text that names ``%submarine`` as it is said where the command is called ``program``."""
    return text if program == "%submarine" else text.replace("%%submarine", program).replace("%submarine", program)
