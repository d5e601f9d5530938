"""The magics in a real kernel, against a real server."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest

from submarine_jupyter import SubmarineClient
from submarine_jupyter.display.card.bundle import MIME
from tests.kernel.real_kernel import MakeKernel, Ran, RealKernel
from tests.live_server import TOKEN

COLOUR = re.compile(r"\x1b\[[0-9;]*m")


def plain(ran: Ran) -> list[str]:
    """Return the lines a cell wrote, without colours, and those on its card."""
    return [*COLOUR.sub("", ran.text).splitlines(), *ran.lines]


def last_id(kernel: RealKernel) -> str:
    return kernel.run("one = %submarine status\nprint(one.id)").text.strip()


def test_a_cell_is_the_training_script(kernel: RealKernel) -> None:
    ran = kernel.run(
        "%%submarine run --name cell --worker 2 --resources cpu=100m --env GREETING='$HOME {{x}}' -o exp\n"
        "import os, sys\n"
        "print('hello', os.environ['SUBMARINE_REPLICA_INDEX'], os.environ['GREETING'])\n"
        "print(sys.executable, os.getcwd())\n"
    )

    assert ran.status == "ok", ran
    lines = plain(ran)
    where = kernel.run("import os, sys; print(sys.executable, os.getcwd())").text.strip()
    for index in (0, 1):
        assert [line for line in lines if line.startswith(f"[worker-{index}]")] == [
            f"[worker-{index}] hello {index} $HOME {{x}}",
            f"[worker-{index}] {where}",
        ]
    # One output, which has the handle beside it: nothing is shown twice.
    assert ran.text == ""
    (shown,) = ran.shown
    assert re.match(r"✓ cell  \d+ +Succeeded · took [\d.]+ m?s\n", shown["text/plain"]), shown
    about = shown[MIME]
    assert kernel.run("print(_ is exp, exp.id, exp.status)").text == f"True {about['experiment']} Succeeded\n"
    # From the next cell on it is shown like any value.
    assert kernel.run("exp").plain.startswith("✓ cell  ")


def test_the_handle_is_returned(kernel: RealKernel) -> None:
    assert len(kernel.run("handle = %submarine run --name assigned --cmd 'echo 1'").shown) == 1
    assert kernel.run("print(handle.name, handle.status)").text == "assigned Succeeded\n"
    assert "✓ shown  " in kernel.run("%submarine run --name shown --cmd true").plain
    assert kernel.run("print(_.name)").text == "shown\n"


def test_a_failure_fails_the_cell_in_few_words(kernel: RealKernel) -> None:
    ran = kernel.run("%%submarine run --name bad -o failed\nprint('before')\nraise SystemExit('out of data')\n")

    assert ran.status == "error"
    assert "[worker-0] before" in plain(ran)
    assert ran.error.startswith("ExperimentFailed: ")
    assert "exit code 1" in ran.error
    assert "Traceback" not in "".join(ran.traceback)
    assert ran.traceback[0].startswith("ExperimentFailed: ")
    # The handle is there all the same.
    assert kernel.run("print(failed.name, failed.status)").text == "bad Failed\n"


def test_a_failure_names_the_line_of_the_cell_once(kernel: RealKernel) -> None:
    ran = kernel.run("%%submarine run --name lines\nimport json\n\ndef f():\n    json.loads('[')\nf()\n")

    number = kernel.run("print(get_ipython().execution_count - 1)").text.strip()
    shown = "\n".join(plain(ran))
    assert f"Cell In[{number}], line 6, in <module>" in shown
    assert f"Cell In[{number}], line 5, in f" in shown
    assert "/code/" not in shown + ran.error
    assert shown.count("json.decoder.JSONDecodeError: ") == 1
    assert f"\nCell In[{number}], line 5: json.decoder.JSONDecodeError: Expecting value" in ran.error
    assert len(ran.error.splitlines()) == 2
    # Another look at it from the same notebook says the same.
    assert f"Cell In[{number}], line 5, in f" in kernel.run("%submarine logs").text


@pytest.mark.parametrize(
    ("body", "said"),
    [("x = 1\nprint(", "line 3: SyntaxError: '(' was never closed"), ("!ls", "line 2: '!ls' is understood by IPython")],
)
def test_a_cell_that_is_no_python_is_not_submitted(
    kernel: RealKernel, client: SubmarineClient, body: str, said: str
) -> None:
    before = len(client.list())

    ran = kernel.run(f"%%submarine run\n{body}")

    assert ran.status == "error"
    assert said in ran.text + ran.error
    assert len(client.list()) == before


def test_a_variable_of_the_notebook_gets_one_sentence(kernel: RealKernel) -> None:
    kernel.run("only_here = 0.5")

    ran = kernel.run("%%submarine run\ntry:\n    print(only_here)\nexcept NameError:\n    pass")

    assert ran.status == "ok"
    assert "line 3: the script has no 'only_here', only this notebook has" in ran.text
    assert "--param only_here={only_here}" in ran.text


def test_an_interrupt_detaches_and_the_experiment_goes_on(kernel: RealKernel, client: SubmarineClient) -> None:
    cell = kernel.start(
        "%%submarine run --name long\nimport time\nfor i in range(600):\n    print(i)\n    time.sleep(.1)\n"
    )
    kernel.until(cell, "[worker-0]")

    kernel.interrupt()
    ran = kernel.finish(cell)

    assert (ran.status, ran.error) == ("ok", "")
    experiment_id = last_id(kernel)
    short = experiment_id.rpartition("-")[2]
    number = int(short)
    assert "This cell no longer waits; the experiment goes on." in ran.plain
    assert f"%submarine wait {number} waits for its end" in ran.plain
    assert ran.plain.startswith("▶ long  ")
    assert client.get(experiment_id).status == "Running"

    # Coming back, and leaving again.
    cell = kernel.start(f"%submarine logs {short} -f")
    kernel.until(cell, "[worker-0]")
    kernel.interrupt()
    assert "no longer waits" in kernel.finish(cell).plain

    cell = kernel.start("%submarine wait")
    kernel.until(cell, "Running")
    kernel.interrupt()
    assert "no longer waits" in kernel.finish(cell).plain

    assert kernel.run(f"%submarine stop {short}").status == "ok"
    ran = kernel.run("%submarine wait")
    assert (ran.status, ran.error.split(":")[0]) == ("error", "ExperimentFailed")
    assert client.get(experiment_id).known["detail"]["reason"] == "Stopped"


def test_detach_does_not_wait(kernel: RealKernel, client: SubmarineClient) -> None:
    ran = kernel.run("%submarine run --name detached --cmd 'sleep 600' --detach")
    assert ran.status == "ok"
    (found,) = client.list(name="detached")
    assert found.status != "Succeeded"
    ran = kernel.run("%submarine wait --timeout 1s")
    assert ran.error.startswith("WaitTimeout: ")
    assert kernel.run("%submarine scale --worker 2").status == "ok"
    assert client.get(found.id).known["spec"]["spec"]["Worker"]["replicas"] == 2
    assert kernel.run(f"%submarine delete {found.id}").text == f"{found.id} is deleted\n"
    assert client.list(name="detached") == ()


def test_a_dry_run_says_whether_it_would_start_and_submits_nothing(kernel: RealKernel, client: SubmarineClient) -> None:
    ran = kernel.run("%submarine run --name dry --cmd true --cpu 10m --dry-run")
    assert ran.text.startswith("It would start now on local: it needs cpu=0.01, and cpu=")
    ran = kernel.run("%%submarine run --name dry --cpu 10000 --dry-run\nprint(1)")
    assert (ran.status, ran.error.split(":")[0]) == ("error", "InvalidSpec")
    assert client.list(name="dry") == ()


def test_tail_shows_the_end_only(kernel: RealKernel) -> None:
    lines = plain(kernel.run("%submarine run --cmd 'seq 100' --worker 2 --resources cpu=100m --tail 2"))
    assert [line for line in lines if line.startswith("[")] == [
        "[worker-0] 99",
        "[worker-0] 100",
        "[worker-1] 99",
        "[worker-1] 100",
    ]
    ran = kernel.run("%submarine logs --tail 1")
    assert ran.text == "[worker-0] 100\n[worker-1] 100\n"
    assert kernel.run("%submarine logs --tail 1 --replica worker-1").text == "[worker-1] 100\n"
    followed = plain(kernel.run("%submarine logs -f --tail 1"))
    assert sorted(line for line in followed if line.startswith("[")) == ["[worker-0] 100", "[worker-1] 100"]
    assert "Succeeded" in kernel.run("%submarine status").plain


def test_variables_of_the_notebook_in_a_loop(kernel: RealKernel, client: SubmarineClient) -> None:
    ran = kernel.run(
        "for lr in (0.5, 0.25):\n    %submarine run --name sweep-{lr} --env LR={lr} --cmd 'echo lr=$LR' --detach\n"
    )
    assert ran.status == "ok", ran
    for lr in ("0.5", "0.25"):
        (found,) = client.list(name=f"sweep-{lr}")
        found.wait(60)
        assert found.logs() == {"worker-0": [f"lr={lr}"]}
    assert "write {lr} for" in kernel.run("%submarine run --cmd x --env LR=$lr").text


def test_a_clone_and_a_scaled_one_are_the_last(kernel: RealKernel) -> None:
    kernel.run("%submarine run --name first --cmd 'sleep 600' --resources cpu=100m --detach -o first")
    kernel.run("second = first.clone(name='second')")
    assert " second  " in kernel.run("%submarine status").plain
    kernel.run("first.scale(worker=2)")
    assert " first  " in kernel.run("%submarine status").plain
    assert kernel.run("%submarine status second").text.endswith(" (second)\n")
    stopped = kernel.run("print(first.id[-4:], second.id[-4:])").text.split()
    assert len(kernel.run(f"%submarine stop {' '.join(stopped)}").shown[0][MIME]["experiments"]) == 2
    assert kernel.run(f"%submarine delete {' '.join(stopped)}").text.count("is deleted") == 2


def test_a_spec_file(kernel: RealKernel) -> None:
    kernel.run(
        "open('spec.yaml', 'w').write('''\n"
        "meta: {name: from-file, framework: standalone, cmd: 'echo $A $B; ls spec.yaml', envVars: {A: one}}\n"
        "spec: {worker: {replicas: 1}}\n''')"
    )
    ran = kernel.run("%submarine run spec.yaml --env B=two")
    assert ran.status == "ok", ran
    assert {"[worker-0] one two", "[worker-0] spec.yaml"} <= set(plain(ran))


def test_list_status_and_describe(kernel: RealKernel) -> None:
    kernel.run("%submarine run --name '<b>x' --tag shown --cmd 'echo 1' --env DATA=5")
    listed = kernel.run("%submarine list --tag shown")
    assert "&lt;b&gt;x" in listed.shown[0]["text/html"]
    assert "<b>x" not in listed.shown[0]["text/html"]
    assert listed.plain.splitlines()[2].split()[:3] == ["STATE", "EXPERIMENT", "AGE"]
    assert "Succeeded" in kernel.run("%submarine status").plain
    described = kernel.run("%submarine describe")
    assert "DATA: '5'" in described.plain
    assert "Accepted" in described.plain
    assert "&lt;b&gt;x" in described.shown[0]["text/html"]


def test_a_queue_is_shown_with_its_reason(kernel: RealKernel, client: SubmarineClient) -> None:
    free = client.targets()[0]["capacity"]["cpu"]["free"]
    busy = client.create(
        {
            "meta": {"name": "busy", "framework": "Standalone", "cmd": "sleep 600"},
            "spec": {"Worker": {"resources": f"cpu={free}"}},
        }
    )
    cell = kernel.start(f"%submarine run --name queued --cmd 'echo at last' --resources cpu={free}")
    # Which of them waits for how long is in the reason.
    kernel.until(cell, "cpu: experiment ")
    busy.stop()
    ran = kernel.finish(cell)
    assert "[worker-0] at last" in plain(ran)
    assert "Succeeded" in ran.plain


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("%submarine rum", "did you mean 'run'"),
        ("%submarine run --name x", "Nothing to run"),
        ("%%submarine list\nx", "takes no cell"),
        ("%%submarine run\n \n", "The cell is empty"),
        ("%submarine scale", "say how many replicas"),
        ("%submarine status 99999", "No experiment has an id like '99999'"),
        ("%submarine run --cmd echo hello", "to run a command, quote all of it: --cmd 'echo hello'"),
        ("%submarine run train.py", "There is no program 'train.py' in this folder"),
        ("%submarine run --cmd x --env LR={nothing}", "the notebook has no variable 'nothing'"),
        ("%submarine logs -f --since 1h", "--since does not go with --follow"),
    ],
)
def test_a_mistake_is_said_in_one_line_and_fails_the_cell(line: str, text: str, kernel: RealKernel) -> None:
    ran = kernel.run(line)
    assert ran.status == "error"
    assert ran.error == ""
    assert text in ran.text
    assert len(ran.text.strip().splitlines()) == 1


def test_what_the_server_refuses_is_said_without_a_traceback(kernel: RealKernel) -> None:
    ran = kernel.run("%submarine run --cmd x --resources cpu=lots")
    assert ran.status == "error"
    assert ran.traceback == ["InvalidSpec: spec.Worker.resources: 'cpu=lots' is not a quantity"]
    assert kernel.run("%submarine logs experiment-1-0001").traceback == [
        "NotFound: Not found experiment.",
        "Hint: The experiment may have been deleted. %submarine list shows those that exist.",
    ]


def test_without_an_experiment_there_is_no_last_one(make_kernel: MakeKernel, url: str) -> None:
    kernel = make_kernel(SUBMARINE_URL=url, SUBMARINE_TOKEN=TOKEN)
    kernel.run("%load_ext submarine_jupyter")
    assert "This notebook has no experiment yet" in kernel.run("%submarine logs").text


def test_connect_says_where_to(kernel: RealKernel, url: str) -> None:
    assert kernel.run("%submarine connect").text == f"Connected to {url} (from SUBMARINE_URL)\n"
    assert kernel.run(f"%submarine connect {url}?token={TOKEN}").text == f"Connected to {url} (as given)\n"
    ran = kernel.run(f"%submarine connect {url} --token wrong")
    assert ran.error.startswith("AuthenticationRequired: ")
    # What worked is kept.
    assert kernel.run("%submarine list --limit 1").status == "ok"


def test_help_is_text(kernel: RealKernel) -> None:
    assert "%submarine COMMAND" in kernel.run("%submarine").text
    assert "--max-run-time" in kernel.run("%submarine run --help").text


def test_tab_completes_commands_options_and_experiments_of_the_server(
    kernel: RealKernel, client: SubmarineClient
) -> None:
    kernel.run("%submarine run --name tab-one --cmd true")
    short = last_id(kernel).rpartition("-")[2]
    assert kernel.complete("%submarine st") == ["%submarine status", "%submarine stop"]
    assert kernel.complete("exp = %submarine run --fra") == ["exp = %submarine run --framework"]
    assert kernel.complete("%%submarine run --framework te") == ["%%submarine run --framework TensorFlow"]
    # What this kernel has not met is asked for; it may come with the next key press.
    deadline = time.monotonic() + 30
    while kernel.complete("%submarine logs tab-") != ["%submarine logs tab-one"] and time.monotonic() < deadline:
        time.sleep(0.1)
    assert kernel.complete("%submarine logs ")[0] == f"%submarine logs {short}"
    assert kernel.about[short].startswith("tab-one ")
    assert kernel.complete(f"x = 1\n%submarine logs {short[:-1]}")[0] == f"x = 1\n%submarine logs {short}"
    assert "import" in kernel.complete("impor")


def test_a_bar_moves_in_place_until_it_is_whole(kernel: RealKernel, tmp_path: Path) -> None:
    go = tmp_path / "go"
    script = f"printf '\\\\rstep 1/4'; until [ -e {go} ]; do sleep 0.1; done; printf '\\\\rstep 4/4\\\\n'; echo after"
    cell = kernel.start(f'%submarine run --cmd "{script}" --worker 2 --resources cpu=100m')
    before = kernel.until(cell, "[worker-0] step 1/4\n[worker-1] step 1/4")
    go.touch()
    ran = kernel.finish(cell)
    assert ran.status == "ok", ran
    for replica in ("worker-0", "worker-1"):
        assert [line for line in ran.lines if line.startswith(f"[{replica}]")] == [
            f"[{replica}] step 4/4",
            f"[{replica}] after",
        ]
    # All is one output: what was shown before is written over.
    assert len(ran.shown) == 1 == len(before.shown)


def test_a_flood_is_cut_to_its_budget_and_the_end_is_there(kernel: RealKernel) -> None:
    ran = kernel.run(
        "%submarine run --name flood --cmd 'seq -f line-%.0f-xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx 200000'"
    )
    assert ran.status == "ok", ran
    assert ran.plain.startswith("✓ flood  ")
    assert ran.lines[0].startswith("[worker-0] line-1-")
    assert ran.lines[-1].startswith("[worker-0] line-200000-")
    assert "… 199,000 lines" in ran.plain
    stored = sum(len(text.encode()) for kind, text in ran.shown[0].items() if kind.startswith("text/"))
    assert stored <= 300_000
    # What came on the way is small, however much was printed; a server cuts off what is over 1,000,000 a second.
    assert ran.size <= 300_000 + 16_000 * (ran.updates + 1)


def test_a_budget_can_be_set(kernel: RealKernel) -> None:
    kernel.run("%config SubmarineMagics.most_lines = 4")
    ran = kernel.run("%submarine run --cmd 'seq 9'")
    kernel.run("%config SubmarineMagics.most_lines = 1000")
    assert ran.lines == ["[worker-0] 1", "[worker-0] 2", "[worker-0] 8", "[worker-0] 9"]
    assert "… 5 lines left out" in ran.plain


def test_a_cell_detaches_by_setting(kernel: RealKernel) -> None:
    kernel.run("%config SubmarineMagics.detach = True")
    ran = kernel.run("%submarine run --name left --cmd 'sleep 600'")
    kernel.run("%config SubmarineMagics.detach = None")
    assert ran.status == "ok"
    assert " left  " in ran.plain
    kernel.run("%submarine stop")


def test_metrics_and_progress_are_on_the_card_and_their_reports_are_not(kernel: RealKernel) -> None:
    ran = kernel.run(
        "%%submarine run --name measured\nfrom submarine_jupyter import log_metric, progress\n"
        "for step in range(30):\n    log_metric('accuracy', step / 30, step=step)\n    progress(step + 1, 30)\n"
        "print('done')\n"
    )
    assert ran.lines == ["[worker-0] done"]
    assert re.search(r"accuracy +0.967  ▁.*█  best 0.967 at step 29", ran.plain), ran.plain
    listed = kernel.run("%submarine list --limit 1").plain
    assert "ACCURACY" in listed
    assert "0.967" in listed


def test_what_is_stopped_is_called_so(kernel: RealKernel) -> None:
    kernel.run("%submarine run --name halted --cmd 'trap \"\" TERM; sleep 600' --detach")
    stopped = kernel.run("%submarine stop").plain
    assert re.search(r"halted  \d+ +Stopp(ing|ed)", stopped), stopped
    kernel.run("%submarine wait")
    assert "Stopped" in kernel.run("%submarine list --name halted").plain
    assert "Stopped" in kernel.run("%submarine status").plain


def test_unloading_takes_it_all_away(make_kernel: MakeKernel) -> None:
    kernel = make_kernel()
    kernel.run("%load_ext submarine_jupyter")
    kernel.run("%unload_ext submarine_jupyter")
    assert "not found" in kernel.run("%submarine list").text
    assert "%submarine status" not in kernel.complete("%submarine st")
    assert kernel.run("%load_ext submarine_jupyter\n%submarine help").status == "ok"


def test_metrics_of_tracking_arrive(kernel: RealKernel) -> None:
    kernel.run(
        "%%submarine run -o tracked\nfrom submarine_jupyter import log_metric\n"
        "for step in range(5):\n    log_metric('loss', 1 / (step + 1), step=step)\n"
    )
    deadline = time.monotonic() + 30
    while not (ran := kernel.run("tracked.metrics()")).plain.startswith("metric") and time.monotonic() < deadline:
        time.sleep(0.1)
    assert ran.plain.splitlines()[1].split() == ["loss", "worker-0", "0.2", "0.2", "1", "4", "5"]


def test_colours_of_a_log_stay_and_its_control_sequences_do_not(kernel: RealKernel) -> None:
    ran = kernel.run(r"%submarine run --cmd 'printf \\033[31mred\\033[0m\\033]0;title\\007\\n'")
    assert '<span style="color:#e5484d">red</span>' in ran.shown[0]["text/html"]
    assert ran.lines == ["[worker-0] red"]
    assert "\x1b" not in ran.plain
