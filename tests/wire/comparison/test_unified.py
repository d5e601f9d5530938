"""The difference of two texts is that of difflib, and whatever the texts are, found with bounded work."""

from __future__ import annotations

import difflib
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from submarine_jupyter_server.wire.comparison import unified as module
from submarine_jupyter_server.wire.comparison.unified import unified

NAMES = ("a/x", "b/x")
lines_ = st.lists(st.sampled_from(["a", "b", "", " c", "-d", "@@"]), max_size=40)
texts = lines_.map(lambda lines: "".join(f"{line}\n" for line in lines))


def applied(before: str, difference: str) -> str:
    """Return what a difference makes of a text."""
    if not difference:
        return before
    old, new, at = before.splitlines(keepends=True), [], 0
    for line in difference.replace("\n\\ No newline at end of file", "\\").splitlines()[2:]:
        text = line[1:-1] if line.endswith("\\") else f"{line[1:]}\n"
        if line.startswith("@@"):
            start, _, length = line.split()[1][1:].partition(",")
            begin = int(start) - (length != "0")
            new += old[at:begin]
            at = begin
        elif line[0] in " -":
            assert old[at] == text
            new += [text] if line[0] == " " else []
            at += 1
        else:
            new.append(text)
    return "".join([*new, *old[at:]])


@given(texts, texts)
def test_a_difference_leads_from_one_text_to_the_other(before: str, after: str) -> None:
    found = unified(before, after, NAMES)
    assert applied(before, found) == after
    assert (found == "") is (before == after)


def changed(difference: str) -> int:
    return sum(line.startswith(("+", "-")) for line in difference.splitlines()[2:])


@given(texts, st.integers(0, 39), st.sampled_from(["new\n", ""]))
def test_one_changed_line_is_shown_as_difflib_does(before: str, at: int, line: str) -> None:
    lines = before.splitlines(keepends=True)
    after = [*lines[:at], line, *lines[at + 1 :]]
    found = unified(before, "".join(after), NAMES)
    expected = "".join(difflib.unified_diff(lines, [one for one in after if one], *NAMES))
    # Among lines that are alike another one may be meant, with more or fewer around it: as many are changed.
    assert changed(found) <= changed(expected)


def test_the_end_of_a_text_without_a_line_feed_is_said() -> None:
    found = unified("one\ntwo", "one\ntwo\n", NAMES)
    assert found == "--- a/x\n+++ b/x\n@@ -1,2 +1,2 @@\n one\n-two\n\\ No newline at end of file\n+two\n"
    assert unified("", "one\n", NAMES) == "--- a/x\n+++ b/x\n@@ -0,0 +1 @@\n+one\n"


def shuffled(lines: int, kinds: int, seed: int) -> str:
    chosen = random.Random(seed)
    return "".join(f"{chosen.randrange(kinds)}\n" for _ in range(lines))


@pytest.mark.parametrize("kinds", [2, 150, 5000, 10**9])
def test_texts_of_a_mebibyte_cost_bounded_work(kinds: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_WORK", 50_000)
    before, after = shuffled(100_000, kinds, 1), shuffled(100_000, kinds, 2)
    found = unified(before, after, NAMES)
    assert applied(before, found) == after
