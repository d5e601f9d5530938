"""The splitting of command lines, and what runs them: compared with real shells."""

from __future__ import annotations

import contextlib
import subprocess
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from submarine_jupyter.errors import InvalidSpec
from submarine_jupyter.models.fields import LONGEST_COMMAND
from submarine_jupyter_server.targets import commands
from submarine_jupyter_server.targets.commands import BASH, command, local_shell, needs_shell

SHELL = (BASH, "-c")


def run(text: str, cwd: Path) -> str:
    """Return what a command prints when this machine runs it."""
    done = subprocess.run(command(text, local_shell()), cwd=cwd, capture_output=True, text=True, check=False)
    return f"{done.stdout.strip()} ({done.returncode})"


@pytest.mark.parametrize(
    ("text", "argv"),
    [
        ("python train.py --rate=0.01", ["python", "train.py", "--rate=0.01"]),
        ("python -c 'print(1); import os'", ["python", "-c", "print(1); import os"]),
        ('python "a b" c', ["python", "a b", "c"]),
        ("python $CODE_PATH/t.py", [BASH, "-c", "exec python $CODE_PATH/t.py"]),
        ("python t.py > log 2>&1", [BASH, "-c", "exec python t.py > log 2>&1"]),
        ("A=1 python t.py", [BASH, "-c", "A=1 python t.py"]),
        ("cd x && python t.py", [BASH, "-c", "cd x && python t.py"]),
        ("python t.py | tee x", [BASH, "-c", "python t.py | tee x"]),
        ("python t.py &> log", [BASH, "-c", "exec python t.py &> log"]),
        ("python t.py &", [BASH, "-c", "python t.py &"]),
        ("python t.py\n", ["python", "t.py"]),
        ("shopt -s extglob", [BASH, "-c", "shopt -s extglob"]),
        ("a[1]=2", [BASH, "-c", "a[1]=2"]),
        ("exit 3", [BASH, "-c", "exit 3"]),
        ("cd $HOME", [BASH, "-c", "cd $HOME"]),
    ],
)
def test_command(text: str, argv: list[str]) -> None:
    assert command(text, SHELL) == argv
    assert needs_shell(text) == (argv[0] == BASH)


@pytest.mark.skipif(local_shell()[0] != BASH, reason="there is no bash here")
@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("sh -c 'echo a; echo b >&2; exit 3' &> log; cat log", "a\nb (0)"),
        ("if [[ abc == a* ]]; then echo yes; else echo no; fi", "yes (0)"),
        ("for i in {1..3}; do echo $i; done", "1\n2\n3 (0)"),
        ("echo $'a\\tb'", "a\tb (0)"),
        ("source <(echo X=5) && echo $X", "5 (0)"),
        ("set -o pipefail; false | cat", " (1)"),
        ("a=(1 2 3); echo ${#a[@]}", "3 (0)"),
        ("X=abcdef; echo ${X:0:3}", "abc (0)"),
        ("cat <<< here", "here (0)"),
        ("function f { echo $1; }; f x", "x (0)"),
        ("pushd / > /dev/null; pwd", "/ (0)"),
        ("ls /nowhere |& grep -c cannot", "1 (0)"),
        ("cat <<END\nline\nEND", "line (0)"),
        ("echo a # comment", "a (0)"),
    ],
)
def test_a_command_means_what_it_means_in_a_terminal(text: str, printed: str, tmp_path: Path) -> None:
    assert run(text, tmp_path) == printed


def test_without_bash_the_plain_shell_runs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commands, "BASH", "/no/bash")
    assert command("a | b", local_shell()) == ["/bin/sh", "-c", "a | b"]


@pytest.mark.parametrize("piece", ["a ", "'a' ", '"a"', "a'b'", "=", "a;", "'"])
def test_the_longest_commands_are_read_in_time_that_grows_with_their_length(piece: str) -> None:
    def took(length: int) -> float:
        text = f"echo {piece * (length // len(piece))}"
        fastest = 60.0
        for _ in range(5):
            begun = time.perf_counter()
            commands._parsed.cache_clear()
            with contextlib.suppress(InvalidSpec):
                command(text, SHELL)
            fastest = min(fastest, time.perf_counter() - begun)
        return fastest

    # Sixteen times the length: a quadratic reader takes 256 times as long.
    assert took(LONGEST_COMMAND) < 100 * max(took(LONGEST_COMMAND // 16), 1e-5)


def test_an_open_quotation_mark_is_refused() -> None:
    with pytest.raises(InvalidSpec, match="quotation mark is not closed"):
        command("python it's", SHELL)


@given(st.text(alphabet="ab =,:%^@+-_./\t'\"", min_size=1, max_size=20))
def test_a_plain_command_is_split_as_a_shell_does_it(rest: str) -> None:
    try:
        argv = command(f"printf {rest}".replace("printf ", "printargs ", 1), SHELL)
    except InvalidSpec:
        return
    assert argv[0] == "printargs"
    script = f"""printargs() {{ for arg; do printf '%s\\0' "$arg"; done; }}; printargs {rest}"""
    shell = subprocess.run([BASH, "-c", script], capture_output=True, text=True, check=True)
    assert argv[1:] == shell.stdout.split("\0")[:-1]


@given(st.text(alphabet="ab'\" $;|&<>()`\\*?#~\n", max_size=20))
def test_what_is_split_has_no_shell_syntax(text: str) -> None:
    try:
        argv = command(f"prog {text}", SHELL)
    except InvalidSpec:
        return
    if argv[0] != BASH:
        shell = subprocess.run(
            ["/bin/sh", "-c", f"prog() {{ printf '%s\\0' \"$@\"; }}; prog {text}"], capture_output=True, text=True
        )
        assert argv[1:] == shell.stdout.split("\0")[:-1] or not argv[1:]
