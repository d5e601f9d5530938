"""What a handle can do beyond waiting, with a real server."""

from __future__ import annotations

from typing import Any

import pytest

from submarine_jupyter import InvalidRequest, SubmarineClient
from submarine_jupyter.client.frames import pandas
from submarine_jupyter.display.plots import Picture, svg
from tests.kernel.client.test_client import spec


def test_names_of_the_documents_do_too(client: SubmarineClient) -> None:
    body = spec("echo loss=2 step=1; echo loss=1 step=2", name="named", envVars={"A": "1"})
    experiment = client.create({**body, "runtime": {"params": {"lr": 0.1}}}).wait(60)
    camel: Any = experiment  # a type checker knows the names of Python only

    assert camel.acceptedTime == experiment.accepted_time
    assert camel.experimentId == experiment.id
    times = (experiment.accepted_time, experiment.created_time, experiment.running_time, experiment.finished_time)
    assert list(times) == sorted(filter(None, times))
    assert camel.spec.meta.envVars == experiment.spec.meta.env_vars == {"A": "1"}
    for unknown in ("acceptedTimes", "experiment_idd", "_known_"):
        with pytest.raises(AttributeError, match=unknown):
            getattr(experiment, unknown)
    with pytest.raises(AttributeError, match="envVar"):
        _ = camel.spec.meta.envVar
    assert experiment.params == {"lr": 0.1}
    assert [event["status"] for event in experiment.events() if event["status"]][-1] == "Succeeded"
    assert "loss=2" in str(experiment.describe())
    assert experiment.why() == "Succeeded: nothing else is known"
    again = experiment.rerun(params={"lr": 0.2}, name="again", env={"B": 2})
    assert "+lr: 0.2" in experiment.diff(again).params
    assert again.spec.meta.env_vars == {"A": "1", "B": "2"}


def test_a_copy_of_a_list_entry_has_its_code(client: SubmarineClient) -> None:
    body = spec('python "$CODE_PATH/a.py"', name="coded")
    client.create({**body, "code": {"syncMode": "inline", "files": {"a.py": "print(42)"}}}).wait(60)
    (listed,) = client.list(name="coded")
    assert listed.clone(name="copy").wait(60).logs() == {"worker-0": ["42"]}


def test_measured_points_are_a_data_frame(client: SubmarineClient) -> None:
    experiment = client.create(spec("for i in 1 2 3; do echo loss=$i step=$i; done")).wait(60)
    while (metrics := experiment.metrics()).note is not None:
        pass  # the server waits itself
    assert repr(metrics.plot("loss")).startswith(("loss worker-0: 3 at 3", "<Axes"))
    pytest.importorskip("pandas")
    assert list(metrics.to_pandas()["value"]) == [1.0, 2.0, 3.0]


def test_a_picture_has_every_curve_and_nothing_that_is_not_finite() -> None:
    curves = {"<b>": [(0.0, 1.0), (1.0, float("nan")), (2.0, 3.0)], "flat": [(1.0, 2.0)], "empty": []}
    picture = Picture(curves)
    html = picture._repr_mimebundle_()["text/html"]
    assert repr(picture) == "<b>: 3 at 2\nflat: 2 at 1"
    assert "&lt;b&gt;: 3 at 2" in html
    assert "<b>" not in html
    assert svg({"one": [(0.0, 1.0), (2.0, 3.0)]}).count("<polyline") == 1
    assert Picture({})._repr_mimebundle_() == {"text/plain": "no points yet", "text/html": "<p>no points yet</p>"}


def test_without_pandas_it_is_said_how_to_get_it() -> None:
    try:
        import pandas as pd  # type: ignore[import-untyped,unused-ignore]
    except ImportError:
        with pytest.raises(InvalidRequest, match=r"needs pandas, which is not installed. \(%pip install pandas\)"):
            pandas()
    else:
        assert pandas() is pd
