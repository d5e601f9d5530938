from __future__ import annotations

import pytest

from submarine_jupyter.commands.completion import complete
from submarine_jupyter.commands.grammar import Grammar
from submarine_jupyter.commands.ids import KnownIds

IDS = ["experiment-1647574374688-0012", "experiment-1647574374688-0002", "experiment-1647192232698-0001"]
GRAMMAR = Grammar()


@pytest.fixture
def ids() -> KnownIds:
    made = KnownIds()
    names = ("mnist", "two words", "mnist")
    used = {"tags": ["base", "a b"], "params": {"lr": 1}, "metrics": {"loss": 2.0}, "target": "local", "group": "g1"}
    found = ({"experimentId": one, "name": name, "state": "Running"} for one, name in zip(IDS, names, strict=True))
    made.meet({**used, **one} for one in found)
    return made


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("", list(GRAMMAR.commands)),
        ("st", ["status", "stop"]),
        ("help de", ["describe", "delete"]),
        ("run --fra", ["--framework"]),
        ("run --framework t", ["TensorFlow"]),
        ("run --name ", []),
        ("run train.py -- --na", []),
        ("list --status S", ["Succeeded"]),
        ("logs ", ["0012", "0002", "0001"]),
        ("logs 1", ["0012", "0001"]),
        ("stop 12 00", ["0012", "0002", "0001"]),
        ("stop --group lr ", ["0012", "0002", "0001"]),
        ("diff 12 000", ["0002", "0001"]),
        ("note 12 ", []),
        ("tag 12 m", []),
        ("stop experiment-16471", [IDS[2]]),
        ("status mn", ["mnist"]),
        ("logs --tail ", []),
        ("list --tag ", ["base"]),
        ("list --group ", ["g1"]),
        ("list --sort ", ["accepted", "name", "status", "finished", "lr", "loss"]),
        ("list --sort -l", ["-lr", "-loss"]),
        ("compare --max ", ["loss"]),
        ("run --target lo", ["local"]),
        ("nothing ", []),
    ],
)
def test_completion(line: str, found: list[str], ids: KnownIds) -> None:
    *before, fragment = line.split(" ")
    assert list(dict.fromkeys(one.word for one in complete(before, fragment, GRAMMAR, ids))) == found


def test_an_experiment_has_name_and_state_and_a_command_what_it_does(ids: KnownIds) -> None:
    asked: list[int] = []
    assert complete(["logs"], "0012", GRAMMAR, ids, lambda: asked.append(1)) == [("0012", "mnist Running")]
    assert asked == [1]
    assert complete([], "dif", GRAMMAR, ids) == [("diff", "show how an experiment differs from another one")]
    assert complete(["run"], "--dr", GRAMMAR, ids)[0].about.startswith("submit nothing")
