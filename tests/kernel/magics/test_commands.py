"""Commands beyond run, in a real kernel with a real server: finding, comparing, noting, many at once, the same cell."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from submarine_jupyter import SubmarineClient
from tests.kernel.real_kernel import MakeKernel, RealKernel
from tests.live_server import TOKEN

NOTEBOOK = "/home/me/work/here.ipynb"


def number(kernel: RealKernel, name: str) -> str:
    return kernel.run(f"print({name}.id[-4:])").text.strip()


@pytest.fixture(scope="module")
def notebook(url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealKernel]:
    """A kernel that knows which notebook it belongs to."""
    env = {"SUBMARINE_URL": url, "SUBMARINE_TOKEN": TOKEN, "JPY_SESSION_NAME": NOTEBOOK}
    made = RealKernel(tmp_path_factory.mktemp("notebook"), env)
    assert made.run("%load_ext submarine_jupyter").status == "ok"
    yield made
    made.close()


@pytest.fixture(scope="module")
def trials(kernel: RealKernel) -> RealKernel:
    """A kernel that has run a sweep of two, ``trials``, which measure accuracy."""
    ran = kernel.run(
        "%%submarine sweep --param lr=0.1,0.2 --parallel 1 --max accuracy --name t --group two --cpu 100m -o trials\n"
        "import os\n"
        "lr = float(os.environ['SUBMARINE_PARAM_LR'])\n"
        "print(f'Accuracy at step 1: {lr / 2}')\n"
    )
    assert ran.status == "ok", ran
    return kernel


def test_a_sweep_is_a_group_and_its_best_is_named(trials: RealKernel, client: SubmarineClient) -> None:
    rows = client.rows({"group": "two", "sort": "accepted"})
    assert [row["params"] for row in rows] == [{"lr": 0.1}, {"lr": 0.2}]
    first, second = (row["experimentId"][-4:] for row in rows)
    ran = trials.run("%submarine compare --group two --max accuracy")
    # The best is the first column.
    assert re.search(rf"WHAT DIFFERS +{int(second)} +{int(first)}\n", ran.plain), ran.plain
    assert re.search(r"accuracy +★ ", ran.plain), ran.plain
    assert "by accuracy, highest first" in ran.plain
    assert trials.run("print(trials.best.params, len(trials))").text == "{'lr': 0.2} 2\n"
    lowest = trials.run(f"%submarine compare {first} {second} --min accuracy").plain
    assert re.search(rf"WHAT DIFFERS +{int(first)} +{int(second)}\n", lowest), lowest
    assert "-lr: 0.1\n+lr: 0.2" in trials.run(f"%submarine diff {first} {second}").plain
    assert trials.run("%submarine wait --group two").status == "ok"


def test_a_sweep_says_how_it_goes_and_fails_the_cell_when_a_trial_fails(kernel: RealKernel) -> None:
    ran = kernel.run("%submarine sweep --param code=0,3 --name half --cpu 100m --cmd 'exit {{code}}' -o half")
    assert ran.status == "error"
    assert re.search(r"half-\d{4}-\d{6}-\d{3}: 2 experiments\n1 of 2: \d{4} code=0 Succeeded", ran.text), ran.text
    assert "code=3 Failed after" in ran.text
    assert ran.error.startswith("ExperimentFailed: 1 of 2 trials of half-")
    assert kernel.run("print([one.state for one in half])").text == "['Succeeded', 'Failed']\n"


def test_values_of_a_sweep_may_be_a_list_of_the_notebook(kernel: RealKernel) -> None:
    ran = kernel.run(
        "rates = (1, 2)\n%submarine sweep --param lr={rates} --name listed --cpu 100m --cmd true --dry-run"
    )
    assert ran.text.startswith("2 experiments: lr=1; lr=2\nIt would start now on local")
    ran = kernel.run("%submarine run --param lr=1,2 --cmd true --cpu 100m --dry-run")
    assert ran.text.startswith("Note: lr is the text '1,2'; '%submarine sweep' runs one experiment for each value\n")


def test_waiting_for_several_ends_with_the_last_one(kernel: RealKernel) -> None:
    for name, code in (("w-bad", 3), ("w-good", 0)):
        kernel.run(f"%submarine run --name {name} --cmd 'exit {code}' --cpu 100m --detach")
    ran = kernel.run("%submarine wait w-bad w-good")
    assert ran.error.startswith("ExperimentFailed: 1 of 2 experiments have failed. experiment-")
    assert kernel.run("%submarine wait w-good").status == "ok"


def test_a_list_of_dictionaries_is_swept_from_python(client: SubmarineClient) -> None:
    spec = {
        "meta": {"name": "dicts", "framework": "Standalone", "cmd": "echo {{lr}} {{opt}}"},
        "spec": {"Worker": {"resources": "cpu=100m"}},
    }
    made = client.sweep(spec, [{"lr": 0.1, "opt": "a"}, {"lr": 0.2, "opt": "b"}], parallel=2).wait()
    assert [one.logs()["worker-0"] for one in made] == [["0.1 a"], ["0.2 b"]]
    assert made.best is None
    grid: dict[str, list[Any]] = {"lr": [1, 2], "opt": ["a", "b"]}
    assert len(client.sweep(spec, grid).stop()) == 4


def test_lists_are_filtered_and_sorted_by_what_was_measured(trials: RealKernel) -> None:
    def listed(line: str) -> list[str]:
        shown = trials.run(f"print([one.params for one in get_ipython().run_line_magic('submarine', {line!r})])")
        assert shown.status == "ok", shown
        return shown.text.split("}, ")

    assert listed("list --group two --sort -accuracy")[0] == "[{'lr': 0.2"
    assert listed("list --group two --sort accuracy")[0] == "[{'lr': 0.1"
    assert listed("list --group two --where 'lr<0.15 and accuracy>0.01'") == ["[{'lr': 0.1}]\n"]
    assert listed("list --group two --where 'param.lr >= 0.2' --since 1h --status Succeeded") == ["[{'lr': 0.2}]\n"]


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("list --where 'accurcy>1'", "has a parameter or a metric 'accurcy', did you mean 'accuracy'?"),
        ("list --where 'lr<1 or lr>2'", "is not a condition like lr<0.1; join several with 'and'"),
        ("list --sort nothing_like_it", "has a parameter or a metric 'nothing_like_it'"),
        ("compare", "give ids or names, or a filter such as --group"),
        ("compare 1 --max a --min b", "give --max or --min, not both"),
        ("delete --yes", "--yes needs a filter"),
        ("delete", "give ids or names, or a filter"),
        ("stop 1 --tag x", "by ids or by filters, not by both"),
        ("sweep --cmd x", "give the values of a parameter: --param lr=0.01,0.1"),
        ("sweep --param lr=log(0,1,3) --cmd x", "both ends of log(...) must be above 0"),
        ("list --here", "There is no notebook here"),
    ],
)
def test_a_mistake_says_what_to_write(line: str, text: str, trials: RealKernel) -> None:
    ran = trials.run(f"%submarine {line}")
    assert ran.status == "error"
    assert text in ran.text


def test_many_at_once_are_counted_first(kernel: RealKernel, client: SubmarineClient) -> None:
    for name in ("many-1", "many-2"):
        kernel.run(f"%submarine run --name {name} --tag 'a tag' --cmd 'sleep 600' --cpu 100m --detach")
    ran = kernel.run("which = 'a tag'\n%submarine stop --tag {which}")
    assert re.fullmatch(
        r"2 experiments \(\d{4}, \d{4}\) would be stopped\. To do it: %submarine stop --tag 'a tag' --yes\n", ran.text
    ), ran.text
    assert not any(one.has_ended for one in client.list(tag="a tag"))
    assert re.fullmatch(r"2 experiments \(.*\) are stopped\n", kernel.run("%submarine stop --tag 'a tag' --yes").text)
    assert kernel.run("%submarine archive --tag 'a tag'").text.endswith("--yes\n")
    assert "are archived" in kernel.run("%submarine archive --tag 'a tag' --yes").text
    assert kernel.run("%submarine list --tag 'a tag'").plain.startswith("≡ No experiments")
    assert "≡ 2 experiments" in kernel.run("%submarine list --tag 'a tag' --archived").plain
    assert "is back in lists" in kernel.run("%submarine archive many-1 --undo").text
    assert "1 experiment (" in kernel.run("%submarine delete --tag 'a tag' --yes").text
    assert kernel.run("%submarine delete --tag 'a tag' --yes").text == "No experiment fits: nothing is deleted\n"


def test_tags_and_notes(kernel: RealKernel, client: SubmarineClient) -> None:
    kernel.run("%submarine run --name noted --tag one --cmd true --cpu 100m -o noted")
    short = number(kernel, "noted")
    assert kernel.run(f"%submarine tag {short} two --remove one").text == f"{short} has the tags: two\n"
    assert kernel.run(f"%submarine note {short}").text == f"{short}: nothing is noted\n"
    assert kernel.run(f"%submarine note {short} 'best so far' --pin").text == f"{short} (pinned): best so far\n"
    assert "noted" in kernel.run("%submarine list --search best").plain
    assert kernel.run("%submarine note noted ''").text.endswith("nothing is noted\n")


def test_again_with_changes(kernel: RealKernel, client: SubmarineClient) -> None:
    kernel.run("%submarine run --name base --param lr=1 --cmd 'echo lr={{lr}}' --cpu 100m -o base")
    short = number(kernel, "base")
    ran = kernel.run(f"%submarine rerun {short} --param lr=2 --memory 50M -o second")
    assert ran.lines == ["[worker-0] lr=2"]
    assert kernel.run("print(second.params, second.spec.spec['Worker'].resources)").text == (
        "{'lr': 2} cpu=100m,memory=50M\n"
    )
    ran = kernel.run(f"%submarine clone {short} --name copied -o third")
    assert ran.text.endswith("(copied)\n")
    assert kernel.run("third.wait().diff(base).params").status == "ok"
    assert kernel.run("print(base.clone(params={'lr': 3}).wait().logs())").text == "[worker-0] lr=3\n"
    assert kernel.run("print(base.rerun(name='fourth').name)").text == "fourth\n"


def test_why_says_it_in_sentences(kernel: RealKernel) -> None:
    kernel.run("%submarine run --name broken --cmd 'echo ValueError: no; exit 3' --cpu 100m")
    assert kernel.run("%submarine why").text.startswith("Failed: ")
    assert "exit code 3" in kernel.run("%submarine why broken").text


def test_targets_and_the_configuration_are_shown(kernel: RealKernel, url: str) -> None:
    shown = kernel.run("%submarine target").plain
    assert re.search(r"▤ local .* connected\n  default .*\n  CPU .* [\d.]+ free of [\d.]+", shown), shown
    assert kernel.run("%config SubmarineMagics.cpu = '70m'\n%config SubmarineMagics.detach = True").status == "ok"
    try:
        lines = [line.split(maxsplit=2) for line in kernel.run("%submarine config").plain.splitlines()]
        assert ["cpu", "70m", "%config SubmarineMagics.cpu"] in lines
        assert any(line[:2] == ["server", url] for line in lines)
        kernel.run("%submarine run --cmd 'sleep 600' --name set -o set_")
        assert kernel.run("print(set_.spec.spec['Worker'].resources, set_.stop().id[-4:])").text.startswith("cpu=70m ")
        kernel.run("%config SubmarineMagics.detach = 'perhaps'")
        assert "detach: 'perhaps' is neither true nor false" in kernel.run("%submarine run --cmd true").text
        assert "SubmarineMagics" in kernel.run("%config").text
    finally:
        kernel.run("%config SubmarineMagics.cpu = None\n%config SubmarineMagics.detach = None")


def test_a_question_mark_shows_the_help_with_examples(kernel: RealKernel) -> None:
    kernel.client.inspect("%submarine", detail_level=0)
    while (reply := kernel.client.get_shell_msg(timeout=60))["msg_type"] != "inspect_reply":
        pass
    text = reply["content"]["data"]["text/plain"]
    assert "%submarine run train.py -- --lr 0.1" in text
    assert "put experiments side by side" in text


def test_the_same_code_of_a_cell_that_still_runs_is_attached_to(notebook: RealKernel, client: SubmarineClient) -> None:
    code = "%%submarine run --name twice --cpu 100m --detach\nimport time\ntime.sleep(600)\n"
    notebook.run(code, "cell-1")
    (first,) = client.list(name="twice")
    assert first.known["spec"]["runtime"]["origin"] == {"notebook": NOTEBOOK, "cell": "cell-1"}

    ran = notebook.run(code, "cell-1")
    assert f"The same code of this cell still runs as {int(first.id[-4:])}: attached to it." in ran.plain
    assert "%%submarine run --again" in ran.plain
    assert len(client.list(name="twice")) == 1
    notebook.run(code.replace("600", "601"), "cell-1")
    notebook.run(code.replace("--detach", "--detach --again"), "cell-1")
    notebook.run(code, "cell-2")
    assert len(client.list(name="twice")) == 4
    client.stop_all({"name": "twice"})


def test_each_round_of_a_loop_is_an_experiment(notebook: RealKernel, client: SubmarineClient) -> None:
    line = "get_ipython().run_line_magic('submarine', 'run --name round --cmd \"sleep 600\" --cpu 100m --detach')"
    notebook.run(f"for _ in range(3):\n    {line}", "cell-3")
    assert len(client.list(name="round")) == 3
    client.stop_all({"name": "round"})


def test_another_kernel_of_the_notebook_knows_what_it_has_run(
    notebook: RealKernel, make_kernel: MakeKernel, url: str, client: SubmarineClient
) -> None:
    notebook.run("%submarine run --name before-restart --cmd true --cpu 100m", "cell-4")
    restarted = make_kernel(SUBMARINE_URL=url, SUBMARINE_TOKEN=TOKEN, JPY_SESSION_NAME=NOTEBOOK)
    restarted.run("%load_ext submarine_jupyter")
    assert "✓ before-restart" in restarted.run("%submarine status").plain
    assert "before-restart" in restarted.run("%submarine list --here").plain
    assert all(row["origin"]["notebook"] == NOTEBOOK for row in client.rows({"notebook": NOTEBOOK}))


def test_a_program_beside_the_notebook(kernel: RealKernel) -> None:
    kernel.run("open('prog.py', 'w').write('import sys; print(sys.argv[1:])')\nlr = 0.5")
    ran = kernel.run("%submarine run prog.py --cpu 100m -- --lr {lr} 'a b'")
    assert ran.lines == ["[worker-0] ['--lr', '0.5', 'a b']"]
    assert Path("prog.py").exists() is False
