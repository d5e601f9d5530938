from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from submarine_jupyter.commands.grammar import Grammar, HelpShown
from submarine_jupyter.errors import UsageError

GRAMMAR = Grammar()


def test_the_options_of_run() -> None:
    found = GRAMMAR.parse(
        'run --name x --framework tensorflow --ps 1 --worker 2 --resources "cpu=1, memory=1G" --env A=1 --env B=x=y'
        ' --tag t --cmd "python train.py --lr=0.1" --max-run-time 2h --ps-resources cpu=2 --detach --tail 5 -o exp'
    )

    assert (found.command, found.name, found.framework, found.ps, found.worker) == ("run", "x", "TensorFlow", 1, 2)
    assert found.env == [("A", "1"), ("B", "x=y")]
    assert (found.resources, found.ps_resources) == ("cpu=1, memory=1G", "cpu=2")
    assert found.cmd == "python train.py --lr=0.1"
    assert (found.max_run_time, found.detach, found.tail, found.output) == (7200, True, 5, "exp")


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("rum", "did you mean 'run'"),
        ("Status", "did you mean 'status'"),
        ("run --wroker 2", "no option --wroker, did you mean '--worker'"),
        ("run --nmae=x", "no option --nmae=x, did you mean '--name'"),
        ("run --worker two", "'two' is not a whole number"),
        ("run --worker -1", "--worker"),
        ("run --framework TensorFlo", "did you mean 'TensorFlow'"),
        ("run --env A", "'A' is not of the form NAME=VALUE"),
        ("run --max-run-time soon", "is not a time"),
        ("run -o 1x", "not the name of a variable"),
        ("run --name a b c", "'c' is one word too many"),
        ('run --cmd "python', "quotation mark"),
        ("delete", "id"),
        ("help rnu", "did you mean 'run'"),
        ("run --file train.py", "there is no option --file: --cmd 'python train.py' runs it"),
        ("run --workers 2", "there is no option --workers: --worker 2"),
        ("run --dryrun", "there is no option --dryrun: --dry-run"),
        ("run --gpus 1", "did you mean '--gpu'"),
        ("run --cmd python train.py --lr 0.1", "quote all of it: --cmd 'python train.py --lr 0.1'"),
        ("run --cmd echo hello you", "quote all of it: --cmd 'echo hello you'"),
        (
            "list --status runing",
            "'runing' is not one of Accepted, Created, Running, Succeeded, Failed, did you mean",
        ),
        ("list --status stopped", "--status Failed"),
    ],
)
def test_what_cannot_be_read_is_said_in_one_line(line: str, text: str) -> None:
    with pytest.raises(UsageError) as caught:
        GRAMMAR.help(GRAMMAR.parse(line).about)
    assert "\n" not in str(caught.value)
    assert text in str(caught.value)


@pytest.mark.parametrize("name", GRAMMAR.commands)
def test_every_command_has_help(name: str) -> None:
    with pytest.raises(HelpShown) as caught:
        GRAMMAR.parse(f"{name} --help")
    assert f"usage: %submarine {name}" in caught.value.text
    assert name in GRAMMAR.help()


@pytest.mark.parametrize("line", ["", "help", "--help", "-h"])
def test_nothing_asks_for_help(line: str) -> None:
    assert GRAMMAR.parse(line).command == "help"


@pytest.mark.parametrize("line", GRAMMAR.help().partition("examples:")[2].splitlines())
def test_the_examples_can_be_read(line: str) -> None:
    example = line.partition("%submarine")[2].partition("   ")[0]
    if example:
        GRAMMAR.parse(example)


@given(
    st.text()
    | st.lists(st.sampled_from(["run", "logs", "--worker", "-f", "--env", "x=1", "--", "3", "@x", "%(prog)s"])).map(
        " ".join
    )
)
def test_any_line_is_read_or_refused(line: str) -> None:
    with contextlib.suppress(UsageError, HelpShown):
        assert GRAMMAR.parse(line).command in GRAMMAR.commands
