"""Whatever a client sends is a request or is refused, and what is sent can be read."""

from __future__ import annotations

import json
import struct
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from submarine_jupyter.errors import InvalidRequest
from submarine_jupyter_server.wire.frames import FollowLog, FollowRows, Leave, Pay, log_frame, parse, rows_frame

ID = "experiment-1647574374688-0002"
values = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.sampled_from([ID, "worker-0"])
)
names = st.sampled_from(["op", "ch", "after", "experimentId", "replica", "credit", "attempt", "offset", "tail", "skip"])
requests = st.dictionaries(names, values | st.sampled_from(["rows", "log", "credit", "close"]))


@given(requests.map(json.dumps) | st.text(max_size=30) | st.binary(max_size=30))
def test_any_message_is_a_request_or_refused(message: str | bytes) -> None:
    with suppress(InvalidRequest):
        assert isinstance(parse(message), FollowRows | FollowLog | Pay | Leave)


def test_requests() -> None:
    assert parse('{"op": "rows", "ch": 0}') == FollowRows(0)
    assert parse('{"op": "rows", "ch": 4294967295, "after": "1.2"}') == FollowRows(2**32 - 1, "1.2")
    log = {"op": "log", "ch": 3, "experimentId": ID, "replica": "worker-0", "credit": 5, "tail": None}
    assert parse(json.dumps(log)) == FollowLog(3, ID, "worker-0", 5)
    assert parse(json.dumps(log | {"offset": 2**53 - 1, "skip": True})).offset == 2**53 - 1  # type: ignore[union-attr]
    assert parse('{"op": "credit", "ch": 3, "bytes": 7}') == Pay(3, 7)
    assert parse('{"op": "close", "ch": 3}') == Leave(3)
    with pytest.raises(InvalidRequest, match="give one of them"):
        parse(json.dumps(log | {"offset": 1, "tail": 1}))


@given(st.integers(0, 2**32 - 1), st.integers(0, 2**53 - 1), st.binary(max_size=20))
def test_a_log_frame_is_read_back(ch: int, offset: int, data: bytes) -> None:
    frame = log_frame(ch, offset, data)
    assert (*struct.unpack(">Id", frame[:12]), frame[12:]) == (ch, offset, data)


def test_rows_frames() -> None:
    assert json.loads(rows_frame(7, [])) == {"ch": 7, "rows": []}
    found = json.loads(rows_frame(7, ['{"a":1}', '{"b":2}'], gone=[ID], cursor="1.2", snapshot=True))
    assert found == {"ch": 7, "rows": [{"a": 1}, {"b": 2}], "gone": [ID], "snapshot": True, "cursor": "1.2"}
