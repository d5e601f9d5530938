"""What we wrote and what the stream says of it are brought together in the right order."""

from __future__ import annotations

from collections import deque
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from submarine_jupyter_server.targets.kubernetes.watch import cache as mirror_module
from submarine_jupyter_server.targets.kubernetes.watch.cache import CollectionCache
from tests.targets.kubernetes.followed import Change, View, replayed, thing, view

NAMES = st.sampled_from(["a", "b"])


def made() -> tuple[CollectionCache[View], list[Change]]:
    told: list[Change] = []
    return CollectionCache("things", view, lambda name, old, new: told.append((name, old, new))), told


class Together(RuleBasedStateMachine):
    """A server, a stream that is behind it, answers to writes that arrive at any time after, and reading all anew."""

    def __init__(self) -> None:
        super().__init__()
        self.mirror, self.told = made()
        self.revision = 1
        self.items: dict[str, dict[str, Any]] = {}
        self.stream: deque[tuple[str, dict[str, Any]]] = deque()
        self.answers: list[dict[str, Any]] = []
        self.shown: dict[str, int] = {}
        self.merged: dict[str, int] = {}
        self.ended: dict[str, int] = {}

    @initialize()
    def begin(self) -> None:
        self.mirror.begin()
        self.mirror.end("1")

    def written(self, name: str) -> dict[str, Any]:
        self.revision += 1
        known = self.items.get(name)
        uid = known["metadata"]["uid"] if known else f"u-{self.revision}"
        self.items[name] = thing(name, self.revision, self.revision, uid)
        self.stream.append(("MODIFIED" if known else "ADDED", self.items[name]))
        return self.items[name]

    def merge(self, item: dict[str, Any]) -> None:
        self.mirror.merge(item)
        name, version = item["metadata"]["name"], int(item["metadata"]["resourceVersion"])
        self.merged[name] = max(version, self.merged.get(name, 0))

    @rule(name=NAMES)
    def somebody_deletes(self, name: str) -> None:
        if (item := self.items.pop(name, None)) is None:
            return
        self.revision += 1
        self.ended[name] = self.revision
        uid = item["metadata"]["uid"]
        self.stream.append(("DELETED", thing(name, self.revision, item["value"], uid)))

    @rule(name=NAMES)
    def other_writes(self, name: str) -> None:
        self.written(name)

    @rule(name=NAMES)
    def we_write(self, name: str) -> None:
        self.answers.append(self.written(name))

    @rule(number=st.integers(0, 9))
    def answer_arrives(self, number: int) -> None:
        if self.answers:
            self.merge(self.answers.pop(number % len(self.answers)))

    @rule(number=st.integers(1, 2))
    def stream_goes_on(self, number: int) -> None:
        for _ in range(min(number, len(self.stream))):
            kind, item = self.stream.popleft()
            if kind == "DELETED":
                self.mirror.drop(item)
            else:
                self.mirror.put(item)

    @rule(middle=st.booleans(), late=st.booleans(), name=NAMES)
    def all_is_read_anew(self, middle: bool, late: bool, name: str) -> None:
        """Answers arrive before, or when their objects were read already; one may be to a write during it."""
        if not late:
            self.all_answers_arrive()
        self.mirror.begin()
        self.stream.clear()
        state, at = list(self.items.values()), self.revision
        if middle:
            self.merge(self.written(name))
        for item in state:
            self.mirror.put(item)
        self.all_answers_arrive()
        self.mirror.end(str(at))
        for item in state:
            assert self.mirror.views[item["metadata"]["name"]].value >= item["value"]

    def all_answers_arrive(self) -> None:
        for item in self.answers:
            self.merge(item)
        self.answers = []

    @invariant()
    def nothing_goes_back(self) -> None:
        """Values are revisions: an object that is shown is never replaced by an older state of that name."""
        for name, found in self.mirror.views.items():
            assert found.value >= self.shown.get(name, 0)
            self.shown[name] = found.value

    @invariant()
    def what_we_wrote_is_there(self) -> None:
        for name, version in self.merged.items():
            if version > self.ended.get(name, 0):
                assert self.mirror.views[name].value >= version

    @invariant()
    def changes_add_up(self) -> None:
        assert replayed(self.told) == self.mirror.views

    def teardown(self) -> None:
        self.stream_goes_on(len(self.stream))
        self.all_answers_arrive()
        assert self.mirror.views == {name: view(item) for name, item in self.items.items()}


TestTogether = Together.TestCase
TestTogether.settings = settings(max_examples=200, deadline=None)


def test_versions_that_are_no_numbers_are_not_compared() -> None:
    """Then whatever comes last counts."""
    mirror, _ = made()
    mirror.begin()
    mirror.end("x1")
    strange = thing("a", 0, 1)
    strange["metadata"]["resourceVersion"] = "b7"
    mirror.merge(strange)
    assert mirror.views["a"].value == 1
    other = thing("a", 0, 2)
    other["metadata"]["resourceVersion"] = "a9"
    mirror.put(other)
    assert mirror.views["a"].value == 2


def test_an_etcd_that_counts_from_before_is_believed_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    mirror, _ = made()
    mirror.begin()
    mirror.end("100")
    mirror.merge(thing("a", 101, 1))
    mirror.put(thing("a", 50, 2))
    assert mirror.views["a"].value == 1
    monkeypatch.setattr(mirror_module, "AHEAD_S", 0.0)
    mirror.put(thing("a", 51, 3))
    assert mirror.views["a"].value == 3


def test_a_poisoned_object_in_the_place_of_another_does_not_keep_its_view() -> None:
    mirror, told = made()
    mirror.begin()
    mirror.put(thing("a", 1, 1))
    mirror.end("1")
    mirror.put({**thing("a", 3, uid="other"), "value": "?"})
    assert mirror.views == {}
    assert list(mirror.quarantined) == ["a"]
    assert told[-1] == ("a", View("a", "u-a", 1), None)
    mirror.begin()
    mirror.end("5")
    assert not mirror.quarantined


def test_the_late_end_of_an_object_does_not_take_the_next_one_of_its_name() -> None:
    mirror, told = made()
    mirror.begin()
    mirror.put(thing("a", 1, 1, "first"))
    mirror.end("1")
    mirror.merge(thing("a", 6, 6, "second"))
    mirror.drop(thing("a", 5, 1, "first"))
    mirror.put(thing("a", 6, 6, "second"))
    assert told == [("a", None, View("a", "first", 1)), ("a", View("a", "first", 1), View("a", "second", 6))]


def test_a_late_answer_does_not_replace_what_was_just_read_anew() -> None:
    mirror, _ = made()
    mirror.begin()
    mirror.put(thing("a", 9, 9))
    mirror.merge(thing("a", 8, 8))
    mirror.end("10")
    assert mirror.views["a"].value == 9
