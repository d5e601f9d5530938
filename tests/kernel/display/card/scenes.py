"""Every state of the card with realistic answers of a server: name -> MIME bundle, at one moment of one clock."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from submarine_jupyter.display.card.drawing.words import code
from submarine_jupyter.display.card.experiment import Scene, Shown
from submarine_jupyter.display.card.show import (
    show_comparison,
    show_experiment,
    show_group,
    show_help,
    show_list,
    show_target,
    show_value,
)

NOW = datetime(2026, 11, 28, 14, 3, 21, tzinfo=UTC)
Document = dict[str, Any]
SCRIPT = "\n".join(
    [
        "import torch",
        *("" for _ in range(19)),
        "for epoch in range(epochs):",
        "    for x, y in loader:",
        "        loss = criterion(model(x), y)",
        "        loss.backward()",
        "print('done')",
    ]
)

TRACEBACK = "Traceback (most recent call last):"
ERROR = "ValueError: Expected input batch_size (32) to match target batch_size (64)."


def ago(**how: float) -> str:
    """Return a time before NOW as the server writes it."""
    return (NOW - timedelta(**how)).isoformat(timespec="milliseconds")


def experiment_id(number: int) -> str:
    return f"experiment-1764290000000-{number:04d}"


def replica(name: str, status: str = "Running", **more: Any) -> Document:
    role, _, index = name.rpartition("-")
    known = {
        "name": name,
        "role": role.title(),
        "index": int(index),
        "status": status,
        "exitCode": None,
        "signal": None,
        "reason": None,
        "message": None,
        "finishedTime": None,
    }
    return known | more


def experiment(number: int, name: str, state: str, **more: Any) -> Document:
    """Return what ``GET experiment/{id}?view=full`` answers, with ``detail`` of ``more``."""
    ended = state in ("Succeeded", "Failed", "Stopped")
    status = {"Stopped": "Failed", "Queued": "Accepted", "Waiting": "Created", "Starting": "Created"}.get(state, state)
    roles = more.pop("roles", {"Worker": 3})
    times = {"acceptedTime": ago(minutes=12), "createdTime": ago(minutes=12), "runningTime": None, "finishedTime": None}
    if ended or state in ("Running", "Stopping"):
        times["runningTime"] = ago(minutes=4, seconds=12)
    if ended:
        times["finishedTime"] = ago(seconds=20)
    times |= more.pop("times", {})
    spec = {
        "meta": {"name": name, "framework": more.pop("framework", "TensorFlow"), "cmd": "python train.py"},
        "spec": {role: {"replicas": count} for role, count in roles.items()},
        "code": {"files": {"train.py": SCRIPT}},
        "runtime": {"params": {"lr": 0.01, "batch": 64}},
    }
    detail = {"state": state, "reason": None, "message": None, "notes": [], "target": "local", "attempt": 1} | more
    return {
        "experimentId": experiment_id(number),
        "status": "Running" if status == "Stopping" else status,
        **times,
        "spec": spec,
        "detail": detail,
    }


def three(status: str = "Running") -> list[Document]:
    return [replica(f"worker-{index}", status) for index in range(3)]


def rising(top: float, pace: float, points: int = 60) -> list[float]:
    return [round(top * (1 - math.exp(-(at + 1) / pace)) + 0.006 * math.sin(at * 2.1), 4) for at in range(points)]


def falling(points: int = 60) -> list[float]:
    return [round(0.24 + 2.2 * math.exp(-at / 11) + 0.02 * math.sin(at * 1.7), 4) for at in range(points)]


def series(**named: list[float]) -> list[Document]:
    """Return ``series`` as ``GET {id}/metrics`` answers them."""
    return [
        {
            "name": name,
            "replica": "worker-0",
            "points": [{"step": at, "value": value, "time": None} for at, value in enumerate(values)],
        }
        for name, values in named.items()
    ]


METRICS = series(
    accuracy=rising(0.92, 14), loss=falling(), images_per_s=[5000 + 130 * math.sin(at) for at in range(60)]
)
LINES = [
    ("worker-0", "Epoch 11/20 · 938 steps · loss=0.294 accuracy=0.907 val_accuracy=0.899"),
    ("worker-1", "Epoch 11/20 · 938 steps · loss=0.291 accuracy=0.908 val_accuracy=0.901"),
    ("worker-2", "Epoch 11/20 · 938 steps · loss=0.296 accuracy=0.906 val_accuracy=0.898"),
    ("worker-0", "\x1b[32mcheckpoint saved:\x1b[0m out/ckpt-11"),
]
BARS = [(f"worker-{at}", f"Epoch 12/20:  6{at}%|██████▏   | 58{at}/938 [00:14<00:08, 40.1it/s]") for at in range(3)]
PROGRESS = {"percent": 58.0, "etaSeconds": 150, "label": "epoch 12 of 20", "source": "keras", "stalledSeconds": 0}
RUNNING = experiment(41, "mnist-tf", "Running", progress=PROGRESS, replicas=three())


def one(known: Document, **scene: Any) -> Callable[[], Document]:
    return lambda: show_experiment(known, Scene(**scene), now=NOW)


def row(
    number: int, name: str, state: str, accuracy: float | None, other: float | None, lr: float, **more: Any
) -> Document:
    known = experiment(number, name, state)
    measured = {"accuracy": accuracy, "loss": other}
    return {key: known[key] for key in ("experimentId", "status", "acceptedTime", "runningTime", "finishedTime")} | {
        "name": name,
        "state": state,
        "reason": None,
        "message": None,
        "framework": "PyTorch",
        "target": "local",
        "params": {"lr": lr, "batch": 64 if number % 2 else 32},
        "metrics": {key: value for key, value in measured.items() if value is not None},
        **more,
    }


ROWS = [
    row(46, "llama-lora", "Running", 0.882, 1.12, 2e-4),
    row(
        42,
        "bert-finetune-v2",
        "Queued",
        None,
        None,
        3e-5,
        message="worker-1 cannot be placed: 0 of 3 nodes have 4 GPUs free",
    ),
    row(
        43,
        "cifar-resnet",
        "Failed",
        None,
        2.31,
        0.1,
        message=f"worker-1 failed with exit code 1; last lines:\n{TRACEBACK}\n  File x\n{ERROR}",
    ),
    row(41, "mnist-tf", "Succeeded", 0.924, 0.243, 0.01),
    row(38, "xgb-higgs", "Succeeded", 0.871, 0.412, 0.1),
    row(37, "mnist-tf", "Stopped", 0.77, 0.69, 0.3),
]
TRIALS = [
    row(51, "mnist-lr", "Succeeded", 0.941, 0.198, 0.03),
    row(48, "mnist-lr", "Succeeded", 0.924, 0.243, 0.01),
    row(50, "mnist-lr", "Succeeded", 0.918, 0.251, 0.03),
    row(47, "mnist-lr", "Succeeded", 0.907, 0.29, 0.01),
    row(52, "mnist-lr", "Failed", None, None, 0.1, message="worker-0 failed with exit code 1"),
    row(53, "mnist-lr", "Running", 0.884, 0.355, 0.1),
    row(49, "mnist-lr", "Running", 0.702, 0.87, 0.3),
    row(54, "mnist-lr", "Queued", None, None, 0.3),
]
CURVES = {
    experiment_id(51): rising(0.945, 9, 24),
    experiment_id(48): rising(0.93, 15, 24),
    experiment_id(50): rising(0.92, 13, 24),
    experiment_id(47): rising(0.91, 19, 24),
    experiment_id(53): rising(0.9, 10, 16),
    experiment_id(49): rising(0.72, 16, 12),
}
COMPARED = {
    "experiments": [
        {
            key: one[key]
            for key in ("experimentId", "name", "status", "state", "acceptedTime", "runningTime", "finishedTime")
        }
        for one in (TRIALS[0], TRIALS[1], TRIALS[5], TRIALS[6])
    ],
    "params": [{"name": "lr", "values": [0.03, 0.01, 0.1, 0.3]}, {"name": "batch", "values": [64, 64, 64, 32]}],
    "same": {"epochs": 20, "seed": 7, "optimizer": "adam"},
    "metrics": [
        {"name": "accuracy", "last": [0.941, 0.924, 0.884, 0.702]},
        {"name": "loss", "last": [0.198, 0.243, 0.355, 0.87]},
    ],
    "otherParams": [],
    "otherMetrics": [],
}
TARGET = {
    "name": "prod",
    "kind": "kubernetes",
    "default": False,
    "namespaces": ["team-a"],
    "health": {"ok": True},
    "capacity": {
        "cpu": {"total": 96.0, "used": 65.0, "free": 31.0},
        "memory": {"total": 512 * 2**30, "used": 302 * 2**30, "free": 210 * 2**30},
        "nvidia.com/gpu": {"total": 20, "used": 15, "free": 5},
        "running": 6,
        "queued": [experiment_id(42), experiment_id(40)],
    },
}
AWAY = TARGET | {"health": {"ok": False, "message": "the API server does not answer: connection refused"}, "age": 40}
FAILED = experiment(
    43,
    "cifar-resnet",
    "Failed",
    framework="PyTorch",
    roles={"Master": 1, "Worker": 2},
    reason="ReplicaFailed",
    message=f"worker-1 failed with exit code 1; last lines:\n{TRACEBACK}",
    firstError={"replica": "worker-1", "where": "train.py:23", "text": ERROR},
)
MEMORY = experiment(
    44,
    "mnist-tf",
    "Failed",
    reason="OOMKilled",
    message="worker-1 ran out of memory: it used 2.31 GiB, 2 GiB were asked for",
    replicas=[
        replica("worker-0", "Stopped", signal="SIGTERM"),
        replica("worker-1", "Failed", exitCode=137, reason="OOMKilled"),
        replica("worker-2", "Stopped", signal="SIGTERM"),
    ],
)
WAITING = experiment(
    42,
    "bert-finetune-v2",
    "Queued",
    framework="PyTorch",
    roles={"Worker": 4},
    target="prod",
    reason="Queued",
    message="worker-1 cannot be placed: 0 of 3 nodes have 4 GPUs free; experiment-1764290000000-0038 holds 6",
    plan={"ahead": {"count": 1}, "fits": "nvidia.com/gpu=2", "since": ago(minutes=12)},
)
FLOOD = Shown(
    [("worker-0", f"{at} 0.123456789 {'x' * 55}") for at in range(3)],
    [("worker-0", f"{at} 0.123456789 {'x' * 50}") for at in (187998, 187999)],
    187_995,
    14_900_000,
    (),
    188_000,
)
HELP = [
    (
        "Run",
        [
            ("%%submarine run --worker 3", "run this cell on 3 workers and wait"),
            ("%submarine run train.py -- --lr 0.1", "a file, with its own arguments"),
        ],
    ),
    (
        "Inspect",
        [("%submarine list --where 'accuracy>0.9'", "experiments, newest first"), ("%submarine logs 41", "all lines")],
    ),
]
ATTEMPTS = [
    {"attempt": 1, "state": "Failed", "message": "exit code 1 after 2 min: CUDA error"},
    {"attempt": 2, "state": "Failed", "message": "node gpu-c was lost after 11 min"},
    {"attempt": 3, "state": "Running", "message": "runs for 6 min, from ckpt-1400"},
]
SCENES: dict[str, Callable[[], Document]] = {
    "accepted": one(experiment(45, "mnist-tf", "Accepted", times={"acceptedTime": ago(seconds=1)}), waits=True),
    "waiting": one(WAITING, waits=True, cell="Cell In[7]"),
    "starting": one(
        experiment(
            41,
            "mnist-tf",
            "Starting",
            replicas=three("Created"),
            times={"acceptedTime": ago(seconds=9)},
            message="pulling the image tensorflow/tensorflow:2.17 for worker-1 and worker-2",
        ),
        waits=True,
        cell="Cell In[4]",
    ),
    "running": one(RUNNING, waits=True, cell="Cell In[4]", series=METRICS, shown=Shown(LINES, bars=BARS, total=604)),
    "running-bare": one(experiment(41, "hello", "Running", roles={"Worker": 1}, replicas=three()[:1]), waits=True),
    "succeeded": one(
        experiment(41, "mnist-tf", "Succeeded"),
        cell="Cell In[4]",
        series=series(accuracy=rising(0.93, 16, 80), val_accuracy=rising(0.91, 17, 80), loss=falling(80)),
        shown=Shown(
            [("worker-0", "Epoch 20/20 · loss=0.243 accuracy=0.924"), ("worker-0", "saved out/model.keras (4.8 MB)")],
            total=2,
        ),
    ),
    "succeeded-bare": one(
        experiment(7, "hello", "Succeeded", roles={"Worker": 1}, framework="Standalone"),
        shown=Shown([("worker-0", "hello")], total=1),
    ),
    "failed": one(FAILED, cell="Cell In[9]"),
    "failed-memory": one(MEMORY, shown=Shown([("worker-1", "Epoch 3/20 · loss=0.61 accuracy=0.80")], total=1)),
    "stopping": one(experiment(41, "mnist-tf", "Stopping", replicas=[replica("worker-0", "Stopped"), *three()[1:]])),
    "stopped": one(experiment(41, "mnist-tf", "Stopped", message="it was stopped"), series=METRICS),
    "detached": one(RUNNING, detached=True, cell="Cell In[4]"),
    "attached": one(RUNNING, attached=True, waits=True, cell="Cell In[4]"),
    "away": one(
        RUNNING, away=NOW - timedelta(minutes=2), trouble="hub.example.org: connection refused.", series=METRICS[:2]
    ),
    "flood": one(experiment(35, "many-lines", "Succeeded", roles={"Worker": 1}, framework="Standalone"), shown=FLOOD),
    "attempts": one(RUNNING | {"detail": RUNNING["detail"] | {"attempt": 3, "attempts": ATTEMPTS}}),
    "list": lambda: show_list(ROWS, now=NOW, of="of this notebook"),
    "list-empty": lambda: show_list([], now=NOW, notices=["No target is enabled: what is submitted waits."]),
    "group": lambda: show_group(
        "mnist-lr", TRIALS, now=NOW, metric="accuracy", curves=CURVES, at_once=2, cell="Cell In[14]"
    ),
    "comparison": lambda: show_comparison(COMPARED, now=NOW, metric="accuracy", curves=CURVES, of="of mnist-lr"),
    "function": lambda: show_value(
        "train_fold(fold=3, lr=0.01)",
        "47",
        "took 12.4 s",
        "2 workers · value of worker-0, verified",
        "{'fold': 3, 'auc': 0.8712, 'best_iteration': 182}",
        code("h.result()") + " gives it again",
    ),
    "target": lambda: show_target(TARGET, now=NOW),
    "target-away": lambda: show_target(AWAY, now=NOW),
    "help": lambda: show_help(
        "%submarine",
        "runs Python as experiments on this machine or a cluster",
        HELP,
        "More of one: " + code("%submarine run --help"),
    ),
}
