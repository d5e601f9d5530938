"""Lines for people: the same however the bytes arrived, and never able to steer a terminal or a page."""

from __future__ import annotations

import json
import re
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from submarine_jupyter_server.logs.lines.view import LINE_BYTES, LineView, lines_json, shown

COLOUR = re.compile(r"\x1b\[[0-9;:]{0,64}m")
FORBIDDEN = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f]")

CONTROLS = [
    b"\n", b"\r", b"\r\n", b"\r\r\n", b"\t", b"\x00", b"\x07", b"\x08", b"\x18", b"\x7f",
    b"\x1b", b"\x1b[", b"\x1b]", b"\x1bP", b"\x1b_", b"\x1b\\", b"\x1bc", b"\x1b(B", b"m", b"H",
    b"\x1b[31m", b"\x1b[0m", b"\x1b[38;5;1m", b"\x1b[2J", b"\x1b[?25l", b"\x1b[>4;2m", b"\x1b[1;",
    b"\x1b]8;;http://x\x07", b"\x1b]52;c;AAAA\x1b\\", b"\x1b]0;title\x07", b"\xc2\x9b", b"\xc2\x9d", b"\xc2\x9c",
]  # fmt: skip
PARTS_OF_CHARACTERS = [b"\x9b", b"\xc3", b"\xa9", b"\xe2\x82", b"\xac", b"\xf0\x9f\x9a", b"\x80", b"\xed\xa0\x80"]
nasty = st.sampled_from([*CONTROLS, *PARTS_OF_CHARACTERS, b"\xef\xbb\xbf", b"abc", b"50%", b"<b>"])
streams = st.lists(st.one_of(nasty, st.binary(max_size=5)), max_size=40).map(b"".join)


def view(pieces: list[bytes]) -> list[str]:
    lines = LineView()
    found = [line for piece in pieces for line in lines.feed(piece)]
    return [*found, lines.rest()]


def cut(data: bytes, at: list[int]) -> list[bytes]:
    places = [0, *sorted(place % (len(data) + 1) for place in at), len(data)]
    return [data[start:stop] for start, stop in pairwise(places)]


@given(streams, st.lists(st.integers(0, 1000)))
@example(b"a\r\nb", [2])
@example(b"10%\r20%\r\nx", [4, 8])
@example(b"\x1b]8;;http://x\x07text", [3, 9])
def test_does_not_depend_on_how_the_bytes_arrived(data: bytes, at: list[int]) -> None:
    assert view(cut(data, at)) == view([data]) == [shown(line) for line in data.split(b"\n")]


@given(streams)
def test_no_control_but_colour_and_tab_gets_through(data: bytes) -> None:
    for line in view([data]):
        assert not FORBIDDEN.search(COLOUR.sub("", line))
        assert shown(line.encode()) == line


@given(streams)
def test_is_valid_json(data: bytes) -> None:
    lines = view([data])
    for text in (json.dumps(lines), json.dumps(lines, ensure_ascii=False)):
        assert json.loads(text.encode()) == lines
    assert lines_json(lines) == json.dumps(lines)


def test_no_lines_are_no_json() -> None:
    assert lines_json([]) == ""


@pytest.mark.parametrize(
    "line", ["", "plain ~!", 'a "word"', '"', "back\\slash", "tab\t", "\x1b[31mred", "Wörter", "\ud7ff"]
)
def test_each_sign_is_json(line: str) -> None:
    for lines in ([line], [line, line], ["before", line, "behind"]):
        assert lines_json(lines) == json.dumps(lines)


@pytest.mark.parametrize("size", [LINE_BYTES - 1, LINE_BYTES, LINE_BYTES + 1])
@pytest.mark.parametrize("place", range(3))
def test_a_long_line_is_cut_wherever_it_is(size: int, place: int) -> None:
    others = [b"short", b"y" * LINE_BYTES, b"", b"x" * (LINE_BYTES // 2)]
    lines = [*others[:place], b"z" * size, *others[place:]]
    assert LineView().feed(b"\n".join(lines) + b"\n") == [shown(line) for line in lines]


@given(st.text(st.characters(exclude_categories=["Cc", "Cs"])))
def test_text_is_left_alone(text: str) -> None:
    assert shown(text.encode()) == text


@pytest.mark.parametrize(
    ("raw", "line"),
    [
        (b"caf\xe9 \xff", "caf\ufffd \ufffd"),
        (b"one\r", "one"),
        (b" 10%|#   |\r 50%|##  |\r100%|####|", "100%|####|"),
        (b"\x1b[1;31mred\x1b[0m", "\x1b[1;31mred\x1b[0m"),
        (b"\x1b[38:2::255:0:0mtrue\x1b[m", "\x1b[38:2::255:0:0mtrue\x1b[m"),
        (b"a\x1b[2Jb\x1b[10;20Hc\x1b[?1049hd", "abcd"),
        (b"\x1b]8;;https://evil.example\x1b\\click\x1b]8;;\x1b\\ here", "click here"),
        (b"\x1b]52;c;cm0gLXJmIC8=\x07copied", "copied"),
        (b"\x1b]0;title never ended", ""),
        (b"\x1bP1;2|device\x1b\\after", "after"),
        (b"\xc2\x9b31mC1\xc2\x9d0;t\xc2\x9c.", "C1."),
        (b"bell\x07 null\x00 back\x08\x08 del\x7f", "bell null back del"),
        (b"\x1b[200~paste\x1b[201~", "paste"),
        (b"\x1b[31", ""),
        (b"\x1b\x07[31m", "[31m"),
        (b"\x1b[" + b"1;" * 200 + b"mx", "x"),
        (b"tab\there", "tab\there"),
    ],
)
def test_shows(raw: bytes, line: str) -> None:
    assert shown(raw) == line


def test_cuts_long_lines() -> None:
    short = b"x" * LINE_BYTES
    assert shown(short) == short.decode()
    assert shown(short + b"y" * 10) == short.decode() + " … [10 more bytes in this line]"
    # A character that the cut goes through is left out; the last part of a progress bar is what counts.
    assert shown(b"old\r" + b"x" + "é".encode() * LINE_BYTES).startswith("x" + "é" * 10)
    assert "\ufffd" not in shown(b"x" + "é".encode() * LINE_BYTES)
    assert shown(short * 3 + b"\r100%") == "100%"


@pytest.mark.parametrize("chunk", [1000, LINE_BYTES - 1, LINE_BYTES * 3])
def test_long_lines_do_not_depend_on_chunks_and_hold_no_memory(chunk: int) -> None:
    data = "é".encode() * LINE_BYTES + b"\xff\r" + b"12345" * LINE_BYTES + b"\nnext\n" + b"a" * (LINE_BYTES + 1)
    pieces = [data[at : at + chunk] for at in range(0, len(data), chunk)] if chunk else [data]
    assert view(pieces) == [shown(line) for line in data.split(b"\n")]
    lines = LineView()
    for _ in range(100):
        assert lines.feed(b"z" * LINE_BYTES) == []
    assert lines.rest().endswith(f" … [{99 * LINE_BYTES} more bytes in this line]")
