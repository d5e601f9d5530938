from __future__ import annotations

from typing import Any

import pytest

from submarine_jupyter.errors import ExperimentFailed
from submarine_jupyter.script.failures import explained, more_memory

CODE = "/d/work/experiment-1795829707130-0002/1/code/train.py"
MESSAGE = f'e-1 (nb): worker-0 failed with exit code 1; last lines:\n  File "{CODE}", line 3\nNameError: no x'
SIGN = {"text": "NameError: no x", "where": f"{CODE}:3"}


def known(resources: str = "", sign: dict[str, Any] | None = None) -> dict[str, Any]:
    detail = {"firstError": sign} if sign else {}
    return {"spec": {"spec": {"Worker": {"replicas": 1, "resources": resources}}}, "detail": detail}


def test_what_stands_above_is_not_said_again() -> None:
    error = explained(ExperimentFailed(MESSAGE), known(sign=SIGN), "Cell In[4]", shown=True)

    assert error.message == "e-1 (nb): worker-0 failed with exit code 1\nCell In[4], line 3: NameError: no x"


def test_what_stands_nowhere_is_said_once() -> None:
    error = explained(ExperimentFailed(MESSAGE), known(sign=SIGN), "Cell In[4]", shown=False)

    assert error.message.splitlines()[1:] == ["  Cell In[4], line 3", "NameError: no x"]


@pytest.mark.parametrize(
    ("resources", "wanted"),
    [("cpu=1,memory=2G", "--memory 4G"), ("memory=512Mi", "--memory 1024Mi"), ("memory=1.5Gi", "--memory 3Gi")],
)
def test_out_of_memory_says_what_to_write(resources: str, wanted: str) -> None:
    error = explained(ExperimentFailed("e", reason="OOMKilled"), known(resources), None, shown=True)

    assert wanted in str(error.hint)
    assert more_memory(known()) is None
