"""Rows that are remembered: in order, never back in time, and only so many."""

from __future__ import annotations

from submarine_jupyter_server.feed.row_texts import Row, RowTexts
from submarine_jupyter_server.store.annotations.row_changes import Place


def row(seq: int, text: str | None, owner: str = "ann") -> Row:
    return Row(seq, f"experiment-1-{seq:04}", owner, text)


def at(number: int) -> Place:
    return Place(number, number, number)


def changed(*rows: Row) -> dict[str, Row]:
    return {each.experiment_id: each for each in rows}


def test_rows_are_newest_first_whatever_came_first() -> None:
    texts = RowTexts()
    texts.begin([row(2, "two"), row(1, "one")], at(5))
    texts.go_on(changed(row(4, "four"), row(3, "three")), at(5), at(7))
    assert (texts.of(None), texts.place) == (["four", "three", "two", "one"], at(7))


def test_what_is_deleted_is_forgotten() -> None:
    texts = RowTexts()
    texts.begin([row(2, "two"), row(1, "one")], at(5))
    texts.go_on(changed(row(2, None)), at(5), at(6))
    assert texts.of(None) == ["one"]


def test_older_changes_change_nothing() -> None:
    texts = RowTexts()
    texts.begin([row(1, "new")], at(5))
    texts.go_on(changed(row(1, "old")), at(3), at(4))
    assert (texts.of(None), texts.place) == (["new"], at(5))


def test_changes_that_leave_a_gap_change_nothing() -> None:
    texts = RowTexts()
    texts.begin([row(1, "one")], at(5))
    texts.go_on(changed(row(1, "later")), at(6), at(7))
    assert (texts.of(None), texts.place) == (["one"], at(5))


def test_an_older_snapshot_takes_the_place_of_no_newer_one() -> None:
    texts = RowTexts()
    texts.begin([row(1, "new")], at(5))
    texts.begin([row(1, "old")], at(4))
    assert texts.of(None) == ["new"]


def test_only_so_much_is_remembered_and_room_is_given_back() -> None:
    texts = RowTexts(10)
    texts.begin([row(1, "12345"), row(2, "12345")], at(1))
    for number in range(2, 6):
        texts.go_on(changed(row(1, f"1234{number}")), at(number - 1), at(number))
    assert texts.of(None) == ["12345", "12345"]
    texts.go_on(changed(row(3, "1")), at(5), at(6))
    assert (texts.of(None), texts.place) == ([], None)


def test_a_reading_that_has_become_too_large_stays_forgotten() -> None:
    texts = RowTexts(10)
    texts.begin((), at(1))
    for number in range(1, 100):
        texts.add([row(number, "12345")])
    assert (texts.rows(), texts.place) == ([], None)
