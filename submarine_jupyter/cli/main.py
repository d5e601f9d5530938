"""Carry out one command of ``submarine-jupyter``.

The exit code is that of the experiment which ``run``, ``rerun``, ``sweep`` or ``wait`` has waited for: 0 when it has
succeeded, else that of the replica that failed first: 128 and the signal's number where a signal ended it, 1 where it
is not known. 124: the time to wait is over; 125: the command itself failed; 130: Ctrl-C has ended the waiting.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from submarine_jupyter.cli.as_json import as_json
from submarine_jupyter.cli.terminal import Terminal
from submarine_jupyter.commands.grammar import Grammar, HelpShown
from submarine_jupyter.commands.parser import spoken
from submarine_jupyter.commands.session import Session
from submarine_jupyter.commands.settings import Settings, settled
from submarine_jupyter.discovery.connection import found_client
from submarine_jupyter.errors import ExperimentFailed, SubmarineError, UsageError, WaitTimeout

PROGRAM = "submarine-jupyter"
UNKNOWN, TIMEOUT, OURS, INTERRUPTED, PIPE_CLOSED = 1, 124, 125, 130, 141
JSON = "--json"
FOOTER = f"""
{JSON} with any command: the value as JSON on standard output, all else on standard error.
exit code: 0 succeeded; else that of the replica that failed first; {TIMEOUT} not ended in time;
{OURS} the command itself failed; {INTERRUPTED} interrupted, the experiment goes on
"""


def main(words: Sequence[str] | None = None) -> int:
    """Carry out a command and return its exit code."""
    words = list(sys.argv[1:] if words is None else words)
    own = words[: words.index("--")] if "--" in words else words
    in_json = JSON in own
    if in_json:
        words.remove(JSON)
    terminal = Terminal(PROGRAM, as_json=in_json)
    session = Session(Grammar(PROGRAM, FOOTER), terminal, found_client, settings=_settings)
    try:
        return _carried_out(session, terminal, words, in_json=in_json)
    except BrokenPipeError:
        # The reader has enough, such as `head`; nothing is left to be written at the end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return PIPE_CLOSED
    finally:
        session.close()


def _carried_out(session: Session, terminal: Terminal, words: list[str], *, in_json: bool) -> int:
    try:
        value = session.carry_out(words)
    except HelpShown as shown:
        sys.stdout.write(f"{shown.text}\n")
        return 0
    except KeyboardInterrupt:
        return INTERRUPTED
    except SubmarineError as error:
        _complain(error)
        if in_json:
            said = {"error": type(error).__name__, "message": error.message, "hint": error.hint}
            sys.stdout.write(f"{as_json(said)}\n")
        return _code(error)
    if in_json:
        sys.stdout.write(f"{as_json({'said': terminal.said} if value is None else value)}\n")
    elif value is not None:
        sys.stdout.write(f"{_text(value)}\n")
    sys.stdout.flush()
    return INTERRUPTED if session.interrupted else 0


def _code(error: SubmarineError) -> int:
    if isinstance(error, ExperimentFailed):
        return error.exit_code or UNKNOWN
    return TIMEOUT if isinstance(error, WaitTimeout) else OURS


def _complain(error: SubmarineError) -> None:
    lines = [f"{PROGRAM}: {error}"] if isinstance(error, UsageError) else error._render_traceback_()
    sys.stderr.write(spoken("\n".join(lines), PROGRAM) + "\n")


def _text(value: Any) -> str:
    shown = value._repr_mimebundle_()["text/plain"] if hasattr(value, "_repr_mimebundle_") else str(value)
    return spoken(str(shown), PROGRAM)


def _settings() -> Settings:
    from jupyter_core.paths import jupyter_config_dir

    return settled({}, os.environ, [Path.cwd(), Path(jupyter_config_dir())])


if __name__ == "__main__":
    sys.exit(main())
