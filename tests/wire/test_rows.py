"""A row is JSON, whatever people and programs have written into its texts."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from submarine_jupyter_server.store.annotations.housekeeping import Noted
from submarine_jupyter_server.store.lists.summaries import Summary
from submarine_jupyter_server.store.rows import ListRow
from submarine_jupyter_server.wire.encoding import time_text
from submarine_jupyter_server.wire.rows import row_json

texts = st.text(max_size=5) | st.sampled_from(['"}', "\\", "\u2028", "\ud800", "\0"])


@given(
    texts,
    texts,
    st.lists(texts),
    st.dictionaries(texts, texts | st.none() | st.booleans() | st.floats(allow_nan=False)),
    texts,
)
def test_any_text_comes_back(name: str, message: str, tags: list[str], params: dict[str, object], note: str) -> None:
    row = ListRow(
        1, "experiment-1-0001", "uid", "ann", "local", "default", name, "PyTorch", "Failed", "Stopped", message,
        (), 1, 2, 3, 1000, None, None, 5000, None, None, "",
    )  # fmt: skip
    origin = {"notebook": name, "cell": message}
    finite = {key: value for key, value in params.items() if value not in (float("inf"), float("-inf"))}
    noted = Noted(note or None, pinned=True, archived=False)
    more = (noted, origin, name or None)
    found = json.loads(row_json(Summary(row, tuple(tags), json.dumps(finite), "{}", 0, None, *more)))
    assert (found["name"], found["message"], found["tags"], found["params"]) == (name, message, tags, finite)
    assert (found["state"], found["attempt"], found["total"], found["metrics"]) == ("Stopped", 2, 3, {})
    assert (found["origin"], found.get("note", ""), found["pinned"], "archived" in found) == (origin, note, True, False)
    assert found.get("group", "") == name
    assert (found["runningTime"], found["finishedTime"]) == (None, time_text(5000))


@pytest.fixture(params=["UTC", "Asia/Shanghai", "America/St_Johns", "Europe/Berlin"])
def zone(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setitem(os.environ, "TZ", request.param)
    time.tzset()
    yield request.param
    monkeypatch.undo()
    time.tzset()


def test_times_are_those_of_the_zone(zone: str) -> None:
    # Around the hour that Berlin has twice, the end of a second, and the beginning of time.
    for ms in (0, 1, 999, 1_647_574_374_688, *range(1_603_587_600_000 - 7_200_000, 1_603_594_800_000, 299_999)):
        known = datetime.fromtimestamp(ms / 1000).astimezone().isoformat(timespec="milliseconds")
        assert time_text(ms) == known
