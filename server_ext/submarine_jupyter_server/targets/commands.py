"""How a command line becomes the argument list of a process, as its writer means it.

A plain command is split as a shell does it, and needs none. What uses the syntax of a shell runs under bash, as in the
writer's terminal, and under ``sh`` only where there is no bash. The work grows with the length of the text, no faster.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from functools import lru_cache

from submarine_jupyter.errors import InvalidSpec

BASH, SH = "/bin/bash", "/bin/sh"
# Outside of quotation marks, any of these means something to a shell (POSIX 2.2 and 2.6); within double ones three do.
_PLAIN = re.compile(r"""(?:[^'"|&;<>()$`\\\n\r*?\[\]{}#~!]++|'[^']*+'|"[^"$`\\]*+")*+""")
_OPEN = re.compile(r"""'[^']*+|"[^"$`\\]*+""")
_WORD = re.compile(r"""(?:[^ \t'"]++|'[^']*+'|"[^"]*+")++""")
_QUOTED = re.compile(r"""'([^']*+)'|"([^"]*+)\"""")
# Words that only a shell knows, or knows better (POSIX 2.4, 2.14, the regular built-ins, and those of bash).
_BUILTINS = frozenset(
    re.split(
        r"\s+",
        """. : [ alias bg break builtin caller case cd command compgen complete continue coproc declare dirs disown echo
        enable eval exec exit export false fc fg for function getopts hash history if jobs kill let local logout mapfile
        newgrp popd printf pushd pwd read readarray readonly return select set shift shopt source suspend test time
        times trap true type typeset ulimit umask unalias unset until wait while""",
    )
)
_JOINS = frozenset("|&;()\n`{}!")
_REDIRECTED = re.compile(r"&>>?|[<>]&")
_ASSIGNMENT = re.compile(r"\s*[A-Za-z_][A-Za-z0-9_]*(?:\[[^]]*\])?\+?=")


def command(text: str, shell: Sequence[str]) -> list[str]:
    """Return the argument list of a command line; ``shell`` is what comes before a text that only a shell can read.

    There the shell is replaced by the command itself where that is possible, so that signals reach it. Raises
    InvalidSpec for an open quotation mark.
    """
    argv, script = _parsed(text)
    return [*shell, script] if script is not None else list(argv)


def needs_shell(text: str) -> bool:
    """Return whether only a shell can read a command line. Raises InvalidSpec for an open quotation mark."""
    return _parsed(text)[1] is not None


def local_shell() -> tuple[str, ...]:
    """Return the shell of this machine and the option behind which it takes a script."""
    return (BASH if os.access(BASH, os.X_OK) else SH), "-c"


@lru_cache(maxsize=32)  # of one experiment it is asked several times, for each role
def _parsed(text: str) -> tuple[tuple[str, ...], str | None]:
    """Return the arguments of a plain command, or the script that a shell has to read."""
    line = text.strip(" \t\n")
    plain = _PLAIN.match(line)
    end = plain.end() if plain else 0
    if end == len(line) and _ASSIGNMENT.match(line) is None:
        argv = tuple(_unquoted(word) for word in _WORD.findall(line))
        if argv and argv[0] not in _BUILTINS:
            return argv, None
    elif _OPEN.fullmatch(line, end):
        raise InvalidSpec(f"meta.cmd: a quotation mark is not closed in: {text[:200]}")
    return (), f"exec {text}" if _is_single(text) else text


def _unquoted(word: str) -> str:
    return _QUOTED.sub(lambda match: match[1] or match[2] or "", word)


def _is_single(text: str) -> bool:
    """Return whether ``exec`` can stand before it: one command without anything that only the shell itself can do."""
    first = re.match(r"[ \t]*([\w./-]+)(?=[ \t]|$)", text, re.ASCII)
    if first is None or first[1] in _BUILTINS:
        return False
    return not _JOINS.intersection(_REDIRECTED.sub("", text.rstrip()))
