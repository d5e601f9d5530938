from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from submarine_jupyter.commands.grammar import EXAMPLES as EXAMPLES_OF_ALL
from submarine_jupyter.commands.grammar import Grammar, HelpShown
from submarine_jupyter.errors import UsageError

GRAMMAR = Grammar()


def test_the_options_of_run() -> None:
    found = GRAMMAR.parse(
        'run --name x --framework tensorflow --ps 1 --worker 2 --resources "cpu=1, memory=1G" --env A=1 --env B=x=y'
        ' --tag t --cmd "python train.py --lr=0.1" --max-run-time 2h --ps-resources cpu=2 --detach --tail 5 -o exp'
    )

    assert (found.command.name, found.name, found.framework, found.ps, found.worker) == ("run", "x", "TensorFlow", 1, 2)
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
        ("diff 1", "B"),
        ("help rnu", "did you mean 'run'"),
        ("run --file train.py", "there is no option --file: write it without: run train.py"),
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
    assert GRAMMAR.parse(line).command.name == "help"


EXAMPLES = [line for command in GRAMMAR.commands.values() for line, _ in command.examples]
FIRST = [line.partition("%submarine")[2].partition("   ")[0] for line in EXAMPLES_OF_ALL.splitlines()]


@pytest.mark.parametrize("line", [line.removeprefix("%submarine ") for line in EXAMPLES] + list(filter(None, FIRST)))
def test_the_examples_can_be_read(line: str) -> None:
    GRAMMAR.parse(line, {"lr": 0.1})


def test_every_command_has_an_example_and_a_help_for_each_argument() -> None:
    for name, command in GRAMMAR.commands.items():
        assert command.examples, name
        assert all(one.how.get("help") for one in command.arguments), name


def test_a_value_may_begin_with_a_dash_and_words_behind_two_dashes_are_the_programs() -> None:
    assert GRAMMAR.parse("list --sort -accuracy").sort == "-accuracy"
    found = GRAMMAR.parse("run train.py --name x -- --name y -h --lr {lr} --model {{m}}", {"lr": 0.1})
    assert (found.what, found.name) == ("train.py", "x")
    assert found.program_words == ["--name", "y", "-h", "--lr", "0.1", "--model", "{{m}}"]


def test_another_program_says_its_own_name() -> None:
    found = Grammar("submarine-jupyter")
    assert "%submarine" not in found.help()
    for name in found.commands:
        assert "%submarine" not in found.help(name)


@given(
    st.text()
    | st.lists(st.sampled_from(["run", "logs", "--worker", "-f", "--env", "x=1", "--", "3", "@x", "%(prog)s"])).map(
        " ".join
    )
)
def test_any_line_is_read_or_refused(line: str) -> None:
    with contextlib.suppress(UsageError, HelpShown):
        assert GRAMMAR.parse(line).command.name in GRAMMAR.commands
