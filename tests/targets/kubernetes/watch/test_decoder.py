"""Lines come out of chunks as they went in, wherever they were cut."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from submarine_jupyter_server.targets.kubernetes.watch.decoder import events


async def _read(data: bytes, cuts: list[int]) -> list[tuple[str, dict[str, Any]]]:
    async def chunks() -> AsyncIterator[bytes]:
        for start, end in pairwise([0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]):
            yield data[start:end]

    return [event async for event in events(chunks())]


@given(
    st.lists(st.dictionaries(st.text(max_size=3), st.text(max_size=5), max_size=3), max_size=5),
    st.lists(st.integers(min_value=0)),
    st.sampled_from([b"", b"\n", b"\r\n", b'{"type": "ADDED"', b"<html>"]),
)
def test_any_cuts(objects: list[dict[str, str]], cuts: list[int], rest: bytes) -> None:
    lines = [json.dumps({"type": "ADDED", "object": one}, ensure_ascii=False).encode() for one in objects]
    data = b"".join(line + b"\n" for line in lines) + rest
    assert asyncio.run(_read(data, cuts)) == [("ADDED", one) for one in objects]
