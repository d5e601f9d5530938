"""The language of ``%submarine``: one grammar for the line and the cell magic.

Pure: text in, a namespace out; what cannot be read becomes a ``UsageError`` of one line.
"""

from __future__ import annotations

import argparse
import difflib
import shlex
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NoReturn

from submarine_jupyter.commands.expansion import expanded
from submarine_jupyter.errors import UsageError
from submarine_jupyter.spec import durations
from submarine_jupyter.spec.params import Value, read
from submarine_jupyter.spec.vocabulary import FRAMEWORKS, ROLES, Status

STATUSES = tuple(str(status) for status in Status if status is not Status.DELETED)
# What others call it.
_OTHERS = {
    **dict.fromkeys(("--file", "--script", "--code", "--program"), "--cmd 'python {0}' runs it, in this folder"),
    **dict.fromkeys(("--command", "--exec"), "--cmd '{0}'"),
    **dict.fromkeys(("--workers", "--replicas", "--num-workers", "--nproc"), "--worker 2"),
    **dict.fromkeys(("--dryrun", "--plan"), "--dry-run"),
    **dict.fromkeys(("--no-wait", "--background", "--async"), "--detach"),
    **dict.fromkeys(("--timeout", "--time"), "--max-run-time 10m"),
}

EXAMPLES = """\
examples:
  %%submarine run --worker 2 --resources cpu=1,memory=1G    the rest of the cell is the training script
  %submarine run --name hello --cmd "python train.py"       a command in the folder of the notebook
  %submarine run experiment.yaml                            a spec, as for the REST API
  exp = %submarine run experiment.yaml --detach             its handle: exp.status, exp.wait(), exp.metrics()
  %submarine list --status Running
  %submarine logs 0003 -f                                   the end of an id is enough, or a name; without one: the last
  for lr in (0.1, 0.01):                                    {name} is a variable of the notebook, $NAME one of the shell
      %submarine run --env LR={lr} --cmd "python train.py --lr $LR" --detach
"""


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
    """A parser that raises instead of leaving the process, and that knows what was meant."""

    def __init__(self, **how: Any) -> None:
        super().__init__(
            add_help=False, allow_abbrev=False, formatter_class=argparse.RawDescriptionHelpFormatter, **how
        )
        self.add_argument("-h", "--help", action=_Help)

    def error(self, message: str) -> NoReturn:
        """Raise a UsageError."""
        raise UsageError(f"{self.prog}: {message} ({self.prog} --help tells more)")

    def options(self) -> list[str]:
        """Return all options, long ones first."""
        return sorted(self._option_string_actions, key=lambda name: (not name.startswith("--"), name))

    def choices(self, option: str) -> Iterable[str]:
        """Return the words that can follow an option, none when anything can."""
        action = self._option_string_actions.get(option)
        return action.choices or () if action is not None else ()


class Grammar:
    """The sub-commands with their parsers."""

    def __init__(self) -> None:
        self.commands = {build.__name__[1:]: build() for build in _COMMANDS}

    def parse(self, line: str, names: Mapping[str, Any] | None = None) -> argparse.Namespace:
        """Return the arguments of a line, the sub-command as ``command``. Raises UsageError, HelpShown.

        ``names`` are the variables of the notebook, which ``{name}`` in an option stands for.
        """
        try:
            words = shlex.split(line)
        except ValueError:
            raise UsageError(f"A quotation mark is not closed in: {line}") from None
        if not words or words[0] in ("-h", "--help"):
            words = ["help", *words[1:]]
        name, *rest = words
        parser = self.commands.get(name)
        if parser is None:
            raise UsageError(f"%submarine has no {name!r}{_meant(name, self.commands)}: {', '.join(self.commands)}")
        found, unknown = parser.parse_known_args(rest if names is None else expanded(rest, names))
        if unknown:
            _refuse(parser, unknown[0], rest)
        found.command = name
        return found

    def help(self, name: str | None = None) -> str:
        """Return the help of a sub-command, or of all. Raises UsageError."""
        if name is None:
            width = max(map(len, self.commands))
            lines = [f"  {command:{width}}  {parser.description}" for command, parser in self.commands.items()]
            return "\n".join(["%submarine COMMAND ...   %submarine COMMAND --help tells more", *lines, "", EXAMPLES])
        if name not in self.commands:
            raise UsageError(f"%submarine has no {name!r}{_meant(name, self.commands)}: {', '.join(self.commands)}")
        return self.commands[name].format_help()


def duration(text: str) -> int:
    """Return seconds for ``90``, ``90s``, ``10m``, ``2h`` or ``1d``."""
    found = durations.seconds(f"{text}s" if text[-1:].isdecimal() else text)
    if found is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not a time like 90, 10m, 2h or 1d")
    return found


def count(text: str) -> int:
    """Return a whole number that is not negative."""
    if not (text.isascii() and text.isdecimal() and len(text) < 10):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number")
    return int(text)


def assignment(text: str) -> tuple[str, str]:
    """Return name and value of ``NAME=VALUE``."""
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form NAME=VALUE")
    return name, value


def parameter(text: str) -> tuple[str, Value]:
    """Return name and value of ``NAME=VALUE``, a number where it is one."""
    name, value = assignment(text)
    return name, read(value)


def framework(text: str) -> str:
    """Return the framework's name as it is written, for any case."""
    for name in FRAMEWORKS:
        if name.lower() == text.lower():
            return name
    raise argparse.ArgumentTypeError(f"{text!r} is not one of {', '.join(FRAMEWORKS)}{_meant(text, FRAMEWORKS)}")


def statuses(text: str) -> str:
    """Return names of statuses, several with commas between."""
    known = {name.lower() for name in STATUSES}
    for part in text.split(","):
        if part.strip().lower() == "stopped":
            raise argparse.ArgumentTypeError("stopped experiments are listed as Failed: --status Failed")
        if part.strip().lower() not in known:
            raise argparse.ArgumentTypeError(f"{part!r} is not one of {', '.join(STATUSES)}{_meant(part, STATUSES)}")
    return text


def variable(text: str) -> str:
    """Return the name of a Python variable."""
    if not text.isidentifier():
        raise argparse.ArgumentTypeError(f"{text!r} is not the name of a variable")
    return text


def _refuse(parser: Parser, word: str, words: Sequence[str]) -> NoReturn:
    """Explain what is wrong with a word that has no meaning here. Raises UsageError."""
    if "--cmd" in words:
        command = " ".join(words[words.index("--cmd") + 1 :])
        parser.error(f"{word!r} is no longer part of the command; quote all of it: --cmd '{command}'")
    if not word.startswith("-"):
        parser.error(f"{word!r} is one word too many; quote words that belong together")
    option, _, value = word.partition("=")
    if option in _OTHERS:
        example = value or next(iter(words[words.index(word) + 1 :]), "train.py")
        parser.error(f"there is no option {option}: {_OTHERS[option].format(example)}")
    parser.error(f"there is no option {word}{_meant(option, parser.options())}")


def _meant(word: str, known: Iterable[str]) -> str:
    lower = {name.lower().lstrip("-"): name for name in known}
    word = word.lstrip("-")
    close = difflib.get_close_matches(word.lower(), lower, n=1, cutoff=0.6)
    return f", did you mean {lower[close[0]]!r}?" if close else ""


def _parser(name: str, description: str) -> Parser:
    return Parser(prog=f"%submarine {name}", description=description)


def _with_id(name: str, description: str) -> Parser:
    parser = _parser(name, description)
    parser.add_argument(
        "id", nargs="?", help="id, a unique part of it, or a name; default: the last one of this notebook"
    )
    return parser


def _run() -> Parser:
    parser = _parser("run", "submit an experiment and stream its logs; in a %%cell the body is the training script")
    add = parser.add_argument
    add("spec", nargs="?", help="file with a spec (YAML or JSON); the options change it")
    add("--name", help="name of the experiment (default: that of the notebook)")
    add("--framework", type=framework, metavar="NAME", help=f"{', '.join(FRAMEWORKS)} (default: Standalone)")
    for role in ROLES:
        add(f"--{role.lower()}", type=count, metavar="N", help=f"number of {role} replicas")
    add("--resources", metavar="LIST", help="what each replica may use: cpu=1,memory=512M")
    add("--cpu", metavar="N", help="cores of each replica: 2, or 500m for half of one")
    add("--memory", metavar="SIZE", help="memory of each replica: 2G")
    add("--gpu", metavar="N", help="GPUs of each replica (nvidia.com/gpu)")
    for role in ROLES:
        add(f"--{role.lower()}-resources", metavar="LIST", help=argparse.SUPPRESS)
    add("--env", action="append", type=assignment, metavar="NAME=VALUE", help="environment variable; can be repeated")
    add("--param", action="append", type=parameter, metavar="NAME=VALUE", help="parameter, {{NAME}} in the command")
    add("--tag", action="append", metavar="TAG", help="tag to find it by; can be repeated")
    add("--image", help="container image (on Kubernetes)")
    add("--namespace", help="namespace, where the server has several")
    add("--target", help="compute target (default: the server's)")
    add("--cmd", help='command line of the replicas; for a cell: python "$CODE_PATH/train.py"')
    add(
        "--max-run-time",
        type=duration,
        metavar="TIME",
        help="end the experiment after this time: 90 (seconds), 10m, 2h, 1d",
    )
    add("--dry-run", action="store_true", help="submit nothing; say whether it would start now, and why not")
    add("--detach", action="store_true", help="do not wait; return the handle at once")
    add("--tail", type=count, metavar="N", help="show only the last N lines of each replica, at the end")
    add("-o", "--output", type=variable, metavar="VAR", help="also put the handle into this variable, at once")
    parser.epilog = f"--{{{','.join(ROLES).lower()}}}-resources LIST: resources of one role\n\n{EXAMPLES}"
    return parser


def _list() -> Parser:
    parser = _parser("list", "list the experiments of the server, newest first")
    parser.add_argument(
        "--status", type=statuses, metavar="NAME", help=f"only experiments with this status: {', '.join(STATUSES)}"
    )
    for name in ("name", "tag"):
        parser.add_argument(f"--{name}", help=f"only experiments with this {name}")
    parser.add_argument("--framework", type=framework, metavar="NAME", help="only experiments of this framework")
    parser.add_argument("--limit", type=count, default=50, metavar="N", help="at most N (default: 50)")
    return parser


def _status() -> Parser:
    return _with_id("status", "show the state of an experiment and its replicas, and why")


def _logs() -> Parser:
    parser = _with_id("logs", "show the newest lines of all replicas")
    parser.add_argument(
        "-f", "--follow", action="store_true", help="follow until the experiment ends; interrupting detaches"
    )
    parser.add_argument("--tail", type=count, metavar="N", help="only the last N lines of each replica")
    parser.add_argument("--since", metavar="TIME", help="only lines since 30s, 10m, 2h, 1d ago, or since an ISO time")
    parser.add_argument("--replica", metavar="NAME", help="only this replica: worker-0")
    return parser


def _wait() -> Parser:
    parser = _with_id("wait", "wait until an experiment has ended")
    parser.add_argument("--timeout", type=duration, metavar="TIME", help="give up waiting after this time")
    return parser


def _scale() -> Parser:
    parser = _with_id("scale", "change how many replicas an experiment has, while it runs")
    for role in ROLES:
        parser.add_argument(f"--{role.lower()}", type=count, metavar="N", help=f"number of {role} replicas")
    return parser


def _stop() -> Parser:
    parser = _parser("stop", "end experiments; their records and their logs stay")
    parser.add_argument("ids", nargs="*", metavar="id", help="ids, or unique parts of them; if left out, the last one")
    return parser


def _delete() -> Parser:
    parser = _parser("delete", "end experiments and forget them")
    parser.add_argument("ids", nargs="+", metavar="id", help="ids, or parts of them that are unique")
    return parser


def _describe() -> Parser:
    return _with_id("describe", "show everything about an experiment: spec, replicas, events")


def _connect() -> Parser:
    parser = _parser("connect", "use another server, or find the one of this notebook again")
    parser.add_argument("url", nargs="?", help="address of a Jupyter Server with the Submarine extension")
    parser.add_argument("--token", help="its token")
    return parser


def _help() -> Parser:
    parser = _parser("help", "show this text, or the help of a command")
    parser.add_argument("about", nargs="?", metavar="COMMAND")
    return parser


_COMMANDS = (_run, _list, _status, _logs, _wait, _scale, _stop, _delete, _describe, _connect, _help)
