"""Functions of a notebook that run as experiments, with a real server, real processes and a real kernel."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from submarine_jupyter import SubmarineClient, attach, remote
from submarine_jupyter.errors import ExperimentFailed, RemoteError, UsageError, WaitTimeout
from submarine_jupyter.functions import keys
from submarine_jupyter.functions.replica import MOST_BYTES
from tests.kernel.real_kernel import MakeKernel


@pytest.fixture(autouse=True)
def runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "runtime"
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(folder))
    monkeypatch.chdir(tmp_path)
    return folder


def test_a_value_comes_back_from_the_replica_that_leads(client: SubmarineClient) -> None:
    @remote(worker=2, cpu="100m", env={"FACTOR": "2"}, client=client)
    def twice(x: int, *, plus: int = 0) -> tuple[int, str, str]:
        return int(os.environ["FACTOR"]) * x + plus, os.environ["RANK"], os.environ["WORLD_SIZE"]

    assert twice(21, plus=1) == (43, "0", "2")
    assert twice.__name__ == "twice"


def test_the_key_of_a_call_is_no_variable_of_the_function_nor_shown(client: SubmarineClient) -> None:
    call = remote(client=client)(lambda: dict(os.environ)).submit()

    assert "SUBMARINE_CALL_KEY" not in call.result()
    secrets = call.experiment.refresh().known["spec"]["runtime"]["secrets"]
    assert secrets == {"SUBMARINE_CALL_KEY": "******"}


def test_what_is_raised_is_raised_here_with_its_traceback(client: SubmarineClient) -> None:
    class Mine(Exception):
        pass

    @remote(worker=2, client=client)
    def fails(x: int) -> None:
        raise Mine("no", x)

    with pytest.raises(Exception, match="no") as caught:
        fails(3)

    assert caught.value.args == ("no", 3)
    assert "in fails\n    raise Mine(" in str(caught.value.__cause__)
    assert "Mine: ('no', 3)" in str(caught.value.__cause__)


def test_a_handle_waits_as_long_as_one_wants(client: SubmarineClient, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    os.mkfifo(gate)

    @remote(client=client)
    def waits(path: str) -> str:
        with open(path) as file:
            return file.read()

    call = waits.submit(str(gate))
    with pytest.raises(WaitTimeout):
        call.result(timeout=0.1)
    assert not call.done()
    gate.write_text("open")
    assert call.result(timeout=60) == "open"
    assert call.done()
    assert call.result() == "open"


def test_a_call_that_is_stopped_has_no_value(client: SubmarineClient, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "gate")
    call = remote(client=client)(open).submit(str(tmp_path / "gate"))

    call.stop()

    with pytest.raises(ExperimentFailed, match="stop"):
        call.result()


def test_map_is_a_group_and_keeps_the_order(client: SubmarineClient) -> None:
    @remote(cpu="100m", client=client)
    def add(x: int, y: int) -> int:
        return x + y

    assert add.map(range(4), [10, 20, 30, 40], parallel=2) == [10, 21, 32, 43]
    groups = {one.known["spec"]["runtime"]["group"]["name"] for one in client.list(name="add")}
    assert len(groups) == 1


def test_the_largest_value_comes_back_and_a_larger_one_says_what_to_do(client: SubmarineClient) -> None:
    make = remote(client=client)(os.urandom)

    assert len(make(MOST_BYTES - 1000)) == MOST_BYTES - 1000
    with pytest.raises(RemoteError, match="and 256 KiB can come back") as caught:
        make(MOST_BYTES)
    assert "return the path" in str(caught.value.hint)


def test_a_value_that_cannot_be_pickled_says_so(client: SubmarineClient) -> None:
    import threading

    with pytest.raises(RemoteError, match="The value cannot be sent: TypeError: cannot pickle"):
        remote(client=client)(threading.Lock)()


def test_arguments_that_are_too_large_or_cannot_be_sent_are_refused_before(client: SubmarineClient) -> None:
    import threading

    before = len(client.list())
    size = remote(client=client)(len)
    with pytest.raises(UsageError, match="pass the path of data"):
        size(os.urandom(600_000))
    with pytest.raises(UsageError, match="make them within the function"):
        size(threading.Lock())  # type: ignore[arg-type]
    assert len(client.list()) == before


def test_another_key_reads_nothing(client: SubmarineClient, runtime: Path) -> None:
    call = remote(client=client)(str).submit(1)
    assert "submarine-value" not in repr(list(call.experiment.logs(follow=True)))
    assert "submarine-value" not in repr(call.experiment.logs())
    assert call.result() == "1"
    assert attach(call.id, client).result() == "1"

    (runtime / keys.NAME).unlink()

    with pytest.raises(RemoteError, match="no value that is signed by your key"):
        attach(call.id, client).result()


def test_what_is_no_call_cannot_be_attached(client: SubmarineClient) -> None:
    spec = {"meta": {"name": "x", "framework": "Standalone", "cmd": "true"}, "spec": {"Worker": {}}}
    with pytest.raises(UsageError, match="is not the call of a remote function"):
        attach(client.create(spec).id, client)


@pytest.mark.parametrize(
    ("how", "said"),
    [({"wroker": 2}, "has no 'wroker'"), ({"ps": 1}, "which replica returns the value")],
)
def test_what_the_decorator_cannot_mean(how: dict[str, int], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        remote(**how)  # type: ignore[call-overload]


def test_modules_beside_the_notebook_are_found(
    client: SubmarineClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "beside.py").write_text("NAME = 'beside'\n")
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "further.py").write_text("NAME = 'further'\n")
    monkeypatch.syspath_prepend(str(tmp_path / "src"))

    @remote(client=client)
    def names() -> tuple[str, str]:
        import beside  # type: ignore[import-not-found]
        import further  # type: ignore[import-not-found]

        return beside.NAME, further.NAME

    assert names() == ("beside", "further")


def test_in_a_notebook_and_after_its_kernel_is_gone(url: str, make_kernel: MakeKernel) -> None:
    from tests.live_server import TOKEN

    server = {"SUBMARINE_URL": url, "SUBMARINE_TOKEN": TOKEN}
    first = make_kernel(**server)
    first.run("from submarine_jupyter import attach, remote\nSCALE = 10\ndef scaled(x):\n    return SCALE * x")
    assert first.run("@remote\ndef f(x):\n    return scaled(x) + 1\nf(4)").plain == "41"
    ran = first.run("@remote\ndef g(x):\n    y = 1\n    return y / x\ng(0)")
    assert ran.error == "ZeroDivisionError: division by zero"
    shown = "\n".join(ran.traceback)
    assert "Cell In[3], line 4, in g" in shown
    assert "return y / x" in shown
    call = first.run("call = f.submit(5); print(call.id)").text.strip()
    first.close()

    second = make_kernel(**server)
    assert second.run(f"from submarine_jupyter import attach\nattach({call!r}).result()").plain == "51"
