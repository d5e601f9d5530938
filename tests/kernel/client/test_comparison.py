"""Experiments side by side, from Python."""

from __future__ import annotations

import pytest

from submarine_jupyter import NotFound, SubmarineClient
from tests.kernel.client.test_client import spec

MISSING = "experiment-1647574374688-0002"


def test_runs_side_by_side_and_their_difference(client: SubmarineClient) -> None:
    made = []
    for lr in (0.1, 0.2):
        body = spec(f"for i in 1 2 3; do echo loss=$i.{lr * 10:.0f} step=$i; done", tags=["sweep"])
        body["runtime"] = {"params": {"lr": lr, "optimizer": "sgd"}}
        made.append(client.create(body).wait(60))
    first, second = made
    for experiment in made:
        while experiment.metrics().note is not None:
            pass  # the server waits itself

    found = client.compare(first, second.id, MISSING)

    assert [one["experimentId"] for one in found.experiments] == [first.id, second.id]
    assert (found.params, found.same) == ({"lr": [0.1, 0.2]}, {"optimizer": "sgd"})
    loss = found.metrics["loss"]
    assert (loss.last, loss.min, loss.min_step, loss.max_step) == ([3.1, 3.2], [1.1, 1.2], [1, 1], [3, 3])
    assert (found.others, found.missing) == ((), (MISSING,))
    assert [line.split()[0] for line in str(found).splitlines()[1:4]] == ["WHAT", "lr", "loss"]
    assert "<table" in found._repr_mimebundle_()["text/html"]
    listed = client.compare(where={"tag": "sweep", "sort": "param.lr"}, metrics=["acc"])
    assert [one["experimentId"] for one in listed.experiments] == [first.id, second.id]
    assert (listed.metrics["acc"].last, listed.others) == ([None, None], ("loss",))

    difference = client.diff(first, second.id)

    assert "-lr: 0.1\n+lr: 0.2\n" in difference.params
    assert "for i in 1 2 3" in difference.spec
    assert (difference.code, "+lr: 0.2" in str(difference)) == ("", True)
    assert repr(client.diff(first, first)) == f"{first.id} and {first.id} do not differ"
    with pytest.raises(NotFound):
        client.diff(first, MISSING)

    [few] = first.metrics(names=["loss", "acc"], points=4)
    assert [point.step for point in few.points] == [1, 2, 3]
    assert list(first.metrics(names=["acc"])) == []
