from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from submarine_jupyter.client.calls.sse import Event, EventParser

LINE = st.text(st.characters(exclude_characters="\r\n\0", exclude_categories=["Cs"]), max_size=12)
NAME = LINE.filter(bool)
EVENTS = st.lists(st.tuples(LINE, NAME, st.lists(LINE, min_size=1, max_size=3)), max_size=5)


def parse(*pieces: str) -> list[Event]:
    parser = EventParser()
    return [event for piece in pieces for event in parser.feed(piece)]


@given(EVENTS, st.sampled_from(["\n", "\r", "\r\n"]), st.lists(st.integers(1, 9), min_size=1))
def test_events_do_not_depend_on_line_ends_or_on_how_they_arrive(
    events: list[tuple[str, str, list[str]]], end: str, sizes: list[int]
) -> None:
    text = "".join(
        f": comment{end}id: {number}{end}event: {name}{end}{''.join(f'data: {line}{end}' for line in data)}{end}"
        for number, name, data in events
    )
    pieces, start, turn = [], 0, 0
    while start < len(text):
        size = sizes[turn % len(sizes)]
        pieces.append(text[start : start + size])
        start, turn = start + size, turn + 1

    # The last return could be half of a line end: it waits, unless something follows.
    found = parse(*pieces, ":")

    assert found == [Event(number, name, "\n".join(data)) for number, name, data in events]


def test_an_event_that_was_cut_off_is_not_given_out() -> None:
    assert parse("id: 1\ndata: whole\n\nid: 2\ndata: ha") == [Event("1", "message", "whole")]


def test_the_id_stays_until_another_comes() -> None:
    assert [event.id for event in parse("id: 7\ndata: a\n\ndata: b\n\nid\ndata: c\n\n")] == ["7", "7", ""]


def test_comments_and_unknown_fields_are_no_events() -> None:
    assert parse(":\n\n: heartbeat\n\nretry: 10\n\n") == []
