"""The first error of a log: what Python really prints, what crashes leave, and which of several it is."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from submarine_jupyter_server.logs.archive import LogArchive, ReplicaLog
from submarine_jupyter_server.logs.search import errors
from submarine_jupyter_server.logs.search.errors import ErrorSign, first_in, first_of
from tests.logs.conftest import NewWriter

SECOND = 1_000_000_000
CHAINED = """
def load():
    try:
        {}["lr"]
    except KeyError as missing:
        raise RuntimeError("the settings are incomplete") from missing

load()
"""
TORCHRUN = b"""W1128 10:00:00.000 torch/distributed/elastic/agent: Sending process 12 closing signal SIGTERM
E1128 10:00:00.100 torch/distributed/elastic/multiprocessing/api.py:869] failed (exitcode: 1) local_rank: 1 (pid: 12)
Traceback (most recent call last):
  File "/usr/bin/torchrun", line 8, in <module>
    sys.exit(main())
torch.distributed.elastic.multiprocessing.errors.ChildFailedError:
============================================================
train.py FAILED
------------------------------------------------------------
Root Cause (first observed failure):
[0]:
  rank      : 1 (local_rank: 1)
  exitcode  : 1 (pid: 12)
"""
NCCL = b"""[rank0]:[E1128 10:10:00] Watchdog caught collective operation timeout: WorkNCCL(SeqNum=7, OpType=ALLREDUCE)
[rank0]: Traceback (most recent call last):
[rank0]:   File "train.py", line 3, in <module>
[rank0]:     dist.all_reduce(x)
[rank0]: torch.distributed.DistBackendError: NCCL communicator was aborted on rank 0.
"""


def write(new_writer: NewWriter, data: bytes, name: str = "worker-0", at_s: float | None = None) -> None:
    new_writer(name).write(data, None if at_s is None else int(at_s * SECOND))


@pytest.fixture
def log(archive: LogArchive, new_writer: NewWriter, experiment_id: str) -> ReplicaLog:
    new_writer("worker-0")
    return archive.replica(experiment_id, "worker-0")


def found(log: ReplicaLog) -> ErrorSign:
    sign = first_in(log)
    assert sign is not None
    return sign


def test_of_chained_exceptions_the_first_is_told(log: ReplicaLog, new_writer: NewWriter, tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text(CHAINED)
    ran = subprocess.run([sys.executable, script], capture_output=True, check=False)
    write(new_writer, b"epoch 1\n" + ran.stderr, at_s=5)
    sign = found(log)
    assert (sign.text, sign.where) == ("KeyError: 'lr'", f"{script}:4")
    assert (sign.offset, sign.at_ns, sign.echo) == (8, 5 * SECOND, False)


def test_what_is_raised_in_another_process_is_found_with_its_prefix(log: ReplicaLog, new_writer: NewWriter) -> None:
    lines = (b"Traceback (most recent call last):", b'  File "t.py", line 7, in f', b"    f()", b"ValueError: bad")
    write(new_writer, b"".join(b"[rank3]: " + line + b"\n[rank0]: step 5 loss=0.1\n" for line in lines))
    assert (found(log).text, found(log).where) == ("ValueError: bad", "t.py:7")


def test_any_class_may_be_raised(log: ReplicaLog, new_writer: NewWriter) -> None:
    write(new_writer, b'Traceback (most recent call last):\n  File "a.py", line 1\n    x()\nmy.module.Oops: no\n')
    assert found(log).text == "my.module.Oops: no"


def test_a_traceback_that_was_cut_off_counts(log: ReplicaLog, new_writer: NewWriter) -> None:
    write(new_writer, b'fine\nTraceback (most recent call last):\n  File "a.py", line 9, in <module>\n')
    assert (found(log).text, found(log).where) == ("Traceback (most recent call last):", "a.py:9")


@pytest.mark.parametrize(
    "line",
    [
        "Segmentation fault (core dumped)",
        "RuntimeError: CUDA error: device-side assert triggered",
        "torch.cuda.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB",
        "Killed",
        "bash: line 1:    42 Killed                  python train.py",
        "Memory cgroup out of memory: Killed process 42 (python)",
        "terminate called after throwing an instance of 'std::bad_alloc'",
        "2026-11-28 10:00:00,000 FATAL trainer: no data",
        "Fatal Python error: Aborted",
        "F0101 10:00:00.000000 42 check.cc:9] Check failed: n > 0",
        "bash: line 1: pyhton: command not found",
        "python: can't open file '/home/ann/tarin.py': [Errno 2] No such file or directory",
        "train.py: error: unrecognized arguments: --lrr",
        "\x1b[31mSegmentation fault\x1b[0m",
    ],
)
def test_lines_that_tell_of_an_end(log: ReplicaLog, new_writer: NewWriter, line: str) -> None:
    write(new_writer, f"loss=0.5\n{line}\n".encode())
    sign = found(log)
    assert sign.text in line
    assert (sign.offset, sign.echo) == (9, False)


@pytest.mark.parametrize(
    "line",
    [
        "loss=0.5 error=0.1",
        "Mean Squared Error: 0.25",
        "mean_absolute_error: 0.1",
        "Killed 3 idle workers",
        "INFO: no errors",
        "non-fatal warning: retrying",
        "CUDNN_STATUS_SUCCESS",
    ],
)
def test_lines_that_only_look_like_it(log: ReplicaLog, new_writer: NewWriter, line: str) -> None:
    write(new_writer, f"{line}\n".encode())
    assert first_in(log) is None


def test_what_was_handled_long_before_is_not_the_cause(log: ReplicaLog, new_writer: NewWriter) -> None:
    writer = new_writer("worker-0")
    raised = b'Traceback (most recent call last):\n  File "a.py", line 1\nValueError: %s\n'
    writer.write(raised % b"handled", 100 * SECOND)
    writer.write(b"epoch 2\n" * 100, 500 * SECOND)
    writer.write(raised % b"cause", 900 * SECOND)
    writer.write(raised % b"consequence", 930 * SECOND)
    assert found(log).text == "ValueError: cause"


def test_the_cause_is_told_and_not_its_echo(log: ReplicaLog, new_writer: NewWriter) -> None:
    cause = b'Traceback (most recent call last):\n  File "train.py", line 3\nValueError: cause\n'
    write(new_writer, cause + TORCHRUN)
    assert found(log).text == "ValueError: cause"


@pytest.mark.parametrize("echo", [TORCHRUN, NCCL])
def test_an_echo_counts_where_there_is_nothing_else(log: ReplicaLog, new_writer: NewWriter, echo: bytes) -> None:
    write(new_writer, echo)
    assert found(log).echo


def test_of_several_replicas_the_earliest_cause_is_told(
    archive: LogArchive, new_writer: NewWriter, experiment_id: str
) -> None:
    write(new_writer, NCCL, "worker-0", at_s=1)
    write(new_writer, b"ValueError: second\n", "worker-1", at_s=11)
    write(new_writer, b"ValueError: first\n", "worker-2", at_s=10)
    write(new_writer, b"ValueError: of one that went on\n", "worker-3", at_s=5)
    signs = [found(log) for log in archive.replicas(experiment_id)]
    first = first_of(signs, ["worker-0", "worker-1", "worker-2"])
    assert first is not None
    assert (first.text, first.log.name) == ("ValueError: first", "worker-2")
    only = first_of(signs[:1], ["worker-0"])
    assert only is not None
    assert only.text.startswith("[rank0]:[E1128 10:10:00] Watchdog caught")
    assert first_of([], []) is None


def test_what_is_read_and_told_is_bounded(
    log: ReplicaLog, new_writer: NewWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(errors, "READ_BYTES", 4096)
    write(new_writer, b"ValueError: too long ago\n" + b"x" * 5000 + b"\nValueError: " + b"y" * 1000 + b"\n")
    assert len(found(log).text) == 500
    monkeypatch.setattr(errors, "READ_BYTES", 1000)
    assert first_in(log) is None


def test_endless_frames_and_lines_end(log: ReplicaLog, new_writer: NewWriter) -> None:
    write(new_writer, b"Traceback (most recent call last):\n" + b"  frame\n" * 3000 + b"Killed\n" + b"z" * 100_000)
    assert found(log).text == "Killed"
