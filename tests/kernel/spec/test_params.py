"""Parameters: which there can be, what replicas are given, and that a shell reads any value as one word."""

from __future__ import annotations

import contextlib
import json
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from submarine_jupyter.errors import InvalidSpec
from submarine_jupyter.models import ExperimentSpec
from submarine_jupyter.spec.params import filled, read, variable, variables
from submarine_jupyter.spec.parsing import parse_json, parse_yaml
from submarine_jupyter_server.targets.commands import command, needs_shell

NAMES = st.from_regex(r"[A-Za-z_][A-Za-z0-9_.-]{0,63}", fullmatch=True)
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40)
VALUES = st.booleans() | st.integers(1 - 10**18, 10**18 - 1) | st.floats(allow_nan=False, allow_infinity=False) | TEXTS
# What begins, ends and hides quotation marks, and what would run something.
SHELL_TEXTS = st.text("ab '\"\\$(){}`#;&|<>\n*~=-!", max_size=12)


def body(params: Any, cmd: str = "true", **runtime: Any) -> dict[str, Any]:
    return {
        "meta": {"name": "x", "framework": "PyTorch", "cmd": cmd},
        "spec": {"Worker": {}},
        "runtime": {"params": params, **runtime},
    }


@given(
    st.dictionaries(
        NAMES,
        VALUES,
        max_size=8,
    ).filter(lambda found: len({variable(n) for n in found}) == len(found))
)
def test_params_come_back_as_they_were_sent(params: dict[str, Any]) -> None:
    spec = ExperimentSpec.parse(parse_json(json.dumps(body(params)).encode()))
    shown = spec.wire()["runtime"]["params"]
    assert json.dumps(shown) == json.dumps(params)
    assert ExperimentSpec.parse(spec.wire()).wire() == spec.wire()
    given_to_replicas = variables(shown)
    if params:
        assert json.loads(given_to_replicas["SUBMARINE_PARAMS"]) == params
    for name, value in params.items():
        text = given_to_replicas[variable(name)]
        assert text == value if isinstance(value, str) else json.loads(text) == value


@pytest.mark.parametrize(
    ("value", "text"),
    [(True, "true"), (False, "false"), (0.1, "0.1"), (1e-05, "1e-05"), (1.0, "1.0"), (-0.0, "-0.0"), (1, "1"),
     (999999999999999999, "999999999999999999"), ("", ""), ("a b", "a b"), ("1.10", "1.10"), ("true", "true")],
)  # fmt: skip
def test_values_are_written_exactly(value: Any, text: str) -> None:
    assert variables({"learning.rate-0": value})["SUBMARINE_PARAM_LEARNING_RATE_0"] == text
    assert filled('a "{{learning.rate-0}}"', {"learning.rate-0": value}) == f'a "{text}"'


def test_equal_numbers_of_several_kinds_are_not_mixed_up() -> None:
    assert [filled("{{x}}", {"x": value}) for value in (1, True, 1.0, "1")] == ["'1'", "'true'", "'1.0'", "'1'"]


def test_yaml_has_numbers_where_a_parameter_is_one_and_text_elsewhere() -> None:
    text = """
        meta: {name: x, framework: PyTorch, cmd: a, envVars: {VERSION: 1.10, E: 1e-3}}
        spec: {Worker: {}}
        runtime: {params: {lr: 0.10, small: 1e-3, text: "0.1", version: 1.2.3, on: true, odd: 1., big: -2.5E+3}}
    """
    spec = ExperimentSpec.parse(parse_yaml(text.encode()))
    assert spec.meta.env_vars == {"VERSION": "1.10", "E": "1e-3"}
    assert json.dumps(spec.params) == json.dumps(
        {
            "lr": 0.1,
            "small": 0.001,
            "text": "0.1",
            "version": "1.2.3",
            "on": True,
            "odd": "1.",
            "big": -2500.0,
        }
    )


@pytest.mark.parametrize(
    ("params", "problem"),
    [
        ([1], r'runtime.params: must be names and values, such as {"lr": 0.1}'),
        ({"l r": 1}, "runtime.params: 'l r' is not the name of a parameter"),
        ({"": 1}, "'' is not the name"),
        ({"1st": 1}, "'1st' is not the name"),
        ({"ä": 1}, "'ä' is not the name"),
        ({"x" * 65: 1}, "is not the name"),
        ({"lr": 1, "LR": 2}, "'lr' and 'LR' would both be the variable SUBMARINE_PARAM_LR: rename"),
        ({"a-b": 1, "a.b": 2}, "'a-b' and 'a.b' would both be the variable SUBMARINE_PARAM_A_B"),
        ({"lr": None}, "lr must be text, a number, true or false"),
        ({"lr": [0.1]}, "lr must be text, a number"),
        ({"lr": {"a": 1}}, "lr must be text, a number"),
        ({"lr": float("nan")}, "lr is nan, which JSON cannot represent"),
        ({"lr": float("-inf")}, "lr is -inf, which JSON"),
        ({"n": 10**18}, "n has more than 18 digits"),
        ({"t": "a\0b"}, "t must not contain a NUL"),
        ({"t": "\ud800"}, "t must be valid Unicode"),
        ({"t": "ä" * 2049}, "t has 4,098 bytes, 4,096 are the most"),
        ({f"p{i}": 1 for i in range(201)}, "201 parameters are too many, 200 are the most"),
        ({f"p{i}": "x" * 4000 for i in range(20)}, "bytes together, 65,536 are the most"),
    ],
)
def test_what_cannot_be_a_parameter_is_named(params: Any, problem: str) -> None:
    with pytest.raises(InvalidSpec) as caught:
        ExperimentSpec.parse(body(params))
    assert problem in str(caught.value)


def test_none_is_set_and_nothing_is_answered() -> None:
    assert "params" not in ExperimentSpec.parse(body(None, queue="q")).wire()["runtime"]
    assert variables({}) == {}


@pytest.mark.parametrize(
    ("cmd", "result"),
    [
        ("python t.py --lr {{lr}} --name={{ name }}", "python t.py --lr '0.1' --name='it'\"'\"'s'"),
        ('echo "{{name}} $HOME"', 'echo "it\'s $HOME"'),
        ("echo '{{name}}'", "echo 'it'\"'\"'s'"),
        ("""echo '{"lr": {{lr}}}' "{{{lr}}}" """, """echo '{"lr": 0.1}' "{0.1}" """),
        ("{{{{lr}}}} '{{{{ lr }}}}' {{lr", "{{lr}} '{{ lr }}' {{lr"),
        ("docker inspect -f '{{.State}}' {{ }} {{1}} {a,{b,c}} ${X}", None),
        (r"echo \{{lr}} # it's {{lr}}", None),
        ('echo "$(date +%s) ${HOME} {{name}}"', 'echo "$(date +%s) ${HOME} it\'s"'),
        ("cat <<E\n{{lr}}\nE", "cat <<E\n0.1\nE"),
        ("echo $(( {{lr}} ))", "echo $(( 0.1 ))"),
        ("echo \"$HOME{{lr}} $1{{lr}}\" $HOME{{lr}} '${{lr}}'", "echo \"${HOME}0.1 $10.1\" $HOME'0.1' '$0.1'"),
        (r'echo "C:\{{lr}}"', r'echo "C:\\0.1"'),
    ],
)
def test_places_in_a_command(cmd: str, result: str | None) -> None:
    assert filled(cmd, {"lr": 0.1, "name": "it's"}) == (cmd if result is None else result)
    assert filled(cmd, {}) == cmd


def test_a_plain_command_stays_one_and_gets_the_value_as_a_word() -> None:
    cmd = filled("python t.py --name {{name}} --lr={{lr}} 'a {{name}}'", {"name": "it's a b", "lr": 0.1})
    assert not needs_shell(cmd)
    assert command(cmd, ("sh", "-c")) == ["python", "t.py", "--name", "it's a b", "--lr=0.1", "a it's a b"]


@pytest.mark.parametrize(
    ("cmd", "problem"),
    [
        ("a {{lrr}}", "meta.cmd: runtime.params has no 'lrr'; did you mean {{lr}}?"),
        ("a {{zebra}}", "they are lr, name. For the braces themselves write them twice: {{{{zebra}}}}"),
        ("cat <<E\n{{name}}\nE", 'where "it\'s" cannot be quoted'),
        ("echo `echo {{name}}`", "or let the command read the variable SUBMARINE_PARAM_NAME"),
        ("a ${{lr}}", "meta.cmd: '$' stands before '{{lr}}': leave the $ out"),
        ('a "${{lr}}"', "'$' stands before '{{lr}}'"),
        ("cat <<E\n$HOME{{lr}}\nE", "'$HOME' stands before '{{lr}}"),
        ("{{long}}" * 33, "has 132,"),
        ("{{empty}}", "meta.cmd: nothing to run for Worker"),
    ],
)
def test_a_command_that_cannot_be_filled_is_refused(cmd: str, problem: str) -> None:
    more = {"long": "x" * 4000} if "long" in cmd else {"empty": ""} if "empty" in cmd else {}
    with pytest.raises(InvalidSpec) as caught:
        ExperimentSpec.parse(body({"lr": 0.1, "name": "it's", **more}, cmd))
    assert problem in str(caught.value)


def test_the_role_whose_command_is_wrong_is_named() -> None:
    wrong = body({"lr": 1}) | {"spec": {"Worker": {"cmd": "a {{rl}}"}}}
    with pytest.raises(InvalidSpec, match=r"spec\.Worker\.cmd: runtime.params has no 'rl'"):
        ExperimentSpec.parse(wrong)


def test_a_spec_shows_its_command_with_the_names() -> None:
    spec = ExperimentSpec.parse(body({"lr": 0.1}, "a --lr {{lr}}"))
    assert spec.wire()["meta"]["cmd"] == "a --lr {{lr}}"
    assert spec.command("Worker") == "a --lr '0.1'"


def ran(script: str, folder: Path) -> subprocess.CompletedProcess[bytes]:
    env = {"PATH": "/nonexistent", "HOME": "/nonexistent", "x": "y"}
    return subprocess.run(
        ["/bin/bash", "-c", script], capture_output=True, cwd=folder, env=env, timeout=20, check=False
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("shell")


@settings(max_examples=100, deadline=None)
@given(value=TEXTS | SHELL_TEXTS, before=st.sampled_from(["", "a", "'b c'", '"d $x"', "$x", "-o="]))
def test_a_value_is_one_word_of_its_command(folder: Path, value: str, before: str) -> None:
    script = "printf '%s\\0' " + before + "{{v}} \"$x {{v}}\" 'a {{v}}' # {{v}}"
    start = {"": "", "'b c'": "b c", '"d $x"': "d y", "$x": "y"}.get(before, before)
    words = ran(filled(script, {"v": value}), folder).stdout.decode().split("\0")
    assert words == [start + value, "y " + value, "a " + value, ""]


@pytest.mark.parametrize("value", [0.1, 3, True, False, "adam", "", "a=b", "NaN", "[1]", "null", -2.5e-7])
def test_what_a_person_writes_is_the_value(value: Any) -> None:
    assert repr(read(value if isinstance(value, str) else json.dumps(value))) == repr(value)
    assert read('"3"') == "3"


MARKS = ("'", '"', "\\", "$", "(", ")", "{", "}", "#", "`", "<<E", "$'", "$x", ";", "[", "=", ":-")
PIECES = st.lists(st.sampled_from(("{{v}}", "a", " ", "\n", "E\n", *MARKS)), max_size=14)
HOSTILE = (
    "$(>C)",
    ";>C;",
    "'$(>C)'",
    "';>C;'",
    '";>C;"',
    "`>C`",
    "\n>C\n",
    "\\$(>C)",
    "\\';>C;'",
    "a[$(>C)]",
    "E\n>C\n",
)


@settings(max_examples=250, deadline=None)
@given(
    pieces=PIECES,
    value=st.sampled_from(HOSTILE),
)
@example(pieces=['"', "\\", "{{v}}", '"'], value="$(>C)")
@example(pieces=[" ", "\\", " ", "#", "'", "\n", "{{v}}"], value="';>C;'")
@example(pieces=["$", "(", "(", "{{v}}", ")", ")"], value="a[$(>C)]")
@example(pieces=['"', "$", "(", "a", " ", '"', "{{v}}", '"', ")", '"'], value='";>C;"')
def test_no_value_ever_runs(folder: Path, pieces: list[str], value: str) -> None:
    try:
        script = filled(": " + "".join(pieces), {"v": value})
    except ValueError:
        return
    ran(script, folder)
    assert not (folder / "C").exists(), script


@given(st.text("ab '\"\\$(){}`#;<\n.v", max_size=60))
def test_whatever_a_command_is_it_is_filled_or_refused(text: str) -> None:
    try:
        found = filled(text + "{{", {"v": "0.1", "a": "x y"})
    except ValueError:
        return
    assert len(found) >= len(text) // 2


def test_a_long_command_is_filled_quickly() -> None:
    for piece in ("{", "{{", "'", '"', "\\", "$", "${", "$(", "<", "a ", "{{v}}", "#", '"${', "("):
        text = piece * (100_000 // len(piece)) + "{{"
        with contextlib.suppress(ValueError):
            filled(text, {"v": 1})


def test_plain_words_are_those_of_the_standard_library() -> None:
    value = "a'b\"c d\\e"
    assert shlex.split(filled("x {{v}}", {"v": value})) == ["x", value]
